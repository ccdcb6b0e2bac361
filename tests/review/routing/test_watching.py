"""The audit watched: every audit counted once, an alarm tightens by itself, and all of it survives kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from routed import ASSESSMENT, AUTHOR, NAME, OWNER, POLICY, RUBRIC, answer_audits, ask, put_in_force, put_report
from sqlalchemy import func, select

from pilotage.core import InputError, parse_declared
from pilotage.evidence import clopper_pearson
from pilotage.judging import Judgement, add_judgement, ensure_rater, person
from pilotage.judging.calibration import Costs, Limits, ReviewerError, Sample, calibration_report, recalibrate
from pilotage.ledger import create_workspace, entries, open_workspace, verify
from pilotage.review.assessment import assessment_of, due_assessments, record_assessment
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.routing import (
    Router,
    RouteRequest,
    activate_policy,
    draft_policy,
    load_route,
    monitor_states,
    policy_changes,
    policy_of,
    reviewer_error,
    store_report,
    watch_all,
    watch_policy,
    watching,
)
from pilotage.review.routing.tables import audit_sample, route_decision
from pilotage.review.tables import review_task
from pilotage.review.webhooks import Secrets, add_webhook, webhooks
from pilotage.review.webhooks.tables import webhook_delivery
from pilotage.store import Workspace, WriteTransaction

EVERY = POLICY.replace("rate: 0.1", "rate: 1.0").replace("    audit: 0.2\n", "")


def route_many(workspace: Workspace, n: int, *, start: int = 0, language: str = "en", bad: int = 0) -> None:
    """Route ``n`` outputs; the first ``bad`` of them are wrong, which only a person can see."""
    with Router.load(workspace, NAME) as router:
        for number in range(start, start + n):
            payload = {"question": f"{language}{number}", "reply": "no" if number - start < bad else "yes"}
            router.route(ask(f"{language}{number}", language=language, payload=payload))


def is_bad(payload: Mapping[str, Any]) -> bool:
    return bool(payload["reply"] == "no")


def test_an_alarm_tightens_its_slice_tells_the_ledger_and_makes_the_assessment_due(workspace: Workspace) -> None:
    put_in_force(workspace, EVERY)
    route_many(workspace, 30, bad=12)
    route_many(workspace, 30, language="de")
    answer_audits(workspace, is_bad)
    counted = watch_policy(workspace, NAME)
    assert (counted.wrong, counted.right, counted.alarms) == (12, 48, ("language=en",))
    assert {key: (one.level, one.cause) for key, one in policy_changes(workspace, NAME).items()} == {"language=en": ("in_the_loop", "alarm")}
    assert [(one.cause, one.subject) for one in due_assessments(workspace)] == [("alarm", f"{NAME}/language=en/1")]
    assert len(entries(workspace, type="policy.alarmed")) == len(entries(workspace, type="policy.tightened")) == 1
    with Router.load(workspace, NAME) as router:
        assert router.route(ask("later")).reasons == ("level:in_the_loop",)
        assert router.route(ask("later-de", language="de")).action == "accept"
    again = watch_policy(workspace, NAME)
    assert (again.wrong, again.right, again.alarms) == (0, 0, ())
    states = {one.slice: one for one in monitor_states(workspace, NAME)}
    assert states["language=en"].alarm_at is not None and states["language=en"].audited == 30
    assert states["language=de"].alarm_at is None and states["language=de"].wrong == 0


def test_an_alarm_is_told_to_who_subscribed_in_its_own_transaction(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_force(workspace, EVERY)
    secrets = Secrets(tmp_path / "keys")
    for project in ("refunds", "another"):
        add_webhook(workspace, "https://example.org/hook", ["alarm.raised"], secrets=secrets, project=project)
    route_many(workspace, 30, bad=12)
    answer_audits(workspace, is_bad)

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("the last step of the alarm")

    with monkeypatch.context() as patch:
        patch.setattr(watching, "reassess", fails)
        with pytest.raises(OSError, match="last step"):
            watch_policy(workspace, NAME)
    assert [hook.waiting for hook in webhooks(workspace)] == [0, 0] and not entries(workspace, type="policy.alarmed")
    assert watch_policy(workspace, NAME).alarms == ("language=en",)
    assert [hook.waiting for hook in webhooks(workspace)] == [1, 0]
    with workspace.read() as conn:
        told = conn.execute(select(webhook_delivery.c.body).where(webhook_delivery.c.workspace_id == workspace.id)).scalar_one()
    assert (told["event"], told["subject"], told["project"]) == ("alarm.raised", NAME, "refunds")
    assert told["data"] == {"version": 1, "slice": "language=en", "epoch": 1, "audited": 30, "wrong": 12, "limit": 0.05}


def test_all_policies_are_watched_in_one_go_and_drafts_are_not(workspace: Workspace) -> None:
    put_in_force(workspace, EVERY)
    route_many(workspace, 5)
    answer_audits(workspace, is_bad)
    assert {name: (done.right, done.wrong) for name, done in watch_all(workspace).items()} == {NAME: (5, 0)}
    assert watch_all(workspace)[NAME].right == 0


def test_an_alarm_may_raise_the_threshold_first_and_takes_the_level_the_second_time(workspace: Workspace) -> None:
    put_in_force(workspace, EVERY + "alarm: {raise_threshold: 0.96}\n")
    route_many(workspace, 30, bad=12)
    answer_audits(workspace, is_bad)
    assert watch_policy(workspace, NAME).alarms == ("language=en",)
    change = policy_changes(workspace, NAME)["language=en"]
    assert (change.level, change.threshold) == ("", 0.96)
    with Router.load(workspace, NAME) as router:
        assert router.route(ask("x", 0.95)).action == "review"
        assert router.route(ask("y", 0.97)).action == "accept"


def test_a_raised_threshold_that_raises_nothing_is_no_answer_to_an_alarm(workspace: Workspace) -> None:
    put_in_force(workspace, EVERY + "alarm: {raise_threshold: 0.5}\n")
    route_many(workspace, 30, bad=12)
    answer_audits(workspace, is_bad)
    watch_policy(workspace, NAME)
    assert policy_changes(workspace, NAME)["language=en"].level == "in_the_loop"


def test_an_audit_nobody_could_judge_is_void_and_one_in_doubt_counts_as_wrong(workspace: Workspace) -> None:
    from pilotage.judging import person
    from pilotage.review import answer, claim, skip

    put_in_force(workspace, EVERY.replace("wrong: [no]", "wrong: [no, unclear]"))
    route_many(workspace, 2)
    rita = person("rita")
    first, second = claim(workspace, "refunds", rita, 2)
    answer(workspace, first.task_id, rita, {"correct": "unclear"}, idempotency_key="1")
    skip(workspace, second.task_id, rita)
    assert watch_policy(workspace, NAME).wrong == 1
    assert {one.slice: (one.audited, one.waiting) for one in monitor_states(workspace, NAME)}["language=en"] == (1, 1)
    from pilotage.review import withdraw

    withdraw(workspace, [second.task_id])
    counted = watch_policy(workspace, NAME)
    assert (counted.void, counted.wrong, counted.right) == (1, 0, 0)


def test_a_late_audit_of_an_old_version_does_not_tighten_the_new_one(workspace: Workspace) -> None:
    put_in_force(workspace, EVERY)
    route_many(workspace, 30, bad=15)
    number = draft_policy(workspace, policy_of_text(EVERY, put_report(workspace).id), person=AUTHOR).number
    activate_policy(workspace, NAME, number, person=OWNER)
    answer_audits(workspace, is_bad)
    assert watch_policy(workspace, NAME).alarms == ("language=en",)
    assert policy_changes(workspace, NAME) == {}
    assert [entry.body["epoch"] for entry in entries(workspace, type="policy.alarmed")] == [1]


def policy_of_text(text: str, report: str) -> Any:
    return policy_of(parse_declared(text.replace("%REPORT%", report), file="policy.yaml"))


def test_a_reviewers_error_has_an_interval_or_a_reason() -> None:
    assert not reviewer_error(wrong=1, n=29).measured
    found = reviewer_error(wrong=6, n=120)
    assert found.estimate == 0.05 and found.lower is not None and found.lower < 0.05 < (found.upper or 0)
    with pytest.raises(InputError):
        reviewer_error(wrong=3, n=2)


# --- five thousand outputs whose truth is known --------------------------------------------------------------------------------------------------

LIVE = """\
policy: sim
category: refunds
project: refunds
model: {fingerprint: tgt_1, prompt: p1}
report: %REPORT%
contract: {error_rate: 0.05}
record: behind
slices:
  - slice: {language: en}
  - slice: {language: de}
