"""A pipeline, tick by tick, unattended: what it does, where it holds, what it never does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import polars as pl
import pytest
from sqlalchemy import select

from pilotage.core import Refused
from pilotage.data import load_version
from pilotage.data.contracts import contract_of, proposals
from pilotage.data.ingest import batches
from pilotage.data.lineage import Node, made_from
from pilotage.data.tabular import read_table
from pilotage.judging import Rater
from pilotage.ledger import create_workspace, entries, open_workspace, verify
from pilotage.pipelines import champion, decisions, deliveries, load_run, models, plan, promote, retraining_decisions, run_pipeline, runs
from pilotage.pipelines.tables import trained_model
from pilotage.review import answer, claim, counts

from .conftest import START, WEEK, at_us


def tick(workspace, pipeline, week, **more):
    return run_pipeline(workspace, pipeline, at_us=at_us(START + week * WEEK), **more)


def test_a_first_model_is_trained_serves_and_scores_with_everything_traced(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        deliver(0)
        run = tick(workspace, pipeline, 1)
        assert run.state == "done" and len(run.result("deliver")["taken"]) == 2
        serving = champion(workspace, "returns-risk")
        assert serving.id == run.result("challenge")["champion"] and decisions(workspace, "returns-risk")[0].promoted
        said = pl.DataFrame(read_table(workspace, pipeline.predictions))
        assert said.height == run.result("score")["rows"] == 400 and said["model"].unique().to_list() == [serving.id]
        up = made_from(workspace, Node("model", serving.id))
        assert {load_version(workspace, each).dataset for each in up.of_kind("version")} >= {"returns-training", "sales", "returns"}
        assert verify(workspace).integrity == "ok"


def test_a_tick_that_is_done_is_not_done_again_and_the_next_scores_only_what_is_new(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        deliver(0)
        first = tick(workspace, pipeline, 1)
        assert tick(workspace, pipeline, 1).ended_at == first.ended_at
        deliver(1)
        second = tick(workspace, pipeline, 2)
        assert second.result("score")["rows"] == 400 and len(second.result("deliver")["taken"]) == 2
        assert len(batches(workspace)) == 4 and len(runs(workspace, "returns-risk")) == 2


def test_no_row_is_scored_or_learned_from_before_it_was_known(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        deliver(0)
        moment = START + timedelta(days=6)
        run = run_pipeline(workspace, pipeline, at_us=at_us(moment))
        said = pl.DataFrame(read_table(workspace, pipeline.predictions))
        assert said["at"].max() <= moment and 0 < said.height < 400
        known = pl.DataFrame(read_table(workspace, "returns")).filter(pl.col("known_at") <= moment).height
        assert run.result("assemble")["rows"] == known < 270
        with pytest.raises(Refused, match="future"):
            run_pipeline(workspace, pipeline, at_us=workspace.clock.now_us() + 10**9)


def accept(workspace, value, login="ada"):
    person = Rater(kind="person", name=login)
    for task in claim(workspace, "returns-risk", person, 5):
        answer(workspace, task.task_id, person, {"accept": value}, idempotency_key=task.task_id, active_ms=1, reason="asked the shop")


def history(workspace, pipeline, deliver, weeks):
    for week in range(weeks):
        deliver(week)
        assert tick(workspace, pipeline, week + 1).state == "done"


def test_a_changed_unit_is_held_proposed_and_read_anew_once_a_person_says_so(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        history(workspace, pipeline, deliver, 5)
        before = load_version(workspace, "sales")
        deliver(5, factor=100)
        held = tick(workspace, pipeline, 6)
        assert held.state == "done" and "sales/week-05.csv" in held.result("deliver")["held"]
        assert load_version(workspace, "sales").id == before.id, "the last good version stays current"
        assert "deliveries wait: sales" in held.result("watch")["why"] or not held.result("watch")["train"]
        (proposal,) = proposals(workspace, state="open")
        assert (proposal.proposal.kind, proposal.proposal.column, proposal.proposal.after) == ("unit", "amount", "EUR_minor")
        assert counts(workspace, "returns-risk").open == 1
        assert contract_of(workspace, "sales").version == 1, "nothing is applied by itself"

        accept(workspace, "yes")
        after = tick(workspace, pipeline, 7)
        assert "sales/week-05.csv" in after.result("deliver")["taken"]
        assert contract_of(workspace, "sales").columns["amount"].arrives_in == "EUR_minor"
        amounts = pl.DataFrame(read_table(workspace, "sales")).group_by(pl.col("id").str.head(2)).agg(pl.col("amount").median())
        assert amounts["amount"].max() < 3 * amounts["amount"].min(), "old rows keep their values, new ones are converted"
        (old,) = [each for each in batches(workspace) if each.state == "discarded"]
        assert "read anew" in old.reason
        assert [each.actor for each in entries(workspace, type="ingest.discarded")] == ["ada"]


def test_a_proposal_that_a_person_rejects_changes_nothing(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        history(workspace, pipeline, deliver, 5)
        deliver(5, factor=100)
        tick(workspace, pipeline, 6)
        accept(workspace, "no")
        after = tick(workspace, pipeline, 7)
        assert after.result("deliver")["proposals"] == [] and counts(workspace, "returns-risk").open == 0
        assert contract_of(workspace, "sales").version == 1
        assert [each["state"] for each in deliveries(workspace, "returns-risk") if each["name"] == "week-05.csv" and each["source"] == "sales"] == [
            "held"
        ]


def test_a_broken_delivery_is_tried_again_then_set_aside_and_the_rest_goes_on(tmp_path, load, deliver, shop):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        deliver(0)
        (shop / "deliveries" / "sales" / "week-00b.csv").write_bytes(b"\x00\xff not a table")
        first = tick(workspace, pipeline, 1)
        assert set(first.result("deliver")["unexplained"]) == {"sales/week-00b.csv"}, "what cannot be compared is said, with the reason"
        assert "sales/week-00b.csv" in first.result("deliver")["failing"] and first.result("score")["rows"] == 0
        deliver(1)
        second = tick(workspace, pipeline, 2)
        assert "sales/week-00b.csv" in second.result("deliver")["poisoned"] and second.result("score")["rows"] == 800
        deliver(2)
        third = tick(workspace, pipeline, 3)
        assert third.result("deliver")["poisoned"] == {}, "said once"
        (poisoned,) = [each for each in deliveries(workspace, "returns-risk") if each["state"] == "poisoned"]
        assert poisoned["tries"] == 2 and poisoned["reason"]


def test_a_source_that_stays_away_past_its_deadline_holds_the_run_and_a_later_tick_goes_on(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        deliver(0)
        tick(workspace, pipeline, 1)
        deliver(1, only="returns")
        assert tick(workspace, pipeline, 2).state == "done", "a week without is within due and deadline"
        held = tick(workspace, pipeline, 3)
        assert held.state == "held" and "sales: nothing since" in held.reason
        deliver(1, only="sales")
        assert tick(workspace, pipeline, 3).state == "done"
        deliver(2, only="sales")
        deliver(3, only="sales")
        tick(workspace, pipeline, 4)
        assert tick(workspace, pipeline, 5).state == "done", "returns may be late: go_on"
        assert "returns" in load_run(workspace, runs(workspace, "returns-risk")[0].id).result("deliver")["missing"]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        deliver(0)
        tick(workspace, pipeline, 1)
        deliver(1)
        before = len(entries(workspace, limit=1000))
        decision = plan(workspace, pipeline, at_us=at_us(START + 2 * WEEK))
        assert not decision.train and decision.triggers[0].name == "new_labels"
        assert len(entries(workspace, limit=1000)) == before and len(models(workspace, "returns-risk")) == 1


def test_a_model_may_be_promoted_by_a_person_with_a_reason_only(tmp_path, load, deliver, shop):
    (shop / "pipeline.yaml").write_text((shop / "pipeline.yaml").read_text().replace("margin: 0.0", "margin: 0.0, promotion: person"))
    with create_workspace(tmp_path / "w", actor="grace") as workspace:
        pipeline = load(workspace)
        deliver(0)
        run = tick(workspace, pipeline, 1)
        assert champion(workspace, "returns-risk") is None and run.result("score")["rows"] == 0
        (model,) = models(workspace, "returns-risk")
        with pytest.raises(Exception, match="reason"):
            promote(workspace, "returns-risk", model.id, reason=" ")
        promote(workspace, "returns-risk", model.id, reason="looked at its held-out errors")
        assert champion(workspace, "returns-risk").id == model.id
        assert decisions(workspace, "returns-risk")[0].decided_by == "grace"
        deliver(1)
        assert tick(workspace, pipeline, 2).result("score")["rows"] == 800


def test_every_decision_about_training_is_kept_with_its_figures(tmp_path, load, deliver):
    with create_workspace(tmp_path / "w") as workspace:
        pipeline = load(workspace)
        history(workspace, pipeline, deliver, 4)
        kept = retraining_decisions(workspace, "returns-risk")
        assert len(kept) == 4 and kept[-1]["fired"] is True
        labels = next(trigger for trigger in kept[0]["triggers"] if trigger["name"] == "new_labels")
        assert labels["limit"] == 500 and labels["figure"] is not None and labels["why"]


CHILD = """
import sys
from pilotage.ledger import open_workspace
from pilotage.pipelines import load_pipeline, run_pipeline
from pilotage.pipelines.workflow import advance

