"""Policies: what may be activated, by whom, on what; and that only a person loosens."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routed import ASSESSMENT, AUTHOR, NAME, OWNER, POLICY, ask, policy, prepare, put_in_force, put_report
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError as BrokenConstraint

from pilotage.core import Conflict, InputError, IntegrityError, ManualClock, NotFound, PilotageError, Refused, parse_declared
from pilotage.ledger import create_workspace, entries
from pilotage.people import Account
from pilotage.review.assessment import AUTOMATED, LEVELS, ask_again, assessment_of, reassess, record_assessment, step_of
from pilotage.review.routing import (
    Router,
    activate_policy,
    draft_policy,
    load_compiled,
    loosen,
    monitor_states,
    policies,
    policy_changes,
    suspend_policy,
    tighten,
)
from pilotage.review.routing.request import ACTIONS, RouteRequest, strictness
from pilotage.review.routing.tables import calibration_report, routing_change, routing_policy, routing_policy_version
from pilotage.store import Workspace


def assess(workspace: Workspace, text: str = ASSESSMENT) -> None:
    record_assessment(workspace, assessment_of(parse_declared(text, file="assessment.yaml")), person=OWNER, role="owner")


def draft(workspace: Workspace, text: str = POLICY, report: str = "") -> int:
    return draft_policy(workspace, policy(report or prepare(workspace).id, text), person=AUTHOR).number


def test_an_owner_who_did_not_write_it_activates_and_the_ledger_says_on_what(workspace: Workspace) -> None:
    number = draft(workspace)
    made = activate_policy(workspace, NAME, number, person=OWNER)
    assert (made.state, made.activated_by, made.author) == ("active", "olga", "otto")
    (told,) = entries(workspace, type="policy.activated")
    assert told.body["report"] == made.report_id and told.body["verdict"] == "routable" and told.actor == "olga"
    assert told.body["slices"]["language=fr"]["level"] == "two_person"


def test_a_salt_given_with_the_first_draft_is_kept_by_every_later_one(workspace: Workspace) -> None:
    report = prepare(workspace).id
    for salt in ("pinch", "another", ""):
        draft_policy(workspace, policy(report), person=AUTHOR, salt=salt)
    with workspace.read() as conn:
        assert conn.execute(select(routing_policy.c.salt).where(routing_policy.c.workspace_id == workspace.id)).scalar() == "pinch"


def change_report(**given: Any) -> Callable[[Workspace], str]:
    def make(workspace: Workspace) -> str:
        prepare(workspace)
        return put_report(workspace, **given).id

    return make


def due(workspace: Workspace) -> str:
    report = prepare(workspace)
    workspace.write(lambda tx: reassess(tx, category="refunds", slice="", cause="alarm", subject="x"))
    return report.id


def superseded(workspace: Workspace) -> str:
    report = prepare(workspace)
    put_report(workspace, verdict="human_only")
    return report.id


def stricter_now(workspace: Workspace) -> str:
    report = prepare(workspace)
    assess(workspace, ASSESSMENT.replace("accountable: none", "accountable: people_only, rule: a law"))
    return report.id


@pytest.mark.parametrize(
    ("make", "text", "why"),
    [
        (change_report(verdict="human_only", reasons={"verdict": "routing does not pay"}), POLICY, "verdict is human_only"),
        (change_report(verdict="recalibrate"), POLICY, "verdict is recalibrate"),
        (change_report(risk=0.1), POLICY, "contract allows"),
        (change_report(thresholds={"": 0.9, "language=en": None, "language=de": 0.9}), POLICY, "does not certify slice 'language=en'"),
        (lambda w: prepare(w).id, POLICY.replace("    level: two_person\n", ""), "does not certify slice 'language=fr'"),
        (
            lambda w: prepare(w).id,
            POLICY.replace("  - slice: {}\n    level: in_the_loop", "  - slice: {}"),
            "not of what the other slices leave over",
        ),
        (due, POLICY, "is due again"),
        (superseded, POLICY, "later look"),
        (stricter_now, POLICY.replace("    level: two_person\n", "    level: in_the_loop\n"), "nothing laxer"),
    ],
)
def test_what_does_not_stand_on_evidence_is_not_activated(workspace: Workspace, make: Callable[[Workspace], str], text: str, why: str) -> None:
    number = draft(workspace, text, make(workspace))
    with pytest.raises(Refused, match=why):
        activate_policy(workspace, NAME, number, person=OWNER)
    assert [one.state for one in policies(workspace)] == ["draft"]
    assert entries(workspace, type="policy.activated") == []


def test_a_policy_without_an_assessment_is_not_activated(workspace: Workspace) -> None:
    report = prepare(workspace)
    number = draft(workspace, POLICY, report.id)
    from pilotage.review.assessment.tables import review_assessment

    workspace.write(lambda tx: tx.conn.execute(review_assessment.delete().where(review_assessment.c.workspace_id == tx.workspace_id)))
    with pytest.raises(Refused, match="Nobody assessed"):
        activate_policy(workspace, NAME, number, person=OWNER)


def test_the_author_a_reviewer_and_an_operator_do_not_activate(workspace: Workspace) -> None:
    number = draft(workspace)
    for person in (
        AUTHOR,
        dataclasses.replace(AUTHOR, login="OTTO"),
        *(Account(id="x", login="x", display_name="x", roles=frozenset({role})) for role in ("reviewer", "operator", "admin", "auditor")),
    ):
        with pytest.raises(Refused):
            activate_policy(workspace, NAME, number, person=person)
    assert policies(workspace)[0].state == "draft"


def test_a_report_that_is_too_old_or_of_another_model_is_stale(location: str) -> None:
    clock = ManualClock()
    with create_workspace(location, actor="tester", clock=clock) as workspace:
        report = prepare(workspace)
        number = draft(workspace, POLICY, report.id)
        with pytest.raises(InputError, match=r"The report is about 'tgt_1'"):
            draft_policy(workspace, policy(report.id, POLICY.replace("fingerprint: tgt_1", "fingerprint: tgt_2")), person=AUTHOR)
        with pytest.raises(InputError, match=r"field 'model\.prompt'"):
            draft_policy(workspace, policy(report.id, POLICY.replace("prompt: p1", "prompt: p2")), person=AUTHOR)
        clock.advance(90 * 86_400)
        with pytest.raises(Refused, match="older than 90d"):
            activate_policy(workspace, NAME, number, person=OWNER)


def test_a_report_changed_in_the_database_carries_nothing(live: Workspace) -> None:
    c = calibration_report.c
    changed = update(calibration_report).where(c.workspace_id == live.id).values(report={"thresholds": {"": 0.1}})
    live.write(lambda tx: tx.conn.execute(changed))
    with pytest.raises(IntegrityError, match="does not match its own hash"):
        Router.load(live, NAME)
    with pytest.raises(IntegrityError):
        activate_policy(live, NAME, draft_again(live), person=OWNER)


def draft_again(workspace: Workspace) -> int:
    """A second version, put there as a program that skips the checks would."""
    first = policies(workspace)[0]
    row = {"policy": NAME, "number": 2, "state": "draft", "category": "refunds", "declared": first.declared, "report_id": first.report_id}
    workspace.write(lambda tx: tx.insert(routing_policy_version, {**row, "author": "otto"}))
    return 2


def test_the_database_itself_holds_four_eyes_one_active_version_and_that_people_loosen(live: Workspace) -> None:
    first = policies(live)[0]
    row = {"policy": NAME, "category": "refunds", "declared": first.declared, "report_id": first.report_id, "levels": {}}

    def put(**given: Any) -> None:
        live.write(lambda tx: tx.conn.execute(insert(routing_policy_version), [{**tx.stamp(), **row, **given}]))

    for broken in (
        {"number": 5, "state": "active", "author": "a", "activated_by": "a", "activated_at": 1},
        {"number": 6, "state": "active", "author": "a", "activated_by": None},
        {"number": 7, "state": "active", "author": "a", "activated_by": "b", "activated_at": 1},
        {"number": 8, "state": "on", "author": "a"},
    ):
        with pytest.raises(BrokenConstraint):
            put(**broken)
    change = {"id": "x", "policy": NAME, "slice": "", "number": 1, "direction": "loosened", "level": "", "cause": "alarm", "subject": "x"}
    with pytest.raises(BrokenConstraint):
        live.write(lambda tx: tx.insert(routing_change, change))


def test_a_new_version_retires_the_one_before(live: Workspace) -> None:
    number = draft_policy(live, policies(live)[0].settings, person=AUTHOR).number
    activate_policy(live, NAME, number, person=OWNER)
    assert [one.state for one in policies(live)] == ["retired", "active"]
    with pytest.raises(Refused, match="retired"):
        activate_policy(live, NAME, 1, person=OWNER)


def test_a_suspended_version_comes_back_only_through_an_owner(live: Workspace) -> None:
    suspend_policy(live, NAME, person=AUTHOR)
    with pytest.raises(Refused):
        activate_policy(live, NAME, 1, person=AUTHOR)
    assert activate_policy(live, NAME, 1, person=OWNER).state == "active"


def test_a_stricter_assessment_holds_at_once_and_a_laxer_one_waits_for_an_owner(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        assert router.route(ask("a")).action == "accept"
        assess(live, ASSESSMENT.replace("severity: minor", "severity: critical"))
        assert router.route(ask("b")).reasons == ("level:in_the_loop",)
        assess(live)
        assert router.route(ask("c")).action == "accept"
    strict = POLICY.replace("  - slice: {language: en}\n", "  - slice: {language: en}\n    level: in_the_loop\n")
    number = draft(live, strict, policies(live)[0].report_id)
    activate_policy(live, NAME, number, person=OWNER)
    assess(live, ASSESSMENT.replace("{defined: guideline}", "{defined: executable, check: c.py}"))
    with Router.load(live, NAME) as router:
        assert router.route(ask("d")).action == "review"


def test_looks_are_counted_and_no_number_is_given_twice(workspace: Workspace) -> None:
    first = prepare(workspace)
    assert put_report(workspace, look=1) == first
    with pytest.raises(Conflict, match="so the next is 2"):
        put_report(workspace, look=1, labels_hash="0" * 64)
    with pytest.raises(Conflict):
        put_report(workspace, look=3)
    assert put_report(workspace).look == 2


def test_loosening_needs_an_owner_a_reason_and_evidence_from_after_the_alarm(live: Workspace) -> None:
    old = policies(live)[0].report_id
    assert live.write(lambda tx: tighten(tx, NAME, "language=en", level="in_the_loop", cause="alarm", subject="x"))
    with Router.load(live, NAME) as router:
        assert router.route(ask("a")).reasons == ("level:in_the_loop",)
    fresh = put_report(live).id
    bad = put_report(live, thresholds={"language=en": None}).id

    def attempt(**given: Any) -> None:
        loosen(live, NAME, given.pop("slice", "language=en"), **{"person": OWNER, "report_id": fresh, "reason": "mended", **given})

    for lacking in ({"person": AUTHOR}, {"report_id": old}, {"report_id": bad}, {"slice": "language=de"}, {"reason": " "}, {"report_id": fresh}):
        with pytest.raises(PilotageError):
            attempt(**lacking)  # the fresh report is no longer the latest look
    higher = put_report(live, thresholds={"language=en": 0.99}).id
    with pytest.raises(Refused, match="certifies only from"):
        attempt(report_id=higher)
    assert set(policy_changes(live, NAME)) == {"language=en"}
    attempt(report_id=put_report(live).id)
    assert policy_changes(live, NAME) == {}
    assert {one.slice: one.epoch for one in monitor_states(live, NAME)}["language=en"] == 2
    with Router.load(live, NAME) as router:
        assert router.route(ask("b")).action == "accept"
    assert [entry.actor for entry in entries(live, type="policy.loosened")] == ["olga"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(("language=en", "")), st.sampled_from(("", *LEVELS)), st.none() | st.floats(0, 1)), max_size=6))
def test_a_machine_only_ever_tightens(one_workspace: Workspace, acts: list[tuple[str, str, float | None]]) -> None:
    """Whatever is asked for, in whatever order: no slice's level or threshold ever goes down."""
    before = load_compiled(one_workspace, NAME).compiled
    for slice, level, threshold in acts:
        one_workspace.write(lambda tx, s=slice, v=level, t=threshold: tighten(tx, NAME, s, level=v, threshold=t, cause="alarm", subject="x"))
        after = load_compiled(one_workspace, NAME).compiled
        for was, now in zip(before.rules, after.rules, strict=True):
            assert step_of(now.level) >= step_of(was.level)
            assert (now.threshold or 0) >= (was.threshold or 0)
        before = after


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.floats(0, 1), st.floats(0, 1), st.sampled_from(("en", "de", "fr", "it", "")), st.sampled_from(("fine", "my lawyer", "DE89370400440532013000"))
)
def test_a_higher_confidence_never_gets_a_stricter_action(one_workspace: Workspace, one: float, other: float, language: str, text: str) -> None:
    compiled = _compiled(one_workspace)
    low, high = sorted((one, other))
    asked = [RouteRequest(id="x", payload={"t": text}, confidence=p, slices={"language": language}, model="tgt_1", prompt="p1") for p in (low, high)]
    strict, lax = (strictness(compiled.decide(request, now_us=1).action) for request in asked)
    assert lax <= strict
    assert (text, language) != ("DE89370400440532013000", "en") or ACTIONS[lax] == "block"


