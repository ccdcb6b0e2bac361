"""Agreement on sets of labels, spans and rankings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging.agreement import kendall_tau, krippendorff_alpha, ranking_alpha, set_alpha, span_alpha, span_f1
from pilotage.judging.agreement.rankings import tau_b
from pilotage.judging.agreement.sets import set_distance
from pilotage.judging.agreement.spans import matches


def span(start: int, end: int, label: str = "x") -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def test_masi_is_milder_to_leaving_out_than_to_saying_otherwise() -> None:
    # Passonneau (2006): {a, b} and {a, b, c} are 2/3 · 2/3 alike, {a, b} and {b, c} 1/3 · 1/3.
    a, ab, abc, bc = (frozenset(letters) for letters in ("a", "ab", "abc", "bc"))
    assert set_distance(ab, abc) == pytest.approx(1 - 4 / 9)
    assert set_distance(ab, bc) == pytest.approx(1 - 1 / 9)
    assert set_distance(a, bc) == 1
    assert set_distance(ab, ab) == 0
    assert set_distance(ab, abc, "jaccard") == pytest.approx(1 / 3)
    assert set_distance(frozenset(), a) == 1


def test_sets_of_one_are_single_values() -> None:
    rows = [(unit, rater, (unit * 7 + (rater == "b" and unit % 3 == 0)) % 3) for unit in range(40) for rater in "ab"]
    single = krippendorff_alpha(rows, scale="nominal", replicates=0).estimate
    for distance in ("masi", "jaccard"):
        assert set_alpha([(u, r, [v]) for u, r, v in rows], distance=distance, replicates=0).estimate == pytest.approx(single)  # type: ignore[arg-type]


def test_the_order_of_labels_is_no_disagreement_and_no_label_is_an_answer() -> None:
    rows = [(u, r, labels[:: 1 if r == "a" else -1]) for u, labels in enumerate([["x", "y"], ["z"], [], ["x"]] * 15) for r in "ab"]
    assert set_alpha(rows).estimate == 1
    with pytest.raises(InputError, match="no distance"):
        set_alpha(rows, distance="dice")  # type: ignore[arg-type]


def test_span_f1_by_hand() -> None:
    rows = [("u", "a", [span(0, 5), span(10, 15)]), ("u", "b", [span(0, 5), span(11, 15), span(20, 25)])]
    assert span_f1(rows, replicates=0).estimate == pytest.approx(2 * 1 / 5)
    assert span_f1(rows, match="overlap", replicates=0).estimate == pytest.approx(2 * 2 / 5)
    assert span_f1(rows, match="overlap", least_overlap=0.8, replicates=0).estimate == pytest.approx(2 * 1 / 5)


def test_spans_are_paired_so_that_as_many_as_possible_match() -> None:
    # Greedy pairing would give [0, 10) its nearest partner and leave another span without one.
    one, other = [(0, 10, "x"), (8, 20, "x")], [(0, 9, "x"), (-0, 3, "x")]
    assert matches(one, other, "overlap", 0.0) == 2
    assert matches([(0, 10, "x")], [(0, 10, "y")], "overlap", 0.0) == 0
    assert matches([], other, "overlap", 0.0) == 0


def test_undefined_span_figures_say_why() -> None:
    assert "nobody marked" in span_f1([(u, r, []) for u in range(3) for r in "ab"]).reason
    assert "two raters" in span_f1([("u", "a", [])]).reason
    assert "no judgements" in span_alpha([], lengths={}).reason
    assert "same answer" in span_alpha([("u", r, []) for r in "ab"], lengths={"u": 9}).reason


@pytest.mark.parametrize("wrong", [{"start": 3, "end": 3, "label": "x"}, {"start": -1, "end": 3, "label": "x"}, {"start": 1, "label": "x"}])
def test_what_is_no_span_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="span"):
        span_f1([("u", "a", [wrong])])


def test_spans_behind_their_text_and_texts_without_length_are_refused() -> None:
    rows = [("u", r, [span(0, 12)]) for r in "ab"]
    with pytest.raises(InputError, match="behind its text"):
        span_alpha(rows, lengths={"u": 10})
    with pytest.raises(InputError, match="length"):
        span_alpha(rows, lengths={})


texts = st.lists(
    st.lists(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 6), st.sampled_from("xy")), max_size=3), min_size=2, max_size=3),
    min_size=1,
    max_size=5,
)


@given(texts)
@settings(max_examples=50, deadline=None)
def test_span_alpha_is_alpha_over_characters(given_texts: list[list[list[tuple[int, int, str]]]]) -> None:
    rows, characters = [], []
    for unit, raters in enumerate(given_texts):
        for rater, spans in enumerate(raters):
            rows.append((unit, rater, [span(start, min(12, start + size), label) for start, size, label in spans]))
            for at in range(12):
                said = tuple(sorted({label for start, size, label in spans if start <= at < min(12, start + size)}))
                characters.append(((unit, at), rater, said))
    found = span_alpha(rows, lengths=dict.fromkeys(range(len(given_texts)), 12), replicates=0)
    plain = krippendorff_alpha(characters, scale="nominal", replicates=0)
    assert (found.estimate is None) == (plain.estimate is None)
    if plain.estimate is not None:
        assert found.estimate == pytest.approx(plain.estimate, abs=1e-9)


def test_tau_b_by_hand() -> None:
    ranks = [{"a": 0, "b": 1, "c": 2}, {"a": 0, "b": 2, "c": 1}, {"a": 0, "b": 0, "c": 1}, {"a": 0, "b": 0, "c": 0}]
    assert tau_b(ranks[0], ranks[0]) == 1
    assert tau_b(ranks[0], ranks[1]) == pytest.approx(1 / 3)
    assert tau_b(ranks[0], ranks[2]) == pytest.approx(2 / 6**0.5)
    assert tau_b(ranks[0], ranks[3]) is None
    assert tau_b(ranks[0], {"a": 1}) is None


def test_rankings_that_agree_that_oppose_and_that_cannot_be_compared() -> None:
    same = [(u, r, [["x"], ["y", "z"]]) for u in range(60) for r in "ab"]
    assert kendall_tau(same).estimate == 1
    assert ranking_alpha(same).estimate == 1
    opposed = [(u, r, [["x"], ["y"]] if r == "a" else [["y"], ["x"]]) for u in range(60) for r in "ab"]
    assert kendall_tau(opposed, replicates=0).estimate == -1
    alpha = ranking_alpha(opposed, replicates=0).estimate
    assert alpha is not None
    assert alpha < -0.9
    tied = [(u, r, [["x", "y"]]) for u in range(60) for r in "ab"]
    assert "tell apart" in kendall_tau(tied).reason
    assert "tied" in ranking_alpha(tied).reason
    assert "two raters" in kendall_tau([(1, "a", [["x"], ["y"]])]).reason
    mixed = kendall_tau([*same, *((u + 100, r, v) for u, r, v in tied)])
    assert "60 further units" in mixed.reason


def test_which_option_is_named_first_changes_no_ranking_figure() -> None:
    rows = [(u, r, [["x"], ["y"], ["z"]] if (u + (r == "b")) % 3 else [["z"], ["x", "y"]]) for u in range(30) for r in "abc"]
    renamed = [(u, r, [[{"x": "z", "y": "y", "z": "x"}[o] for o in group] for group in ranking]) for u, r, ranking in rows]
    for figure in (kendall_tau, ranking_alpha):
        assert figure(rows, replicates=0).estimate == pytest.approx(figure(renamed, replicates=0).estimate)


def test_an_option_that_stands_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        kendall_tau([("u", "a", [["x"], ["x"]])])
    with pytest.raises(InputError, match="twice"):
        ranking_alpha([("u", "a", [["x"]]), ("u", "a", [["x"]])])
