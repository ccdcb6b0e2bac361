"""What the router is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

ACTIONS = ("accept", "review", "two_person", "people_only", "block")  # from lax to strict
_STEP = {action: step for step, action in enumerate(ACTIONS)}
# What a level lets a machine's output do where nothing else speaks against it.
ACTION_OF = {
    "automatic": "accept",
    "automatic_with_audit": "accept",
    "on_the_loop": "accept",
    "in_the_loop": "review",
    "two_person": "two_person",
    "people_only": "people_only",
}


def strictness(action: str) -> int:
    """0 (accept) to 4 (block)."""
    return _STEP[action]


def stricter(one: str, other: str) -> str:
    """The stricter of two actions."""
    return one if _STEP[one] >= _STEP[other] else other


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """One live output, before it goes out.

    id
        The caller's own name for it. The same id again is the same request and gets the same answer.
    payload
        What a person would be shown. It is stored only where somebody will look at it.
    confidence
        What the model gave, raw: the policy's recalibrator turns it into a probability. None where it gave none.
    slices
        What it counts towards: ``{"language": "de"}``.
    context
        Facts for the policy's sensitive fields: ``{"customer.vulnerable": True}``. Not stored.
    model, prompt
        Fingerprints of what made the output; another one than the policy's goes to people.
    text
        What patterns, keywords and novelty look at; None: every text in the payload.
    embedding
        Where novelty is measured on embeddings.
    authors
        Logins of those whose own case it is: never served it.
    """

    id: str
    payload: Mapping[str, Any]
    confidence: float | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    prompt: str | None = None
    text: str | None = None
    embedding: Sequence[float] | None = None
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """What is to be done with an output, and why.

    action
        ``accept`` (it may go out), ``review`` (a person first), ``two_person`` (two people first), ``people_only`` (a person does it, without the
        machine's proposal), ``block``.
    reasons
        Codes, in the order they were found: see docs/routing.md.
    p, threshold
        The calibrated probability that the output is right, and what the slice asks for; None where there is none.
    audit, inclusion
        Whether it was drawn for audit, and with which probability: not for the caller of the system that is watched.
    recorded
        ``before``: durable when you read this. ``behind``: it will be within moments; a crash may lose it. ``no``: it could not be kept.
    held
        It waits for room in the queue.
    item_id
        What people are shown of it; None where nobody looks.
    repeated
        The same request came before; this is what was answered then.
    """

    id: str
    request_id: str
    action: str
    reasons: tuple[str, ...]
    policy: str
    policy_version: int
    slice: str
    level: str
    p: float | None
    threshold: float | None
    audit: bool = False
    inclusion: float = 0.0
    held: bool = False
    item_id: str | None = None
    recorded: str = "no"
    repeated: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "reasons": list(self.reasons)}

    def __str__(self) -> str:
        against = f" (p = {self.p:.4f}" + (f" against {self.threshold:.4f})" if self.threshold is not None else ")") if self.p is not None else ""
        return f"{self.action}{against}: {', '.join(self.reasons)} [{self.policy} v{self.policy_version}]"
