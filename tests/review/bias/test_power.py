"""How many answers a figure needs, held to the numbers that are promised."""

import pytest

from pilotage.core import InputError
from pilotage.review.bias import Needed, for_width, half_width, per_arm, plan_collection


def test_the_planner_gives_the_numbers_that_are_promised() -> None:
    assert per_arm(0.26, 0.53) == 48
    assert per_arm(0.10, 0.20) == 197
    assert half_width(100, at=0.20) == pytest.approx(0.08, abs=0.002)
    assert for_width(0.08, at=0.20) == Needed().seeds == 97


def test_answers_that_come_in_persons_need_more_seeds_and_too_few_people_never_suffice() -> None:
    alone = plan_collection(seeds=100, rate=0.05, people=10, per_day=200)
    assert (alone.seeds, alone.answers, alone.per_person, alone.days) == (100, 2000, 200, 1)
    alike = plan_collection(seeds=100, rate=0.05, people=10, per_day=200, icc=0.05)
    assert alike.seeds / (1 + (alike.seeds / 10 - 1) * 0.05) == pytest.approx(100, rel=0.02)
    with pytest.raises(InputError, match="never give"):
        plan_collection(seeds=100, rate=0.05, people=10, per_day=200, icc=0.2)


@pytest.mark.parametrize("bad", [(0.2, 0.2), (-0.1, 0.2), (0.1, 1.2)])
def test_rates_that_do_not_differ_or_are_none_are_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(InputError):
        per_arm(*bad)


def test_a_figure_from_one_answer_cannot_be_allowed() -> None:
    with pytest.raises(InputError):
        Needed(seeds=1)
