"""May a model judge stand in for a person, and what do many of its scores say beside a few of theirs?

The alternative-annotator test leaves one person out at a time and asks who is closer to the others, that person or the judge. It is the comparison
with the human–human ceiling: people do not agree perfectly either. Prediction-powered inference takes a few human scores to correct many of the
judge's, and is valid however bad the judge is; a bad one only makes it no narrower than the human scores alone.

References: Calderon, Reichart & Dror (2025) "The alternative annotator test"; Benjamini & Yekutieli (2001); Angelopoulos et al. (2023), and
Angelopoulos, Duchi & Zrnic (2023) "PPI++" for the tuned weight.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.core.distributions import t_cdf, t_quantile
from pilotage.evidence import Evidence, not_assessable
from pilotage.judging import Agreement, krippendorff_alpha

ENOUGH_ITEMS = 30
ENOUGH_PEOPLE = 3
EPSILON = {"expert": 0.2, "skilled": 0.15, "crowd": 0.1}
_FDR = 0.05
_NOTHING = 1e-12

Scores = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Compared:
    """One person left out: how often the judge (``judge``) and how often they (``person``) are at least as close to the others, over ``n`` items.

    ``p`` and ``beaten``: whether the judge is surely not worse by ``epsilon``, at the false-discovery rate of the test; None where n < 30.
    """

    rater: str
    n: int
    judge: float
    person: float
    p: float | None
    beaten: bool | None
    reason: str = ""


@dataclass(frozen=True)
class AlternativeAnnotator:
    """The test's outcome.

    winning_rate
        The share of people the judge may stand in for; None where fewer than three could be compared.
    passed
        Whether it is at least one half: the judge may replace a person drawn from this pool.
    advantage
        The mean probability that the judge is at least as close to the others as the person left out.
    ceiling, judge_agreement
        Krippendorff's alpha among the people, and among the people and the judge together.
    """

    winning_rate: float | None
    passed: bool | None
    advantage: float | None
    people: tuple[Compared, ...]
    epsilon: float
    ceiling: Agreement
    judge_agreement: Agreement
    reason: str = ""

    def __str__(self) -> str:
        if self.winning_rate is None or self.advantage is None:
            return f"alternative-annotator test: not assessable: {self.reason}"
        tested = sum(each.beaten is not None for each in self.people)
        verdict = "may stand in for a person" if self.passed else "may not stand in for a person"
        return (
            f"the judge {verdict}: it is as good as {self.winning_rate:.0%} of {tested} people (ε = {self.epsilon:g}), "
            f"advantage {self.advantage:.3f}\n  people among themselves: {self.ceiling}\n  with the judge: {self.judge_agreement}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def alternative_annotator_test(
    people: Scores, judge: Mapping[str, Any], *, pool: str = "skilled", epsilon: float | None = None, numeric: bool = False, seed: int = 0
) -> AlternativeAnnotator:
    """Whether ``judge`` may stand in for one of ``people``.

    Parameters
    ----------
    people
        Rater → {item: value}.
    judge
        {item: value} of the model.
    pool
        Who the people are: ``expert``, ``skilled`` or ``crowd``; it sets what a judge's lower cost is worth (ε .2, .15, .1 in the paper), unless
        ``epsilon`` is given.
    numeric
        Whether values are numbers, compared by their distance; else by being the same.

    Raises
    ------
    InputError
        On an unknown pool.

    Cost: one pass over the answers for each person.
    """
    if pool not in EPSILON:
        raise InputError(f"'{pool}' is no kind of pool.", mend=f"use one of: {', '.join(EPSILON)}")
    eps = EPSILON[pool] if epsilon is None else epsilon
    compared = [_compare(rater, people, judge, eps, numeric) for rater in sorted(people)]
    tested = [each for each in compared if each.p is not None]
    scale = "interval" if numeric else "nominal"
    cells: list[tuple[Hashable, Hashable, Any]] = [(item, rater, value) for rater, said in people.items() for item, value in said.items()]
    ceiling = krippendorff_alpha(cells, scale=scale, seed=seed)
    rated = {item for said in people.values() for item in said}
    together = krippendorff_alpha([*cells, *((item, ("judge",), value) for item, value in judge.items() if item in rated)], scale=scale, seed=seed)
    if len(tested) < ENOUGH_PEOPLE:
        reason = f"{len(tested)} people share {ENOUGH_ITEMS} items with the judge and with others; the test needs {ENOUGH_PEOPLE}"
        return AlternativeAnnotator(None, None, None, tuple(compared), eps, ceiling, together, reason)
    rejected = _by(np.array([each.p for each in tested], dtype=float), _FDR)
    verdict = dict(zip((each.rater for each in tested), rejected.tolist(), strict=True))
    settled = tuple(Compared(each.rater, each.n, each.judge, each.person, each.p, verdict.get(each.rater), each.reason) for each in compared)
    rate = float(np.mean(rejected))
    return AlternativeAnnotator(rate, rate >= 0.5, float(np.mean([each.judge for each in tested])), settled, eps, ceiling, together)


def _compare(rater: str, people: Scores, judge: Mapping[str, Any], eps: float, numeric: bool) -> Compared:
    wins: list[tuple[int, int]] = []
    for item, value in sorted(people[rater].items()):
        others = [said[item] for other, said in people.items() if other != rater and item in said]
        if item not in judge or not others:
            continue
        of_judge, of_person = _closeness(judge[item], others, numeric), _closeness(value, others, numeric)
        wins.append((int(of_judge >= of_person), int(of_person >= of_judge)))
    n = len(wins)
    if not n:
        return Compared(rater, 0, 0.0, 0.0, None, None, "no item is shared with the judge and another person")
    table = np.array(wins, dtype=float)
    judged, own = float(table[:, 0].mean()), float(table[:, 1].mean())
    if n < ENOUGH_ITEMS:
        return Compared(rater, n, judged, own, None, None, f"{n} shared items; a comparison needs {ENOUGH_ITEMS}")
    difference = table[:, 1] - table[:, 0]
    spread = float(difference.std(ddof=1))
    gap = float(difference.mean()) - eps
    # One-sided: H0 says the person is better by at least eps. Without any variation the sign alone decides.
    p = (0.0 if gap < 0 else 1.0) if spread < _NOTHING else t_cdf(gap / (spread / math.sqrt(n)), n - 1)
    return Compared(rater, n, judged, own, p, None)


def _closeness(value: Any, others: list[Any], numeric: bool) -> float:
    if numeric:
        return -math.sqrt(float(sum((value - other) ** 2 for other in others)) / len(others))
    return float(sum(value == other for other in others) / len(others))


def _by(p_values: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """Benjamini–Yekutieli: which hypotheses fall at this false-discovery rate, whatever the dependence (the people share items)."""
    m = len(p_values)
    order = np.argsort(p_values)
    limits = np.arange(1, m + 1) / m * rate / np.sum(1 / np.arange(1, m + 1))
    below = np.flatnonzero(p_values[order] <= limits)
    rejected = np.zeros(m, dtype=bool)
    if below.size:
        rejected[order[: below[-1] + 1]] = True
    return rejected


def prediction_powered_mean(
    human: Mapping[str, float], judge: Mapping[str, float], *, metric: str, scale: tuple[float, float] = (0.0, 1.0), level: float = 0.95
) -> Evidence:
    """The mean that people would give, from their few scores and the judge's many.

    Parameters
    ----------
    human
        {item: score} of a random sample of the items; each is scored by the judge too.
    judge
        {item: score} of all items, the sample included.
    scale
        The least and greatest score.

    Returns
    -------
    Evidence
        ``detail`` has the weight given to the judge (``lambda``, 0: not at all), its bias, the interval people alone would give, and how many human
        scores the interval is worth (``worth``). Not assessable below 30 human scores, or where neither varies.

    Raises
    ------
    InputError
        If a score is outside the scale or an item people scored is not the judge's.
    """
    missing = sorted(set(human) - set(judge))
    if missing:
        raise InputError(
            f"{len(missing)} items were scored by people and not by the judge.",
            where=missing[0],
            why="its error is measured on what both scored",
            mend="let the judge score them too",
        )
    low, high = scale
    for name, scores in (("a person", human), ("the judge", judge)):
        strange = next((item for item, score in sorted(scores.items()) if not (math.isfinite(score) and low <= score <= high)), None)
        if strange is not None:
            raise InputError(f"The score {scores[strange]} of {name} is outside {low:g} to {high:g}.", where=strange)
    items = sorted(human)
    y = np.array([human[item] for item in items], dtype=float)
    f = np.array([judge[item] for item in items], dtype=float)
    rest = np.array([score for item, score in sorted(judge.items()) if item not in human], dtype=float)
    n, more = len(y), len(rest)
    if n < ENOUGH_ITEMS:
        return not_assessable(metric, reason=f"{n} human scores; the method needs {ENOUGH_ITEMS}", n=n, level=level)
    weight = _weight(y, f, rest)
    estimate = float(y.mean() - weight * (f.mean() - (rest.mean() if more else f.mean())))
    variance = float(np.var(y - weight * f, ddof=1)) / n + (weight**2 * float(np.var(rest, ddof=1)) / more if more > 1 else 0.0)
    alone = float(np.var(y, ddof=1)) / n
    if variance <= _NOTHING or alone <= _NOTHING:
        return not_assessable(metric, reason="the scores do not vary, so no interval can be given", n=n, level=level)
    t = t_quantile((1 + level) / 2, n - 1)
    half = t * math.sqrt(variance)
    estimate = min(high, max(low, estimate))
    return Evidence(
        metric=metric,
        status="measured",
        estimate=estimate,
        lower=max(low, estimate - half),
        upper=min(high, estimate + half),
        level=level,
        n=n + more,
        n_clusters=None,
        method="prediction-powered mean (tuned)",
        detail={
            "human": n,
            "judge": n + more,
            "lambda": weight,
            "judge_bias": float((f - y).mean()),
            "human_only": [float(y.mean()), float(y.mean() - t * math.sqrt(alone)), float(y.mean() + t * math.sqrt(alone))],
            "worth": n * alone / variance,
        },
    )


def _weight(y: NDArray[np.float64], f: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """PPI++: the weight of the judge that makes the interval narrowest, 0 to 1."""
    n, more = len(y), len(rest)
    spread = float(np.var(np.concatenate([f, rest]), ddof=1))
    if more < 2 or spread <= _NOTHING:
        return 0.0
    together = float(np.cov(y, f)[0, 1])
    return float(np.clip(together / ((1 + n / more) * spread), 0.0, 1.0))
