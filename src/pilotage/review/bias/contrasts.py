"""Differences between arms when each person has answers in both, and signal detection, with intervals that account for persons.

A person who trusts machines trusts them all day: their answers are not independent, and intervals that pretend so are too narrow by half. Arms are
dealt within persons, so the same person stands on both sides of a difference, which makes it sharper; both are accounted for here.

Difference of rates: MOVER (Zou & Donner 2008, with the correlation of the two estimates over persons) from clustered Wilson intervals, so it is never
of zero width. Times: person fixed effects on logarithms, cluster-robust. d′ and c: log-linear correction (Hautus 1995), delta method over persons,
never narrower than independent answers would give (Gourevitch & Galanter 1967). Cost: one pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilotage.core.distributions import normal_quantile, t_quantile
from pilotage.evidence import Evidence, Observation, not_assessable, rate
from pilotage.review.bias.answers import AidedAnswer

Vector = NDArray[np.float64]
_LEAST = 1e-9


def observations(answers: Sequence[AidedAnswer], outcomes: Iterable[bool | float], *, single: bool) -> list[Observation]:
    """One observation an answer, clustered by person; by item where all are one person's (``single``)."""
    return [
        Observation(item=each.key, value=value, cluster=each.item if single else each.person) for each, value in zip(answers, outcomes, strict=True)
    ]


def rate_difference(
    first: Sequence[Observation], second: Sequence[Observation], *, metric: str, level: float, detail: Mapping[str, Any] | None = None
) -> Evidence:
    """The rate of ``first`` minus that of ``second``, whose clusters may be the same persons."""
    one, two = (rate(side, metric=metric, level=level) for side in (first, second))
    clusters = len({each.group for each in (*first, *second)})
    about: dict[str, Any] = {"n": one.n + two.n, "n_clusters": clusters, "level": level}
    for side, name in ((one, "first"), (two, "second")):
        if side.estimate is None:
            return not_assessable(metric, reason=f"the {name} arm: {side.reason}", detail=detail, **about)
    p1, l1, u1 = _numbers(one)
    p2, l2, u2 = _numbers(two)
    r = _correlation(first, second, p1, p2)
    difference = p1 - p2
    below = math.sqrt(max(0.0, (p1 - l1) ** 2 + (u2 - p2) ** 2 - 2 * r * (p1 - l1) * (u2 - p2)))
    above = math.sqrt(max(0.0, (u1 - p1) ** 2 + (p2 - l2) ** 2 - 2 * r * (u1 - p1) * (p2 - l2)))
    notes = {"first": p1, "second": p2, "n_first": one.n, "n_second": two.n, "correlation": r, **dict(detail or {})}
    return Evidence(
        metric=metric,
        status="measured",
        estimate=difference,
        lower=max(-1.0, difference - max(below, _LEAST)),
        upper=min(1.0, difference + max(above, _LEAST)),
        method="MOVER over persons",
        detail=notes,
        **about,
    )


def _numbers(figure: Evidence) -> tuple[float, float, float]:
    return float(figure.estimate or 0.0), float(figure.lower or 0.0), float(figure.upper or 0.0)


def _parts(given: Sequence[Observation], place: Mapping[str, int], p: float) -> Vector:
    """What each cluster adds to the error of the rate ``p``."""
    sums = np.zeros(len(place))
    for each in given:
        sums[place[each.group]] += float(each.value or 0) - p
    return sums / max(1, len(given))


def _place(*sides: Sequence[Observation]) -> dict[str, int]:
    return {group: index for index, group in enumerate(sorted({each.group for side in sides for each in side}))}


def _correlation(first: Sequence[Observation], second: Sequence[Observation], p1: float, p2: float) -> float:
    place = _place(first, second)
    a, b = _parts(first, place, p1), _parts(second, place, p2)
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(np.clip(float(a @ b) / scale, -1, 1)) if scale > 0 else 0.0


