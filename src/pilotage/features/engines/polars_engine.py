"""The engine on this machine: Polars, on as many threads as it was started with."""

from __future__ import annotations

import polars as pl

from pilotage.features.definition import FeatureView
from pilotage.features.engines.rows import evaluate_rows, read_columns
from pilotage.features.point_in_time import point_in_time


class PolarsEngine:
    """Everything in this process."""

    name = "polars"

    def rows(self, view: FeatureView, source: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
        """As :meth:`.engine.Engine.rows`."""
        return evaluate_rows(view, read_columns(view, source))

    def point_in_time(
        self, spine: pl.LazyFrame | pl.DataFrame, source: pl.LazyFrame | pl.DataFrame, view: FeatureView, *, time: str | None = None
    ) -> pl.DataFrame:
        """As :meth:`.engine.Engine.point_in_time`."""
        return point_in_time(spine.lazy().collect(), read_columns(view, source), view, time=time)
