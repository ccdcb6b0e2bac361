"""Durable workflows: nothing is done twice, nothing is lost, one worker at a time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from pilotage.core import Conflict, InputError, ManualClock, NotFound, Unavailable
from pilotage.ledger import create_workspace, open_workspace, verify
from pilotage.pipelines import workflow
from pilotage.pipelines.workflow import Hold, Step, advance, load_run, pipeline_names, retry, runs

PIPELINE = {"pipeline": "cards", "key": "2026-05-01", "declared": "d1"}


class Counted:
    """Steps that count how often they ran."""

    def __init__(self):
        self.ran = []

    def step(self, name, result=None, **more):
        def work(context):
            self.ran.append(name)
            return {"of": name} if result is None else result(context)

        return Step(name, work, **more)


def test_steps_run_in_order_and_see_what_earlier_ones_said(workspace):
    seen = {}
    counted = Counted()
    steps = [counted.step("first"), counted.step("second", lambda context: seen.update(context.results) or {"n": 2})]
    run = advance(workspace, **PIPELINE, steps=steps)
    assert run.state == "done" and [step.state for step in run.steps] == ["done", "done"]
    assert seen == {"first": {"of": "first"}} and run.result("second") == {"n": 2} and run.result("third") is None
    assert run.lease_until <= workspace.clock.now_us()


def test_a_run_that_is_done_is_not_done_again(workspace):
    counted = Counted()
    for _ in range(3):
        assert advance(workspace, **PIPELINE, steps=[counted.step("first")]).state == "done"
    assert counted.ran == ["first"]


def test_the_same_work_of_an_earlier_run_stands_for_this_one(workspace):
    counted = Counted()
    steps = [counted.step("look", lambda context: {"day": 1}, fresh=True), counted.step("train")]
    advance(workspace, **PIPELINE, steps=steps)
    run = advance(workspace, **PIPELINE | {"key": "2026-05-02"}, steps=steps)
    assert counted.ran == ["look", "train", "look"]
    assert run.result("train") == {"of": "train"} and len(run.steps) == 2


def test_other_inputs_are_other_work(workspace):
    counted = Counted()
    advance(workspace, **PIPELINE, steps=[counted.step("train", given=1)])
    advance(workspace, **PIPELINE | {"key": "b"}, steps=[counted.step("train", given=2)])
    assert counted.ran == ["train", "train"]


def test_only_what_a_step_needs_is_among_its_inputs(workspace):
    counted = Counted()
    for key in ("a", "b"):
        look = counted.step("look", lambda context, key=key: {"key": key}, fresh=True)
        advance(workspace, **PIPELINE | {"key": key}, steps=[look, counted.step("train", needs=())])
    assert counted.ran == ["look", "train", "look"]


def test_a_step_that_holds_holds_the_run_and_is_asked_again(workspace):
    there = []

    def wait(context):
        if not there:
            raise Hold("the file of today is not here")
        return {"files": 1}

    counted = Counted()
    steps = [counted.step("first"), Step("wait", wait), counted.step("after")]
    for _ in range(5):  # holding uses up no tries
        run = advance(workspace, **PIPELINE, steps=steps)
        assert run.state == "held" and run.reason == "wait: the file of today is not here"
    there.append(1)
    assert advance(workspace, **PIPELINE, steps=steps).state == "done"
    assert counted.ran == ["first", "after"]


def test_a_failing_step_is_tried_as_often_as_allowed_and_then_only_when_a_person_says_so(workspace):
    tries = []

    def fail(context):
        tries.append(1)
        if len(tries) < 4:
            raise Unavailable("the warehouse is down")
        return {}

    steps = [Step("fetch", fail)]
    for _ in range(5):
        run = advance(workspace, **PIPELINE, steps=steps, max_tries=3)
        assert run.state == "failed" and "the warehouse is down" in run.reason
    assert len(tries) == 3
    retry(workspace, run.id, reason="the warehouse is back")
    assert advance(workspace, **PIPELINE, steps=steps, max_tries=3).state == "done"
    with pytest.raises(Conflict, match="done, not failed"):
        retry(workspace, run.id, reason="again")


def test_a_programming_error_comes_through_and_gives_the_run_back(workspace):
    def broken(context):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        advance(workspace, **PIPELINE, steps=[Step("broken", broken)])
    assert advance(workspace, **PIPELINE, steps=[Step("broken", lambda context: {})]).state == "done"


def test_one_worker_at_a_time_and_another_takes_over_when_the_lease_has_ended(tmp_path):
    clock = ManualClock()
    with create_workspace(tmp_path, clock=clock) as workspace:

        def die(context):
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as monkey, pytest.raises(KeyboardInterrupt):
            # What a killed process leaves behind: a lease that nobody gives back.
            monkey.setattr(workflow._Lease, "__exit__", lambda self, *error: self._stop.set())
            advance(workspace, **PIPELINE, steps=[Step("work", die)])
        with pytest.MonkeyPatch.context() as monkey:
            monkey.setattr(workflow.os, "getpid", lambda: -1)
            with pytest.raises(Conflict, match="Another worker is at the run"):
                advance(workspace, **PIPELINE, steps=[Step("work", lambda context: {})])
            clock.advance(61)
            assert advance(workspace, **PIPELINE, steps=[Step("work", lambda context: {})]).state == "done"


def test_what_a_worker_writes_after_it_was_taken_over_is_refused(tmp_path):
    clock = ManualClock()
    with create_workspace(tmp_path, clock=clock) as workspace:
        other = []

        def slow(context):
            clock.advance(61)
            with pytest.MonkeyPatch.context() as monkey:
                monkey.setattr(workflow.os, "getpid", lambda: -1)
                other.append(advance(workspace, **PIPELINE, steps=[Step("work", lambda context: {"by": "the second"})]))
            return {"by": "the first"}

        with pytest.raises(Conflict, match="taken this run over"):
            advance(workspace, **PIPELINE, steps=[Step("work", slow)])
        assert other[0].state == "done"
        assert load_run(workspace, other[0].id).result("work") == {"by": "the second"}


def test_a_run_begun_under_another_declaration_is_refused(workspace):
    def hold(context):
        raise Hold("wait")

    advance(workspace, **PIPELINE, steps=[Step("wait", hold)])
    with pytest.raises(Conflict, match="another declaration"):
        advance(workspace, **PIPELINE | {"declared": "d2"}, steps=[Step("wait", hold)])


def test_two_steps_of_one_name_are_refused(workspace):
    with pytest.raises(InputError, match="one name"):
        advance(workspace, **PIPELINE, steps=[Step("a", lambda context: {}), Step("a", lambda context: {})])


def test_runs_are_listed_newest_first_and_an_unknown_one_is_not_found(workspace):
    for key in ("a", "b"):
        advance(workspace, **PIPELINE | {"key": key}, steps=[])
    assert {run.key for run in runs(workspace, "cards")} == {"a", "b"} and runs(workspace, "other") == []
    with pytest.raises(NotFound):
        load_run(workspace, "wfr_nothing")


CHILD = """
import sys, time
from pathlib import Path
from pilotage.ledger import open_workspace
from pilotage.pipelines.workflow import Step, advance

