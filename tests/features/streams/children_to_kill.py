"""Starts workers by fork when told to on stdin, so that killing twenty of them does not mean importing everything twenty times.

Each line ``go`` forks a child that delivers the tape (from what was last acknowledged, with events delivered again) and works the stream; its process
id is printed. The parent process here never touches Polars, whose threads would not survive a fork.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from pilotage.features.streams import StreamWorker, append
from pilotage.ledger import open_workspace

sys.path.insert(0, str(Path(__file__).parent))
from card_events import START, card_view

EVENTS, BATCH, SECOND = 1_500, 15, 1_000_000


def tape() -> list[dict[str, object]]:
    """The events of the test, in the order they are delivered; some are late."""
    chance = random.Random(5)
    return [
        {
            "id": f"e{index}",
            "at": START + index * SECOND - chance.choice([0, 0, 0, 0, 900 * SECOND]),
            "card": f"c{chance.randrange(20)}",
            "amount": chance.randrange(10_000) / 100,
            "shop": f"s{chance.randrange(50)}",
        }
        for index in range(EVENTS)
    ]


def work(location: str, acknowledged: Path, together: bool) -> None:
    events = tape()
    chance = random.Random(os.getpid())
    with open_workspace(location) as workspace:
        worker = StreamWorker(workspace, card_view(), source="payments", holder="the same", batch=4 * BATCH)
        at = int(acknowledged.read_text() or 0)
        while at < EVENTS:
            again = [events[chance.randrange(at)] for _ in range(BATCH // 2) if at and chance.random() < 0.04]
            offered = [*events[at : at + BATCH], *again]
            if together:
                worker.ingest_and_process(offered)
            else:
                append(workspace, "payments", offered)
            at += BATCH
            handle = acknowledged.with_suffix(f".{os.getpid()}")
            handle.write_text(str(at))
            handle.replace(acknowledged)
            if not together:
                worker.step()
        worker.catch_up()


def main() -> None:
    location, acknowledged, together = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "together"
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(location, acknowledged, together)
                status = 0
            finally:
                os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, how = os.waitpid(child, 0)
        sys.stdout.write(f"{how}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
