from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import Conflict, InputError, Refused
from pilotage.data import Card, Version, derive, export, exports, import_file, rows
from pilotage.ledger import entries
from pilotage.store import Workspace

from .rows_for_tests import EVALUATION_CARD, TRAINING_CARD, assistant, instruction, making, preference, training_rows, unpaired, user, write_jsonl

FORMATS = {"chat-sft": "instruction", "dpo": "preference", "kto": "unpaired"}


def publish(workspace: Workspace, given_rows: list[dict[str, Any]], *, card: Card = TRAINING_CARD, parents: tuple[str, ...] = ()) -> Version:
    operation = making(len(given_rows))
    return derive(workspace, dataset="train", kind="training", rows=given_rows, card=card, operation=operation, parents=parents)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_format_is_written_as_trl_reads_it(folder_workspace: Workspace, tmp_path: Path) -> None:
    publish(folder_workspace, [instruction("i"), preference("p"), unpaired("u", label=False)])
    (sft,) = lines(export(folder_workspace, "train", format="chat-sft", path=tmp_path / "sft.jsonl").path)
    (dpo,) = lines(export(folder_workspace, "train", format="dpo", path=tmp_path / "dpo.jsonl").path)
    (kto,) = lines(export(folder_workspace, "train", format="kto", path=tmp_path / "kto.jsonl").path)
    assert sft["messages"] == [user("Where is my parcel?"), assistant("On its way.")]
    assert (dpo["prompt"], dpo["chosen"], dpo["rejected"]) == ([user("Hi")], [assistant("Hello!")], [assistant("What?")])
    assert (kto["prompt"], kto["completion"], kto["label"]) == ([user("Hi")], [assistant("Hello!")], False)
    assert all(isinstance(row["provenance"], str) for row in (sft, dpo, kto))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), format=st.sampled_from(sorted(FORMATS)))
def test_importing_an_export_gives_the_very_same_rows(folder_workspace: Workspace, data: st.DataObject, format: str) -> None:
    version = publish(folder_workspace, data.draw(training_rows(FORMATS[format])))
    with tempfile.TemporaryDirectory() as folder:
        made = export(folder_workspace, version.id, format=format, path=Path(folder) / "out.jsonl")
        again = import_file(folder_workspace, made.path, dataset="again", kind="training", card=TRAINING_CARD, format=format, on_bad_rows="refuse")
    assert again.version.digest == version.digest
    assert list(rows(folder_workspace, again.version.id)) == list(rows(folder_workspace, version.id))


def test_the_manifest_says_what_the_file_is_and_what_it_leaves_out(workspace: Workspace, tmp_path: Path) -> None:
    version = publish(workspace, [instruction("i"), preference("p")])
    made = export(workspace, "train", format="chat-sft", path=tmp_path / "new" / "out.jsonl")
    manifest = json.loads(made.manifest.read_text())
    assert manifest["files"] == [{"name": "out.jsonl", "split": None, "sha256": hashlib.sha256(made.path.read_bytes()).hexdigest(), "rows": 1}]
    assert manifest["version"]["id"] == version.id
    assert manifest["counts"] == {"in": 2, "exported": 1, "left_out": 1}
    assert manifest["left_out"] == [{"id": "p", "reason": "chat-sft holds instruction rows, this one is of kind preference"}]
    (entry,) = entries(workspace, type="dataset.exported")
    assert (entry.subject, entry.body["counts"], entry.body["files"]) == (version.id, manifest["counts"], manifest["files"])
    (known,) = exports(workspace, "train")
    assert (known.sha256, known.manifest) == (made.sha256, manifest)


def test_the_same_export_again_is_the_same_bytes_and_one_record(folder_workspace: Workspace, tmp_path: Path) -> None:
    publish(folder_workspace, [instruction("i")])
    first = export(folder_workspace, "train", format="chat-sft", path=tmp_path / "out.jsonl")
    first.path.unlink()
    again = export(folder_workspace, "train", format="chat-sft", path=tmp_path / "out.jsonl")
    assert again == first
    assert again.path.exists()
    assert len(entries(folder_workspace, type="dataset.exported")) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["out.jsonl", "out.jsonl.manifest.json"]


