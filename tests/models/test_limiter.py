"""The gate and the pace."""

from __future__ import annotations

import asyncio

import pytest

from pilotage.models.limiter import Gate, Pace


async def test_an_overload_halves_and_successes_grow_back_to_the_ceiling() -> None:
    gate = Gate(8)
    gate.release(await gate.acquire(), overloaded=True)
    assert gate.limit == 4
    grown = []
    for _ in range(60):
        gate.release(await gate.acquire(), overloaded=False)
        grown.append(gate.limit)
    assert grown == sorted(grown)
    assert gate.limit == 8


async def test_many_failures_of_one_moment_cut_once() -> None:
    gate = Gate(16)
    tickets = [await gate.acquire() for _ in range(16)]
    for ticket in tickets:
        gate.release(ticket, overloaded=True)
    assert gate.limit == 8


async def test_the_limit_never_falls_below_one() -> None:
    gate = Gate(4)
    for _ in range(10):
        gate.release(await gate.acquire(), overloaded=True)
    assert gate.limit == 1


async def test_nobody_passes_a_full_gate_and_the_first_in_line_is_next() -> None:
    gate = Gate(1)
    first = await gate.acquire()
    passed: list[int] = []

    async def pass_(name: int) -> None:
        ticket = await gate.acquire()
        passed.append(name)
        gate.release(ticket, overloaded=False)

    waiting = [asyncio.create_task(pass_(name)) for name in range(3)]
    await asyncio.sleep(0.01)
    assert passed == []
    gate.release(first, overloaded=None)
    await asyncio.gather(*waiting)
    assert passed == [0, 1, 2]
    assert (gate.in_flight, gate.max_in_flight) == (0, 1)


async def test_one_who_gives_up_waiting_takes_no_place() -> None:
    gate = Gate(1)
    first = await gate.acquire()
    waiting = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    admitted = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0)
    gate.release(first, overloaded=None)
    admitted.cancel()  # in the very moment it is admitted
    with pytest.raises(asyncio.CancelledError):
        await admitted
    assert gate.in_flight == 0
    await asyncio.wait_for(gate.acquire(), 1)


async def test_a_held_gate_admits_nobody_until_the_time_is_over() -> None:
    gate = Gate(4)
    gate.hold(0.05)
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(gate.acquire() for _ in range(3)))
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_requests_are_spaced_evenly() -> None:
    pace = Pace(100)
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(pace.wait() for _ in range(6)))
    assert asyncio.get_running_loop().time() - started >= 0.05
    await asyncio.wait_for(Pace(None).wait(), 1)
