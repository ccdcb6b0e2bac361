"""Two runs over the same items, compared pair by pair.

The same items make a paired comparison far sharper than two intervals side by side, and an unpaired test on them wrong. Outcomes are matched by item
and repeat; what has no partner is refused, or listed, never dropped in silence. Yes/no outcomes: exact McNemar where all pairs are independent.
Clustered: sign-flip permutation of clusters while they are few (< 30), else a cluster-robust t test. Beside the verdict stand the smallest difference
the comparison could have found at 80 % power, and the number of pairs that would be needed.

References: McNemar (1947), exact form; Bonett & Price (2012) for the paired difference of rates; Miller (2024) arXiv:2411.00640 for clustered
paired evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

import numpy as np

from pilotage.core import InputError
from pilotage.core.distributions import fisher_exact, normal_quantile, sign_test, t_quantile, t_two_sided
from pilotage.core.intervals import Interval
from pilotage.evidence.clusters import Observation, Sample, Spread, sample, spread
from pilotage.evidence.figure import Evidence, not_assessable
from pilotage.evidence.means import mean_interval
from pilotage.evidence.rates import too_little

FEW_CLUSTERS = 30
_EXACT_CLUSTERS = 14
_PERMUTATIONS = 10_000
_POWER = 0.8

Key = tuple[str, int]
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Comparison:
    """What changed from ``before`` to ``after``.

    evidence
        The difference after − before, with its interval; its ``detail`` has ``kind: difference`` and ``against``.
    fixed, regressed
        The (item, repeat) of yes/no outcomes that became better and worse, as ``better`` was declared. Empty for scores.
    unmatched_before, unmatched_after
        Without a partner on the other side.
    p_value, test
        Of "nothing changed", two-sided. None where it is not assessable.
    mde
        The smallest true difference this comparison would find with 80 % probability.
    n_needed
        Pairs that would be needed to find a difference as large as the one seen with 80 % probability; None where none was seen.
    missing_p
        Fisher's exact p that outcomes are missing equally often on both sides: a small one says the comparison itself may be biased.
    """

    evidence: Evidence
    n_pairs: int
    n_clusters: int
    fixed: tuple[Key, ...] = ()
    regressed: tuple[Key, ...] = ()
    unmatched_before: tuple[Key, ...] = ()
    unmatched_after: tuple[Key, ...] = ()
    p_value: float | None = None
    test: str = ""
    mde: float | None = None
    n_needed: int | None = None
    missing_p: float | None = None

    def __str__(self) -> str:
        if not self.evidence.measured:
            return str(self.evidence)
        flips = f"; {len(self.fixed)} fixed, {len(self.regressed)} regressed" if self.fixed or self.regressed else ""
        p = f"; p = {self.p_value:.4g} ({self.test})" if self.p_value is not None else ""
        found = f"; finds {self.mde:.3f} at 80 % power" if self.mde is not None else ""
        return f"{self.evidence}{flips}{p}{found}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "evidence": self.evidence.to_dict(),
            "n_pairs": self.n_pairs,
            "n_clusters": self.n_clusters,
            "fixed": [list(key) for key in self.fixed],
            "regressed": [list(key) for key in self.regressed],
            "unmatched_before": [list(key) for key in self.unmatched_before],
            "unmatched_after": [list(key) for key in self.unmatched_after],
            "p_value": self.p_value,
            "test": self.test,
            "mde": self.mde,
            "n_needed": self.n_needed,
            "missing_p": self.missing_p,
        }


def compare_paired(
    before: Iterable[Observation],
    after: Iterable[Observation],
    *,
    metric: str,
    better: Better = "higher",
    clusters: Mapping[str, str] | None = None,
    scale: tuple[float, float] | None = (0, 1),
    allow_unmatched: bool = False,
    against: str = "before",
    level: float = 0.95,
    seed: int = 0,
    slice: Mapping[str, str] | None = None,
    subject: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare two runs over the same items.

    Parameters
    ----------
    better
        Which way is good: ``higher`` (correct answers) or ``lower`` (attacks that succeed).
    clusters
        Item → cluster, where the observations do not say it themselves.
    scale
        Bounds of the score (both runs); None for none.
    allow_unmatched
        Go on with the pairs there are and list the rest. Default: refuse.
    against
        What ``before`` is, in the word a gate's ``no_worse_than: {against: …}`` uses.
    subject
        Of ``after``: the difference is a statement about it.

    Raises
    ------
    InputError
        If items lack a partner (and that is not allowed), the two sides put an item in different clusters, or a side is malformed.
    """
    first, second = _by_key(before, clusters), _by_key(after, clusters)
    only_first, only_second = tuple(sorted(first.keys() - second.keys())), tuple(sorted(second.keys() - first.keys()))
    if (only_first or only_second) and not allow_unmatched:
        stray = (only_first or only_second)[0]
        raise InputError(
            f"{len(only_first)} outcomes are only in the first run and {len(only_second)} only in the second.",
            where=f"item '{stray[0]}', repeat {stray[1]}",
            why="a comparison that drops items compares something else",
            mend="run both over the same version, or pass allow_unmatched=True to compare the common items and list the others",
        )
    keys = sorted(first.keys() & second.keys())
    pairs = [_difference(first[key], second[key], scale) for key in keys]
    of = sample(pairs)
    missing_p = _missing_differs(first, second, keys)
    notes = {
        "kind": "difference",
        "against": against,
        "better": better,
        "unmatched_before": len(only_first),
        "unmatched_after": len(only_second),
        "missing": of.missing,
        "missing_share": of.n_missing / max(1, len(keys)),
        "missing_p": missing_p,
    }
    about: dict[str, Any] = {"n": of.n, "n_clusters": of.n_clusters, "level": level, "slice": slice, "subject": subject}

    def unknown(reason: str) -> Comparison:
        figure = not_assessable(metric, reason=reason, detail=notes, **about)
        return Comparison(figure, of.n, of.n_clusters, unmatched_before=only_first, unmatched_after=only_second, missing_p=missing_p)

    problem = too_little(of)
    if problem:
        return unknown(problem)
    binary = all(observation.value in (None, 0, 1) for side in (first, second) for observation in side.values())
    good = 1 if better == "higher" else -1
    fixed = tuple(pair.key for pair in pairs if binary and pair.value == good)
    regressed = tuple(pair.key for pair in pairs if binary and pair.value == -good)
    how = spread(of)
    interval = _interval(of, how, binary=binary, scale=scale, level=level, seed=seed)
    if interval is None:
        return unknown("every pair differs by the same and the scale has no bounds, so no interval can be given")
    p_value, test = _test(of, how, fixed=len(fixed), regressed=len(regressed), binary=binary, seed=seed)
    power = _power(of, how, level=level, binary=binary)
    more = {
        "fixed": len(fixed),
        "regressed": len(regressed),
        "design_effect": how.design_effect,
        "se": how.se,
        "p_value": p_value,
        "test": test,
        "mde": power.mde,
        "n_needed": power.n_needed,
        "seed": seed,
    }
    evidence = Evidence(
        metric=metric,
        status="measured",
        estimate=how.mean,
        lower=min(interval.lower, how.mean),
        upper=max(interval.upper, how.mean),
        level=level,
        n=of.n,
        n_clusters=of.n_clusters,
        method=f"paired difference, {interval.method}",
        slice=dict(slice or {}),
        subject=dict(subject or {}),
        detail={**notes, **more},
    )
    return Comparison(
        evidence=evidence,
        n_pairs=of.n,
        n_clusters=of.n_clusters,
        fixed=fixed,
        regressed=regressed,
        p_value=p_value,
        test=test,
        mde=power.mde,
        n_needed=power.n_needed,
        unmatched_before=only_first,
        unmatched_after=only_second,
        missing_p=missing_p,
    )