def test_what_a_killed_export_left_is_taken_away_and_what_a_running_one_writes_is_not(folder_workspace: Workspace, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = tmp_path / f".rows.jsonl.{gone.pid}.abc.new", tmp_path / f".rows.jsonl.{os.getpid()}.abc.new"
    for draft in (dead, alive):
        draft.write_text("half", encoding="utf-8")
    version = publish(folder_workspace, [instruction("i")])
    export(folder_workspace, version.id, format="chat-sft", path=tmp_path / "rows.jsonl")
    assert not dead.exists()
    assert alive.exists()


def test_a_file_that_is_not_ours_is_never_overwritten(folder_workspace: Workspace, tmp_path: Path) -> None:
    publish(folder_workspace, [instruction("i")])
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Conflict):
        export(folder_workspace, "train", format="chat-sft", path=tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(InputError):
        export(folder_workspace, "train", format="chat-sft", path=tmp_path)


def test_a_refused_export_leaves_nothing_behind(folder_workspace: Workspace, tmp_path: Path) -> None:
    publish(folder_workspace, [instruction("i")])
    with pytest.raises(InputError, match="No row"):
        export(folder_workspace, "train", format="dpo", path=tmp_path / "out" / "x.jsonl")
    assert list((tmp_path / "out").iterdir()) == []
    assert entries(folder_workspace, type="dataset.exported") == []


def test_options_that_cannot_be_are_refused(folder_workspace: Workspace, tmp_path: Path) -> None:
    publish(folder_workspace, [instruction("i")])
    derive(folder_workspace, dataset="e", kind="evaluation", rows=[{"id": "a"}], card=EVALUATION_CARD, operation=making(1))
    for ref, options in (
        ("train", {"format": "alpaca"}),
        ("train", {"purpose": "fun"}),
        ("e", {}),
        ("train", {"split": {}}),
        ("train", {"split": {"train": 0.5}}),
        ("train", {"split": {"train": 1.5, "x": -0.5}}),
        ("train", {"split": {"../x": 0.5, "y": 0.5}}),
        ("train", {"split": {"train": 0.5, "holdout": 0.5}}),
    ):
        with pytest.raises(InputError):
            export(folder_workspace, ref, **({"format": "chat-sft", "path": tmp_path / "o.jsonl"} | options))


@pytest.mark.parametrize("licence", ["unknown", "CC-BY-NC-4.0", "Made-Up-1.0"])
def test_rows_that_are_not_free_leave_only_for_research(folder_workspace: Workspace, tmp_path: Path, licence: str) -> None:
    publish(folder_workspace, [instruction("i")], card=TRAINING_CARD.model_copy(update={"licence": licence}))
    with pytest.raises(Refused, match="commercial"):
        export(folder_workspace, "train", format="chat-sft", path=tmp_path / "out.jsonl")
    assert export(folder_workspace, "train", format="chat-sft", path=tmp_path / "out.jsonl", purpose="research").rows == 1


def test_a_free_card_does_not_free_rows_derived_from_others(folder_workspace: Workspace, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "source.jsonl", [{"id": "a"}])
    held = import_file(folder_workspace, source, dataset="source", kind="evaluation", card=Card(licence="CC-BY-NC-4.0")).version
    publish(folder_workspace, [instruction("i")], parents=(held.id,))
    with pytest.raises(Refused) as caught:
        export(folder_workspace, "train", format="chat-sft", path=tmp_path / "out.jsonl")
    assert "source@1: CC-BY-NC-4.0" in str(caught.value)


def test_a_split_keeps_the_rows_of_a_finding_together_and_is_decided_by_the_seed(folder_workspace: Workspace, tmp_path: Path) -> None:
    publish(folder_workspace, [instruction(f"{finding}-{index}", finding=f"f{finding}") for finding in range(20) for index in range(3)])

    def split(seed: int) -> tuple[set[str], set[str]]:
        made = export(folder_workspace, "train", format="chat-sft", path=tmp_path / "s.jsonl", split={"train": 0.9, "holdout": 0.1}, seed=seed)
        train, holdout = (lines(file.path) for file in made.files)
        assert [file.path.name for file in made.files] == ["s-train.jsonl", "s-holdout.jsonl"]
        assert len(train) + len(holdout) == made.rows == 60
        finding_of = lambda row: json.loads(row["provenance"])["lineage"]["finding"]
        return {finding_of(row) for row in train}, {finding_of(row) for row in holdout}

    train, holdout = split(1)
    assert not train & holdout
    assert (len(train), len(holdout)) == (18, 2)
    assert split(1) == (train, holdout)
    assert any(split(seed) != (train, holdout) for seed in range(2, 6))


def test_a_file_of_mixed_formats_is_quarantined_row_by_row(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "mixed.jsonl",
        [
            {"id": "a", "messages": [user("x"), assistant("y")]},
            {"id": "b", "messages": [user("x"), assistant("y")], "text": "x y"},
            {"id": "c", "prompt": [user("x")], "chosen": [assistant("y")], "rejected": [assistant("z")]},
            {"id": "d", "messages": [user("x"), assistant("y")], "provenance": "{"},
        ],
    )
    result = import_file(folder_workspace, path, dataset="t", kind="training", card=TRAINING_CARD, format="chat-sft")
    assert [(bad.line, bad.field) for bad in result.bad] == [(2, "text"), (3, "chosen"), (4, "provenance")]
    with pytest.raises(InputError):
        import_file(folder_workspace, path, dataset="e", kind="evaluation", card=EVALUATION_CARD, format="chat-sft")
