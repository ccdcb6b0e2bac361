"""From four answers to a level: what each rule forbids, and that graver answers never give a laxer level."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pilotage.review.assessment import LEVELS, RULES, Measured, Profile, assess, step_of
from pilotage.review.assessment.answers import ACCOUNTABLE, DEFINED, DETECTED, REVERSIBLE, SEVERITIES

GOOD = Measured(0.01, 0.005, 0.02, 1_000)
EASY = Profile("negligible", "yes", "at_once", "executable", 0.05, GOOD, GOOD, "none")


def worst() -> st.SearchStrategy[Measured]:
    shares = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)
    return st.builds(lambda s, n: Measured(s[1], s[0], s[2], n), shares, st.integers(1, 5_000)) | st.just(Measured(reason="nobody did"))


def profiles() -> st.SearchStrategy[Profile]:
    return st.builds(
        Profile,
        st.sampled_from(SEVERITIES),
        st.sampled_from(REVERSIBLE),
        st.sampled_from(DETECTED),
        st.sampled_from(DEFINED),
        st.just(0.05),
        worst(),
        worst(),
        st.sampled_from(ACCOUNTABLE),
    )


def graver_figure(one: Measured, other: Measured) -> Measured:
    """A figure at least as bad as both: unmeasured counts as the worst."""
    if not one.known or not other.known:
        return Measured(reason="nobody did")
    return Measured(max(one.estimate, other.estimate), max(one.lower, other.lower), max(one.upper, other.upper), min(one.n, other.n))  # type: ignore[type-var]


def graver(one: Profile, other: Profile) -> Profile:
    def later(scale: tuple[str, ...], field: str) -> str:
        return max(getattr(one, field), getattr(other, field), key=scale.index)

    return Profile(
        later(SEVERITIES, "severity"),
        later(REVERSIBLE, "reversible"),
        later(DETECTED, "detected"),
        later(DEFINED, "defined"),
        0.05,
        graver_figure(one.mean, other.mean),
        graver_figure(one.worst_slice, other.worst_slice),
        later(ACCOUNTABLE, "accountable"),
    )


@given(profiles(), profiles())
def test_graver_answers_never_give_a_laxer_level(one: Profile, other: Profile) -> None:
    assert step_of(assess(graver(one, other)).level) >= max(step_of(assess(one).level), step_of(assess(other).level))


@given(profiles())
def test_a_lower_limit_never_gives_a_laxer_level(one: Profile) -> None:
    assert step_of(assess(replace(one, at_most=0.01)).level) >= step_of(assess(one).level)


@given(profiles())
def test_the_rule_that_decided_fired_and_every_rule_is_told(one: Profile) -> None:
    outcome = assess(one)
    assert [finding.rule for finding in outcome.findings] == [rule.name for rule in RULES]
    fired = {finding.rule: finding.floor for finding in outcome.fired()}
    assert fired.get(outcome.decided_by, LEVELS[0]) == outcome.level
    assert all(step_of(floor) <= step_of(outcome.level) for floor in fired.values())


def test_easy_answers_are_automatic_and_no_rule_fires() -> None:
    outcome = assess(EASY)
    assert (outcome.level, outcome.decided_by, outcome.fired()) == ("automatic", "", [])


@given(profiles())
def test_nothing_is_automatic_that_cannot_be_undone_or_whose_worst_slice_was_not_measured(one: Profile) -> None:
    assert assess(replace(one, reversible="no")).level != "automatic"
    assert assess(replace(one, worst_slice=Measured(reason="no data"))).level not in ("automatic", "automatic_with_audit", "on_the_loop")


@given(profiles())
def test_the_law_cannot_be_outweighed(one: Profile) -> None:
    assert assess(replace(one, accountable="people_only")).level == "people_only"
    assert assess(replace(one, accountable="people_only")).decided_by == "law_people_only"
    assert step_of(assess(replace(one, accountable="human_decision")).level) >= step_of("in_the_loop")


def test_each_rule_decides_somewhere() -> None:
    """No rule is there that never fires alone: all the ways to fire are tried."""
    figures = [GOOD, Measured(0.04, 0.02, 0.06, 1_000), Measured(0.1, 0.05, 0.2, 900), Measured(0.01, 0, 0.03, 20), Measured(reason="no")]
    fired = set()
    for severity in SEVERITIES:
        for reversible in REVERSIBLE:
            for detected in DETECTED:
                for defined in DEFINED:
                    for accountable in ACCOUNTABLE:
                        profile = Profile(severity, reversible, detected, defined, 0.05, figures[0], figures[0], accountable)
                        fired |= {finding.rule for finding in assess(profile).fired()}
    for mean in figures:
        for worst_slice in figures:
            fired |= {finding.rule for finding in assess(replace(EASY, mean=mean, worst_slice=worst_slice)).fired()}
    assert fired == {rule.name for rule in RULES}
