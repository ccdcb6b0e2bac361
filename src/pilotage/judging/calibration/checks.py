"""What a calibration report's verdict stands on: measured once, then each check with whether it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.judging.calibration.economics import Costs, routed_costs
from pilotage.judging.calibration.measure import Measure
from pilotage.judging.calibration.reliability import reliability_of
from pilotage.judging.calibration.risk_control import certify, certify_slices
from pilotage.judging.calibration.sample import Sample
from pilotage.judging.calibration.slices import TOLERABLE, slice_reports
from pilotage.judging.calibration.smooth import smooth_ece
from pilotage.judging.calibration.verdict import Check, SliceReport, Threshold


@dataclass(frozen=True)
class Limits:
    """What the verdict is held to.

    risk, delta
        At most ``risk`` of accepted outputs wrong, with probability 1 - ``delta``.
    by
        A dimension whose slices each get a threshold of their own; the common one and they then share ``delta``, half and half.
    mandatory
        Slices (``language=de``) or dimensions (``language``) that may not fail nor go unmeasured.
    useful_coverage
        A threshold that accepts less than this is not worth routing for.
    look
        Which look at this growing sample it is; from the ledger's count. ``only_look``: no other was or will be taken, so it spends all of delta.
    """

    risk: float = 0.05
    delta: float = 0.05
    useful_coverage: float = 0.1
    by: str | None = None
    mandatory: tuple[str, ...] = ()
    look: int = 1
    only_look: bool = False
    starts: tuple[float, ...] = (1.0, 3.0)
    level: float = 0.95
    test_level: float = 0.05

    def __post_init__(self) -> None:
        inside = {"risk": self.risk, "delta": self.delta, "level": self.level, "test_level": self.test_level}
        for name, value in inside.items():
            if not 0 < value < 1:
                raise InputError(f"{value:g} is not within (0, 1).", where=name)
        if not 0 <= self.useful_coverage <= 1:
            raise InputError(f"{self.useful_coverage:g} is no share.", where="useful_coverage")


class Found:
    """What the checks stand on, measured once."""

    def __init__(self, sample: Sample, limits: Limits, costs: Costs | None, seed: int) -> None:
        self.sample, self.limits = sample, limits
        share = 1.0 if limits.by is None else 0.5
        self.reliability = reliability_of(sample, level=limits.level, seed=seed)
        self.smooth = smooth_ece(sample, level=limits.level, seed=seed)
        self.threshold = certify(
            sample, risk=limits.risk, delta=limits.delta, starts=limits.starts, look=limits.look, only_look=limits.only_look, share=share
        )
        own = _own(sample, limits)
        self.slices = slice_reports(
            sample,
            threshold=self.threshold.value,
            risk=limits.risk,
            own=own,
            mandatory=limits.mandatory,
            level=limits.level,
            test_level=limits.test_level,
            seed=seed,
        )
        self.coverage, at = self._operating(own)
        self.costs = None
        if costs is not None and sample.recalibrated_by is not None:
            self.costs = routed_costs(sample, costs, threshold=np.maximum(at, costs.thresholds()), level=limits.level, seed=seed)

    def _operating(self, own: Mapping[str, Threshold]) -> tuple[float, NDArray[np.float64]]:
        """The certified coverage, and the threshold of each item: above 1 where nothing is certified."""
        sample, by = self.sample, self.limits.by
        at = np.full(sample.n, _value(self.threshold))
        if by is not None:
            for name, threshold in own.items():
                at[sample.in_slice(by, name.split("=", 1)[1])] = _value(threshold)
        for each in self.slices if by is None else ():
            if riskier(each, self.threshold):
                at[sample.in_slice(*each.name.split("=", 1))] = 2.0  # as threshold_for: people keep these
        return float(np.average(sample.confidence >= at, weights=sample.weights)), at

    def calibrated(self) -> Check:
        p, lower = self.reliability.p, self.smooth.lower or 0.0
        if p is None:
            return Check(
                "calibrated", lower <= TOLERABLE, f"soft truth: smooth calibration error at least {lower:.3f} (up to {TOLERABLE:g} is tolerable)"
            )
        ece, null = self.reliability.ece.estimate, self.reliability.null_mean
        text = f"calibration error {ece:.4f}; a right confidence shows {null:.4f} on average (p = {p:.3f})"
        if p < self.limits.test_level:
            text += f"; smooth error at least {lower:.4f}, {'within' if lower <= TOLERABLE else 'above'} the tolerable {TOLERABLE:g}"
        return Check("calibrated", p >= self.limits.test_level or lower <= TOLERABLE, text)

    def checks(self) -> tuple[Check, ...]:
        """Everything the verdict needs, each with whether it holds."""
        made = bool(self.sample.recalibrated_by)
        mended = Check("recalibrated", made, f"recalibrated on other items ({self.sample.recalibrated_by})" if made else "the confidence is raw")
        useful = self.coverage >= self.limits.useful_coverage and self.coverage > 0
        certified = str(self.threshold) if self.limits.by is None else f"{self.coverage:.1%} accepted by thresholds of '{self.limits.by}'"
        reached = "" if useful else f"; useful from {self.limits.useful_coverage:.0%}"
        return (
            mended,
            self.calibrated(),
            Check("threshold", useful, certified + reached),
            self._pays(),
            *(Check(f"slice:{each.name}", each.status not in ("failed", "not_measured"), _of_slice(each)) for each in self.slices if each.mandatory),
        )

    def _pays(self) -> Check:
        if self.costs is None:
            why = "the costs were not declared" if self.sample.recalibrated_by else "costs cannot be weighed on a raw confidence"
            return Check("pays", False, f"not shown that routing pays: {why}")
        auto, human = self.costs.against_auto, self.costs.against_human
        return Check(
            "pays",
            self.costs.pays,
            f"routed {_money(self.costs.routed)} an output; all automatic {_money(self.costs.all_auto)}, "
            f"all by people {_money(self.costs.all_human)}; the difference is at most {auto.upper:+.2f} and {human.upper:+.2f}",
        )


def riskier(report: SliceReport, common: Threshold) -> bool:
    """Whether the slice failed and errs more at the common threshold than everything together: people keep it."""
    at = report.risk_at_common
    return report.status == "failed" and at is not None and at.estimate is not None and at.estimate > common.errors / max(1, common.accepted)


def _value(threshold: Threshold) -> float:
    return 2.0 if threshold.value is None else threshold.value


def _own(sample: Sample, limits: Limits) -> dict[str, Threshold]:
    if limits.by is None:
        return {}
    found = certify_slices(
        sample, limits.by, risk=limits.risk, delta=limits.delta / 2, starts=limits.starts, look=limits.look, only_look=limits.only_look
    )
    return {f"{limits.by}={value}": threshold for value, threshold in found.items()}


def _of_slice(report: SliceReport) -> str:
    return f"mandatory slice {report.name}: {report.status.replace('_', ' ')}" + (f" ({report.reason})" if report.reason else "")


def _money(figure: Measure) -> str:
    return f"{figure.estimate:.2f} [{figure.lower:.2f}, {figure.upper:.2f}]"
