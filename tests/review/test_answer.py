"""Answering, skipping, undoing, flagging, revealing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import Conflict, InputError, ManualClock, Refused
from pilotage.judging import Item, Rubric, judgements, person
from pilotage.ledger import create_workspace, entries, verify
from pilotage.review import answer, claim, counts, flag, history, look, put_task, reveal, skip, undo, withdraw
from pilotage.store import Workspace

ANN, BEN, CAT = person("ann"), person("ben"), person("cat")


def said(workspace: Workspace, question: str = "failure", **which: Any) -> list[Any]:
    return [judgement.value for judgement in judgements(workspace, question=question, **which)]


def test_an_answer_is_one_judgement_per_question(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one", suggestion={"failure": "yes", "correction": "Sorry, no."})
    claim(workspace, "pilot", ANN)
    done = answer(
        workspace,
        task_id,
        ANN,
        {"failure": "yes"},
        idempotency_key="k",
        active_ms=4_200,
        correction="I cannot tell you that.",
        reason="it told the secret",
    )
    assert set(done.judgements) == {"failure", "correction"} and not done.late and not done.repeated
    (failure,) = judgements(workspace, question="failure")
    assert (failure.value, failure.suggestion, failure.arm, failure.active_ms) == ("yes", "yes", "suggestion_shown", 4_200)
    (correction,) = judgements(workspace, question="correction")
    assert (correction.value, correction.suggestion) == ("I cannot tell you that.", "Sorry, no.")
    assert counts(workspace, "pilot").done == 1


def test_the_same_answer_twice_counts_once(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one", overlap=2)
    claim(workspace, "pilot", ANN)
    first = answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k", active_ms=1)
    again = answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k", active_ms=2)
    assert again.repeated and (again.decision_id, again.judgements) == (first.decision_id, first.judgements)
    assert len(judgements(workspace, current_only=False)) == 1
    assert counts(workspace, "pilot").answers == 1


def test_a_key_cannot_stand_for_two_answers(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k")
    with pytest.raises(Conflict, match="key was used for another decision"):
        answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key="k")
    assert said(workspace, current_only=False) == ["yes"]


def test_two_people_may_use_the_same_key(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one", overlap=2)
    for rater, value in ((ANN, "yes"), (BEN, "no")):
        claim(workspace, "pilot", rater)
        answer(workspace, task_id, rater, {"failure": value}, idempotency_key="same")
    assert sorted(said(workspace)) == ["no", "yes"]


@pytest.mark.parametrize(
    ("answers", "options", "says"),
    [
        ({"failure": "maybe"}, {}, "'maybe' is not an option"),
        ({"failure": True}, {}, "not an option"),
        ({}, {}, "Not answered: failure"),
        ({"failure": "no", "blame": "x"}, {}, "does not ask 'blame'"),
        ({"failure": "no"}, {"correction": " \n"}, "not empty"),
        ({"failure": "no"}, {"correction": "x" * 100_001}, "longer than 100,000"),
        ({"failure": "no"}, {"active_ms": -1}, "cannot be the time spent"),
        ({"failure": "no"}, {"idempotency_key": ""}, "key of its own"),
    ],
)
def test_what_does_not_answer_the_rubric_is_refused_and_the_claim_stays(
    workspace: Workspace, put: Callable[..., str], answers: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    with pytest.raises(InputError, match=says):
        answer(workspace, task_id, ANN, answers, **{"idempotency_key": "k", **options})
    answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key="k")
    assert said(workspace) == ["no"]


def test_only_who_was_served_an_item_can_decide_on_it(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    for decide in (
        lambda: answer(workspace, task_id, BEN, {"failure": "no"}, idempotency_key="k"),
        lambda: skip(workspace, task_id, BEN),
        lambda: flag(workspace, task_id, BEN),
        lambda: reveal(workspace, task_id, BEN),
    ):
        with pytest.raises(Refused, match="not claimed"):
            decide()
    with pytest.raises(Refused, match="nothing of yours to undo"):
        undo(workspace, task_id, BEN)
    with pytest.raises(Refused, match="never served"):
        look(workspace, task_id, BEN)


def test_a_late_answer_counts_while_nobody_took_the_place(timed: Workspace, clock: ManualClock, rubric: Rubric, item: Callable[..., Item]) -> None:
    task_id = timed.write(lambda tx: put_task(tx, "pilot", item("one"), rubric, ["sample"]))
    claim(timed, "pilot", ANN, lease_s=10)
    clock.advance(11)
    claim(timed, "other queue", BEN)  # frees every lapsed claim
    assert answer(timed, task_id, ANN, {"failure": "no"}, idempotency_key="k").late
    assert counts(timed, "pilot").done == 1


def test_a_late_answer_whose_place_is_taken_is_refused_and_recorded(
    timed: Workspace, clock: ManualClock, rubric: Rubric, item: Callable[..., Item]
) -> None:
    task_id = timed.write(lambda tx: put_task(tx, "pilot", item("one"), rubric, ["sample"]))
    claim(timed, "pilot", ANN, lease_s=10)
    clock.advance(11)
    claim(timed, "pilot", BEN)
    for _ in range(2):  # sent twice, recorded once
        with pytest.raises(Conflict, match="Others have taken this item"):
            answer(timed, task_id, ANN, {"failure": "yes"}, idempotency_key="k")
    answer(timed, task_id, BEN, {"failure": "no"}, idempotency_key="k")
    assert said(timed, current_only=False) == ["no"]
    (kept,) = history(timed, ANN)
    assert (kept.kind, kept.answers) == ("refused", {"failure": "yes"})


def test_an_answer_to_a_withdrawn_task_is_refused_and_recorded(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    withdraw(workspace, [task_id])
    with pytest.raises(Conflict, match="withdrawn"):
        answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k")
    assert [decision.kind for decision in history(workspace, ANN)] == ["refused"]
    assert judgements(workspace) == []


def test_an_answered_item_is_not_answered_again_without_undoing(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one", overlap=3)
    claim(workspace, "pilot", ANN)
    answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k1")
    with pytest.raises(Conflict, match="answered this item already"):
        answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key="k2")
    with pytest.raises(Conflict, match="cannot be skipped"):
        skip(workspace, task_id, ANN)


def test_undoing_supersedes_the_answer_and_opens_the_task_for_the_same_person(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k1", correction="No.")
    undo(workspace, task_id, ANN, idempotency_key="u")
    assert undo(workspace, task_id, ANN, idempotency_key="u").repeated
    assert all(judgement.abstained for judgement in judgements(workspace))
    assert counts(workspace, "pilot").open == 1 and counts(workspace, "pilot").answers == 0
    assert claim(workspace, "pilot", BEN) == []
    answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key="k2")
    assert said(workspace) == ["no"]
    assert said(workspace, current_only=False) == ["yes", None, "no"]
    assert counts(workspace, "pilot").done == 1


def test_undoing_a_skip_takes_the_task_back_unless_others_have_it(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    skip(workspace, task_id, ANN)
    undo(workspace, task_id, ANN)
    assert claim(workspace, "pilot", BEN) == []
    skip(workspace, task_id, ANN)
    claim(workspace, "pilot", BEN)
    with pytest.raises(Conflict, match="Others have taken"):
        undo(workspace, task_id, ANN)


def test_there_is_nothing_to_undo_before_a_decision(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    with pytest.raises(Refused, match="nothing of yours to undo"):
        undo(workspace, task_id, ANN)


def test_a_repeated_skip_changes_nothing(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    skip(workspace, task_id, ANN, idempotency_key="s")
    assert skip(workspace, task_id, ANN, idempotency_key="s").repeated
    assert skip(workspace, task_id, ANN, idempotency_key="t").repeated
    assert len(history(workspace, ANN)) == 1


def test_a_flag_is_counted_once_and_can_be_lifted(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    flag(workspace, task_id, ANN, reason="the guideline does not cover this", idempotency_key="f")
    flag(workspace, task_id, ANN, idempotency_key="g")
    assert counts(workspace, "pilot").flags == 1
    assert look(workspace, task_id, ANN).flagged
    flag(workspace, task_id, ANN, flagged=False)
    assert counts(workspace, "pilot").flags == 0
    answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key="k")


def test_uncovering_blurred_content_is_recorded_the_first_time(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one", harmful=True)
    claim(workspace, "pilot", ANN)
    assert reveal(workspace, task_id, ANN)
    assert not reveal(workspace, task_id, ANN)
    assert look(workspace, task_id, ANN).revealed


def test_every_decision_is_in_the_ledger_and_free_text_only_behind_a_commitment(tmp_path: Path, rubric: Rubric, item: Callable[..., Item]) -> None:
    with create_workspace(tmp_path / "recorded") as workspace:
        task_id = workspace.write(lambda tx: put_task(tx, "pilot", item("one"), rubric, ["sample"], harmful=True))
        claim(workspace, "pilot", ANN)
        flag(workspace, task_id, ANN, reason="secret reason")
        reveal(workspace, task_id, ANN)
        answer(workspace, task_id, ANN, {"failure": "yes"}, idempotency_key="k", correction="secret text", reason="secret thought")
        undo(workspace, task_id, ANN)
        skip(workspace, task_id, ANN, reason="secret wish")
        claim(workspace, "pilot", BEN)
        with pytest.raises(Conflict):
            answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key="late", correction="secret too")
        seen = [entry for entry in entries(workspace, limit=100) if entry.type.startswith(("review.", "judgement."))]
        kinds = [entry.type for entry in seen]
        assert kinds.count("judgement.made") == 4  # two answers, and two abstentions that take them back
        assert [kind for kind in kinds if kind != "judgement.made"] == [
            "review.put",
            "review.served",
            "review.flagged",
            "review.revealed",
            "review.undone",
            "review.skipped",
            "review.served",
            "review.refused",
        ]
        assert {entry.actor for entry in seen if entry.type not in ("review.put", "review.served")} == {"ann"}
        assert "secret" not in "".join(str(entry.body) for entry in seen)
        assert verify(workspace).integrity == "ok"
