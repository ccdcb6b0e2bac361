"""From a declaration to an aggregate."""

from __future__ import annotations

import difflib
from typing import Any, Protocol

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import FUNCTIONS, Aggregator, Properties
from pilotage.features.algebra.distinct import Distinct
from pilotage.features.algebra.extremes import Maximum, Minimum
from pilotage.features.algebra.ordered import First, Last, LastK
from pilotage.features.algebra.quantile import Quantile
from pilotage.features.algebra.sums import DEFAULT_RESOLUTION, Count, Mean, Sum, Variance

PROPERTIES: dict[str, Properties] = {
    kind.function: kind.properties for kind in (Count, Sum, Mean, Variance, Minimum, Maximum, First, Last, LastK, Distinct, Quantile)
}


class Declared(Protocol):
    """What a declaration of an aggregate says (``features.definition.Aggregate``)."""

    @property
    def function(self) -> str: ...
    @property
    def k(self) -> int | None: ...
    @property
    def q(self) -> float | None: ...
    @property
    def resolution(self) -> float: ...


def aggregator(function: str, *, resolution: float = DEFAULT_RESOLUTION, k: int | None = None, q: float | None = None) -> Aggregator:
    """The aggregate named ``function``.

    Parameters
    ----------
    resolution
        The grid of ``sum``, ``mean`` and ``var``, in units of the value.
    k
        How many values ``last_k`` keeps: 1 to 1000.
    q
        The share of ``quantile``: 0 to 1.

    Raises
    ------
    InputError
        If there is no such aggregate, or a parameter is missing or out of range.
    """
    if function == "last_k":
        return LastK(k=_needed(k, "k", function))
    if function == "quantile":
        return Quantile(q=_needed(q, "q", function))
    if function in ("sum", "mean", "var"):
        return {"sum": Sum, "mean": Mean, "var": Variance}[function](resolution=resolution)
    plain: dict[str, type[Any]] = {"count": Count, "min": Minimum, "max": Maximum, "first": First, "last": Last, "distinct": Distinct}
    if function in plain:
        made: Aggregator = plain[function]()
        return made
    near = difflib.get_close_matches(function, FUNCTIONS, n=1)
    raise InputError(
        f"There is no aggregate '{function}'.",
        why="the algebra is closed: only what can be merged exactly runs in batch, streams and requests alike",
        mend=f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(FUNCTIONS)}",
    )


def aggregator_for(declared: Declared) -> Aggregator:
    """The aggregate of a declaration in a feature view."""
    return aggregator(declared.function, resolution=declared.resolution, k=declared.k, q=declared.q)


def _needed(value: Any, name: str, function: str) -> Any:
    if value is None:
        raise InputError(f"The aggregate '{function}' needs '{name}'.", mend=f"add '{name}:' to its declaration")
    return value
