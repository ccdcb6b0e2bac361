"""A retriever going stale: the age of what it finds, how well it finds, and whether it finds other things than it did.

One row per document retrieved: which query, how old the document was then, its score, which document. A query that found nothing is one row without a
document. Queries are the independent units, so figures are of queries (or clustered by them), never of documents as if they were independent.

No label is needed, and none of it says that answers are wrong: an old document may be right. It says that the ground under the answers moved, beside
the figures of the model itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pilotage.core import InputError, format_duration
from pilotage.evidence import Evidence, not_assessable, wilson
from pilotage.monitoring.distances import measure_drift, rate_change

COLUMNS = ("query_id", "doc_id", "score", "age_us")
MIN_QUERIES = 30


@dataclass(frozen=True)
class RetrievalLimits:
    """What is too old or too different.

    stale_after_us
        A document older than this is stale (µs).
    stale_share
        Mean share of stale documents per query, at most.
    empty_share
        Share of queries that find nothing, at most.
    score_w1
        Change of the best score per query, in its reference spread.
    unseen_share
        Share of queries whose best document the reference never returned.
    """

    stale_after_us: int
    stale_share: float = 0.1
    empty_share: float = 0.02
    score_w1: float = 0.15
    unseen_share: float = 0.5


@dataclass(frozen=True)
class RetrievalDrift:
    """Figures of both windows, and what is beyond its limit (surely: the whole interval) in words."""

    figures: tuple[Evidence, ...]
    alarms: tuple[str, ...]
    queries: tuple[int, int]

    def figure(self, metric: str) -> Evidence:
        """``retrieval.<metric>`` of production."""
        return next(each for each in self.figures if each.metric == f"retrieval.{metric}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"queries": list(self.queries), "alarms": list(self.alarms), "figures": [each.to_dict() for each in self.figures]}

    def __str__(self) -> str:
        return "\n".join([*(self.alarms or ("nothing beyond its limit",)), *(f"  {each}" for each in self.figures)])


def retrieval_drift(
    reference: pa.Table,
    production: pa.Table,
    *,
    limits: RetrievalLimits,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> RetrievalDrift:
    """Compare what a retriever found then and now.

    Both tables have the columns ``query_id``, ``doc_id``, ``score`` (higher is better) and ``age_us``. Figures: ``stale_share`` and its change,
    ``age_p50`` and ``age_p95`` (days; of the documents, interval over queries), ``empty_share``, ``score`` (W1 of the best score per query),
    ``unseen_share``.

    Raises
    ------
    InputError
        If a column is missing, or an age is negative (a document from the future).
    """
    before, now = _Window.of(reference, limits), _Window.of(production, limits)
    about: dict[str, Any] = {"level": level, "subject": dict(subject or {})}
    figures: list[Evidence] = []
    alarms: list[str] = []
    if min(before.n, now.n) < MIN_QUERIES:
        reason = f"{before.n} reference queries and {now.n} since: fewer than {MIN_QUERIES}"
        names = ("stale_share", "stale_change", "age_p50", "age_p95", "empty_share", "score", "unseen_share")
        return RetrievalDrift(tuple(not_assessable(f"retrieval.{name}", reason=reason, n=now.n, **about) for name in names), (), (before.n, now.n))
    stale = _mean("retrieval.stale_share", now.stale, about)
    figures += [stale, _difference("retrieval.stale_change", before.stale, now.stale, about)]
    if stale.lower is not None and stale.lower > limits.stale_share:
        alarms.append(
            f"{stale.estimate:.1%} of what a query finds is older than {format_duration(limits.stale_after_us)}, limit {limits.stale_share:.0%}"
        )
    figures += [_age(f"retrieval.age_p{q}", now, q / 100, about, seed) for q in (50, 95)]
    empty = rate_change("retrieval.empty_change", before.empty, before.n, now.empty, now.n, level=level, subject=subject)
    interval = wilson(now.empty, now.n, level=level)
    figures += [empty, _share("retrieval.empty_share", now.empty, now.n, about)]
    if interval.lower > limits.empty_share:
        alarms.append(f"{now.empty / now.n:.1%} of queries find nothing, limit {limits.empty_share:.0%}")
    moved = measure_drift(
        pa.table({"score": before.best[~np.isnan(before.best)]}),
        pa.table({"score": now.best[~np.isnan(now.best)]}),
        level=level,
        seed=seed,
        subject=subject,
    )
    score = moved.column("score").figure("w1")
    figures.append(_renamed(score, "retrieval.score"))
    if score.lower is not None and score.lower > limits.score_w1:
        alarms.append(f"the best score per query moved by {score.estimate:.2f} of its spread, limit {limits.score_w1:g}")
    seen = set(before.best_document)
    found = [each for each in now.best_document if each is not None]
    unseen = sum(each not in seen for each in found)
    if found:
        figures.append(_share("retrieval.unseen_share", unseen, len(found), about))
        if wilson(unseen, len(found), level=level).lower > limits.unseen_share:
            alarms.append(
                f"{unseen / len(found):.0%} of queries are answered best by a document the reference never found, limit {limits.unseen_share:.0%}"
            )
    else:
        figures.append(not_assessable("retrieval.unseen_share", reason="no query found anything", n=now.n, **about))
    return RetrievalDrift(tuple(figures), tuple(alarms), (before.n, now.n))


@dataclass(frozen=True)
class _Window:
    n: int
    empty: int
    stale: npt.NDArray[np.float64]  # share per query that found something
    best: npt.NDArray[np.float64]  # per query; NaN where nothing was found
    best_document: tuple[str | None, ...]
    ages: npt.NDArray[np.float64]
    query_of_age: npt.NDArray[np.int64]

    @classmethod
    def of(cls, table: pa.Table, limits: RetrievalLimits) -> _Window:
        for name in COLUMNS:
            if name not in table.column_names:
                raise InputError(f"There is no column '{name}'.", where="retrieved documents", mend=f"the columns are: {', '.join(COLUMNS)}")
        encoded = pc.dictionary_encode(table["query_id"]).combine_chunks()
        if encoded.null_count:
            raise InputError("A retrieved document belongs to no query.", where="column 'query_id'")
        query = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
        n = len(encoded.dictionary)
        there = pc.is_valid(table["doc_id"]).to_numpy()
        age = np.asarray(pc.cast(table["age_us"], pa.float64()).to_numpy(), dtype=np.float64)
        score = np.asarray(pc.cast(table["score"], pa.float64()).to_numpy(), dtype=np.float64)
        if (age[there] < 0).any():
            raise InputError(
                "A document is younger than the query that found it.", where="column 'age_us'", mend="age = time of the query - time of the document"
            )
        if np.isnan(score[there]).any():
            raise InputError("A retrieved document has no score.", where="column 'score'")
        dated = there & ~np.isnan(age)
        documents = np.bincount(query[dated], minlength=n)
        old = np.bincount(query[dated], weights=age[dated] > limits.stale_after_us, minlength=n)
        best = np.full(n, -np.inf)
        np.maximum.at(best, query[there], score[there])
        first = np.full(n, -1, dtype=np.int64)
        rows = np.flatnonzero(there)
        top = rows[score[rows] == best[query[rows]]]
        first[query[top[::-1]]] = top[::-1]  # the first of equals
        names = table["doc_id"].to_pylist()
        found = np.bincount(query[there], minlength=n) > 0
        return cls(
            n=n,
            empty=int((~found).sum()),
            stale=(old / np.maximum(documents, 1))[documents > 0],
            best=np.where(found, best, np.nan),
            best_document=tuple(None if at < 0 else str(names[at]) for at in first),
            ages=age[dated],
            query_of_age=query[dated],
        )


def _share(metric: str, events: int, n: int, about: dict[str, Any]) -> Evidence:
    interval = wilson(events, n, level=about["level"])
    return Evidence(
        metric=metric,
        status="measured",
        estimate=events / n,
        lower=interval.lower,
        upper=interval.upper,
        n=n,
        n_clusters=None,
        method=interval.method,
        detail={"n_effective": n},
        **about,
    )


def _mean(metric: str, shares: npt.NDArray[np.float64], about: dict[str, Any]) -> Evidence:
    """Mean share per query: Wilson with the effective number that the scatter between queries says, at most the queries there are."""
    n = len(shares)
    if n < 2:
        return not_assessable(metric, reason=f"{n} queries found a document with a date", n=n, **about)
    mean = float(shares.mean())
    variance = float(shares.var(ddof=1))
    effective = n if variance == 0 else min(n * 10.0, max(1.0, mean * (1 - mean) * n / variance))
    interval = wilson(mean * effective, effective, level=about["level"])
    return Evidence(
        metric=metric,
        status="measured",
        estimate=mean,
        lower=min(mean, interval.lower),
        upper=max(mean, interval.upper),
        n=n,
        n_clusters=n,
        method="Wilson, effective n",
        detail={"n_effective": effective},
        **about,
    )


def _difference(metric: str, before: npt.NDArray[np.float64], now: npt.NDArray[np.float64], about: dict[str, Any]) -> Evidence:
    first, second = _mean(metric, before, about), _mean(metric, now, about)
    if (
        first.estimate is None
        or second.estimate is None
        or first.lower is None
        or first.upper is None
        or second.lower is None
        or second.upper is None
    ):
        return not_assessable(metric, reason="too few queries found a document with a date", n=min(first.n, second.n), **about)
    change = second.estimate - first.estimate
    return Evidence(
        metric=metric,
        status="measured",
        estimate=change,
        lower=change - float(np.hypot(second.estimate - second.lower, first.upper - first.estimate)),
        upper=change + float(np.hypot(second.upper - second.estimate, first.estimate - first.lower)),
        n=min(first.n, second.n),
        n_clusters=None,
        method="Newcombe, effective n",
        detail={"before": first.estimate, "after": second.estimate},
        **about,
    )


def _age(metric: str, window: _Window, q: float, about: dict[str, Any], seed: int) -> Evidence:
    """A quantile of age in days; whole queries are resampled, by weights."""
    day = 86_400_000_000.0
    if len(np.unique(window.query_of_age)) < MIN_QUERIES:
        return not_assessable(metric, reason="too few queries found a document with a date", n=window.n, **about)
    order = np.argsort(window.ages, kind="stable")
    ages, query = window.ages[order] / day, window.query_of_age[order]
    estimate = float(ages[min(len(ages) - 1, int(q * len(ages)))])
    rng = np.random.default_rng([seed, 37])
    drawn = np.empty(200)
    for i in range(len(drawn)):
        weight = np.cumsum(rng.standard_exponential(window.n)[query])
        drawn[i] = ages[min(len(ages) - 1, int(np.searchsorted(weight, q * weight[-1])))]
    low, high = np.quantile(drawn, ((1 - about["level"]) / 2, (1 + about["level"]) / 2))
    least = 1.0 / 86_400  # ages are not known more finely than a second
    return Evidence(
        metric=metric,
        status="measured",
        estimate=estimate,
        lower=min(float(low), estimate - least),
        upper=max(float(high), estimate + least),
        n=len(ages),
        n_clusters=window.n,
        method="weighted bootstrap of queries",
        detail={"unit": "days", "seed": seed},
        **about,
    )


def _renamed(figure: Evidence, metric: str) -> Evidence:
    return replace(figure, metric=metric)
