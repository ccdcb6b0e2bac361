"""Rates: how often something happened, with an interval that is honest about clusters and never of zero width.

Wilson's score interval, with the effective number of observations in place of n and Student's t with C - 1 degrees of freedom in place of the normal
where outcomes are clustered. A t interval around a rate is of zero width in a third of all samples of 20 at a rate of .95; this one never is.

Where nothing varies (no event at all, or only events) the design effect cannot be seen, so the clusters themselves are counted: the cautious
reading, in which all outcomes of a cluster would always agree.

References: Wilson (1927); Clopper & Pearson (1934); Korn & Graubard (1998) for effective n and degrees of freedom; Agresti & Coull (1998).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pilotage.core import InputError
from pilotage.core.intervals import Interval, clopper_pearson, wilson
from pilotage.evidence.clusters import Observation, Sample, sample, spread
from pilotage.evidence.figure import Evidence, not_assessable


def rate(
    observations: Iterable[Observation],
    *,
    metric: str,
    level: float = 0.95,
    exact: bool = False,
    slice: Mapping[str, str] | None = None,
    subject: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Evidence:
    """How often the outcome was True.

    Missing outcomes (``value=None``) are not in the estimate; ``detail`` counts them by reason and gives the rate if all of them had been False
    (``if_missing_false``) and if all had been True (``if_missing_true``).

    Parameters
    ----------
    exact
        Clopper-Pearson in place of Wilson; only where every cluster has one outcome.

    Raises
    ------
    InputError
        On a doubled observation, an item in two clusters, a value other than True / False / 0 / 1, or ``exact`` with clusters.
    """
    of = sample(observations, binary=True)
    events = int(of.values.sum())
    notes = {"events": events, **missing_notes(of, low=0.0, high=1.0), **dict(detail or {})}
    about: dict[str, Any] = {"n": of.n, "n_clusters": of.n_clusters, "level": level, "slice": slice, "subject": subject}
    problem = too_little(of)
    if problem:
        return not_assessable(metric, reason=problem, detail=notes, **about)
    interval, more = _interval(of, events, level=level, exact=exact)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=events / of.n,
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        n=of.n,
        n_clusters=of.n_clusters,
        method=interval.method,
        slice=dict(slice or {}),
        subject=dict(subject or {}),
        detail={**notes, **more},
    )


def too_little(of: Sample) -> str | None:
    """Why nothing can be said of this sample, or None."""
    if of.n == 0:
        return "no outcome is known" if of.n_missing else "there are no outcomes"
    if of.n_clusters < 2:
        return "there is one outcome only" if of.n == 1 else "all outcomes are of one cluster, so how much clusters differ cannot be seen"
    return None


def missing_notes(of: Sample, *, low: float, high: float) -> dict[str, Any]:
    """What ``detail`` says of missing outcomes: counts, share, and the estimate if all had been at either end of the scale."""
    total = of.n + of.n_missing
    if not of.n_missing:
        return {"missing": {}, "missing_share": 0.0}
    known = float(of.values.sum())
    return {
        "missing": of.missing,
        "missing_share": of.n_missing / total,
        "if_missing_false": (known + low * of.n_missing) / total,
        "if_missing_true": (known + high * of.n_missing) / total,
    }


def _interval(of: Sample, events: int, *, level: float, exact: bool) -> tuple[Interval, dict[str, Any]]:
    if of.n == of.n_clusters:
        plain = clopper_pearson(events, of.n, level=level) if exact else wilson(events, of.n, level=level)
        return plain, {"n_effective": float(of.n), "design_effect": 1.0}
    if exact:
        raise InputError("The exact interval needs independent outcomes; these are clustered.", mend="leave 'exact' out")
    how = spread(of)
    df = of.n_clusters - 1
    if how.design_effect is None:
        effective, note = float(of.n_clusters), "nothing varies, so clusters are counted"
    else:
        # An estimated design effect below 1 is more often luck than truth, so it never makes the interval narrower.
        effective, note = of.n / max(1.0, how.design_effect), ""
    made = wilson(events / of.n * effective, effective, level=level, df=df)
    notes = {
        "n_effective": effective,
        "design_effect": how.design_effect,
        "icc": how.icc,
        "se": how.se,
        "se_naive": how.se_naive,
        "df": df,
    }
    return Interval(made.lower, made.upper, level, "clustered Wilson"), {**notes, **({"note": note} if note else {})}