_COMPILED: list[Any] = []


def _compiled(workspace: Workspace) -> Any:
    if not _COMPILED:
        _COMPILED.append(load_compiled(workspace, NAME).compiled)
    return _COMPILED[0]


@pytest.fixture(scope="module")
def one_workspace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with create_workspace(str(tmp_path_factory.mktemp("policies") / "ws"), actor="tester") as workspace:
        put_in_force(workspace)
        yield workspace


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("rate: 0.1", "rate: 0.001", 24),
        ("  - slice: {language: de}", "  - slice: {tier: gold}", 12),
        ("  - slice: {language: de}", "  - slice: {language: en}", 12),
        ("level: two_person", "level: sometimes", 16),
        ("[A-Z0-9]{11,30}+", "[A-Z0-9]+", 21),
        ("[A-Z0-9]{11,30}+", "(a|a){1,30}", 21),
        ("\\b[A-Z]{2}", "(?<!x)[A-Z]{2}", 21),
        ("full: hold", "full: accept_low_risk", 25),
        ("refresh: 0s", "refresh: often", 8),
        ("contract: {error_rate: 0.05}", "contract: {error_rate: 0.9}", 6),
        ("name: vulnerable", "name: iban", 23),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_with_its_line(before: str, after: str, line: int) -> None:
    with pytest.raises(InputError) as caught:
        policy("cal_" + "0" * 32, POLICY.replace(before, after))
    assert int(str(caught.value.where).split(":")[1].split()[0]) == line


