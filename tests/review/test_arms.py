"""Draws: the same every time, in the shares asked for, and not to be told from without the salt."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilotage.review.arms import ARMS, arm_of, draw, is_gold_turn, order_of, sides_of
from pilotage.review.projects import Arms

words = st.text(max_size=20)


@given(words, words, words)
def test_a_draw_is_the_same_every_time_and_in_range(salt: str, login: str, item: str) -> None:
    assert draw(salt, login, item) == draw(salt, login, item)
    assert 0 <= draw(salt, login, item) < 1
    assert arm_of(salt, login, item, Arms(withheld=0.3, seeded=0.3, answer_first=0.3)) in ARMS
    assert sides_of(salt, login, item) in ("ab", "ba")


@given(words, words, words, st.lists(words, unique=True, max_size=6), st.randoms())
def test_an_order_is_of_the_candidates_and_hangs_on_nothing_but_the_person_and_the_item(
    salt: str, login: str, item: str, ids: list[str], chance: Any
) -> None:
    shuffled = list(ids)
    chance.shuffle(shuffled)
    order = order_of(salt, login, item, ids)
    assert order == order_of(salt, login, item, shuffled) and sorted(order) == sorted(ids)


def test_each_order_is_as_likely_as_any_other() -> None:
    seen = Counter(tuple(order_of("s", f"p{number}", "i", ["a", "b", "c"])) for number in range(1_200))
    assert len(seen) == 6 and all(140 < count < 260 for count in seen.values())


@given(words, words)
def test_parts_do_not_run_together(left: str, right: str) -> None:
    if left and right:
        assert draw("s", left, right) != draw("s", left + right, "")


@given(words, words)
def test_a_share_of_nothing_is_never_drawn_and_of_all_always(login: str, item: str) -> None:
    assert arm_of("s", login, item, Arms()) == "suggestion_shown"
    assert arm_of("s", login, item, Arms(seeded=1)) == "seeded"
    assert not is_gold_turn("s", login, 0, 0.0)
    assert is_gold_turn("s", login, 0, 1.0)


def test_arms_come_in_the_shares_asked_for() -> None:
    arms = Arms(withheld=0.2, seeded=0.1, answer_first=0.3)
    drawn = [arm_of("salt", f"p{n % 10}", f"item {n}", arms) for n in range(20_000)]
    for name, share in (("withheld", 0.2), ("seeded", 0.1), ("answer_first", 0.3), ("suggestion_shown", 0.4)):
        assert abs(drawn.count(name) / len(drawn) - share) < 0.015  # more than four standard errors
    sides = [sides_of("salt", "ann", f"item {n}") for n in range(10_000)]
    assert abs(sides.count("ab") / len(sides) - 0.5) < 0.025


def test_another_salt_is_another_draw() -> None:
    arms = Arms(withheld=0.5)
    one, other = ([arm_of(salt, "ann", f"item {n}", arms) for n in range(200)] for salt in ("a", "b"))
    assert one != other
