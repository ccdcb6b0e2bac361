"""Strengths from pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pilotage.core import InputError
from pilotage.judging import Judgement
from pilotage.judging.preferences import Pair, bradley_terry, pairs_of, rank_dimensions
from pilotage.judging.preferences.likelihood import Model
from pilotage.judging.preferences.pairs import columns_of

TRUE = {"m0": 1.5, "m1": 0.5, "m2": 0.0, "m3": -0.5, "m4": -1.5}


def drawn(*, raters: int = 12, each: int = 60, careless: int = 0, side: float = 0.0, tie: float = -0.5, seed: int = 0) -> list[Pair]:
    """Comparisons of Davidson's model; ``careless`` raters answer without looking."""
    rng = np.random.default_rng(seed)
    names, made = list(TRUE), []
    for rater in range(raters):
        for _ in range(each):
            a, b = (names[i] for i in rng.choice(len(names), 2, replace=False))
            sides = "ab" if rng.random() < 0.5 else "ba"
            gap = TRUE[a] - TRUE[b] + (side if sides == "ab" else -side)
            weight = np.exp([gap, gap / 2 + tie, 0])
            said = ("a", "tie", "b")[rng.choice(3, p=weight / weight.sum() if rater >= careless else np.full(3, 1 / 3))]
            made.append(Pair(a, b, said, f"r{rater}", sides, (float(rng.uniform(50, 200)), 100.0)))  # type: ignore[arg-type]
    return made


def test_strengths_come_out_as_they_were_put_in() -> None:
    found = bradley_terry(drawn(each=120), replicates=100)
    assert [each.item for each in found.strengths] == list(TRUE)
    for each in found.strengths:
        assert each.strength == pytest.approx(TRUE[str(each.item)], abs=0.4)
        assert each.lower <= each.strength <= each.upper
    assert found.tie == pytest.approx(np.exp(-0.5), abs=0.2)
    assert (found.status, found.drawn, found.converged) == ("measured", "raters", True)


def test_two_items_have_the_log_odds_of_their_wins() -> None:
    pairs = [Pair("x", "y", "a", f"r{i}") for i in range(30)] + [Pair("x", "y", "b", f"r{i}") for i in range(10)]
    found = bradley_terry(pairs, reliability=False, ridge=1e-6, replicates=50)
    assert found.strength_of("x").strength - found.strength_of("y").strength == pytest.approx(np.log(3), abs=1e-4)
    assert found.strength_of("x").wins == 30


def test_the_slope_is_the_slope_of_the_objective() -> None:
    columns = columns_of(drawn(raters=3, each=30))
    model = Model(columns, ties=True, side=True, length=True, ridge=0.1)
    outcome = np.zeros((columns.n, 3))
    outcome[np.arange(columns.n), columns.outcome] = 1.0
    at = np.random.default_rng(1).normal(size=model.size) * 0.3
    rise, bend = model.slope(at, outcome)
    steps = 1e-5 * np.eye(model.size)
    assert rise == pytest.approx([(model.objective(at + s, outcome) - model.objective(at - s, outcome)) / 2e-5 for s in steps], abs=1e-5)
    numeric = np.array([(model.slope(at + s, outcome)[0] - model.slope(at - s, outcome)[0]) / 2e-5 for s in steps])
    assert np.allclose(bend, -numeric, atol=1e-5)
    assert (np.linalg.eigvalsh(bend) > 0).all()


def test_calling_the_sides_otherwise_or_shuffling_changes_nothing() -> None:
    pairs = drawn(raters=4, each=30)
    turned = [
        Pair(p.b, p.a, {"a": "b", "b": "a"}.get(p.preferred, p.preferred), p.rater, "ba" if p.sides == "ab" else "ab", (p.lengths or (1, 1))[::-1])  # type: ignore[arg-type]
        for p in reversed(pairs)
    ]
    one, other = bradley_terry(pairs, replicates=50), bradley_terry(turned, replicates=50)
    for each in one.strengths:
        assert other.strength_of(each.item).strength == pytest.approx(each.strength, abs=1e-9)
    assert other.position.share == one.position.share
    assert other.position.log_odds == pytest.approx(one.position.log_odds)


def test_raters_who_do_not_look_are_found_and_believed_less() -> None:
    pairs = drawn(raters=12, each=80, careless=4, seed=3)
    found, blind = bradley_terry(pairs, replicates=50), bradley_terry(pairs, reliability=False, replicates=50)
    reliability = {care.rater: care.reliability for care in found.raters}
    assert max(reliability[f"r{i}"] for i in range(4)) < min(reliability[f"r{i}"] for i in range(4, 12))
    assert all(care.n > 0 and care.lower <= care.reliability <= care.upper for care in found.raters)
    spread = [ranking.strength_of("m0").strength - ranking.strength_of("m4").strength for ranking in (found, blind)]
    assert abs(spread[0] - 3) < abs(spread[1] - 3)


def test_the_pull_of_the_left_side_is_measured_and_taken_out() -> None:
    pulled, fair = (bradley_terry(drawn(each=80, side=side), replicates=50) for side in (0.6, 0.0))
    assert pulled.position.lower is not None
    assert pulled.position.lower > 0.5
    assert pulled.position.log_odds is not None
    assert pulled.position.log_odds > 0.3
    assert fair.position.lower is not None
    assert fair.position.upper is not None
    assert fair.position.lower < 0.5 < fair.position.upper