audit: {question: correct, wrong: [no], rate: 0.03}
fallback: {queue_limit: 100000}
"""


def world(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(raw confidence, right, language): overconfident, more so in German."""
    random = np.random.default_rng(seed)
    german = random.random(n) < 0.3
    truth = random.beta(6, 0.7, n)
    right = random.random(n) < np.where(german, truth**1.3, truth)
    raw = np.clip(1 / (1 + np.exp(-1.6 * np.log(np.clip(truth, 1e-6, 1 - 1e-6) / (1 - np.clip(truth, 1e-6, 1 - 1e-6))))), 0, 1)
    return raw, right, np.where(german, "de", "en")


def test_of_the_routed_outputs_at_most_the_contracted_share_of_what_is_accepted_is_wrong(tmp_path: Path) -> None:
    """From labels to live: recalibrate, report, activate, route, audit; the truth of every output is known and held against the contract."""
    with create_workspace(str(tmp_path / "sim"), actor="tester") as workspace:
        create_project(workspace, ProjectSettings(name="refunds"), rubric=RUBRIC, salt="fixed")
        record_assessment(workspace, assessment_of(parse_declared(ASSESSMENT, file="a.yaml")), person=OWNER, role="owner")
        raw, right, language = world(4_000, 1)
        ids = [f"label{number}" for number in range(4_000)]
        sample = Sample.of(raw, right, model="tgt_1", labelled_by="people", ids=ids, slices={"language": language})
        curve = recalibrate(sample.where(np.arange(1_000)))
        certifying = sample.where(np.arange(1_000, 4_000))
        costs = Costs(error=2_000, review=100, delay=0, reviewer=ReviewerError(6, 120))
        report = calibration_report(certifying, limits=Limits(risk=0.05, by="language"), recalibrator=curve, costs=costs)
        stored = store_report(workspace, report, category="refunds", recalibrator=curve, prompt="p1", person=AUTHOR)
        assert stored.verdict == "routable", stored.why
        draft_policy(workspace, policy_of_text(LIVE, stored.id), person=AUTHOR)
        activate_policy(workspace, "sim", 1, person=OWNER)

        raw, right, language = world(2_500, 2)
        with Router.load(workspace, "sim") as router:
            decisions = [
                router.route(
                    RouteRequest(
                        id=f"out{number}",
                        payload={"question": "q", "reply": "yes" if right[number] else "no"},
                        confidence=float(raw[number]),
                        slices={"language": str(language[number])},
                        model="tgt_1",
                        prompt="p1",
                    )
                )
                for number in range(2_500)
            ]
        accepted = np.array([one.action == "accept" for one in decisions])
        for name in ("en", "de"):
            out = accepted & (language == name)
            wrong = int((~right[out]).sum())
            # The threshold is certified for each slice; the outputs that went out are a sample of what it lets out.
            assert clopper_pearson(wrong, int(out.sum()), level=0.999).lower <= 0.05
            assert wrong / out.sum() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / out.sum())
        assert accepted.mean() > 0.3
        drawn = np.array([one.audit for one in decisions])
        assert not drawn[~accepted].any()
        assert abs(drawn.sum() / accepted.sum() - 0.03) < 0.02
        with workspace.read() as conn:
            kept = dict(conn.execute(select(route_decision.c.id, route_decision.c.action).where(route_decision.c.workspace_id == workspace.id)).all())
        assert kept == {one.id: one.action for one in decisions}
        for one in decisions[:50]:
            assert load_route(workspace, one.id).decision.action == one.action