advance.__kwdefaults__["lease_us"] = 100_000  # a dead worker's lease shall not be waited for

with open_workspace(sys.argv[1]) as workspace:
    run = run_pipeline(workspace, load_pipeline(sys.argv[2]), at_us=int(sys.argv[3]))
    sys.exit(0 if run.state == "done" else 9)
"""


@pytest.mark.crash
def test_a_tick_killed_anywhere_ends_as_one_that_was_not(tmp_path, load, deliver, shop, monkeypatch):

    moment = at_us(START + WEEK)
    deliver(0)
    with create_workspace(tmp_path / "whole") as workspace:
        whole = run_pipeline(workspace, load(workspace), at_us=moment)
        expected = whole.result("assemble")["rows"], read_table(workspace, "returns-risk-predictions", columns=["id", "score"])
    with create_workspace(tmp_path / "killed") as workspace:
        load(workspace)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    chance, kills = random.Random(3), 0
    for _ in range(40):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "killed"), str(shop / "pipeline.yaml"), str(moment)], env=environment)
        try:
            child.wait(timeout=1.5 + chance.uniform(0, 2.5) + kills * 0.6)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
            time.sleep(0.15)
            continue
        if child.returncode == 0:
            break
    assert child.returncode == 0 and kills >= 1
    with open_workspace(tmp_path / "killed") as workspace:
        run = load_run(workspace, runs(workspace, "returns-risk")[0].id)
        assert run.state == "done" and run.result("assemble")["rows"] == expected[0]
        found = read_table(workspace, "returns-risk-predictions", columns=["id", "score"])
        assert found.sort_by("id").equals(expected[1].sort_by("id"))
        assert len(batches(workspace)) == 2
        with workspace.read() as conn:
            assert len(conn.execute(select(trained_model.c.id)).all()) == 1
        assert verify(workspace).integrity == "ok"