def test_every_automated_slice_has_a_threshold_in_force(live: Workspace) -> None:
    for rule in load_compiled(live, NAME).compiled.rules:
        assert rule.level not in AUTOMATED or rule.threshold is not None
        assert rule.audit_rate >= 0.01


def test_every_doubt_is_told_and_the_first_is_what_refuses(workspace: Workspace) -> None:
    from pilotage.review.routing.fitness import doubts_of_report, doubts_of_slices
    from pilotage.review.routing.managing import find_version
    from pilotage.review.routing.policy import Policy
    from pilotage.review.routing.reporting import find_report

    report = prepare(workspace)
    number = draft(workspace, POLICY.replace("error_rate: 0.05", "error_rate: 0.01").replace("max_age: 90d\n", ""), report.id)
    put_report(workspace, verdict="human_only")
    ask_again(workspace, category="refunds", person=OWNER, reason="again")
    with workspace.read() as conn:
        policy = Policy.model_validate(find_version(conn, workspace.id, NAME, number)["declared"])
        later = workspace.clock.now_us() + 400 * 86_400_000_000
        told = [str(one.what) for one in doubts_of_report(conn, workspace.id, policy, find_report(conn, workspace.id, report.id), now_us=later)]
        sliced = dict(doubts_of_slices(conn, workspace.id, policy, find_report(conn, workspace.id, report.id), now_us=later))
    assert ["older than" in told[0], "certifies an error rate" in told[1], "later look" in told[2], len(told)] == [True, True, True, 3]
    assert set(sliced) == {"language=en", "language=de", "language=fr", ""} and "due again" in sliced[""].what
    with pytest.raises(Refused, match="certifies an error rate"):
        activate_policy(workspace, NAME, number, person=OWNER)


def test_a_draft_can_be_tried_as_it_would_decide_and_nothing_routes_on_it(workspace: Workspace) -> None:
    from pilotage.review.routing.compiling import preview

    number = draft(workspace)
    tried = preview(workspace, NAME, number)
    assert tried.state == "draft" and tried.compiled.decide(ask("a"), now_us=workspace.clock.now_us()).action == "accept"
    with pytest.raises(Refused, match="nothing routes on a draft"):
        load_compiled(workspace, NAME)
    with pytest.raises(NotFound):
        preview(workspace, NAME, 9)


def test_the_name_reports_is_the_function_whatever_was_loaded_before() -> None:
    import pilotage.review.routing as face
    import pilotage.review.routing.reporting

    assert face.reports is pilotage.review.routing.reporting.reports
