"""Who is shown what, drawn by hashing: no state, the same draw every time, and no way to guess it without the project's salt.

Each draw hashes its parts with BLAKE2b (RFC 7693) to a number in [0, 1). The parts are length-prefixed, so that no two lists of parts run together.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Protocol

SHOWN = "suggestion_shown"
WITHHELD = "withheld"
SEEDED = "seeded"
ANSWER_FIRST = "answer_first"
ARMS = (SHOWN, WITHHELD, SEEDED, ANSWER_FIRST)


class Shares(Protocol):
    """How often each arm but ``suggestion_shown`` is drawn, 0 to 1; the rest is shown."""

    @property
    def withheld(self) -> float: ...

    @property
    def seeded(self) -> float: ...

    @property
    def answer_first(self) -> float: ...


def draw(salt: str, *parts: str) -> float:
    """A number in [0, 1), the same for the same salt and parts."""
    hashed = blake2b(key=salt.encode()[:64], digest_size=8)
    for part in parts:
        text = part.encode()
        hashed.update(len(text).to_bytes(8, "big") + text)
    return (int.from_bytes(hashed.digest(), "big") >> 11) / (1 << 53)


def arm_of(salt: str, login: str, item_id: str, arms: Shares) -> str:
    """The arm of the experiment this person is in for this item: one of :data:`ARMS`."""
    drawn = draw(salt, "arm", login, item_id)
    for name, share in ((WITHHELD, arms.withheld), (SEEDED, arms.seeded), (ANSWER_FIRST, arms.answer_first)):
        if drawn < share:
            return name
        drawn -= share
    return SHOWN


def sides_of(salt: str, login: str, item_id: str) -> str:
    """``ab`` or ``ba``: which of a pair stands on the left for this person."""
    return "ab" if draw(salt, "sides", login, item_id) < 0.5 else "ba"


def order_of(salt: str, login: str, item_id: str, candidates: Iterable[str]) -> list[str]:
    """The candidates of a ranking as they stand for this person, from the top: each order as likely as any other, whatever the item's own is."""
    return sorted(candidates, key=lambda each: (draw(salt, "order", login, item_id, each), each))


def is_gold_turn(salt: str, login: str, turn: int, share: float) -> bool:
    """Whether the person's ``turn``-th task of the project (from 0) is to be a gold one."""
    return draw(salt, "gold", login, str(turn)) < share
