"""How limits are learned from history: the few numbers a person may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pilotage.core import InputError


@dataclass(frozen=True)
class Limits:
    """The policy of learned limits. A limit is ``times`` the largest natural change in the accepted history, and never below its floor.

    Effects, not p-values, decide; ``false_discovery_rate`` (Benjamini–Hochberg over the columns) is only a second condition, which keeps small
    batches from raising alarms by chance.
    """

    times: float = 2.0
    """How many times the largest natural change is still normal."""
    previous: int = 3
    """How many accepted reports before a batch it is compared with."""
    minimum_history: int = 3
    """How many natural changes must be known before a limit is learned; below that, learned checks are warnings that do not decide."""
    minimum_rows: int = 100
    """Below this many values a batch is not compared: the result is not assessable and says how many rows would decide."""
    seasonal: bool = True
    """Compare with the same month (or weekday) of earlier years (weeks), once the history holds enough of them."""
    false_discovery_rate: float = 0.01
    shape_floor: float = 0.02
    """In units of the column's robust scale (p95 - p05)."""
    levels_floor: float = 0.01
    """Total variation distance, 0 to 1."""
    new_levels_floor: float = 0.001
    """Share of values whose level the history never held."""
    nulls_floor: float = 0.005
    """Difference of null shares."""
    rows_floor: float = 0.1
    """Absolute natural logarithm of the ratio of row counts."""
    severity: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        wrong = [
            name
            for name, value in asdict(self).items()
            if isinstance(value, int | float) and not isinstance(value, bool) and not (0 < value < float("inf"))
        ]
        if wrong:
            raise InputError(f"A learned limit's '{wrong[0]}' must be a finite number above 0.", where=f"limits field '{wrong[0]}'")
        if self.times < 1 or self.false_discovery_rate >= 1 or self.previous != int(self.previous) or self.severity not in ("error", "warning"):
            raise InputError(
                "These limits cannot be used.",
                where="limits",
                why="'times' is at least 1, 'false_discovery_rate' below 1, 'previous' whole, 'severity' error or warning",
            )

    def to_dict(self) -> dict[str, Any]:
        """The policy as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Limits:
        """The inverse of :meth:`to_dict`."""
        return cls(**value)
