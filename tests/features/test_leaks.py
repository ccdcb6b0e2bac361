"""The leak probe passes the honest features and flags the others, with what they would have promised and what they would have kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from pilotage.core import InputError
from pilotage.data import Version
from pilotage.features import Aggregate, FeatureView, Label, build_training_set, parse_expression, register_view
from pilotage.features.leaks import DUPLICATE, LABEL_DELAY, NOT_AVAILABLE, OWN_LABEL, PROBED, ProbedView, probe_leaks, probe_training_set
from pilotage.ledger import entries
from pilotage.store import Workspace

from .conftest import START

DAY = 86_400_000_000
LABEL = Label("fraud", available_time="fraud_known_at")


def delayed_labels(*, rows: int = 2_400, seed: int = 0) -> pl.DataFrame:
    """Cards that turn bad for some days: recent labels tell much, if only they were known; they become known a week later."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, 90 * DAY, rows))
    card = rng.integers(0, 20, rows)
    bad_from = rng.integers(0, 90 * DAY, (20, 3))
    spell = ((at[:, None] >= bad_from[card]) & (at[:, None] < bad_from[card] + 4 * DAY)).any(axis=1)
    amount = np.round(rng.gamma(2.0, 30.0, rows), 2)
    risk = np.where(spell, 0.85, 0.03) + np.where(amount > 120, 0.1, 0.0)
    frame = pl.DataFrame(
        {
            "card": card,
            "at": at,
            "known_at": at + rng.integers(0, 30 * 60_000_000, rows),
            "amount": amount,
            "fraud": rng.random(rows) < risk,
            "fraud_known_at": at + 7 * DAY,
        }
    )
    return frame.with_columns(pl.col("at", "known_at", "fraud_known_at").cast(pl.Datetime("us", "UTC")))


AMOUNTS = FeatureView(
    name="amounts",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    columns={"last_amount": parse_expression("amount")},
    aggregates=(Aggregate("spent_7d", "sum", parse_expression("amount"), "7d"),),
)
FRAUDS = FeatureView(
    name="frauds",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="fraud_known_at",
    aggregates=(Aggregate("frauds_10d", "count", window="10d", where=parse_expression("fraud")), Aggregate("seen_10d", "count", window="10d")),
)
FRAME = delayed_labels()


def probed(view: FeatureView, **changes: object) -> ProbedView:
    return dataclasses.replace(ProbedView(view, FRAME, available_time="known_at", label=LABEL), **changes)  # type: ignore[arg-type]


def test_the_honest_features_pass_and_are_served_as_they_were_promised() -> None:
    report = probe_leaks(FRAME, [probed(AMOUNTS), probed(FRAUDS)], time="at", label=LABEL)
    assert report.verdict == "pass" and report.leaks == ()
    assert report.gap is not None and (report.gap.value, report.gap.low, report.gap.high) == (0.0, 0.0, 0.0)
    assert report.offline == report.served


def test_labels_without_their_delay_are_flagged_with_what_they_cost() -> None:
    eager = dataclasses.replace(FRAUDS, available_time="known_at")
    report = probe_leaks(FRAME, [probed(AMOUNTS), probed(eager)], time="at", label=LABEL)
    assert report.verdict == "leak"
    assert {(leak.kind, leak.feature) for leak in report.leaks} == {(LABEL_DELAY, "frauds.frauds_10d")}
    assert report.offline is not None and report.served is not None and report.gap is not None
    assert report.offline.value > report.served.value and report.gap.low > 0.0


def test_the_own_label_in_the_window_is_flagged_with_what_it_costs() -> None:
    own = dataclasses.replace(FRAUDS, available_time="at", closed="right")
    report = probe_leaks(FRAME, [probed(own, available_time="at")], time="at", label=LABEL)
    assert (OWN_LABEL, "frauds.frauds_10d") in {(leak.kind, leak.feature) for leak in report.leaks}
    assert report.gap is not None and report.gap.low > 0.1


def test_rows_read_before_they_were_available_are_flagged() -> None:
    hasty = dataclasses.replace(AMOUNTS, available_time=None, available_lag="0s")
    report = probe_leaks(FRAME, [probed(hasty)], time="at", label=LABEL)
    assert {leak.kind for leak in report.leaks} == {NOT_AVAILABLE}
    assert {leak.feature for leak in report.leaks} == {"amounts.last_amount", "amounts.spent_7d"}
    assert all(0 < leak.rows < leak.n for leak in report.leaks)


@pytest.mark.parametrize(
    "made", [pl.col("fraud").cast(pl.Int64) * 3 + 1, pl.when(pl.col("fraud")).then(pl.lit("charged back")).otherwise(pl.lit("ok"))]
)
def test_a_copy_of_the_label_under_another_name_is_flagged(made: pl.Expr) -> None:
    spine = FRAME.with_columns(made.alias("status"), (pl.col("amount") * 2).alias("double"))
    report = probe_leaks(spine, [probed(AMOUNTS)], time="at", label=LABEL, extra=["status", "double"])
    assert [(leak.kind, leak.feature) for leak in report.leaks] == [(DUPLICATE, "status")]


def test_the_same_seed_gives_the_same_report_and_too_few_rows_are_not_assessable() -> None:
    small = FRAME.head(150)
    few = probe_leaks(small, [ProbedView(AMOUNTS, small, available_time="known_at")], time="at", label=LABEL)
    assert few.verdict == "not_assessable" and "too few" in few.reason and few.gap is None
    views = [probed(AMOUNTS)]
    assert probe_leaks(FRAME, views, time="at", label=LABEL, seed=3) == probe_leaks(FRAME, views, time="at", label=LABEL, seed=3)
    with pytest.raises(InputError, match="no column 'chargeback'"):
        probe_leaks(FRAME, views, time="at", label=Label("chargeback", available_lag="0s"))


def test_a_label_that_is_a_number_is_scored_by_variance_explained() -> None:
    spine = FRAME.with_columns((pl.col("amount") + 1).alias("due"))
    report = probe_leaks(spine, [ProbedView(AMOUNTS, FRAME, available_time="known_at")], time="at", label=Label("due", available_lag="0s"))
    assert report.metric == "r2" and report.verdict == "pass"


def test_a_probe_of_a_training_set_is_kept_in_the_ledger_where_asked(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    register_view(workspace, AMOUNTS)
    made = build_training_set(
        workspace,
        name="kept",
        spine="transactions",
        time="at",
        label=Label("fraud", available_time="fraud_known_at"),
        views=[AMOUNTS.ref],
        as_of=START + 20 * DAY,
    )
    assert probe_training_set(workspace, made.version.id).verdict
    assert not [entry for entry in entries(workspace) if entry.type == PROBED]
    report = probe_training_set(workspace, made.version.id, keep=True)
    (told,) = (entry for entry in entries(workspace) if entry.type == PROBED)
    assert told.subject == made.version.id and told.body["report"]["verdict"] == report.verdict and told.body["report"]["n"] == report.n
