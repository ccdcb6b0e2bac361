"""What is kept of figures that cost a pass over a project: made once, anew when something was written, and never too often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pilotage.ledger import record
from pilotage.server.kept import MOST, Kept
from pilotage.store import Workspace


class Timer:
    """Seconds that a test moves; each making takes ``cost``."""

    def __init__(self, cost: float = 1.0) -> None:
        self.now, self.cost, self.made = 0.0, cost, 0

    def __call__(self) -> float:
        return self.now

    def make(self) -> int:
        self.now += self.cost
        self.made += 1
        return self.made


def write(workspace: Workspace) -> None:
    workspace.write(lambda tx: record(tx, type="thing.done", subject="x", body={}))


def test_what_was_made_stays_while_nothing_is_written(empty: Workspace) -> None:
    timer = Timer()
    kept = Kept(empty, timer=timer)
    assert not kept.has("a")
    assert [kept.get("a", timer.make).value for _ in range(3)] == [1, 1, 1]
    assert kept.has("a") and kept.get("a", timer.make, again=True).current


def test_it_is_made_anew_after_a_write_but_takes_no_more_than_a_twentieth_of_the_time(empty: Workspace) -> None:
    timer = Timer(cost=1.0)
    kept = Kept(empty, timer=timer)
    kept.get("a", timer.make)
    write(empty)
    old = kept.get("a", timer.make)
    assert (old.value, old.current) == (1, False)
    assert kept.get("a", timer.make, again=True).value == 2  # whoever asks for it gets it at once
    write(empty)
    timer.now += 20
    assert not kept.has("a")
    assert (kept.get("a", timer.make).value, timer.made) == (3, 3)


def test_what_costs_nothing_is_always_current(empty: Workspace) -> None:
    timer = Timer(cost=0)
    kept = Kept(empty, timer=timer)
    for number in (1, 2, 3):
        assert kept.get("a", timer.make).value == number
        write(empty)


def test_two_who_ask_at_once_wait_for_one_making(empty: Workspace) -> None:
    kept, made = Kept(empty), []

    def slow() -> str:
        made.append(1)
        time.sleep(0.05)
        return "value"

    def ask(found: list[str]) -> Callable[[], None]:
        return lambda: found.append(kept.get("a", slow).value)

    found: list[str] = []
    threads = [threading.Thread(target=ask(found)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["value"] * 8 and len(made) == 1


def test_only_so_much_is_kept(empty: Workspace) -> None:
    kept = Kept(empty)
    for number in range(MOST + 5):
        kept.get(number, lambda number=number: number)  # type: ignore[misc]
    assert not kept.has(0) and kept.has(MOST + 4)
