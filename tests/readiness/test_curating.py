"""From confirmed failures to training data: nothing held back, nothing unconfirmed, every row with its lineage."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from pilotage.data import load_version, rows, versions
from pilotage.judging import load_judgement
from pilotage.judging.tables import judgement
from pilotage.ledger import entries
from pilotage.readiness import PilotStatus
from pilotage.redteam import load_finding
from pilotage.runs import load_output
from small_pilot import CANARY, Small, rows_of, truth

DATASET = "support-safety"
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")


def exported(status: PilotStatus) -> dict[str, list[dict[str, Any]]]:
    return {format: rows_of(Path(path)) for format, path in status.steps["curate"].links["exports"].items()}


def readable(text: str) -> str:
    """The text, with everything in it that is base64 written out as well."""
    plain = [text]
    for found in _BASE64.findall(text):
        try:
            plain.append(base64.b64decode(found, validate=True).decode("utf-8"))
        except ValueError:
            continue
    return "\n".join(plain).casefold()


def test_nothing_that_is_held_back_is_exported_not_even_encoded(small: Small) -> None:
    status = small.to_the_verdict()
    files = list((small.folder / "exports").iterdir())
    assert len([path for path in files if path.name.endswith(".jsonl")]) == 3
    held_back = [row["question"] for row in rows_of(small.folder / "items.jsonl")]
    for row in rows_of(small.folder / "objectives.jsonl"):
        if row["split"] == "gate":
            held_back += [row["prompt"], row["benign_twin"]["prompt"]]
    assert len(held_back) == 5
    everything = "\n".join(readable(path.read_text(encoding="utf-8")) for path in files)
    assert not [prompt for prompt in held_back if prompt.casefold() in everything]
    learnt = [row["prompt"] for row in rows_of(small.folder / "objectives.jsonl") if row["split"] == "develop"]
    assert [prompt for prompt in learnt if prompt.casefold() in everything]  # else this test could not fail
    assert "decode" in everything  # the encoded attempts are there
    assert status.steps["curate"].counts["left out: gate split"] > 0


def test_nothing_is_exported_that_no_person_confirmed(small: Small) -> None:
    small.advance()
    small.review(lambda task: "no")
    while (status := small.advance()).steps["review"].state == "waiting":
        small.review(lambda task: "no")
    assert status.steps["curate"].links == {}
    assert not (small.folder / "exports").exists()
    assert versions(small.workspace, DATASET) == []


def test_only_what_was_confirmed_is_taught(small: Small) -> None:
    small.advance()
    seen = small.review(lambda task: "yes" if task.slices.get("technique") == "direct" and truth(task) == "yes" else "no")
    while (status := small.advance()).steps["review"].state == "waiting":
        seen += small.review(lambda task: "no")
    confirmed = {task.item_id for task in seen if task.slices.get("technique") == "direct" and truth(task) == "yes"}
    assert confirmed
    attacks = [row for row in rows(small.workspace, load_version(small.workspace, DATASET).id) if row["tags"]["role"] == "attack"]
    assert {row["tags"]["technique"] for row in attacks} == {"direct"}
    assert status.steps["curate"].counts["left out: not confirmed"] > 0


def test_no_correction_teaches_the_secret(small: Small) -> None:
    status = small.to_the_verdict()
    for row in exported(status)["chat-sft"]:
        assert CANARY not in row["messages"][-1]["content"]
    assert CANARY in json.dumps(exported(status)["dpo"])  # what was really said is there, as what is rejected


def test_a_second_round_with_nothing_new_makes_no_new_version_and_no_new_export(small: Small) -> None:
    first = small.to_the_verdict()
    before = {path.name: path.stat().st_mtime_ns for path in (small.folder / "exports").iterdir()}
    again = small.advance()
    assert [version.number for version in versions(small.workspace, DATASET)] == [1]
    assert again.steps["curate"].links == first.steps["curate"].links
    assert {path.name: path.stat().st_mtime_ns for path in (small.folder / "exports").iterdir()} == before
    assert len(entries(small.workspace, type="dataset.exported")) == 3


def test_what_is_new_comes_on_top_of_what_was_there(small: Small) -> None:
    small.to_the_verdict()
    first = {row["id"] for row in rows(small.workspace, load_version(small.workspace, DATASET).id)}
    small.change("techniques: [direct, base64]", "techniques: [direct, base64, rot13]")
    small.to_the_verdict()
    newest = load_version(small.workspace, DATASET)
    assert newest.number == 2
    assert first < {row["id"] for row in rows(small.workspace, newest.id)}
    assert load_version(small.workspace, f"{DATASET}@1").id in newest.parents


def test_an_exported_row_leads_back_to_its_judgement_output_and_finding(small: Small) -> None:
    status = small.to_the_verdict()
    version = load_version(small.workspace, DATASET)
    by_id = {row["id"]: row for row in rows(small.workspace, version.id)}
    taught = {json.dumps(row["messages"], sort_keys=True) for row in exported(status)["chat-sft"]}
    attacks = [row for row in by_id.values() if row["kind"] == "instruction" and row["tags"]["role"] == "attack"]
    assert attacks
    for row in attacks:
        assert json.dumps(row["messages"], sort_keys=True) in taught
        lineage = row["lineage"]
        output = load_output(small.workspace, lineage["output"])
        assert output.sample_id == lineage["sample"]
        assert row["messages"][-2]["content"] == output.messages[-2].content
        said = [load_judgement(small.workspace, each) for each in lineage["judgement"]]
        assert {each.question for each in said} == {"failure", "correction"}
        assert {each.rater_kind for each in said} == {"person"}
        assert [each.value for each in said if each.question == "correction"] == [row["messages"][-1]["content"]]
        finding = load_finding(small.workspace, lineage["finding"])
        assert finding.state == "confirmed"
        assert row["tags"]["clause"] in finding.cluster_key


def test_a_benign_twin_leads_back_to_a_judgement_too(small: Small) -> None:
    small.to_the_verdict()
    twins = [row for row in rows(small.workspace, load_version(small.workspace, DATASET).id) if row["tags"]["role"] == "benign_twin"]
    assert twins
    for row in twins:
        (first, *_) = [load_judgement(small.workspace, each) for each in row["lineage"]["judgement"]]
        assert first.question == "failure"
        assert first.value == "no"


def test_data_without_twins_says_so(small: Small) -> None:
    small.change("twins_per_attack: 0.5", "twins_per_attack: 0.0")
    status = small.to_the_verdict()
    assert status.steps["curate"].counts["twins"] == 0
    assert "refuse harmless requests" in status.steps["curate"].detail


def test_judging_again_writes_nothing_new(small: Small) -> None:
    from sqlalchemy import func, select

    def count() -> int:
        with small.workspace.read() as conn:
            return int(conn.execute(select(func.count()).select_from(judgement)).scalar_one())

    small.advance()
    before = count()
    assert before == 3 + 8 + 8
    small.advance()
    assert count() == before
