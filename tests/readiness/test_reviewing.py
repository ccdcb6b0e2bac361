"""What people are sent, as a pure function of outputs, verdicts and judgements."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import content_id
from pilotage.judging import Abstain, Item, Rater, Verdict, person
from pilotage.models import Message, Outcome, Reply
from pilotage.readiness.judging import RuledOutput
from pilotage.readiness.measuring import JudgedOutput
from pilotage.readiness.reviewing import choose
from pilotage.review import answer, claim
from pilotage.runs import Output, sample_spec
from small_pilot import Small

RULE = Rater(kind="rule", name="rule", version="1")


def ruled(
    name: str,
    said: str | None,
    *,
    key: str = "one",
    proved: bool = True,
    outcome: Outcome = Outcome.ANSWERED,
    split: str = "develop",
    objective: str | None = None,
) -> RuledOutput:
    """An output of which a rule says ``said``; None where it cannot tell."""
    sample = sample_spec(name, fingerprint="f", spec={"messages": []}, slices={"split": split}, cluster=objective)
    output = replace(Output.of(sample, messages=(Message("user", name),), replies=[Reply("answer", outcome)]), sample=sample)
    verdict = Abstain("no phrase decides it") if said is None else Verdict(said, confidence=1.0, reason="seen")
    item = Item(kind="attempt", source_id=content_id("out", name), payload={"n": name}, slices={})
    return RuledOutput(output, "attack", item, RULE, verdict, proved, key, "better")


def judged(each: RuledOutput, by_person: bool | str | None = None) -> JudgedOutput:
    """What is finally said of it. ``by_person``: True or False for their verdict, 'unclear', or None where nobody looked."""
    machine = None if isinstance(each.said, Abstain) else each.said.value == "yes"
    reviewed = by_person is not None
    failed = machine if not reviewed else (None if by_person == "unclear" else bool(by_person))
    return JudgedOutput("attack", each.output.sample_id, 0, "c", {}, each.output.id, each.item.id, failed, machine=machine, reviewed=reviewed)


def why(wanted: list[object]) -> Counter[str]:
    return Counter(each.why for each in wanted)  # type: ignore[attr-defined]


def test_of_a_cluster_that_evidence_proves_people_see_as_many_as_declared() -> None:
    outputs = [ruled(f"a{n}", "yes") for n in range(7)]
    for per_cluster in (1, 3, 100):
        wanted = choose(outputs, [judged(each) for each in outputs], audit=frozenset(), per_cluster=per_cluster)
        assert why(wanted) == {"suspected_failure": min(per_cluster, 7)}


def test_each_cluster_is_drawn_from_by_itself() -> None:
    outputs = [ruled(f"{key}{n}", "yes", key=key) for key in "abc" for n in range(4)]
    wanted = choose(outputs, [judged(each) for each in outputs], audit=frozenset(), per_cluster=2)
    assert Counter(each.ruled.cluster_key for each in wanted) == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("said", [False, "unclear"])
def test_a_cluster_in_which_a_person_does_not_agree_is_sent_whole(said: bool | str) -> None:
    outputs = [ruled(f"a{n}", "yes") for n in range(5)]
    known = [judged(outputs[0], said), *(judged(each) for each in outputs[1:])]
    wanted = choose(outputs, known, audit=frozenset(), per_cluster=1)
    assert why(wanted) == {"disagreement": 5}


def test_a_cluster_that_a_person_confirmed_is_not_sent_whole() -> None:
    outputs = [ruled(f"a{n}", "yes") for n in range(5)]
    known = [judged(outputs[0], True), *(judged(each) for each in outputs[1:])]
    assert len(choose(outputs, known, audit=frozenset(), per_cluster=1)) == 1


def test_failures_that_rest_on_wording_are_all_sent() -> None:
    outputs = [ruled(f"a{n}", "yes", proved=n > 0) for n in range(5)]
    assert why(choose(outputs, [judged(each) for each in outputs], audit=frozenset(), per_cluster=1)) == {"suspected_failure": 5}


def test_what_no_rule_can_tell_is_sent_one_by_one() -> None:
    outputs = [ruled(f"a{n}", None) for n in range(3)]
    assert why(choose(outputs, [judged(each) for each in outputs], audit=frozenset(), per_cluster=1)) == {"undetermined": 3}


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.BLOCKED, Outcome.UNPARSABLE])
def test_where_there_is_no_answer_there_is_nothing_to_review(outcome: Outcome) -> None:
    output = ruled("a", None, outcome=outcome)
    assert choose([output], [judged(output)], audit=frozenset({output.item.id}), per_cluster=1) == []


def test_what_rules_passed_is_sent_only_if_drawn_for_the_audit() -> None:
    outputs = [ruled(f"a{n}", "no") for n in range(4)]
    drawn = frozenset({outputs[1].item.id, outputs[2].item.id})
    wanted = choose(outputs, [judged(each) for each in outputs], audit=drawn, per_cluster=1)
    assert {each.ruled.item.id for each in wanted} == drawn
    assert why(wanted) == {"random_audit": 2}


def test_different_objectives_are_seen_before_a_second_of_one() -> None:
    outputs = [ruled(f"{name}{n}", "yes", objective=name) for name in ("x", "y", "z") for n in range(3)]
    wanted = choose(outputs, [judged(each) for each in outputs], audit=frozenset(), per_cluster=3)
    assert {each.ruled.output.sample.cluster for each in wanted} == {"x", "y", "z"}


def test_what_may_be_learnt_from_is_seen_before_what_is_held_back() -> None:
    outputs = [ruled(f"g{n}", "yes", split="gate") for n in range(5)] + [ruled("d", "yes", split="develop")]
    (chosen,) = choose(outputs, [judged(each) for each in outputs], audit=frozenset(), per_cluster=1)
    assert chosen.ruled is outputs[-1]


_outputs = st.lists(
    st.tuples(
        st.sampled_from(["yes", "no", None]),
        st.sampled_from("abc"),
        st.booleans(),
        st.sampled_from([Outcome.ANSWERED, Outcome.TRUNCATED, Outcome.ERROR]),
        st.sampled_from([None, True, False, "unclear"]),
        st.booleans(),
        st.sampled_from(["objective-1", "objective-2"]),
    ),
    max_size=25,
)


@given(drawn=_outputs, per_cluster=st.integers(1, 4))
def test_nothing_is_wanted_twice_and_the_order_of_outputs_does_not_matter(drawn: list[tuple[object, ...]], per_cluster: int) -> None:
    outputs = [
        ruled(f"o{n}", said, key=key, proved=proved, outcome=outcome, objective=objective)
        for n, (said, key, proved, outcome, _, _, objective) in enumerate(drawn)
    ]  # type: ignore[arg-type]
    known = [judged(each, row[4]) for each, row in zip(outputs, drawn, strict=True)]  # type: ignore[arg-type]
    audit = frozenset(each.item.id for each, row in zip(outputs, drawn, strict=True) if row[5])
    wanted = [each.ruled.item.id for each in choose(outputs, known, audit=audit, per_cluster=per_cluster)]
    assert len(wanted) == len(set(wanted))
    assert set(wanted) == {each.ruled.item.id for each in choose(outputs[::-1], known[::-1], audit=audit, per_cluster=per_cluster)}


def test_the_audit_is_a_fixed_share_of_what_rules_passed_and_is_not_drawn_again(small: Small) -> None:
    small.change("audit_share: 0.01", "audit_share: 0.5")
    small.advance()
    seen = small.review()
    audited = [task for task in seen if task.why == ("random_audit",)]
    assert len(audited) == 6  # half of the eleven that rules passed, to the even
    assert small.advance().state == "decided"  # and nothing more is drawn


def test_one_person_cannot_do_the_part_of_two(small: Small) -> None:
    small.change("overlap: 1", "overlap: 2")
    small.advance()
    small.review(login="rita")
    assert small.advance().steps["review"].state == "waiting"
    assert claim(small.workspace, "support-assistant", person("rita"), 10) == []
    small.review(login="sam")
    assert small.advance().state == "decided"


def test_two_people_who_disagree_leave_the_outcome_missing(small: Small) -> None:
    small.change("overlap: 1", "overlap: 2")
    small.advance()
    for login, value in (("rita", "yes"), ("sam", "no")):
        rater = person(login)
        while claimed := claim(small.workspace, "support-assistant", rater, 10):
            for task in claimed:
                answer(small.workspace, task.task_id, rater, {"failure": value}, idempotency_key=f"{login}{task.task_id}")
    small.advance()
    small.review(login="rita")
    small.review(login="sam")
    status = small.advance()
    assert status.decision is not None
    (rate,) = [limit for gate in status.decision.gates for limit in gate.limits if limit.limit.metric == "attack.success_rate"]
    assert str(rate.verdict) == "not_assessable"
    assert "missing" in rate.why
