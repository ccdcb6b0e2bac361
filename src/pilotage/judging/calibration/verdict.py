"""What a calibration report holds: its verdict, its thresholds, its slices. Plain data that goes to JSON and back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pilotage.judging.calibration.measure import Measure


class Verdict(StrEnum):
    """Whether outputs may be routed on this confidence."""

    ROUTABLE = "routable"
    RECALIBRATE = "recalibrate"
    HUMAN_ONLY = "human_only"


class Guarantee(StrEnum):
    """Which of three things a figure promises. They are not the same, and none follows from another.

    SELECTIVE: of what is accepted, at most ``risk`` is wrong; true with probability 1 - delta over the draw of the labelled sample.
    MARGINAL: accepted *and* wrong is at most ``risk`` of everything, on average over draws; what is accepted may be wrong more often than that.
    SET: the right class is in the predicted set at least 1 - alpha of the time, on average; it says nothing about outputs with one class.
    """

    SELECTIVE = "selective"
    MARGINAL = "marginal"
    SET = "set"


@dataclass(frozen=True)
class Threshold:
    """A confidence at or above which outputs may be accepted, and what that promises.

    value
        None: nothing could be certified, and ``reason`` says why.
    coverage
        Share of production (weighted) at or above it.
    bound
        Upper confidence bound (1 - alpha) of the error rate among what is accepted; for MARGINAL the adjusted estimate that was held to ``risk``.
    alpha
        The level at which the loosest certified step was tested, after looks, slices and starts took their share of ``delta``.
    tested, steps
        Steps of the grid that were tested, and that there are.
    """

    value: float | None
    guarantee: Guarantee
    risk: float
    delta: float
    alpha: float
    coverage: float
    accepted: int
    errors: float
    bound: float | None
    method: str
    n: int
    look: int = 1
    tested: int = 0
    steps: int = 0
    slice: str = ""
    reason: str = ""

    @property
    def certified(self) -> bool:
        """Whether there is a threshold."""
        return self.value is not None

    def __str__(self) -> str:
        of = f"{self.slice}: " if self.slice else ""
        if self.value is None:
            return f"{of}no threshold: {self.reason}"
        bound = "" if self.bound is None else f", bound {self.bound:.4f}"
        found = f"coverage {self.coverage:.1%}, {self.errors:g} wrong of {self.accepted}{bound}"
        return f"{of}accept at {self.value:.4f}: {found} ({self.guarantee.value}, {self.method})"


@dataclass(frozen=True)
class Check:
    """One thing the verdict needs: whether it holds, and the sentence that says so. ``code`` is for programs."""

    code: str
    holds: bool
    text: str


@dataclass(frozen=True)
class SliceReport:
    """One slice.

    status
        ``certified`` (a threshold of its own), ``not_certified`` (one was asked for, and the evidence does not reach: people keep it), ``measured``
        (no threshold of its own was asked for, and no failure shown), ``failed`` (shown to be miscalibrated, or above the risk at the common
        threshold), ``not_measured`` (fewer than 50 items).
    ece_p, ece_p_adjusted
        Probability of so large a calibration error if the confidence were right; after Holm over the slices.
    """

    name: str
    status: str
    mandatory: bool
    n: int
    accuracy: Measure | None = None
    ece: Measure | None = None
    ece_p: float | None = None
    ece_p_adjusted: float | None = None
    smooth_ece: Measure | None = None
    slope: Measure | None = None
    auroc: Measure | None = None
    excess_aurc: Measure | None = None
    threshold: Threshold | None = None
    risk_at_common: Measure | None = None
    reason: str = ""