def test_what_was_not_logged_is_not_assessable() -> None:
    pairs = [replace(pair, sides=None, lengths=None) for pair in drawn(raters=3)]
    found = bradley_terry(pairs, replicates=50)
    assert (found.position.share, found.length.share) == (None, None)
    assert "not logged" in found.position.reason
    assert "not assessable" in str(found.length)
    assert found.drawn == "comparisons"


def test_both_bad_is_no_preference_and_is_counted_apart() -> None:
    pairs = drawn(raters=3)
    bad = [replace(pair, preferred="both_bad") if pair.preferred == "tie" else pair for pair in pairs]
    one, other = bradley_terry(pairs, replicates=50), bradley_terry(bad, replicates=50)
    assert other.both_bad == other.no_preference == one.no_preference > 0
    assert [s.strength for s in one.strengths] == [s.strength for s in other.strengths]
    half = bradley_terry(pairs, ties="half", replicates=50)
    assert half.tie is None
    assert [s.item for s in half.strengths] == [s.item for s in one.strengths]


def test_what_was_never_compared_is_refused_and_what_won_everything_is_marked() -> None:
    with pytest.raises(InputError, match="2 groups"):
        bradley_terry([Pair("a", "b", "a", "r"), Pair("c", "d", "a", "r")])
    pairs = [pair for pair in drawn() if "m0" not in (pair.a, pair.b) or ((pair.preferred == "a") == (pair.a == "m0") and pair.preferred != "tie")]
    pairs = [pair for pair in pairs if "m0" not in (pair.a, pair.b) or {"a": pair.a, "b": pair.b}[pair.preferred] == "m0"]
    found = bradley_terry(pairs, replicates=50)
    assert found.separated == ("m0",)
    assert found.strength_of("m0").separated
    assert found.status == "too_few_for_a_verdict"
    assert "won or lost everything" in found.reason
    assert np.isfinite(found.strength_of("m0").strength)


def test_dimensions_are_never_made_one() -> None:
    pairs = [replace(pair, dimension=dimension) for dimension in ("safe", "helpful") for pair in drawn(raters=3)]
    with pytest.raises(InputError, match="2 dimensions"):
        bradley_terry(pairs)
    found = rank_dimensions(pairs, replicates=50)
    assert list(found) == ["helpful", "safe"]
    assert found["safe"].dimension == "safe"


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [Pair("a", "a", "a", "r")],
        [Pair("a", "b", "c", "r")],  # type: ignore[arg-type]
        [Pair("a", "b", "a", "r", sides="left")],
        [Pair("a", "b", "a", "r", lengths=(0, 1))],
    ],
)
def test_what_is_no_comparison_is_refused(wrong: list[Pair]) -> None:
    with pytest.raises(InputError):
        bradley_terry(wrong)


def test_circles_are_counted_and_named() -> None:
    circle = [("rock", "scissors"), ("scissors", "paper"), ("paper", "rock")]
    found = bradley_terry([Pair(a, b, "a", f"r{i}") for a, b in circle for i in range(5)], replicates=50)
    assert (found.transitivity.by_majority, found.transitivity.n_triples) == (1, 1)
    assert set(found.transitivity.circles[0]) == {"rock", "paper", "scissors"}
    assert (found.transitivity.within_raters, found.transitivity.n_within, found.transitivity.n_raters) == (5, 5, 5)
    straight = bradley_terry([Pair(a, b, "a", "r") for a, b in [("x", "y"), ("y", "z"), ("x", "z")]], replicates=50)
    assert straight.transitivity.by_majority == 0
    assert straight.transitivity.share == 0
    two = bradley_terry([Pair("x", "y", "a", "r"), Pair("x", "y", "b", "r")], replicates=50)
    assert two.transitivity.share is None
    assert "no three items" in two.transitivity.reason


def test_answers_to_pair_questions_are_comparisons_in_canonical_order() -> None:
    made = [
        Judgement("i1", "helpful", "ann", "rub", value={"preferred": "a", "strength": 2}, sides="ba", rater_kind="person"),
        Judgement("i1", "helpful", "bob", "rub", abstained=True, reason="unclear", rater_kind="person"),
        Judgement("i2", "helpful", "ann", "rub", value={"preferred": "both_bad", "strength": None}, rater_kind="person"),
    ]
    compared = {"i1": ("v1", "v2"), "i2": ("v2", "v1")}
    found = pairs_of(made, compared, lengths={"i1": (10, 20)})
    assert found == [
        Pair("v1", "v2", "a", "ann", "ba", (10, 20), "helpful"),
        Pair("v2", "v1", "both_bad", "ann", None, None, "helpful"),
    ]
    with pytest.raises(InputError, match="not known"):
        pairs_of(made, {"i1": ("v1", "v2")})
    with pytest.raises(InputError, match="no preference"):
        pairs_of([replace(made[0], value="a")], compared)
    with pytest.raises(InputError, match="mixed"):
        pairs_of([made[0], replace(made[2], rater_kind="model")], compared)
