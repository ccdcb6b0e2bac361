"""Figures and times in words: what the templates' filters do. Pure functions, so that a page and a test say the same."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from pilotage.core import MICROSECONDS, iso

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Names of things as people say them. What is not here is shown with its underscores as spaces.
LABELS = {
    "no_go": "no-go",
    "not_assessable": "not assessable",
    "not_known": "not known",
    "at_most": "at most",
    "at_least": "at least",
    "no_worse_than": "no worse than",
}


def count(value: int | float | None) -> str:
    """An integer with thin spaces between thousands: ``12 345``. None is a dash."""
    return "–" if value is None else f"{value:,.0f}".replace(",", "\u202f")


def figure(value: float | None, digits: int = 3) -> str:
    """A measured figure: three decimals below one, fewer above. None is a dash."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 1000:
        return count(value)
    return f"{value:.{digits if size < 10 else 1}f}"


def share(part: int, whole: int) -> str:
    """``part`` of ``whole`` as a percentage without decimals, or a dash where there is no whole."""
    return "–" if whole <= 0 else f"{100 * part / whole:.0f} %"


def clock_time(time_us: int | None) -> str:
    """A moment as ``2026-11-22 10:54 UTC``."""
    return "–" if time_us is None else datetime.fromtimestamp(time_us / MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso_time(time_us: int | None) -> str:
    """A moment as ISO 8601, for ``<time datetime>``."""
    return "" if time_us is None else iso(time_us)


def exact_time(time_us: int | None) -> str:
    """A moment as ISO 8601 with every microsecond it has, as it can be given back: ``2026-11-22T10:54:03.000017Z``."""
    return "–" if time_us is None else (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)).isoformat().removesuffix("+00:00") + "Z"


def ago(time_us: int | None, now_us: int) -> str:
    """How long ago, in the largest unit that fits: ``3 h ago``."""
    if time_us is None:
        return "never"
    seconds = (now_us - time_us) / MICROSECONDS
    if seconds < 0:
        return "in " + _span(-seconds)
    if seconds < 5:
        return "just now"
    return _span(seconds) + " ago"


def _span(seconds: float) -> str:
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def duration(value_us: int | None) -> str:
    """A span of microseconds with its unit: ``340 ms``, ``2.1 s``, ``3 min 20 s``."""
    if value_us is None:
        return "–"
    if value_us < MICROSECONDS:
        return f"{value_us / 1000:.0f} ms"
    seconds = value_us / MICROSECONDS
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def spent(millionths: int | None) -> str:
    """Money counted in millionths of a minor unit, as major units of the account's currency: ``1.84``."""
    return "–" if millionths is None else f"{millionths / 100_000_000:,.2f}".replace(",", "\u202f")


def plain(name: str, value: Any) -> str:
    """A value with the unit that its name ends in: ``latency_us`` 90000 is ``90 ms``."""
    if isinstance(value, int) and name.endswith("_us"):
        return duration(value)
    return "–" if value is None else str(value)


def plain_name(name: str) -> str:
    """A name without the unit it ends in."""
    return label(name.removesuffix("_us"))


def label(name: Any) -> str:
    """A code's name as words: ``off_topic`` → ``off topic``."""
    text = str(name)
    return LABELS.get(text, text.replace("_", " "))


_SHORTHANDS = re.compile(r"\b(auc|psi|ks|js|tv|w1|f1)\b")
METRICS = {
    "findings.open": "open findings",
    "findings.reopened": "reopened findings",
    "over_refusal.rate": "over-refusal rate",
    "quality.accuracy": "accuracy of the answers",
    "runs.error_rate": "error rate of the runs",
    "audit.missed_rate": "failures missed by the rules",
}


def metric_words(metric: str) -> str:
    """A metric's name as words: ``attack.success_rate`` → ``attack success rate``, ``findings.open`` → ``open findings``."""
    words = METRICS.get(metric) or metric.replace(".", " ").replace("_", " ")
    return _SHORTHANDS.sub(lambda found: found[0].upper(), words)


def capitalize_first(text: str) -> str:
    """The text with its first letter large and the rest as it is."""
    return text[:1].upper() + text[1:]


def short(identifier: str | None, length: int = 10) -> str:
    """The recognisable head of a long id or digest: its prefix and ``length`` characters."""
    if not identifier:
        return "–"
    prefix, mark, rest = identifier.rpartition("_")
    return identifier if len(rest) <= length else f"{prefix}{mark}{rest[:length]}…"


def pretty(value: Any) -> str:
    """A JSON value over several lines, for people; text stays text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def brief(value: Any, length: int = 56) -> str:
    """A JSON value on one line, cut after ``length`` characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


FILTERS = {
    "count": count,
    "figure": figure,
    "share": share,
    "clock_time": clock_time,
    "iso_time": iso_time,
    "exact_time": exact_time,
    "ago": ago,
    "duration": duration,
    "spent": spent,
    "plain_name": plain_name,
    "label": label,
    "metric": metric_words,
    "capitalize_first": capitalize_first,
    "short": short,
    "pretty": pretty,
    "brief": brief,
}