folder = Path(sys.argv[1])

def work(name):
    def run(context):
        with (folder / "ran.txt").open("a") as file:
            file.write(name + "\\n")
        time.sleep(0.05)
        return {"n": sum(each["n"] for each in context.results.values()) + 1}
    return run

with open_workspace(folder / "w") as workspace:
    steps = [Step(f"s{number}", work(f"s{number}")) for number in range(20)]
    run = advance(workspace, pipeline="p", key="k", declared="d", steps=steps, lease_us=50_000)
    assert run.state == "done"
"""


@pytest.mark.crash
def test_a_run_killed_again_and_again_goes_on_where_it_left_off(tmp_path):
    with create_workspace(tmp_path / "w"):
        pass
    seeded = random.Random(7)
    kills = 0
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(60):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment, stderr=subprocess.PIPE)
        ran = tmp_path / "ran.txt"
        before = len(ran.read_text().splitlines()) if ran.exists() else 0
        wanted = before + seeded.randint(1, 2)
        while child.poll() is None and (len(ran.read_text().splitlines()) if ran.exists() else 0) < wanted:
            time.sleep(0.005)
        time.sleep(seeded.uniform(0, 0.03))
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            kills += 1
        _, said = child.communicate()
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL or b"Another worker" in said, said.decode()
        time.sleep(0.06)
    assert kills >= 5
    with open_workspace(tmp_path / "w") as workspace:
        (run,) = runs(workspace, "p")
        done = load_run(workspace, run.id)
        assert done.state == "done" and [step.name for step in done.steps] == [f"s{number}" for number in range(20)]
        assert [step.result["n"] for step in done.steps] == [2**number for number in range(20)]
        assert verify(workspace).integrity == "ok"
    begun = (tmp_path / "ran.txt").read_text().splitlines()
    assert len(begun) <= 20 + kills, "a step whose result was kept was begun again"


def test_the_pipelines_that_have_run_are_known_by_name(workspace):
    assert pipeline_names(workspace) == []
    for name, key in (("cards", "1"), ("loans", "1"), ("cards", "2")):
        advance(workspace, pipeline=name, key=key, declared="d1", steps=[Step("first", lambda context: {})])
    assert pipeline_names(workspace) == ["cards", "loans"]
