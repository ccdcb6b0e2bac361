"""What may be chosen for people next, and how much each item promises by four measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pilotage.core import InputError

Strategy = Literal["uncertainty", "disagreement", "diversity", "risk"]
STRATEGIES: tuple[Strategy, ...] = ("uncertainty", "disagreement", "diversity", "risk")
RANDOM = "random"
_SUM = 1e-3


@dataclass(frozen=True)
class Candidate:
    """An item nobody has judged yet.

    probabilities
        ``{value: probability}`` as the model gives them, together 1. Empty where it gives none.
    votes
        ``{value: count}`` of several models, or of one asked several times. Empty where there are none.
    text
        What diversity is measured on.
    p_error, cost
        How likely the model's answer is wrong (calibrated; None: 1 − the highest probability), and what a wrong one costs.
    """

    item: str
    probabilities: Mapping[Any, float] = field(default_factory=dict)
    votes: Mapping[Any, int] = field(default_factory=dict)
    text: str = ""
    p_error: float | None = None
    cost: float = 1.0

    def __post_init__(self) -> None:
        where = f"item {self.item}"
        given = self.probabilities.values()
        if any(not 0 <= p <= 1 for p in given) or (given and abs(math.fsum(given) - 1) > _SUM):
            raise InputError("The probabilities of an item's values do not add up to 1.", where=where)
        if any(count < 0 for count in self.votes.values()):
            raise InputError("A value cannot have fewer than no votes.", where=where)
        if self.p_error is not None and not 0 <= self.p_error <= 1:
            raise InputError(f"{self.p_error} is no probability of error.", where=where)
        if not (self.cost >= 0 and math.isfinite(self.cost)):
            raise InputError(f"A cost of {self.cost} is none.", where=where)


def margin(of: Candidate) -> float | None:
    """1 − the gap between the two likeliest values: 1 where they are as likely, 0 where one is certain. None without probabilities."""
    if not of.probabilities:
        return None
    ordered = sorted(of.probabilities.values(), reverse=True)
    return 1 - (ordered[0] - (ordered[1] if len(ordered) > 1 else 0.0))


def entropy(of: Candidate) -> float | None:
    """Shannon entropy of the probabilities, in nats."""
    return _entropy(list(of.probabilities.values())) if of.probabilities else None


def vote_entropy(of: Candidate) -> float | None:
    """Entropy of the votes (Dagan & Engelson 1995), in nats. None with fewer than two votes."""
    total = sum(of.votes.values())
    return _entropy([count / total for count in of.votes.values()]) if total >= 2 else None


def expected_cost(of: Candidate) -> float | None:
    """The cost of an error times how likely it is."""
    p = of.p_error if of.p_error is not None else (1 - max(of.probabilities.values()) if of.probabilities else None)
    return None if p is None else of.cost * p


def _entropy(shares: Sequence[float]) -> float:
    return -math.fsum(p * math.log(p) for p in shares if p > 0)


MEASURES: dict[str, Callable[[Candidate], float | None]] = {
    "uncertainty": margin,
    "entropy": entropy,
    "disagreement": vote_entropy,
    "risk": expected_cost,
}