# --- kill -9 -------------------------------------------------------------------------------------------------------------------------------------

HERE = Path(__file__).parent
PROGRAM = """
import sys
sys.path.insert(0, {here!r})
from routed import NAME, ask
from pilotage.ledger import open_workspace
from pilotage.review.routing import Router, watch_policy
with open_workspace({location!r}, actor="tester") as workspace:
    if {what!r} == "route":
        with Router.load(workspace, NAME) as router:
            for number in range(100000):
                decision = router.route(ask(f"k{{number}}", 0.97 if number % 3 else 0.2))
                print(decision.id, decision.action, int(decision.audit), decision.recorded, flush=True)
    else:
        print("begun", flush=True)
        while True:
            watch_policy(workspace, NAME)
            print("watched", flush=True)
"""


def start(location: str, what: str) -> subprocess.Popen[str]:
    code = PROGRAM.format(here=str(HERE), location=location, what=what)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})


def kill(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGKILL)
    told = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL
    return told


@pytest.mark.crash
@pytest.mark.parametrize("record", ["before", "behind"])
def test_no_acknowledged_decision_is_lost_by_kill_9(location: str, record: str) -> None:
    with create_workspace(location, actor="tester") as workspace:
        put_in_force(workspace, POLICY.replace("record: before", f"record: {record}"))
    process = start(location, "route")
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(40)]
    told = [line.split() for line in (*first, *kill(process).splitlines(keepends=True)) if line.endswith("\n")]
    with open_workspace(location, actor="tester") as workspace:
        table = route_decision.c
        with workspace.read() as conn:
            kept = {row.id: row for row in conn.execute(select(route_decision).where(table.workspace_id == workspace.id))}
            audits = set(conn.execute(select(audit_sample.c.route_id).where(audit_sample.c.workspace_id == workspace.id)).scalars())
        promised = [line for line in told if line[3] == "before"]
        assert promised and (record == "behind" or len(promised) == len(told))
        assert all(line[0] in kept and kept[line[0]].action == line[1] for line in promised)
        assert {line[0] for line in promised if line[2] == "1"} <= audits
        for line in promised[:20]:
            routed = load_route(workspace, line[0])
            assert routed.state == ("out" if line[1] == "accept" else "waiting")
        # What was lost is answered as it was: the decision hangs on nothing but the request and the policy.
        with Router.load(workspace, NAME) as router:
            again = [router.route(ask(f"k{number}", 0.97 if number % 3 else 0.2)) for number in range(len(told))]
        assert [[one.id, one.action, str(int(one.audit))] for one in again] == [line[:3] for line in told]
        assert verify(workspace).ok


