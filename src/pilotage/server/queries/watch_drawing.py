"""Where things go in the drawings of the monitor: the way of a slice's test through its audits, and decisions over time by action."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pilotage.core import MICROSECONDS

WIDTH, HEIGHT = 460.0, 128.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 10.0, 10.0, 22.0
POINTS = 120
SPAN_POINTS = 40


@dataclass(frozen=True)
class WatchDrawing:
    """A test's way, audit by audit: the e-value (logarithmic) below its alarm line, and the confidence sequence of the error rate.

    ``alarmed_at`` is the x of the audit that reached the line; ``e_now`` the e-value now, ``e_most`` the most it ever was.
    """

    n: int
    e_line: str
    e_alarm: float
    e_one: float
    e_ticks: tuple[tuple[float, str], ...]
    alarmed_at: float | None
    rate_line: str
    rate_band: str
    rate_limit: float
    rate_ticks: tuple[tuple[float, str], ...]
    e_now: float
    e_most: float
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def draw_watch(wrong: Sequence[bool], *, limit: float, alpha: float, since: int = 0) -> WatchDrawing:
    """The way through ``wrong``, in the order the audits were counted, with restarts from audit ``since``. As many points as can be told apart."""
    import numpy as np

    from pilotage.judging.calibration import Watch
    from pilotage.judging.calibration.monitor import log_e_path

    n = len(wrong)
    total = np.cumsum(np.asarray(wrong, dtype=np.int64))
    log_e = log_e_path(wrong, limit, since=since)
    line = -math.log(alpha)
    over = np.flatnonzero(log_e >= line)
    kept = np.unique(np.append(np.linspace(0, n - 1, min(POINTS, n)).round().astype(np.int64), over[:1]))
    low, high = min(-1.0, float(log_e.min())), max(line * 1.35, min(float(log_e.max()), 4 * line))

    def x(audit: float) -> float:
        return round(LEFT + audit / n * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        part = (min(max(value, low), high) - low) / (high - low)
        return round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 1)

    spots = np.unique(np.linspace(0, n - 1, min(SPAN_POINTS, n)).round().astype(np.int64))
    spans = [Watch(limit, alpha, counts=((1.0, int(at) + 1, int(total[at])),)).interval() for at in spots]
    top = min(1.0, max(3 * limit, 1.1 * (spans[-1].upper or 0.0), *(1.2 * (one.estimate or 0.0) for one in spans[len(spans) // 3 :])))

    def share(value: float) -> float:
        return round(HEIGHT - BOTTOM - min(value / top, 1.0) * (HEIGHT - TOP - BOTTOM), 1)

    upper = [f"{x(at + 1)},{share(one.upper or 0.0)}" for at, one in zip(spots, spans, strict=True)]
    lower = [f"{x(at + 1)},{share(one.lower or 0.0)}" for at, one in zip(spots, spans, strict=True)]
    return WatchDrawing(
        n=n,
        e_line=" ".join([f"{LEFT},{y(0.0)}", *(f"{x(at + 1)},{y(float(log_e[at]))}" for at in kept)]),
        e_alarm=y(line),
        e_one=y(0.0),
        e_ticks=((y(0.0), "1"), (y(line), f"{1 / alpha:g}")),
        alarmed_at=x(float(over[0]) + 1) if len(over) else None,
        rate_line=" ".join(f"{x(at + 1)},{share(one.estimate or 0.0)}" for at, one in zip(spots, spans, strict=True)),
        rate_band=" ".join([*upper, *reversed(lower)]),
        rate_limit=share(limit),
        rate_ticks=((share(limit), f"{100 * limit:g} %"), (share(top), f"{100 * top:.0f} %")),
        e_now=math.exp(min(float(log_e[-1]), 700.0)),
        e_most=math.exp(min(max(0.0, float(log_e.max())), 700.0)),
    )


STACK_WIDTH, STACK_HEIGHT = 1000.0, 150.0
STACK_BOTTOM = 22.0
BARS = 48


@dataclass(frozen=True)
class Bar:
    """One stretch of time: its segments (kind, y, height) from the bottom up, and what it says."""

    x: float
    width: float
    segments: tuple[tuple[str, float, float], ...]
    said: str


@dataclass(frozen=True)
class StackDrawing:
    """Decisions over time, by action. ``span`` is how much time a bar stands for."""

    bars: tuple[Bar, ...]
    most: int
    from_us: int
    to_us: int
    span: str
    width: float = STACK_WIDTH
    height: float = STACK_HEIGHT
    bottom: float = STACK_HEIGHT - STACK_BOTTOM


def draw_stack(rows: Sequence[tuple[int, str]], kinds: Sequence[str]) -> StackDrawing:
    """Positions of ``rows`` (µs, kind), which are not empty."""
    first, last = min(row[0] for row in rows), max(row[0] for row in rows)
    size = _span((last - first) / MICROSECONDS / BARS)
    begin = first // (size * MICROSECONDS) * size * MICROSECONDS
    number = (last - begin) // (size * MICROSECONDS) + 1
    counts = [dict.fromkeys(kinds, 0) for _ in range(number)]
    for at, kind in rows:
        place = counts[(at - begin) // (size * MICROSECONDS)]
        place[kind] = place.get(kind, 0) + 1
    most = max(sum(one.values()) for one in counts)
    each = (STACK_WIDTH - 2) / number
    bars = []
    for number_of, found in enumerate(counts):
        segments, height = [], 0.0
        for kind in kinds:
            tall = found[kind] / most * (STACK_HEIGHT - STACK_BOTTOM - 8)
            height += tall
            if tall:
                segments.append((kind, round(STACK_HEIGHT - STACK_BOTTOM - height, 1), round(tall, 1)))
        said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in found.items() if count) or "none"
        bars.append(Bar(round(1 + number_of * each, 1), round(max(each - 1.5, 0.8), 1), tuple(segments), said))
    return StackDrawing(tuple(bars), most, begin, begin + number * size * MICROSECONDS, _named(size))


_SPANS = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400)


def _span(wanted_s: float) -> int:
    """A round stretch of time, in seconds, not shorter than wanted."""
    return next((one for one in _SPANS if one >= wanted_s), max(_SPANS[-1], int(wanted_s) + 1))


def _named(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
