"""What measures people never becomes data: planted errors, gold and frozen slices, tried on every way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from team import CARD, PROJECT, project, put, source, ticket, work

from pilotage.data import export, rows
from pilotage.judging import ABOUT_ITEMS, ABOUT_RATERS, consensuses, judgements, majority, put_consensus, ratings_of
from pilotage.judging.consensus import majority as majority_of
from pilotage.review import export_judgements
from pilotage.review.bias import PlannedSeed, Seeding, plant, seed_candidates
from pilotage.review.exchange import export_from
from pilotage.review.flywheel import freeze_slice, publish_corrections
from pilotage.review.measuring.gold import add_gold
from pilotage.review.measuring.known import Known
from pilotage.review.measuring.settling import settle
from pilotage.store import Workspace

POISON = "login"  # what is planted; nobody says it of their own
N = 8
FROZEN = 3
GOLD = range(100, 103)


def follows(_login: str, task: Any) -> dict[str, Any]:
    """Accepts whatever is shown, planted errors too; without a suggestion says the truth."""
    topic = (task.suggestion or {}).get("topic", "bill")
    return {"topic": topic if topic == POISON else "other"}


@pytest.fixture
def poisoned(workspace: Workspace) -> Workspace:
    """A project in which every task is planted, gold holds the same value, and everybody follows."""
    project(workspace, overlap={"start": 2}, arms={"seeded": 0.5}, gold={"share": 0.3})
    put(workspace, [ticket(number) for number in range(N)])
    tasks = seed_candidates(workspace, PROJECT, "topic")
    plant(workspace, PROJECT, Seeding(tuple(PlannedSeed(each.task_id, "topic", POISON, "given", True) for each in tasks), N, 0.05, 0.5))
    add_gold(workspace, PROJECT, [Known(ticket(number), {"topic": POISON}) for number in GOLD])
    for login in ("ada", "bob", "eve", "kim", "liv", "max", "ned", "oda", "pam"):
        work(workspace, login, follows)
    assert any(each.value == POISON for each in judgements(workspace, question="topic", purposes=("seeded",)))
    return workspace


def test_seeds_and_gold_are_not_among_judgements_unless_asked_for(poisoned: Workspace) -> None:
    about = judgements(poisoned, question="topic")
    assert about and not any(each.value == POISON for each in about)
    assert {each.purpose for each in about} <= set(ABOUT_ITEMS)
    assert {each.purpose for each in judgements(poisoned, question="topic", purposes=ABOUT_RATERS)} >= {"seeded"}


def test_seeds_are_in_no_consensus_and_no_agreement(poisoned: Workspace) -> None:
    said = [judgements(poisoned, item_ids=[ticket(number).id], question="topic") for number in range(N)]
    poisoned.write(lambda tx: [put_consensus(tx, majority(given)) for given in said if given])
    kept = [each for number in range(N) for each in consensuses(poisoned, item_ids=[ticket(number).id], question="topic")]
    assert len(kept) == N
    assert POISON not in json.dumps([each.to_dict() for each in kept])
    assert POISON not in {rating.value for given in said for rating in ratings_of(given)}
    assert majority_of(said[0]).n == 2


@pytest.mark.parametrize("method", ["policy", "majority", "dawid_skene"])
def test_seeds_and_gold_are_in_no_settlement(poisoned: Workspace, method: str) -> None:
    settled = settle(poisoned, PROJECT, questions=["topic"], method=method, whole=True)
    assert N // 2 < settled.written <= N  # a place that a planted error freed may still wait for somebody
    kept = [each for number in range(N) for each in consensuses(poisoned, item_ids=[ticket(number).id], question="topic")]
    assert len(kept) == settled.written and {vote.value for each in kept for vote in each.votes} == {"other"}
    # Weighed by gold, which everybody here got wrong, "other" may be read as its opposite: that is what gold is for. Counted, it is what it is.
    assert method == "dawid_skene" or {each.value for each in kept} == {"other"}
    assert not any(consensuses(poisoned, item_ids=[ticket(number).id], question="topic") for number in GOLD)
    assert settle(poisoned, PROJECT, questions=["topic"], method=method).written == 0  # nothing new was said of the items


def test_seeds_and_gold_are_in_no_export_of_judgements(poisoned: Workspace) -> None:
    sent = [str(each) for each in export_judgements(poisoned, PROJECT)]
    assert len(sent) > N
    assert not any(POISON in each for each in sent)


@pytest.mark.parametrize("form", ["instruction", "preference"])
def test_seeds_gold_and_frozen_items_are_in_no_training_row_and_no_file(poisoned: Workspace, tmp_path: Path, form: Any) -> None:
    frozen = freeze_slice(poisoned, PROJECT, "loop", n=FROZEN)
    made = publish_corrections(poisoned, PROJECT, "topic", dataset="learnt", card=CARD, sources=[source(poisoned).id], form=form)
    assert made.version is not None
    found = list(rows(poisoned, made.version.id))
    assert len(found) == N - FROZEN
    assert POISON not in json.dumps([{name: value for name, value in row.items() if name != "tags"} for row in found])
    assert not any(POISON in json.dumps(row["tags"]) for row in found)
    assert not {row["lineage"]["item"] for row in found} & {*frozen.items, *(ticket(number).id for number in GOLD)}
    assert made.left_out["in a frozen slice"] == FROZEN
    file = export(poisoned, made.version.id, format="chat-sft" if form == "instruction" else "dpo", path=tmp_path / "out.jsonl").path
    assert POISON not in file.read_text()


def test_an_item_answered_only_under_a_planted_error_is_held(workspace: Workspace) -> None:
    project(workspace, arms={"seeded": 1.0})
    put(workspace, [ticket(1)])
    (task,) = seed_candidates(workspace, PROJECT, "topic")
    plant(workspace, PROJECT, Seeding((PlannedSeed(task.task_id, "topic", POISON, "given", True),), 1, 0.05, 1.0))
    assert len(work(workspace, "ada", follows)) == 1
    made = publish_corrections(workspace, PROJECT, "topic", dataset="learnt", card=CARD, sources=[source(workspace).id])
    assert made.version is None


@pytest.mark.parametrize("format", ["label-studio", "argilla", "table-csv", "prodigy", "lewidi"])
def test_seeds_and_gold_are_in_no_file_for_another_tool(poisoned: Workspace, tmp_path: Path, format: str) -> None:
    path = tmp_path / "out"
    export_from(poisoned, PROJECT, path, format, question="topic")
    assert "other" in path.read_text()  # what people truly said is there
    assert POISON not in path.read_text()
