"""A retriever going stale, and groups drifting apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pilotage.core import InputError, parse_duration
from pilotage.monitoring import RetrievalLimits, Window, group_gaps, retrieval_drift

DAY = 86_400_000_000
LIMITS = RetrievalLimits(stale_after_us=parse_duration("90d"))


def found(queries: int, seed: int, *, days: float = 20.0, score: float = 0.7, empty: int = 0, first_document: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = queries * 5
    query = np.repeat(np.arange(queries), 5)
    age_of_query = rng.exponential(days, queries)  # documents of one query are alike: the queries are what is independent
    document = [f"d{d}" for d in rng.integers(first_document, first_document + 200, rows)]
    keep = query >= empty
    return pa.table(
        {
            "query_id": [f"q{q}" for q in query[keep]] + [f"q{q}" for q in range(empty)],
            "doc_id": [d for d, k in zip(document, keep, strict=True) if k] + [None] * empty,
            "score": pa.array(list(np.clip(rng.normal(score, 0.1, rows), 0, 1)[keep]) + [None] * empty, pa.float64()),
            "age_us": pa.array([int(a * DAY) for a in age_of_query[query][keep]] + [None] * empty, pa.int64()),
        }
    )


def test_a_fresh_retriever_raises_no_alarm():
    report = retrieval_drift(found(400, 1), found(400, 2), limits=LIMITS)
    assert report.alarms == () and report.queries == (400, 400)
    assert report.figure("age_p50").lower <= 20 * np.log(2) <= report.figure("age_p50").upper


def test_stale_documents_worse_scores_and_empty_answers_are_each_said():
    report = retrieval_drift(found(400, 1), found(400, 2, days=120, score=0.5, empty=40, first_document=500), limits=LIMITS)
    assert len(report.alarms) == 4
    assert report.figure("stale_share").lower > 0.3 and report.figure("stale_change").lower > 0.2
    assert report.figure("empty_share").estimate == pytest.approx(0.1)
    assert report.figure("unseen_share").estimate == 1


def test_documents_of_one_query_do_not_count_as_independent():
    figure = retrieval_drift(found(400, 1), found(400, 2, days=120), limits=LIMITS).figure("stale_share")
    assert figure.n == 400 and figure.upper - figure.lower > 0.08  # 2,000 documents taken as independent: 0.04


def test_too_few_queries_are_not_assessable():
    report = retrieval_drift(found(400, 1), found(10, 2), limits=LIMITS)
    assert all(figure.status == "not_assessable" for figure in report.figures)


def test_a_document_from_the_future_and_a_missing_column_are_refused():
    bad = found(50, 1)
    with pytest.raises(InputError, match="younger"):
        retrieval_drift(bad, bad.set_column(3, "age_us", pa.array([-1] * bad.num_rows)), limits=LIMITS)
    with pytest.raises(InputError, match="age_us"):
        retrieval_drift(bad, bad.drop_columns(["age_us"]), limits=LIMITS)


def people(n: int, seed: int, *, miss: float = 0.2) -> Window:
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b"], n)
    truth = rng.random(n) < 0.5
    missed = rng.random(n) < np.where(group == "b", miss, 0.2)
    return Window(pa.table({"x": rng.normal(size=n)}), None, np.where(missed, ~truth, truth), truth.astype(np.int8), tuple(group))


def test_a_gap_that_widens_is_shown_and_one_that_does_not_is_not():
    assert not group_gaps(people(3000, 1), people(3000, 2)).widened
    wide = group_gaps(people(3000, 1), people(3000, 2, miss=0.45))
    assert wide.widened and wide.gap_now.estimate == pytest.approx(0.25, abs=0.05)
    assert wide.change.lower <= 0.25 <= wide.change.upper + 0.05


def test_no_widening_is_claimed_by_chance():
    assert sum(group_gaps(people(600, seed), people(600, 500 + seed)).widened for seed in range(60)) <= 5


def test_a_group_too_small_is_named_and_not_assessable():
    window = people(400, 1)
    few = Window(window.features, None, window.decisions, window.labels, tuple("c" if i < 5 else g for i, g in enumerate(window.groups)))
    report = group_gaps(window, few)
    small = [figure for figure in report.groups if figure.slice["group"] == "c"]
    assert [figure.status for figure in small] == ["not_assessable"] * 2
    assert group_gaps(window, few, metric="positive_rate").gap_now.measured


def test_windows_without_groups_or_an_unknown_metric_are_refused():
    with pytest.raises(InputError, match="groups"):
        group_gaps(Window(pa.table({"x": [1.0]})), people(100, 1))
    with pytest.raises(InputError, match="not compared"):
        group_gaps(people(100, 1), people(100, 1), metric="vibes")
