"""The choice of the engine, and what every engine can do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from pilotage.core import InputError, load_settings
from pilotage.features.definition import FeatureView

if TYPE_CHECKING:
    import polars as pl

_SPARK = re.compile(r"local|local\[(?:\*|[0-9]{1,4})(?:,[0-9]{1,3})?\]|spark://[^\s]+")


class Engine(Protocol):
    """What computes features over tables. Both methods give the same bits on every engine and any number of workers."""

    name: str

    def rows(self, view: FeatureView, source: Any) -> pl.DataFrame:
        """The rows of ``source`` as ``view`` sees them (:func:`.rows.evaluate_rows`)."""
        ...

    def point_in_time(self, spine: Any, source: Any, view: FeatureView, *, time: str | None = None) -> pl.DataFrame:
        """``spine`` with the features of ``view`` as they were known at its column ``time`` (default: the view's event time), in its order."""
        ...


def engine(name: str | None = None) -> Engine:
    """The engine ``name``, or that of the setting ``engine`` (``PILOTAGE_ENGINE``): ``polars``, or a Spark master.

    Raises
    ------
    InputError
        If there is no such engine.
    Unavailable
        If it is Spark, and Spark or Java is missing.
    """
    wanted = load_settings().engine if name is None else name
    if wanted == "polars":
        from pilotage.features.engines.polars_engine import PolarsEngine

        return PolarsEngine()
    if _SPARK.fullmatch(wanted):
        from pilotage.features.engines.spark_engine import SparkEngine

        return SparkEngine(wanted)
    raise InputError(f"There is no engine '{wanted}'.", where="setting 'engine' (PILOTAGE_ENGINE)", mend="use polars, local[2], or spark://host:7077")
