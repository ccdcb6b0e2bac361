"""Figures about reliance are right on a population whose trust is known, and silent where there is too little to go by."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from population import Population

from pilotage.core import InputError
from pilotage.review.bias import AidedAnswer, Needed, answer_first_effect, compare, hours_of_shift, measure, measure_by

DRAWS = 60
FEW = Needed(seeds=2, per_arm=2)


def made(**changes: object) -> AidedAnswer:
    given = {"person": "ada", "item": "1", "arm": "suggestion_shown", "answer": "a", "suggestion": "a", "truth": "a", **changes}
    return AidedAnswer(**given)  # type: ignore[arg-type]


def test_over_a_known_population_figures_are_unbiased_and_intervals_cover() -> None:
    population = Population(people=12, answers=150)
    truth = {"miss_rate": population.miss_rate, "excess_agreement": population.excess, "over_correction": population.turned_down}
    estimates: dict[str, list[float]] = {name: [] for name in truth}
    covered: dict[str, list[bool]] = {name: [] for name in truth}
    for seed in range(DRAWS):
        found = measure(population.draw(seed), needed=FEW)
        for name, right in truth.items():
            figure = getattr(found, name)
            estimates[name].append(figure.estimate)
            covered[name].append(figure.lower <= right <= figure.upper)
    for name, right in truth.items():
        error = np.std(estimates[name]) / DRAWS**0.5
        assert abs(np.mean(estimates[name]) - right) < 3.5 * error
        assert np.mean(covered[name]) >= 0.87  # of .95: with 60 draws, 52 or fewer come by chance less than once in a hundred


def test_who_follows_blindly_does_not_tell_right_from_wrong_and_who_looks_does() -> None:
    blind = measure(Population(trust=0.97, spread=200).draw(1))
    careful = measure(Population(trust=0.03, spread=200).draw(1))
    assert blind.d_prime.upper < careful.d_prime.lower  # type: ignore[operator]
    assert blind.criterion.lower > careful.criterion.upper  # type: ignore[operator]
    assert blind.miss_rate.estimate > 0.9 > careful.miss_rate.estimate  # type: ignore[operator]
    assert blind.rair.lower > 0.8 and blind.rsr.upper < 0.2  # type: ignore[operator]
    assert careful.rsr.lower > 0.8 and careful.rair.upper < 0.3  # type: ignore[operator]


def test_looking_longer_at_wrong_suggestions_shows_in_the_time_ratio() -> None:
    assert measure(Population(trust=0.1).draw(2)).time_ratio.lower > 1.05  # type: ignore[operator]
    assert measure(Population(trust=0.999, spread=5000).draw(2)).time_ratio.lower < 1 < 1.1  # type: ignore[operator]


def test_below_the_number_needed_there_is_no_figure_but_how_many_are_lacking() -> None:
    found = measure(Population(people=3, answers=40).draw(0))
    assert found.miss_rate.estimate is None
    assert found.miss_rate.reason is not None and found.miss_rate.reason.startswith("not enough seeds: ")
    assert found.miss_rate.reason.endswith(" of 97 needed")
    assert "answer_first" in str(measure([made()]).rair.reason)


def test_the_interval_over_few_persons_is_wider_than_if_answers_were_independent() -> None:
    answers = Population(people=6, spread=2, answers=300).draw(3)
    by_person = measure(answers, needed=FEW).miss_rate
    independent = measure([dataclasses.replace(each, person=each.item) for each in answers], needed=FEW).miss_rate
    assert by_person.upper - by_person.lower > 1.5 * (independent.upper - independent.lower)  # type: ignore[operator]
    assert by_person.detail["over"] == "persons"


def test_figures_of_one_person_say_that_they_are_about_their_items() -> None:
    one = [each for each in Population(answers=400).draw(4) if each.person == "p00"]
    found = measure(one, needed=FEW)
    assert found.miss_rate.measured and found.miss_rate.detail["over"] == "items of one person"
    assert found.time_ratio.method == "one person, Welch's t on logarithms"


def test_a_seed_that_turned_out_right_is_in_no_figure() -> None:
    seeds = [made(item=str(n), arm="seeded", planted="b", truth="b" if n < 5 else "a", answer="b", person=f"p{n % 2}") for n in range(20)]
    found = measure(seeds, needed=FEW)
    assert (found.void_seeds, found.miss_rate.n) == (5, 15)


def test_runs_of_fast_accepts_are_counted_and_broken_by_a_slow_one() -> None:
    times = [900] * 6 + [5000] + [900] * 4
    answers = [made(item=str(n), at=n, active_ms=ms) for n, ms in enumerate(times)]
    found = measure(answers, needed=FEW)
    assert found.longest_streak == 6
    assert found.fast_accepts.estimate == pytest.approx(6 / 11)


def test_an_answer_that_is_there_twice_or_lacks_what_its_arm_needs_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        measure([made(), made()])
    with pytest.raises(InputError, match="planted"):
        made(arm="seeded")
    with pytest.raises(InputError, match="came first"):
        made(arm="answer_first")
    with pytest.raises(InputError, match="no arm"):
        made(arm="treated")


def test_groups_are_told_apart_by_person_slice_and_hour() -> None:
    answers = Population().draw(5)
    assert list(measure_by(answers, "hour")) == ["1", "2", "3", "4"]
    assert measure_by(answers, "slice")["x"].miss_rate.slice == {"slice": "x"}
    assert sum(each.n for each in measure_by(answers, "person").values()) == len(answers)
    with pytest.raises(InputError, match="person, slice or hour"):
        measure_by(answers, "mood")  # type: ignore[arg-type]


def test_a_countermeasure_that_works_is_found_and_one_that_makes_it_worse_too() -> None:
    before = Population(trust=0.5).draw(6)
    better = compare(before, Population(trust=0.2).draw(7, tag=""), name="evidence first")
    worse = compare(before, Population(trust=0.8).draw(8, tag=""), name="correcting is laborious")
    assert better.difference.upper < 0 < worse.difference.lower  # type: ignore[operator]
    assert not better.randomised and "not dealt at random" in str(better)


def test_answering_first_is_compared_with_being_shown_at_once() -> None:
    shown = [each for each in Population(trust=0.6).draw(9) if each.arm == "suggestion_shown"]
    first = [each for each in Population(trust=0.1).draw(10) if each.arm == "answer_first"]
    found = answer_first_effect([*shown, *(dataclasses.replace(each, item=f"f{each.item}") for each in first)])
    assert found.randomised and found.difference.upper < 0  # type: ignore[operator]
    nothing = answer_first_effect(shown)
    assert "not enough wrong suggestions" in str(nothing.difference.reason)


HOUR = 3600 * 1_000_000


def test_the_hour_of_a_shift_counts_from_its_start_and_a_long_gap_begins_another() -> None:
    assert hours_of_shift([0, HOUR - 1, HOUR, 3 * HOUR, 3 * HOUR + 4 * HOUR, 12 * HOUR]) == [1, 1, 2, 4, 8, 1]
    assert hours_of_shift([]) == []
    with pytest.raises(InputError):
        hours_of_shift([2, 1])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_figure_contains_its_estimate_whatever_was_answered(data: st.DataObject) -> None:
    values = st.sampled_from("abc")
    answers = [
        AidedAnswer(
            person=data.draw(st.sampled_from(["p", "q", "r"])),
            item=str(number),
            arm=data.draw(st.sampled_from(["suggestion_shown", "withheld", "seeded", "answer_first"])),
            answer=data.draw(values),
            suggestion=data.draw(values),
            planted=data.draw(values),
            truth=data.draw(st.one_of(st.none(), values)),
            first=data.draw(values),
            active_ms=data.draw(st.one_of(st.none(), st.integers(0, 5000))),
            at=number,
        )
        for number in range(data.draw(st.integers(0, 25)))
    ]
    for figure in measure(answers, needed=FEW).figures:
        if figure.measured:
            assert figure.lower <= figure.estimate <= figure.upper and figure.lower < figure.upper  # type: ignore[operator]
        else:
            assert figure.reason
