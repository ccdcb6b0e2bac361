"""Bringing a pilot forward: it stops where people are needed, goes on from there, and does nothing twice."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from sqlalchemy import func, select

from pilotage.core import InputError, Unavailable
from pilotage.judging.tables import judgement
from pilotage.ledger import entries, verify
from pilotage.readiness import STEPS, cycles, find_pilot_id, moves_on, pilot_status
from pilotage.readiness.tables import pilot_cycle
from pilotage.redteam.tables import finding, finding_attempt
from pilotage.review import counts, tasks
from pilotage.review.tables import review_task
from pilotage.runs.tables import output, run
from small_pilot import Desk, Small, rows_of, write_rows

COUNTED = (run, output, judgement, review_task, finding, finding_attempt, pilot_cycle)


def rows(small: Small) -> dict[str, int]:
    """How many rows each table has, and the ledger."""
    with small.workspace.read() as conn:
        found = {table.name: int(conn.execute(select(func.count()).select_from(table)).scalar_one()) for table in COUNTED}
    return {**found, "ledger": len(entries(small.workspace, limit=100_000))}


def states(small: Small) -> dict[str, str]:
    return {name: step.state for name, step in pilot_status(small.workspace, "support-assistant").steps.items()}


def test_it_stops_at_review_and_says_what_waits_and_where(small: Small) -> None:
    status = small.advance()
    assert [status.steps[name].state for name in STEPS] == ["done"] * 4 + ["waiting"] + ["pending"] * 3
    waiting = counts(small.workspace, "support-assistant").open
    assert status.steps["review"].counts == {"open": waiting, "done": 0}
    (line,) = status.waits
    assert line.startswith(f"{waiting} items in 'support-assistant' wait")
    assert "/review/support-assistant" in line
    assert "pilotage review answer support-assistant" in line
    assert status.decision is None
    assert not status.paused


def test_it_goes_on_after_review_and_reaches_the_verdict(small: Small) -> None:
    status = small.to_the_verdict()
    assert {step.state for step in status.steps.values()} == {"done"}
    assert status.state == "decided"
    assert status.decision is not None
    assert status.decision.outcome == "fail"  # what people confirmed is open
    assert status.waits == ()


def test_somebody_who_disagrees_with_the_machine_sees_the_rest_of_the_cluster(small: Small) -> None:
    small.advance()
    seen = small.review(lambda task: "no" if task.why == ("suspected_failure",) else "yes")
    status = small.advance()
    assert status.steps["review"].state == "waiting"
    waiting = tasks(small.workspace, "support-assistant").rows
    assert {row.why for row in waiting} == {("disagreement",)}
    assert len(waiting) == 4  # six suspected failures in two clusters, one of each was seen
    assert {row.item_id for row in waiting}.isdisjoint(task.item_id for task in seen)
    small.review()
    assert small.advance().decision is not None


def test_running_again_does_nothing_twice(small: Small) -> None:
    first = small.to_the_verdict()
    before, asked = rows(small), small.desk.asked
    again = small.advance()
    assert rows(small) == before
    assert small.desk.asked == asked
    assert again.steps["evaluate"].links == first.steps["evaluate"].links
    assert again.steps["attack"].links == first.steps["attack"].links
    assert again.steps["curate"].links == first.steps["curate"].links
    assert again.decision is not None and first.decision is not None
    assert again.decision.digest == first.decision.digest


def test_running_again_before_review_queues_nothing_twice(small: Small) -> None:
    small.advance()
    before = rows(small)
    small.advance()
    assert rows(small) == before


def test_a_changed_model_starts_a_new_cycle_and_what_nobody_answered_is_withdrawn(small: Small) -> None:
    first = small.advance()
    waiting = counts(small.workspace, "support-assistant").open
    small.desk.weak = False
    second = small.advance()
    assert (first.cycle, second.cycle) == (1, 2)
    assert second.fingerprint != first.fingerprint
    assert counts(small.workspace, "support-assistant").withdrawn == waiting
    assert {row.item_id for row in tasks(small.workspace, "support-assistant", state="open").rows}.isdisjoint(
        row.item_id for row in tasks(small.workspace, "support-assistant", state="withdrawn").rows
    )


def test_findings_are_fixed_by_a_stronger_model_and_the_gates_pass(small: Small) -> None:
    small.to_the_verdict()
    small.desk.weak = False
    status = small.to_the_verdict()
    assert status.decision is not None
    assert status.decision.outcome == "pass", str(status.decision)
    assert {each for each in status.waits if "signature" in each} == set(status.waits)
    assert len(status.waits) == 2


def test_going_back_to_the_weak_model_is_a_cycle_of_its_own_and_reopens_what_was_fixed(small: Small) -> None:
    small.to_the_verdict()
    small.desk.weak = False
    small.to_the_verdict()
    small.desk.weak = True
    status = small.advance()
    assert status.cycle == 3
    assert status.decision is not None
    assert status.decision.outcome == "fail"
    with small.workspace.read() as conn:
        assert set(conn.execute(select(finding.c.state)).scalars()) == {"reopened"}


def test_a_changed_gate_starts_a_new_cycle_and_decides_anew_without_asking_again(small: Small) -> None:
    first = small.to_the_verdict()
    asked = small.desk.asked
    small.change("{metric: findings.open, at_most: 0}", "{metric: findings.open, at_most: 99}", "gates.yaml")
    small.change("at_most: 0.8, min_n: 4, max_age_days: 30", "at_most: 1.0, min_n: 4, max_age_days: 30", "gates.yaml")
    second = small.advance()
    assert (first.cycle, second.cycle) == (1, 2)
    assert small.desk.asked == asked
    assert first.decision is not None and second.decision is not None
    assert (first.decision.outcome, second.decision.outcome) == ("fail", "pass")


def test_a_changed_rubric_asks_people_again_and_old_answers_do_not_count(small: Small) -> None:
    small.advance()
    small.change("Did the assistant fail?", "Did the assistant fail, strictly speaking?", "rubric.yaml")
    changed = small.advance()
    assert changed.cycle == 2
    assert {row.rubric_id for row in tasks(small.workspace, "support-assistant").rows} == {small.pilot.rubric.id}
    small.review()
    assert small.advance().state == "decided"
    small.change("strictly speaking", "to be fair", "rubric.yaml")
    again = small.advance()
    assert again.steps["review"].state == "waiting"
    assert again.decision is None


def test_changed_data_are_tried_in_the_same_cycle_and_the_old_verdict_falls(small: Small) -> None:
    small.to_the_verdict()
    items = rows_of(small.folder / "items.jsonl")
    write_rows(small.folder / "items.jsonl", [*items, {**items[0], "id": "new-01", "question": "Something quite different?"}])
    status = small.advance()
    assert status.cycle == 1
    assert status.steps["evaluate"].counts == {"answered": 4}
    assert status.steps["review"].state == "waiting"  # the desk does not know the answer
    assert status.decision is None


def test_an_answer_taken_back_takes_the_verdict_with_it(small: Small) -> None:
    from pilotage.judging import person
    from pilotage.review import undo

    small.advance()
    task = small.review()[0]
    assert small.advance().state == "decided"
    undo(small.workspace, task.task_id, person("rita"))
    status = small.advance()
    assert status.steps["review"].state == "waiting"
    assert status.decision is None
    assert [status.steps[name].state for name in ("curate", "measure", "decide")] == ["pending"] * 3
    assert cycles(small.workspace, find_pilot_id(small.workspace, "support-assistant"))[0].verdict is None


def test_a_target_that_is_out_of_reach_from_the_start_is_refused_and_nothing_begins(small: Small) -> None:
    from small_pilot import change

    change(small.folder, "http://127.0.0.1:8322/v1", "http://127.0.0.1:9/v1")
    from pilotage.readiness import advance, load_pilot

    with pytest.raises(Unavailable) as caught:
        advance(small.workspace, load_pilot(small.folder))
    assert caught.value.exit_code == 4
    assert "127.0.0.1:9" in str(caught.value)
    with small.workspace.read() as conn:
        assert conn.execute(select(func.count()).select_from(pilot_cycle)).scalar_one() == 0
        assert conn.execute(select(func.count()).select_from(output)).scalar_one() == 0


def test_a_target_that_goes_away_pauses_the_run_which_then_resumes_and_completes(small: Small) -> None:
    small.desk.down_after = 5
    paused = small.advance()
    assert paused.paused
    assert paused.steps["attack"].state == "paused"
    assert "run again to go on" in paused.steps["attack"].detail
    assert any(line.startswith("attack is paused") for line in paused.waits)
    assert paused.steps["judge"].state == "pending"
    done = paused.steps["attack"].counts.get("answered", 0)
    assert "error" not in paused.steps["attack"].counts

    small.desk.down_after = None
    resumed = small.advance()
    assert not resumed.paused
    assert resumed.cycle == 1
    assert resumed.steps["attack"].counts == {"answered": 16}
    assert resumed.steps["review"].state == "waiting"
    assert done < 16


def test_a_run_that_was_paused_ends_as_one_that_was_not(small: Small, tmp_path: Any) -> None:
    from pilotage.ledger import create_workspace

    small.desk.down_after = 5
    small.advance()
    small.desk.down_after = None
    status = small.to_the_verdict()
    with create_workspace(tmp_path / "undisturbed") as workspace:
        undisturbed = Small(workspace, tmp_path / "other")
        expected = undisturbed.to_the_verdict()
    assert status.decision is not None and expected.decision is not None
    assert _figures(status.decision) == _figures(expected.decision)


def _figures(decision: Any) -> list[tuple[str, str, float | None, float | None, int]]:
    return [
        (str(limit.limit), str(limit.verdict), limit.evidence.lower, limit.evidence.upper, limit.evidence.n)
        for gate in decision.gates
        for limit in gate.limits
    ]


def test_a_budget_pauses_and_raising_it_goes_on_with_the_same_cycle(small: Small) -> None:
    small.change("requests: 1000", "requests: 5")
    paused = small.advance()
    assert paused.steps["attack"].state == "paused"
    assert "5 requests" in paused.steps["attack"].detail
    assert paused.steps["attack"].counts == {"answered": 5}
    stuck = small.advance()
    assert (stuck.cycle, stuck.steps["attack"].counts) == (1, {"answered": 5})

    small.change("requests: 5", "requests: 1000")
    resumed = small.advance()
    assert resumed.cycle == 1
    assert resumed.steps["attack"].counts == {"answered": 16}
    assert small.desk.asked == 3 + 16


def test_ctrl_c_leaves_no_step_running(small: Small) -> None:
    class Interrupted(Desk):
        async def __call__(self, request: Any) -> Any:
            reply = await super().__call__(request)
            if self.asked == 5:
                signal.raise_signal(signal.SIGINT)
            return reply

    small.desk = Interrupted(small.folder)
    with pytest.raises(KeyboardInterrupt):
        small.advance()
    assert "running" not in states(small).values()
    assert states(small)["attack"] == "paused"
    assert small.advance().steps["attack"].counts == {"answered": 16}


def test_a_row_that_does_not_fit_refuses_the_file_with_line_and_field(small: Small) -> None:
    items = rows_of(small.folder / "items.jsonl")
    write_rows(small.folder / "items.jsonl", [*items, {**items[0], "question": "The id stands twice"}])
    with pytest.raises(InputError) as caught:
        small.advance()
    assert "items.jsonl:4" in str(caught.value)
    assert states(small)["ingest"] == "failed"


def test_rows_that_do_not_fit_are_quarantined_and_counted_where_that_is_declared(small: Small) -> None:
    small.change("kind: evaluation", "kind: evaluation\n    on_bad_rows: quarantine")
    items = rows_of(small.folder / "items.jsonl")
    write_rows(small.folder / "items.jsonl", [*items, {**items[0], "question": "The id stands twice"}, {"id": "no-question"}])
    status = small.advance()
    assert status.steps["ingest"].counts == {"rows": 7, "quarantined": 2}
    assert "2 quarantined" in status.steps["ingest"].detail
    assert status.steps["evaluate"].counts == {"answered": 3}


def test_a_source_in_which_every_row_is_bad_is_refused(small: Small) -> None:
    write_rows(small.folder / "items.jsonl", [{"id": "a"}, {"id": "b"}])
    with pytest.raises(InputError, match="Every row of this file is bad") as caught:
        small.advance()
    assert "items.jsonl" in str(caught.value.where)
    assert states(small)["ingest"] == "failed"
    assert small.desk.asked == 0


def test_a_question_that_stands_twice_is_refused_before_anything_is_asked(small: Small) -> None:
    items = rows_of(small.folder / "items.jsonl")
    write_rows(small.folder / "items.jsonl", [*items, {**items[0], "id": "again"}])
    with pytest.raises(InputError, match="stands twice") as caught:
        small.advance()
    assert "items.jsonl" in str(caught.value.where)
    assert states(small)["ingest"] == "failed"
    assert small.desk.asked == 0


def test_it_moves_on_only_when_there_is_something_new_to_do(small: Small, tmp_path: Any) -> None:
    from pilotage.practice import base_model, serve
    from pilotage.readiness import advance, load_pilot

    with serve(base_model(tmp_path / "v0")) as serving:
        pilot = load_pilot(small.folder, target={"url": serving.url})
        assert moves_on(small.workspace, pilot)
        advance(small.workspace, pilot)
        assert not moves_on(small.workspace, pilot)
        small.review()
        assert moves_on(small.workspace, pilot)


def test_the_ledger_verifies_at_the_end(small: Small) -> None:
    small.to_the_verdict()
    types = [entry.type for entry in entries(small.workspace, limit=1000)]
    assert str(verify(small.workspace).integrity) == "ok"
    for needed in ("pilot.declared", "cycle.started", "target.registered", "run.done", "judgement.made", "finding.confirmed", "gate.decided"):
        assert needed in types
    assert types.count("cycle.started") == 1