def detection(
    wrong: Sequence[Observation], right: Sequence[Observation], *, level: float, detail: Mapping[str, Any] | None = None
) -> tuple[Evidence, Evidence]:
    """d′ and the criterion c of telling wrong suggestions (``wrong``: True where it was rejected) from right ones (``right``: likewise).

    d′ is 0 where people reject right and wrong ones equally often. c is above 0 where they lean towards accepting, below 0 towards rejecting.
    """
    n1, n2 = len(wrong), len(right)
    place = _place(wrong, right)
    about: dict[str, Any] = {"n": n1 + n2, "n_clusters": len(place), "level": level}
    if not n1 or not n2 or len(place) < 2:
        lacking = "wrong suggestions" if not n1 else "right suggestions" if not n2 else "people"
        return (
            not_assessable("d_prime", reason=f"there are not enough {lacking}", detail=detail, **about),
            not_assessable("criterion", reason=f"there are not enough {lacking}", detail=detail, **about),
        )
    h = (sum(bool(each.value) for each in wrong) + 0.5) / (n1 + 1)
    f = (sum(bool(each.value) for each in right) + 0.5) / (n2 + 1)
    z_h, z_f = normal_quantile(h), normal_quantile(f)
    slope_h, slope_f = _density(z_h), _density(z_f)
    a, b = _parts(wrong, place, h) / slope_h, _parts(right, place, f) / slope_f
    independent = math.sqrt(h * (1 - h) / (n1 * slope_h**2) + f * (1 - f) / (n2 * slope_f**2))
    correction = math.sqrt(len(place) / (len(place) - 1))
    critical = t_quantile((1 + level) / 2, len(place) - 1)
    notes = {"hit_rate": h, "false_alarm_rate": f, "n_wrong": n1, "n_right": n2, **dict(detail or {})}

    def made(metric: str, value: float, parts: Vector, plain: float) -> Evidence:
        se = max(correction * math.sqrt(float(parts @ parts)), plain)
        method = "log-linear, delta method over persons"
        return Evidence(
            metric=metric,
            status="measured",
            estimate=value,
            lower=value - critical * se,
            upper=value + critical * se,
            method=method,
            detail={**notes, "se": se},
            **about,
        )

    return made("d_prime", z_h - z_f, a - b, independent), made("criterion", -(z_h + z_f) / 2, -(a + b) / 2, independent / 2)


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def time_ratio(
    first: Sequence[AidedAnswer], second: Sequence[AidedAnswer], *, metric: str, level: float, detail: Mapping[str, Any] | None = None
) -> Evidence:
    """How many times as long ``first`` took as ``second``, within persons: the ratio of geometric means of active time."""
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for side, given in enumerate((first, second)):
        for each in given:
            if each.active_ms is not None:
                groups.setdefault(each.person, ([], []))[side].append(math.log(max(1, each.active_ms)))
    both = {person: pair for person, pair in groups.items() if pair[0] and pair[1]}
    n = sum(len(pair[0]) + len(pair[1]) for pair in both.values())
    about: dict[str, Any] = {"n": n, "n_clusters": len(both), "level": level}
    if not both:
        return not_assessable(metric, reason="nobody has timed answers of both kinds", detail=detail, **about)
    weights = np.array([len(a) * len(b) / (len(a) + len(b)) for a, b in both.values()])
    gaps = np.array([float(np.mean(a) - np.mean(b)) for a, b in both.values()])
    estimate = float(weights @ gaps / weights.sum())
    if len(both) == 1:
        made = _welch(*next(iter(both.values())))
        if made is None:
            return not_assessable(metric, reason="one person's times say too little about how they vary", detail=detail, **about)
        se, df = made
        method = "one person, Welch's t on logarithms"
    else:
        se = math.sqrt(len(both) / (len(both) - 1) * float((weights**2) @ (gaps - estimate) ** 2)) / float(weights.sum())
        df, method = len(both) - 1, "person fixed effects on logarithms, cluster-robust t"
    if se <= _LEAST:
        return not_assessable(metric, reason="every time is the same, so no interval can be given", detail=detail, **about)
    half = t_quantile((1 + level) / 2, df) * se
    return Evidence(
        metric=metric,
        status="measured",
        estimate=math.exp(estimate),
        lower=math.exp(estimate - half),
        upper=math.exp(estimate + half),
        method=method,
        detail={"se_log": se, **dict(detail or {})},
        **about,
    )


def _welch(a: list[float], b: list[float]) -> tuple[float, float] | None:
    if len(a) < 2 or len(b) < 2:
        return None
    va, vb = float(np.var(a, ddof=1)) / len(a), float(np.var(b, ddof=1)) / len(b)
    if va + vb == 0:
        return None
    return math.sqrt(va + vb), (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
