"""One measured figure of a calibration report: estimate, interval, n and method; or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A figure with its interval. ``estimate`` is None where it is undefined, and ``reason`` says why; it is never NaN.

    n
        Items it stands on.
    level
        Of the interval; two-sided unless ``method`` says otherwise.
    """

    name: str
    estimate: float | None
    lower: float | None = None
    upper: float | None = None
    level: float = 0.95
    n: int = 0
    method: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        for value in (self.estimate, self.lower, self.upper):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{self.name}: {value} is no figure")
        if self.estimate is None and not self.reason:
            raise ValueError(f"{self.name}: a figure that is not there needs its reason")

    def __str__(self) -> str:
        if self.estimate is None:
            return f"{self.name}: not assessable: {self.reason}"
        interval = f" [{self.lower:.4f}, {self.upper:.4f}]" if self.lower is not None and self.upper is not None else ""
        return f"{self.name}: {self.estimate:.4f}{interval} (n = {self.n})"


def undefined(name: str, reason: str, *, n: int = 0, method: str = "") -> Measure:
    """A figure that cannot be measured here, and why."""
    return Measure(name=name, estimate=None, n=n, method=method, reason=reason)
