"""The router: what goes where and why, once per request, durable before it is answered."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from routed import AUTHOR, NAME, POLICY, answer_audits, ask, put_in_force
from sqlalchemy import select

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.judging.tables import item_payload
from pilotage.ledger import create_workspace, entries
from pilotage.review import counts
from pilotage.review.routing import Router, fit_novelty, keep_novelty, load_route, report_outcome, routes, suspend_policy, watch_policy
from pilotage.review.routing import router as router_module
from pilotage.review.routing.known_ids import KnownIds
from pilotage.review.routing.recording import find_decision
from pilotage.review.routing.tables import audit_sample
from pilotage.store import Workspace


@pytest.mark.parametrize(
    ("given", "action", "reasons"),
    [
        (ask("a"), "accept", ("above_threshold",)),
        (ask("a", 0.9001), "accept", ("above_threshold",)),
        (ask("a", 0.8999), "review", ("below_threshold",)),
        (ask("a", 0.94, "de"), "review", ("below_threshold",)),
        (ask("a", language="fr"), "two_person", ("level:two_person",)),
        (ask("a", language="it"), "review", ("level:in_the_loop",)),
        (ask("a", None), "review", ("confidence_missing",)),
        (ask("a", math.nan), "review", ("confidence_invalid",)),
        (ask("a", 1.2), "review", ("confidence_invalid",)),
        (ask("a", True), "review", ("confidence_invalid",)),
        (ask("a", "0.99"), "review", ("confidence_invalid",)),
        (ask("a", model="tgt_2"), "review", ("model_changed",)),
        (ask("a", prompt="p2"), "review", ("model_changed",)),
        (ask("a", model=None), "review", ("model_unknown",)),
        (ask("a", text="Pay to DE89370400440532013000 now"), "block", ("pattern:iban",)),
        (ask("a", text="Pay to DE8937\u200b0400440532013000 now"), "block", ("pattern:iban",)),
        (ask("a", text="I asked my LAWYER."), "people_only", ("sensitive:vulnerable",)),
        (ask("a", text="lawyered"), "accept", ("above_threshold",)),
        (ask("a", context={"customer.vulnerable": True}), "people_only", ("sensitive:vulnerable",)),
        (ask("a", context={"customer.vulnerable": 1}), "accept", ("above_threshold",)),
        (ask("a", 0.2, payload={"deep": ["DE89370400440532013000"]}), "block", ("below_threshold", "pattern:iban")),
        (ask("a", text="x" * 20_001), "review", ("too_long_to_scan",)),
    ],
)
def test_what_goes_where_and_why(decider: Any, given: Any, action: str, reasons: tuple[str, ...]) -> None:
    decision = decider.decide(given, now_us=1)
    assert (decision.action, decision.reasons) == (action, reasons)


@pytest.fixture(scope="module")
def decider(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with create_workspace(str(tmp_path_factory.mktemp("routing") / "ws"), actor="tester") as workspace:
        put_in_force(workspace)
        with Router.load(workspace, NAME) as router:
            yield router.compiled


def test_a_payload_nested_too_deep_to_be_read_goes_to_a_person(decider: Any) -> None:
    deep: Any = "DE89370400440532013000"
    for _ in range(30):
        deep = [deep]
    assert decider.decide(ask("a", payload={"deep": deep}), now_us=1).reasons == ("too_long_to_scan",)


def test_a_report_that_is_too_old_accepts_nothing(decider: Any) -> None:
    late = decider.decide(ask("a"), now_us=decider.expires_at)
    assert (late.action, late.reasons) == ("review", ("calibration_expired",))


def test_the_same_request_again_is_the_same_answer_and_one_row(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        first, again = router.route(ask("a", 0.5)), router.route(ask("a", 0.5))
        assert not first.repeated and again.repeated
        assert (again.id, again.action, again.reasons, again.item_id) == (first.id, first.action, first.reasons, first.item_id)
        with pytest.raises(Conflict, match="another request"):
            router.route(ask("a", 0.97))
    with Router.load(live, NAME) as router:
        assert router.route(ask("a", 0.5)).repeated
    assert len(routes(live, NAME)) == 1
    assert counts(live, "refunds").open == 1


def test_a_payload_is_kept_only_where_somebody_will_look(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        decisions = [router.route(ask(f"secret-{number}")) for number in range(60)]
        reviewed = router.route(ask("seen", 0.1))
        alone = router.route(ask("alone", context={"customer.vulnerable": True}))
    with live.read() as conn:
        kept = {row.item_id: row.payload for row in conn.execute(select(item_payload).where(item_payload.c.workspace_id == live.id))}
    audited = {one.item_id for one in decisions if one.audit}
    assert set(kept) == audited | {reviewed.item_id, alone.item_id}
    assert "reply" in kept[str(reviewed.item_id)] and "reply" not in kept[str(alone.item_id)]
    assert all("secret" not in str(entry.body) and "seen" not in str(entry.body) for entry in entries(live, limit=1_000))


def test_reviewers_are_told_neither_that_it_is_an_audit_nor_why_it_is_there(live: Workspace) -> None:
    from pilotage.judging import person
    from pilotage.review import claim

    with Router.load(live, NAME) as router:
        decisions = [router.route(ask(f"r{number}")) for number in range(60)] + [router.route(ask("low", 0.3))]
    claimed = claim(live, "refunds", person("rita"), 50)
    assert len(claimed) == sum(one.audit for one in decisions) + 1
    assert {task.why for task in claimed} == {("labelling",)}
    assert {(task.priority, task.due_at) for task in claimed} == {(0, None)}


def test_two_people_are_asked_where_two_must_look(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        decision = router.route(ask("a", language="fr"))
    assert answer_audits(live, lambda _: False, login="rita") == 1
    assert load_route(live, decision.id).state == "waiting"
    assert answer_audits(live, lambda _: True, login="rolf") == 1
    routed = load_route(live, decision.id)
    assert (routed.state, sorted(routed.answers["correct"])) == ("answered", ["no", "yes"])


def test_audits_are_drawn_by_a_secret_and_their_probability_is_kept(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        english = [router.route(ask(f"e{number}")) for number in range(200)]
        german = [router.route(ask(f"g{number}", 0.96, "de")) for number in range(200)]
        assert [one.audit for one in english] == [router.compiled.audited(one).audit for one in english]
    assert {one.inclusion for one in english} == {0.1} and {one.inclusion for one in german} == {0.2}
    assert 5 <= sum(one.audit for one in english) <= 40 < 80 and 20 <= sum(one.audit for one in german) <= 65
    with live.read() as conn:
        kept = {row.route_id: row.inclusion for row in conn.execute(select(audit_sample).where(audit_sample.c.workspace_id == live.id))}
    assert kept == {one.id: one.inclusion for one in [*english, *german] if one.audit}
    assert all("salt" not in str(entry.body) for entry in entries(live, limit=1_000))


@pytest.mark.parametrize(
    ("full", "action", "held"),
    [("full: hold", "review", True), ("full: block", "block", False), ("full: accept_low_risk, low_risk: 0.7", "accept", False)],
)
def test_a_full_queue_does_what_the_policy_says(workspace: Workspace, full: str, action: str, held: bool) -> None:
    put_in_force(workspace, POLICY.replace("queue_limit: 1000, full: hold", f"queue_limit: 2, {full}"))
    with Router.load(workspace, NAME) as router:
        assert [router.route(ask(f"first-{number}", 0.1)).held for number in range(2)] == [False, False]
        decision = router.route(ask("over", 0.8))
        assert (decision.action, decision.held, decision.reasons[-1]) == (action, held, "queue_full")
        # What is sensitive, or below the low risk, never goes out because people are busy.
        assert router.route(ask("sensitive", 0.8, context={"customer.vulnerable": True})).action != "accept"
        assert router.route(ask("low", 0.1)).action != "accept"
        assert router.route(ask("french", language="fr")).action != "accept"
    if held:
        assert load_route(workspace, decision.id).state == "held"
        assert watch_policy(workspace, NAME).released == 0
        answer_audits(workspace, lambda _: False)
        assert watch_policy(workspace, NAME).released == 2
        assert load_route(workspace, decision.id).state == "waiting"


def test_a_suspended_policy_sends_everything_to_people(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        assert router.route(ask("before")).action == "accept"
        suspend_policy(live, NAME, person=AUTHOR, reason="A customer called.")
        after = router.route(ask("after"))
        assert (after.action, after.reasons) == ("review", ("level:in_the_loop",))
    assert all("customer called" not in str(entry.body) for entry in entries(live, limit=1_000))


def test_nothing_routes_on_a_draft_or_without_a_policy(workspace: Workspace) -> None:
    from routed import policy, prepare

    from pilotage.review.routing import draft_policy

    with pytest.raises(NotFound):
        Router.load(workspace, NAME)
    draft_policy(workspace, policy(prepare(workspace).id), person=AUTHOR)
    with pytest.raises(Refused, match="No version"):
        Router.load(workspace, NAME)


def test_decisions_recorded_behind_are_durable_after_a_flush_and_the_rest_at_once(workspace: Workspace) -> None:
    put_in_force(workspace, POLICY.replace("record: before", "record: behind"))
    with Router.load(workspace, NAME) as router:
        made = [router.route(ask(f"b{number}", 0.97 if number % 3 else 0.2)) for number in range(300)]
        assert {one.recorded for one in made if one.action == "review" or one.audit} == {"before"}
        assert {one.recorded for one in made if one.action == "accept" and not one.audit} == {"behind"}
        assert router.route(ask("b1")).repeated
        router.flush()
        assert {one.id for one in routes(workspace, NAME, limit=1_000)} == {one.id for one in made}
    batches = [entry for entry in entries(workspace, limit=1_000) if entry.type == "outputs.routed"]
    assert sum(entry.body["routed"] for entry in batches) == sum(one.recorded == "behind" for one in made)
    with Router.load(workspace, NAME) as router:
        assert router.route(ask("b1")).repeated


def test_a_new_id_is_looked_up_the_short_way_and_a_known_one_is_found_by_every_router(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_force(workspace, POLICY.replace("record: before", "record: behind").replace("refresh: 0s", "refresh: 1h"))
    asked: list[str] = []

    def read(conn: Any, workspace_id: str, route_id: str) -> Any:
        asked.append(route_id)
        return find_decision(conn, workspace_id, route_id)

    monkeypatch.setattr(router_module, "find_decision", read)
    with Router.load(workspace, NAME) as first, Router.load(workspace, NAME) as second:
        made = next(one for number in range(50) if (one := first.route(ask(f"b{number}"))).recorded == "behind")
        assert made.id not in asked  # nothing but the short way was needed
        first.flush()
        again = second.route(ask(made.request_id))
        assert again.repeated and again.action == made.action and asked == [*asked[:-1], made.id]
        with pytest.raises(Conflict, match="another request"):
            second.route(ask(made.request_id, 0.99))


def test_where_the_short_way_is_closed_the_usual_one_answers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_force(workspace, POLICY.replace("record: before", "record: behind"))
    with Router.load(workspace, NAME) as router:
        made = [router.route(ask(f"b{number}")) for number in range(20)]

    def closed(_: KnownIds, __: object) -> bool:
        raise OSError("the connection broke")

    monkeypatch.setattr(KnownIds, "__contains__", closed)
    with Router.load(workspace, NAME) as router:
        assert all(router.route(ask(one.request_id)).repeated for one in made)
        assert router.route(ask("new")).action == "accept"


def test_ids_are_known_to_many_threads_at_once(workspace: Workspace) -> None:
    put_in_force(workspace)
    with Router.load(workspace, NAME) as router:
        made = [router.route(ask(f"b{number}")).id for number in range(5)]
    known = KnownIds(workspace)
    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(lambda number: made[number % 5] in known and f"rte_{number}" not in known, range(200)))
    known.close()
    assert made[0] in known  # a late question is answered, and nothing stays open for it
    assert not known._idle


def test_where_nothing_can_be_written_nothing_is_accepted(live: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.core import Unavailable

    def broken(*_: Any, **__: Any) -> None:
        raise Unavailable("The disk is full.")

    with Router.load(live, NAME) as router:
        monkeypatch.setattr(router._workspace, "write", broken)
        decision = router.route(ask("a"))
        assert (decision.action, decision.reasons, decision.recorded) == ("review", ("above_threshold", "not_recorded"), "no")


def test_what_is_behind_is_kept_while_it_cannot_be_written_and_nothing_more_is_accepted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import Future

    from pilotage.core import Unavailable

    def broken(*_: Any) -> Any:
        failed: Future[None] = Future()
        failed.set_exception(Unavailable("The disk is full."))
        return failed

    put_in_force(workspace, POLICY.replace("record: before", "record: behind"))
    with Router.load(workspace, NAME) as router:
        with monkeypatch.context() as patch:
            patch.setattr(router._workspace, "submit", broken)
            patch.setattr(router._workspace, "write", lambda job: broken().result())
            waiting = next(one for number in range(50) if (one := router.route(ask(f"b{number}"))).recorded == "behind")
            with pytest.raises(Unavailable):
                router.flush()
            assert router.route(ask("more")).recorded == "no"
        router.flush()
        assert waiting.id in {one.id for one in routes(workspace, NAME)}
        assert router.route(ask("more")).action == "accept"


def test_outputs_unlike_the_reference_go_to_a_person(workspace: Workspace) -> None:
    usual = [f"You can return item {number} within {number % 30} days of receiving it, free of charge." for number in range(300)]
    digest = keep_novelty(workspace, fit_novelty(usual, alpha=0.02))
    put_in_force(workspace, POLICY.replace("triggers:\n", f"triggers:\n  novelty: {{reference: {digest}}}\n"))
    with Router.load(workspace, NAME) as router:
        assert router.route(ask("a", text=usual[7])).action == "accept"
        strange = router.route(ask("b", text="Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich!"))
        assert (strange.action, strange.reasons) == ("review", ("novel",))
        assert router.route(ask("c", text="")).reasons == ("novelty_unknown",)


def test_what_is_reported_from_outside_is_kept_and_counts_as_no_audit(live: Workspace) -> None:
    with Router.load(live, NAME) as router:
        decision = router.route(ask("a"))
    for _ in range(2):
        report_outcome(live, decision.id, wrong=True, source="complaint")
    with pytest.raises(Conflict):
        report_outcome(live, decision.id, wrong=False, source="complaint")
    with pytest.raises(NotFound):
        report_outcome(live, "rte_nothing", wrong=False, source="complaint")
    assert [(one.source, one.wrong) for one in load_route(live, decision.id).outcomes] == [("complaint", True)]
    assert watch_policy(live, NAME).wrong == 0


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb"])
def test_a_request_without_a_usable_id_is_refused(live: Workspace, name: str) -> None:
    with Router.load(live, NAME) as router, pytest.raises(InputError):
        router.route(ask(name))


def test_a_word_behind_characters_that_stand_for_many_is_not_hidden(decider: Any) -> None:
    # U+FDFA stands for eighteen characters: what comes after enough of them would lie beyond what is scanned.
    decision = decider.decide(ask("a", text="\ufdfa" * 6_000 + " I asked my LAWYER."), now_us=0)
    assert decision.action != "accept" and "too_long_to_scan" in decision.reasons


def test_while_a_failed_batch_is_taken_back_nobody_is_told_that_it_is_durable(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    from concurrent.futures import Future

    from pilotage.core import Unavailable

    class Late(Future[None]):
        """Fails, and lets another thread look at the router just then."""

        def exception(self, timeout: float | None = None) -> BaseException | None:
            found = super().exception(timeout)
            if threading.current_thread() is threading.main_thread() and not seen:
                seen.append(bool(router._behind) or router._writing is not None)
            return found

    def broken(*_: Any) -> Any:
        failed = Late()
        failed.set_exception(Unavailable("The disk is full."))
        return failed

    seen: list[bool] = []
    put_in_force(workspace, POLICY.replace("record: before", "record: behind"))
    with Router.load(workspace, NAME) as router:
        monkeypatch.setattr(router, "_thread", threading.current_thread())  # nobody writes but the test
        with monkeypatch.context() as patch:
            patch.setattr(router._workspace, "submit", broken)
            next(one for number in range(50) if (one := router.route(ask(f"b{number}"))).recorded == "behind")
            with router._lock:
                held = _Held(router)
            patch.setattr(router, "_lock", held)
            router._write_behind()
        assert seen == [True] and held.empty == 0
        monkeypatch.setattr(router, "_thread", None)
        monkeypatch.setattr(router, "_failed", None)


class _Held:
    """A lock that counts how often, when it is let go, the router looked as if everything were written."""

    def __init__(self, router: Router) -> None:
        self.router, self.empty = router, 0

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        self.empty += not self.router._behind and self.router._writing is None
