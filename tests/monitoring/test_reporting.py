"""What was found is kept once, with its figures and a ledger entry; and all of it from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pilotage.cli.main import app
from pilotage.core import InputError, NotFound
from pilotage.data import Card, import_file
from pilotage.evidence import load_evidence
from pilotage.ledger import create_workspace, entries, open_workspace, verify
from pilotage.monitoring import Window, diagnose, load_report, measure_drift, put_report, reports


def scored(n: int, seed: int, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n) + shift
    truth = (rng.random(n) < 1 / (1 + np.exp(-2 * z))).astype(int)
    return pa.table({"id": [f"{seed}-{i}" for i in range(n)], "z": z, "score": 1 / (1 + np.exp(-2 * z)), "label": truth})


def test_a_report_is_kept_once_with_its_figures_and_a_ledger_entry(workspace):
    a, b = scored(400, 1), scored(400, 2)
    found = diagnose(*(Window(t.select(["z"]), t["score"].to_numpy(), t["score"].to_numpy() >= 0.5, t["label"].to_numpy()) for t in (a, b)))
    kept = put_report(workspace, found, reference="v1", production="v2")
    assert put_report(workspace, found, reference="v1", production="v2") == kept
    assert [each.id for each in reports(workspace)] == [kept.id]
    assert kept.said == str(found.cause) and kept.body == json.loads(json.dumps(found.to_dict()))
    assert {e.id for e in load_evidence(workspace, ids=kept.evidence_ids)} == {figure.id for figure in found.figures}
    assert [entry.type for entry in entries(workspace) if entry.subject == kept.id] == ["monitor.reported"]


def test_reports_are_found_by_what_they_are_about(workspace):
    drift = measure_drift(scored(100, 1), scored(100, 2))
    kept = put_report(workspace, drift, reference="v1", production="v2", pilot_id="p1")
    assert reports(workspace, production="v2", kind="drift") == [kept] and reports(workspace, pilot_id="other") == []
    with pytest.raises(NotFound):
        load_report(workspace, "mr_nothing")


def test_the_verbs_work_on_versions(tmp_path: Path):
    import pyarrow.parquet as parquet

    location = str(tmp_path / "workspace")
    card = Card(licence="CC0-1.0", consent="generated", purposes=("test",), source="generated", contains_personal_data=False)
    with create_workspace(location, actor="test") as workspace:
        for name, table in (("before", scored(1500, 1)), ("now", scored(1500, 2, -1.0).drop_columns(["label"]))):
            rows = pa.table({**{n: table[n] for n in table.column_names}, "prompt": table["id"], "response": table["id"]})
            parquet.write_table(rows, tmp_path / f"{name}.parquet")
            import_file(workspace, tmp_path / f"{name}.parquet", dataset=name, kind="documents", card=card)

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["-w", location, "monitor", *words])
        assert result.exit_code == code, result.output
        return result.output

    leave = ("--leave-out", "id", "--leave-out", "prompt", "--leave-out", "response")
    assert "columns drifted" in run("drift", "before", "now", *leave)
    model = ("--score", "score", "--label", "label", *leave)
    assert "estimated.accuracy: 0." in run("estimate", "before", "now", *model)
    assert "training data" in run("estimate", "before", "now", *model, "--trained-on", "before", code=1)
    said = json.loads(run("explain", "before", "now", *model, "--json"))
    assert said["cause"].startswith("covariate shift") and said["n_labelled"] == 0 and "z" in said["columns"]
    assert json.loads(run("report", said["report"]))["said"] == said["cause"]
    assert "diagnosis" in run("report")
    assert isinstance(CliRunner().invoke(app, ["-w", location, "monitor", "explain", "before", "now", "--unit", "x"]).exception, InputError)
    with open_workspace(location, actor="test") as workspace:
        assert str(verify(workspace).integrity) == "ok"