@pytest.mark.crash
def test_alarms_survive_kill_9_and_each_audit_is_counted_once(location: str) -> None:
    with create_workspace(location, actor="tester") as workspace:
        put_in_force(workspace, EVERY)
        route_many(workspace, 30, bad=14)
        answer_audits(workspace, is_bad)
    for pause_s in (0.0, 0.02):
        process = start(location, "watch")
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(pause_s)
        kill(process)
    with open_workspace(location, actor="tester") as workspace:
        watch_policy(workspace, NAME)
        state = {one.slice: one for one in monitor_states(workspace, NAME)}["language=en"]
        assert (state.audited, state.wrong) == (30, 14)
        assert len(entries(workspace, type="policy.alarmed")) == len(entries(workspace, type="policy.tightened")) == 1
        assert sum(entry.body["wrong"] for entry in entries(workspace, type="audits.counted")) == 14
        assert policy_changes(workspace, NAME)["language=en"].level == "in_the_loop"
        with workspace.read() as conn:
            counts = select(audit_sample.c.state, func.count()).where(audit_sample.c.workspace_id == workspace.id).group_by(audit_sample.c.state)
            assert dict(conn.execute(counts).all()) == {"wrong": 14, "right": 16}


def test_answers_to_planted_errors_and_tests_decide_no_audit(workspace: Workspace) -> None:
    put_in_force(workspace, EVERY)
    route_many(workspace, 1)
    with workspace.read() as conn:
        a, t = audit_sample.c, review_task.c
        item = conn.execute(select(a.item_id).where(a.workspace_id == workspace.id)).scalar_one()
        rubric = conn.execute(select(t.rubric_id).where(t.workspace_id == workspace.id, t.item_id == item)).scalar_one()

    def said(tx: WriteTransaction) -> None:
        for login, purpose in (("eve", "seeded"), ("mallory", "gold")):
            add_judgement(tx, Judgement(item, "correct", ensure_rater(tx, person(login)), rubric, "no", purpose=purpose))

    workspace.write(said)
    answer_audits(workspace, is_bad)
    assert (counted := watch_policy(workspace, NAME)).right == 1 and counted.wrong == 0
