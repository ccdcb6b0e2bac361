"""Which errors are planted, and that a plan is drawn by nothing but its arguments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.review.bias import SeedCandidate, plan_seeds
from pilotage.review.bias.seeds import confusion_of


def candidates(n: int, **changes: object) -> list[SeedCandidate]:
    return [SeedCandidate(**{"task_id": f"t{number}", "question": "q", "suggestion": "a", "given": "c", **changes}) for number in range(n)]  # type: ignore[arg-type]


def test_a_planted_value_is_the_second_choice_else_what_is_confused_else_what_was_declared() -> None:
    second = plan_seeds(candidates(400, choices=("a", "b", "c")), rate=0.05).seeds
    assert {(each.planted, each.made_from) for each in second} == {("b", "second_choice")}
    matrix = confusion_of([("a", "d")] * 9 + [("a", "e")] + [("a", "a")] * 90)
    confused = plan_seeds(candidates(2000), rate=0.05, confusion=matrix).seeds
    assert {each.made_from for each in confused} == {"confusion"}
    assert {each.planted for each in confused} == {"d", "e"}
    assert sum(each.planted == "d" for each in confused) > 0.75 * len(confused)
    assert {each.made_from for each in plan_seeds(candidates(400), rate=0.05).seeds} == {"given"}


def test_a_planted_value_is_never_the_right_one_nor_what_the_machine_says() -> None:
    some = plan_seeds(candidates(400, choices=("a", "b", "c"), truth="b"), rate=0.05).seeds
    assert {each.planted for each in some} == {"c"} and not any(each.held for each in some)
    assert all(each.held for each in plan_seeds(candidates(400), rate=0.05).seeds)


def test_a_task_without_a_believable_wrong_value_is_counted_not_seeded() -> None:
    found = plan_seeds(candidates(400, given=None), rate=0.05)
    assert found.seeds == () and sum(found.left_out.values()) > 0


def test_the_rate_is_capped_and_shared_among_who_is_dealt_the_arm() -> None:
    assert len(plan_seeds(candidates(4000), rate=0.05).seeds) == pytest.approx(200, abs=45)
    assert len(plan_seeds(candidates(4000), rate=0.05, dealt=0.5).seeds) == pytest.approx(400, abs=60)
    assert len(plan_seeds(candidates(4000), rate=0.05, at_most=7).seeds) == 7
    with pytest.raises(InputError, match="2 to 5 %"):
        plan_seeds([], rate=0.06)
    with pytest.raises(InputError, match="seeded arm"):
        plan_seeds([], dealt=0)


@given(st.integers(0, 300), st.integers(0, 100), st.integers(0, 5))
def test_more_tasks_change_nothing_about_those_drawn_before(first: int, more: int, seed: int) -> None:
    before = {each.task_id for each in plan_seeds(candidates(first), rate=0.05, seed=seed).seeds}
    after = {each.task_id for each in plan_seeds(reversed(candidates(first + more)), rate=0.05, seed=seed).seeds}
    assert before == {task for task in after if int(task[1:]) < first}
