"""What a stream counts is what the store serves, in one transaction."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pilotage.core.clock import ManualClock
from pilotage.features.online import OnlineOutput, OnlineReader
from pilotage.features.streams import LeaseLost, StreamWorker, append, declare_source
from pilotage.ledger import create_workspace


def _card_events() -> Any:
    spec = importlib.util.spec_from_file_location("card_events", Path(__file__).parents[1] / "streams" / "card_events.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cards = _card_events()


def event(number: int, *, at: int, card: str, amount: float | None, **more: Any) -> dict[str, Any]:
    return {"id": f"e{number}", "at": at, "known_at": at, "card": card, "amount": amount, "shop": "s", "revision": 0, "gone": False, **more}


def frame(events: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {
        "id": pl.String,
        "at": pl.Int64,
        "known_at": pl.Int64,
        "card": pl.String,
        "amount": pl.Float64,
        "shop": pl.String,
        "revision": pl.Int64,
        "gone": pl.Boolean,
    }
    return pl.DataFrame(events, schema=schema).with_columns(pl.col("at", "known_at").cast(pl.Datetime("us", "UTC")))


@pytest.mark.parametrize("closed", ["left", "right"])
def test_the_store_serves_what_a_look_at_all_events_gives_after_every_step(tmp_path, closed):
    view, chance, log, number = cards.card_view(closed=closed), random.Random(4), [], 0
    clock = ManualClock(cards.START)
    with create_workspace(str(tmp_path / "workspace"), actor="tester", clock=clock) as workspace:
        declare_source(workspace, cards.CARDS)
        worker = StreamWorker(workspace, view, source="payments", online=OnlineOutput())
        reader = OnlineReader(workspace, [view])
        for _ in range(12):
            clock.advance(chance.randrange(1, 9) * 60)
            now = clock.now_us()
            events = []
            for _ in range(chance.randrange(1, 8)):
                number += 1
                late = chance.choice([0, 0, 0, 25, 70]) * cards.MINUTE
                events.append(
                    event(number, at=now - late - chance.randrange(cards.MINUTE), card=chance.choice("ab"), amount=chance.choice([None, 1.5, 250.25]))
                )
            if log and chance.random() < 0.5:  # the newest event is taken back
                events.append({**{key: log[-1][key] for key in events[0]}, "revision": 1, "gone": True})
            append(workspace, "payments", frame(events))
            log += [{**each, "available_us": max(now, each["known_at"]), "position": len(log) + i} for i, each in enumerate(events)]
            while worker.step().waiting:
                pass
            at = clock.now_us() + chance.randrange(0, 20) * cards.MINUTE
            found = reader.get([{"card": "a"}, {"card": "b"}], now_us=at)
            for card, values in zip("ab", found, strict=True):
                expected = {f"card__{name}": value for name, value in cards.brute_force(view, log, card, at_us=at).items()}
                assert repr(values) == repr(expected)


def test_nothing_is_served_of_a_step_that_did_not_happen(tmp_path):
    clock = ManualClock(cards.START)
    with create_workspace(str(tmp_path / "workspace"), actor="tester", clock=clock) as workspace:
        declare_source(workspace, cards.CARDS)
        view = cards.card_view()
        worker = StreamWorker(workspace, view, source="payments", online=OnlineOutput(), lease="1s")
        worker.acquire()
        append(workspace, "payments", frame([event(1, at=cards.START - 1, card="a", amount=1.0)]))
        clock.advance(3600)
        assert StreamWorker(workspace, view, source="payments").acquire()
        with pytest.raises(LeaseLost):
            worker.step()
        assert OnlineReader(workspace, [view]).get([{"card": "a"}]).flags == [("missing",)]