def _by_key(observations: Iterable[Observation], clusters: Mapping[str, str] | None) -> dict[Key, Observation]:
    given = [observation if clusters is None else replace(observation, cluster=clusters[observation.item]) for observation in observations]
    sample(given)
    return {observation.key: observation for observation in given}


def _difference(first: Observation, second: Observation, scale: tuple[float, float] | None) -> Observation:
    if first.group != second.group:
        raise InputError(f"The two runs put '{first.item}' in different clusters.", where=f"{first.group} and {second.group}")
    for observation in (first, second):
        if scale is not None and observation.value is not None and not scale[0] <= observation.value <= scale[1]:
            raise InputError(f"The outcome of '{observation.item}' is {observation.value}, outside the scale {scale[0]} to {scale[1]}.")
    if first.value is None or second.value is None:
        why = ", ".join(sorted({side.missing or "unknown" for side in (first, second) if side.value is None}))
        return replace(first, value=None, missing=why)
    return replace(first, value=float(second.value) - float(first.value), missing="")


def _missing_differs(first: Mapping[Key, Observation], second: Mapping[Key, Observation], keys: list[Key]) -> float | None:
    gone = [sum(side[key].value is None for key in keys) for side in (first, second)]
    return fisher_exact(gone[0], len(keys) - gone[0], gone[1], len(keys) - gone[1]) if any(gone) else None


