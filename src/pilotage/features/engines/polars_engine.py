"""The engine on this machine: Polars, on as many threads as it was started with."""

from __future__ import annotations

import polars as pl

from pilotage.features.definition import FeatureView
from pilotage.features.engines.rows import evaluate_rows


class PolarsEngine:
    """Everything in this process."""

    name = "polars"

    def rows(self, view: FeatureView, source: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
        """As :meth:`.engine.Engine.rows`."""
        return evaluate_rows(view, source.lazy())
