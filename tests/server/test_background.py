"""What the server does by itself: once, by one of several servers, and saying what went wrong without saying what it was about."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path

import pytest
from browserless import Client

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "review" / "routing"))
from routed import NAME, POLICY, answer_audits, ask, put_in_force

from pilotage.core import InputError, ManualClock, Refused
from pilotage.judging import Item, Option, Question, Rubric
from pilotage.ledger import create_workspace, entries, open_workspace
from pilotage.review import NewTask, put_tasks
from pilotage.review.duties import leave_duty, take_duty
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.projects.settings import Sla
from pilotage.review.routing import Router, policy_changes
from pilotage.review.webhooks import Secrets, add_webhook, webhooks
from pilotage.server import create_app
from pilotage.server.background import ACTOR, Background, duties, interval_s
from pilotage.store import Workspace

RUBRIC = Rubric(
    name="replies",
    guideline="Is it right?",
    questions=(Question(name="right", prompt="Right?", kind="choice", options=(Option("y", "Yes", "y"), Option("n", "No", "n"))),),
)
HOUR_S = 3600


def test_one_of_several_servers_holds_the_duty_until_its_lease_lapses_or_it_leaves(location: str) -> None:
    clock = ManualClock()
    with create_workspace(location, actor="tester", clock=clock) as workspace:
        assert take_duty(workspace, "d", holder="one", for_us=1_000)
        assert take_duty(workspace, "d", holder="one", for_us=1_000)
        assert not take_duty(workspace, "d", holder="two", for_us=1_000)
        assert take_duty(workspace, "other", holder="two", for_us=1_000)
        clock.advance(seconds=1)
        assert take_duty(workspace, "d", holder="two", for_us=1_000_000_000)
        assert not take_duty(workspace, "d", holder="one", for_us=1_000)
        leave_duty(workspace, "d", holder="one")  # not its own
        assert not take_duty(workspace, "d", holder="one", for_us=1_000)
        leave_duty(workspace, "d", holder="two")
        assert take_duty(workspace, "d", holder="one", for_us=1_000)


def test_of_servers_that_ask_at_once_one_gets_the_duty(location: str) -> None:
    with create_workspace(location, actor="tester"):
        pass
    got: list[bool] = []
    ready = threading.Barrier(4)

    def one(number: int) -> None:
        with open_workspace(location, actor="tester") as own:
            ready.wait()
            got.append(take_duty(own, "d", holder=str(number), for_us=10**9))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False, False, False, True]


def test_a_round_raises_what_is_overdue_counts_audits_and_tells_webhooks_in_the_name_of_the_workbench(location: str, tmp_path: Path) -> None:
    clock = ManualClock()
    with create_workspace(location, actor="olga", clock=clock) as workspace:
        create_project(workspace, ProjectSettings(name="late", sla=Sla(due="1h")), rubric=RUBRIC)
        put_tasks(workspace, "late", [NewTask(Item(kind="output", source_id="i1", payload={"reply": "x"}, slices={}))])
        put_in_force(workspace, POLICY.replace("rate: 0.1", "rate: 1.0"))
        with Router.load(workspace, NAME) as router:
            for number in range(30):
                router.route(ask(f"r{number}"))
        answer_audits(workspace, lambda _: True)
        secrets = Secrets(tmp_path / "keys")
        add_webhook(workspace, "http://127.0.0.1:9/hook", ["alarm.raised"], secrets=secrets, private=True)
        clock.advance(seconds=2 * HOUR_S)
        background = Background(workspace, duties(tmp_path / "keys"), every_s=15)
        assert background.round()
        assert {done.duty: done.problem for done in background.standing()} == {"audits": None, "deliveries": None, "lease": None, "overdue": None}
        assert policy_changes(workspace, NAME)["language=en"].cause == "alarm"
        assert webhooks(workspace)[0].waiting == 1  # nobody listens there: it was tried, and waits
        told = {entry.type: entry.actor for entry in entries(workspace, limit=1000)}
        assert told["review.overdue"] == told["audits.counted"] == told["policy.alarmed"] == ACTOR
        assert background.round()  # again: nothing twice
        assert [entry.type for entry in entries(workspace, limit=1000)].count("policy.alarmed") == 1
        assert not Background(workspace, duties(tmp_path), every_s=15).round()  # a second server leaves it to the first


def test_a_duty_that_fails_is_told_once_without_its_rows_and_the_others_are_done(fresh: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    fails = [True]

    def failing(_: Workspace) -> None:
        if fails:
            raise ValueError("parameters: 'Ann Other, 12 High Street, secret-token'")

    def refused(_: Workspace) -> None:
        raise Refused("The ledger is sealed.", where="row 'secret-token'")

    background = Background(fresh, {"a": failing, "b": refused, "c": lambda _: done.append("c")}, every_s=15)
    with caplog.at_level(logging.WARNING):
        assert background.round() and background.round()
        assert done == ["c", "c"]
        assert {one.duty: one.problem for one in background.standing()} == {"a": "ValueError", "b": "The ledger is sealed.", "c": None, "lease": None}
        assert len(caplog.records) == 2 and "secret" not in caplog.text and "Ann" not in caplog.text
        fails.clear()
        background.round()
    assert "'a' goes on again" in caplog.text


def test_the_setting_is_a_duration_or_off() -> None:
    assert interval_s("15s") == 15 and interval_s(" OFF ") is None and interval_s("1ms") == 1
    with pytest.raises(InputError, match="background"):
        interval_s("sometimes")


def test_the_thread_starts_with_its_first_round_and_ends_when_closed(fresh: Workspace) -> None:
    rounds = threading.Event()
    background = Background(fresh, {"a": lambda _: rounds.set()}, every_s=3600)
    background.start()
    assert rounds.wait(10)
    before = time.monotonic()
    background.close()
    assert time.monotonic() - before < 10
    assert take_duty(fresh, "background", holder="another", for_us=1)  # it was given back


def test_a_server_without_the_setting_does_nothing_by_itself(fresh: Workspace) -> None:
    app = create_app(fresh)
    assert Client(app).get("/healthz").status == 200 and app.state.background is None
    assert create_app(fresh, background_every_s=15.0).state.background is not None
