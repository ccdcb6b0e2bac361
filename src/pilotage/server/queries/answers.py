"""Answers in words, and shares of answers as bars: what the pages of review have in common. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pilotage.judging import Question

SHARES_WIDTH = 220.0
RANGE_WIDTH = 180.0
_EDGE = 4.0
_TONES = 6


@dataclass(frozen=True)
class Part:
    """One stretch of a bar; ``n`` is how many it stands for, None where the share is a probability."""

    text: str
    share: float
    x: float
    width: float
    tone: int
    n: int | None = None


@dataclass(frozen=True)
class SharesDrawing:
    """Shares side by side. Where they do not add up to one (several options at once), each is drawn by its part of the sum."""

    parts: tuple[Part, ...]
    width: float = SHARES_WIDTH


@dataclass(frozen=True)
class RangeDrawing:
    """A figure and its interval on a scale; ``at`` is where the mark in the middle (nothing, chance) lies, None where it is off the scale."""

    estimate: float
    lower: float
    upper: float
    at: float | None
    width: float = RANGE_WIDTH


def say(question: Question | None, value: Any) -> str:
    """The value as people would say it."""
    if value is None:
        return "–"
    kind = str(question.kind) if question is not None else ""
    labels = {option.value: option.label or option.value for option in question.options} if question is not None else {}
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "choice":
        return str(labels.get(value, value))
    if kind == "choices" and isinstance(value, list):
        return " + ".join(str(labels.get(each, each)) for each in value) or "none"
    if kind == "spans" and isinstance(value, list):
        return ", ".join(f"{labels.get(span['label'], span['label'])} at {span['start']} to {span['end']}" for span in value) or "no marks"
    if kind == "pair":
        preferred = value.get("preferred") if isinstance(value, dict) else value
        words = {"a": "a is better", "b": "b is better", "tie": "equal", "both_bad": "both bad"}.get(str(preferred), str(preferred))
        strength = value.get("strength") if isinstance(value, dict) else None
        return f"{words}, {strength} of {question.strength}" if strength and question is not None else words
    if kind == "ranking" and isinstance(value, list):
        return " > ".join(" = ".join(str(one) for one in group) for group in value)
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def draw_shares(question: Question | None, shares: Iterable[tuple[Any, float]], counts: dict[str, int] | None = None) -> SharesDrawing | None:
    """The shares as a bar, in the question's order where it has one; None without any."""
    given = [(say(question, value), float(share)) for value, share in shares]
    order = [option.label or option.value for option in question.options] if question is not None else []
    given.sort(key=lambda part: order.index(part[0]) if part[0] in order else len(order))
    total = sum(share for _, share in given)
    if total <= 0:
        return None
    parts, x = [], 0.0
    for place, (text, share) in enumerate(given):
        width = share / total * SHARES_WIDTH
        tone = (order.index(text) if text in order else place) % _TONES
        parts.append(Part(text, share, round(x, 1), round(width, 1), tone, None if counts is None else counts.get(text, 0)))
        x += width
    return SharesDrawing(tuple(parts))


def draw_range(estimate: float, lower: float, upper: float, *, low: float, high: float, at: float | None = None) -> RangeDrawing:
    """The figure on a scale from ``low`` to ``high``; what lies beyond stands at its end."""

    def place(number: float) -> float:
        share = (min(max(number, low), high) - low) / (high - low) if high > low else 0.5
        return round(_EDGE + share * (RANGE_WIDTH - 2 * _EDGE), 1)

    return RangeDrawing(place(estimate), place(lower), place(upper), None if at is None or not low <= at <= high else place(at))
