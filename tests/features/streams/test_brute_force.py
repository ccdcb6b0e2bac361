"""Whatever is late, doubled, corrected or taken back, and however it is cut: a stream says what brute force over the known events says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pilotage.core.clock import ManualClock
from pilotage.features.streams import StreamWorker, append, declare_source, features_at
from pilotage.ledger import create_workspace
from pilotage.store import Workspace

from .card_events import CARDS, MINUTE, START, brute_force, card_view

KEYS = ["a", "b", "é"]


def tape(seed: int, n: int) -> list[dict[str, Any]]:
    """Deliveries in the order they come, with when each becomes available."""
    chance = random.Random(seed)
    sent: list[dict[str, Any]] = []
    now = START
    for index in range(n):
        now += chance.choice([0, 0, 1, MINUTE // 7, MINUTE, 3 * MINUTE])
        kind = chance.random()
        if sent and kind < 0.1:
            event = {**chance.choice(sent)}  # delivered again
        elif sent and kind < 0.25:
            old = chance.choice(sent)
            event = {**old, "amount": chance.choice([1.5, 1e6 / 3, None]), "revision": old["revision"] + chance.choice([-1, 1, 2])}
            if chance.random() < 0.4:
                event["at"] = old["at"] - chance.randrange(10) * MINUTE
            if chance.random() < 0.2:
                event["card"] = chance.choice(KEYS)
            event["gone"] = chance.random() < 0.2
        else:
            behind = chance.choice([0, 0, 0, MINUTE // 3, 7 * MINUTE, 90 * MINUTE, -4 * MINUTE])  # in time, late, or from the future
            event = {
                "id": f"e{index}",
                "at": now - behind,
                "card": chance.choice(KEYS),
                "amount": chance.choice([None, 0.0, -0.0, 0.1, 99.99, 1e5 + 0.7, float(index)]),
                "shop": chance.choice([None, "x", "y", "zoë"]),
                "revision": 0,
                "gone": False,
            }
        sent.append({**event, "known_at": now})
    return sent


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(2, 25), min_size=1, max_size=6), closed=st.sampled_from(["left", "right"]))
def test_a_stream_equals_brute_force_at_every_moment(
    empty_schema: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int], closed: str
) -> None:
    import shutil

    folder = tmp_path_factory.mktemp("ws")
    shutil.copy(empty_schema, folder / "pilotage.db")
    clock = ManualClock(START + 10_000 * MINUTE)
    with create_workspace(str(folder), actor="tester", clock=clock) as workspace:
        check(workspace, seed, cuts, closed)


@pytest.mark.postgres
@pytest.mark.parametrize("seed", [1, 2])
def test_on_both_databases(workspace: Workspace, seed: int) -> None:
    check(workspace, seed, [7, 3, 20], "left")


def check(workspace: Workspace, seed: int, cuts: list[int], closed: str) -> None:
    view = card_view(closed=closed)
    declare_source(workspace, CARDS)
    worker = StreamWorker(workspace, view, source="payments", lateness="10m", batch=cuts[0] * 2)
    sent = tape(seed, 40)
    log: list[dict[str, Any]] = []
    at = step = 0
    while at < len(sent):
        part = sent[at : at + cuts[step % len(cuts)]]
        append(workspace, "payments", part)
        log += [{**event, "position": at + index, "available_us": event["known_at"]} for index, event in enumerate(part)]
        at += len(part)
        step += 1
        if step % 3 == 2 and at < len(sent):
            continue  # let two appends wait for one step
        worker.catch_up()
        now = part[-1]["known_at"]
        for moment in (now, now + 1 + step * MINUTE):
            got = features_at(workspace, worker.plan, [f'["{key}"]' for key in KEYS], at_us=moment)
            for key, values in zip(KEYS, got, strict=True):
                wanted = brute_force(view, log, key, at_us=moment)
                assert {name: repr(value) for name, value in values.items()} == {name: repr(value) for name, value in wanted.items()}, (key, moment)
