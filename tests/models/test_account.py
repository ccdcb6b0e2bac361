"""Budgets: never overshot, and never stuck."""

from __future__ import annotations

import asyncio

import pytest

from pilotage.models import Account, BudgetReached, Limits, Prices, Spent, Usage


async def test_a_try_waits_for_others_to_settle_before_it_gives_up() -> None:
    account = Account(Limits(tokens=100), Prices())
    await account.reserve(prompt_tokens=10, completion_tokens=50)
    second = asyncio.create_task(account.reserve(prompt_tokens=10, completion_tokens=50))
    await asyncio.sleep(0)
    assert not second.done()
    account.settle(prompt_tokens=10, completion_tokens=50, sent=True, usage=Usage(10, 5))
    await asyncio.wait_for(second, 1)
    account.settle(prompt_tokens=10, completion_tokens=50, sent=True, usage=Usage(10, 50))
    assert account.spent == Spent(requests=2, prompt_tokens=20, completion_tokens=55)
    with pytest.raises(BudgetReached) as caught:
        await account.reserve(prompt_tokens=10, completion_tokens=50)
    assert caught.value.limit == "tokens"


async def test_what_never_left_this_machine_is_not_booked() -> None:
    account = Account(Limits(requests=1), Prices())
    await account.reserve(prompt_tokens=1, completion_tokens=1)
    account.settle(prompt_tokens=1, completion_tokens=1, sent=False, usage=None)
    await account.reserve(prompt_tokens=1, completion_tokens=1)
    assert account.spent.requests == 0


async def test_money_is_exact_and_rounded_up_only_when_shown() -> None:
    account = Account(Limits(), Prices(input=15, output=60))
    for _ in range(3):
        await account.reserve(prompt_tokens=0, completion_tokens=0)
        account.settle(prompt_tokens=0, completion_tokens=0, sent=True, usage=Usage(1000, 100))
    assert account.spent.millionths == 3 * (1000 * 15 + 100 * 60)
    assert account.spent.spend_minor == 1


async def test_what_was_spent_before_counts() -> None:
    account = Account(Limits(requests=5), Prices(), already=Spent(requests=5))
    with pytest.raises(BudgetReached):
        await account.reserve(prompt_tokens=0, completion_tokens=0)


async def test_the_time_limit_counts_from_the_start() -> None:
    now = [100.0]
    account = Account(Limits(wall_s=10), Prices(), monotonic=lambda: now[0])
    account.check_time()
    now[0] = 110.0
    with pytest.raises(BudgetReached) as caught:
        await account.reserve(prompt_tokens=0, completion_tokens=0)
    assert caught.value.limit == "wall_s"


async def test_drained_is_what_was_booked_since() -> None:
    account = Account(Limits(), Prices())
    await account.reserve(prompt_tokens=0, completion_tokens=0)
    account.settle(prompt_tokens=0, completion_tokens=0, sent=True, usage=Usage(1, 2, estimated=True))
    assert account.drain() == Spent(requests=1, prompt_tokens=1, completion_tokens=2, estimated=1)
    assert account.drain() == Spent()