def _effective(of: Sample, how: Spread) -> float:
    if of.n == of.n_clusters:
        return float(of.n)
    return float(of.n_clusters) if how.design_effect is None else of.n / max(1.0, how.design_effect)


def _interval(of: Sample, how: Spread, *, binary: bool, scale: tuple[float, float] | None, level: float, seed: int) -> Interval | None:
    if not binary:
        span = None if scale is None else (scale[0] - scale[1], scale[1] - scale[0])
        return mean_interval(of, how, scale=span, level=level, seed=seed)
    # Bonett & Price: one imagined pair of each kind of flip keeps the interval from collapsing where nothing flipped.
    n = _effective(of, how)
    up, down = (float((of.values == sign).sum()) / of.n * n for sign in (1, -1))
    up, down = (up + 1) / (n + 2), (down + 1) / (n + 2)
    critical = normal_quantile((1 + level) / 2) if of.n == of.n_clusters else t_quantile((1 + level) / 2, of.n_clusters - 1)
    half = critical * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    method = "Bonett-Price" if of.n == of.n_clusters else "clustered Bonett-Price"
    return Interval(max(-1.0, up - down - half), min(1.0, up - down + half), level, method)


def _test(of: Sample, how: Spread, *, fixed: int, regressed: int, binary: bool, seed: int) -> tuple[float, str]:
    if binary and of.n == of.n_clusters:
        return sign_test(fixed, fixed + regressed), "exact McNemar"
    if of.n_clusters < FEW_CLUSTERS:
        return _sign_flips(of, seed=seed)
    if how.se == 0:
        return (1.0 if how.mean == 0 else 0.0), "cluster-robust t"
    return t_two_sided(how.mean / how.se, of.n_clusters - 1), "cluster-robust t" if of.n > of.n_clusters else "paired t"


def _sign_flips(of: Sample, *, seed: int) -> tuple[float, str]:
    """If nothing changed, each cluster's total difference might as well have had the other sign."""
    sums = of.sums
    seen = abs(float(sums.sum())) - 1e-9 * max(1.0, float(np.abs(sums).sum()))
    count = len(sums)
    if count <= _EXACT_CLUSTERS:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)[None, :]) & 1
        totals = np.abs((2.0 * bits - 1) @ sums)
        return float((totals >= seen).mean()), "exact sign-flip permutation of clusters"
    signs = np.random.default_rng(seed).integers(0, 2, size=(_PERMUTATIONS, count)) * 2.0 - 1
    extreme = int((np.abs(signs @ sums) >= seen).sum())
    return (extreme + 1) / (_PERMUTATIONS + 1), f"sign-flip permutation of clusters ({_PERMUTATIONS:,} draws, seed {seed})"


@dataclass(frozen=True)
class _Power:
    mde: float
    n_needed: int | None


def _power(of: Sample, how: Spread, *, level: float, binary: bool) -> _Power:
    se = how.se
    if se == 0:
        # Nothing differed: as if one cluster in all had.
        se = 1 / of.n_clusters if binary else 0.0
    reach = normal_quantile((1 + level) / 2) + normal_quantile(_POWER)
    difference = abs(how.mean)
    needed = math.ceil(of.n * (reach * se / difference) ** 2) if difference > 0 and se > 0 else None
    return _Power(reach * se, needed)
