"""Whether the place a candidate stands in is preferred for itself."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging import Item, Judgement, Question, Rubric, person
from pilotage.review import NewTask, answer, claim, put_tasks
from pilotage.review.measuring import position_bias, position_bias_of
from pilotage.review.measuring.positions import upper_preferred
from pilotage.review.projects import Overlap, ProjectSettings, create_project
from pilotage.store import Workspace

RANKED = Rubric(
    name="ranked",
    guideline="Best first.",
    questions=(Question("order", "Which order?", "ranking"), Question("good", "Good?", "bool", required=False)),
)


def said(number: int, order: list[str] | None, value: list[list[str]], rater: str = "") -> Judgement:
    return Judgement(f"item{number}", "order", rater or f"rater{number % 25}", "rub", value, served_order=order)


@given(st.permutations("abcde"), st.permutations("abcde"))
def test_the_share_is_mirrored_where_the_order_is(order: list[str], ranked: list[str]) -> None:
    value = [[one] for one in ranked]
    share = upper_preferred(said(1, order, value))
    mirrored = upper_preferred(said(1, order[::-1], value))
    assert share is not None and mirrored is not None and share == pytest.approx(1 - mirrored) and 0 <= share <= 1
    assert upper_preferred(said(1, order, [[one] for one in order])) == 1


def test_ties_and_rankings_without_an_order_tell_nothing() -> None:
    assert upper_preferred(said(1, ["a", "b"], [["a", "b"]])) is None
    assert upper_preferred(said(1, None, [["a"], ["b"]])) is None
    assert upper_preferred(said(1, ["a", "b", "c"], [["b"], ["a", "c"]])) == 0.5
    assert not position_bias_of([said(1, None, [["a"], ["b"]])] * 99).measured


@pytest.mark.parametrize(("lean", "sees"), [(0.0, False), (0.4, True)])
def test_a_lean_towards_the_top_is_found_and_none_is_not(lean: float, sees: bool) -> None:
    chance = random.Random(3)
    given = []
    for number in range(400):
        order = chance.sample("abc", 3)
        liked = order if chance.random() < lean else chance.sample("abc", 3)
        given.append(said(number, order, [[one] for one in liked]))
    found = position_bias_of(given)
    assert found.measured and found.n == 400 and found.n_clusters == 25
    assert found.lower is not None and (found.lower > 0.5) == sees


def test_a_projects_own_rankings_are_read_and_other_questions_refused(workspace: Workspace) -> None:
    create_project(workspace, ProjectSettings(name="p", overlap=Overlap(start=4, most=4)), rubric=RANKED, salt="salt")
    items = [Item(kind="output", source_id=f"r{n}", payload={"candidates": [{"id": one} for one in "abc"]}) for n in range(10)]
    put_tasks(workspace, "p", [NewTask(item) for item in items])
    for login in ("ann", "ben", "cat", "dan"):
        for task in claim(workspace, "p", person(login), n=10):
            order = (task.served_order or {})["order"]
            answer(workspace, task.task_id, person(login), {"order": [[one] for one in order]}, idempotency_key=f"{login}{task.task_id}")
    found = position_bias(workspace, "p", "order")
    assert (found.estimate, found.n, found.n_clusters) == (1.0, 40, 4)
    with pytest.raises(InputError, match="places"):
        position_bias(workspace, "p", "good")
