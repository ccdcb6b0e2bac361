"""A rate counted by an imperfect judge, corrected for the judge's errors.

Rogan & Gladen's estimator: the true rate is (counted + specificity - 1) / (sensitivity + specificity - 1). The interval lets all three vary (Jeffreys
posteriors), because a sensitivity known from a hundred labels is far from certain; taking it as exact makes the interval far too narrow.

References: Rogan & Gladen (1978); Lang & Reiczigel (2014) for why the errors' own uncertainty must enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilotage.core import InputError
from pilotage.evidence.figure import Evidence, not_assessable

LEAST_LABELS = 100
LEAST_YOUDEN = 0.2
_DRAWS = 20_000


@dataclass(frozen=True)
class JudgeErrors:
    """How a judge did on items that people had labelled, of the same kind as those it counts now.

    Of ``positives`` that people called True it found ``found``; of ``negatives`` that people called False it left ``left`` alone.
    """

    found: int
    positives: int
    left: int
    negatives: int

    def __post_init__(self) -> None:
        if not (0 <= self.found <= self.positives and 0 <= self.left <= self.negatives):
            raise InputError("A judge cannot find more than there was.", where=f"{self}")

    @property
    def labels(self) -> int:
        """How many items people labelled."""
        return self.positives + self.negatives

    @property
    def sensitivity(self) -> float | None:
        """The share of True it found; None without any."""
        return self.found / self.positives if self.positives else None

    @property
    def specificity(self) -> float | None:
        """The share of False it left alone; None without any."""
        return self.left / self.negatives if self.negatives else None


def corrected_rate(counted: Evidence, *, errors: JudgeErrors, seed: int = 0) -> Evidence:
    """The rate behind ``counted`` (made by :func:`rate`), as it would be without the judge's errors.

    Not assessable when the judge was checked on fewer than 100 labels, when it is hardly better than chance (sensitivity + specificity - 1 < .2), or
    when the count cannot come from such a judge, which says that its errors are different here.
    """
    metric = f"{counted.metric}.corrected"
    se, sp = errors.sensitivity, errors.specificity
    notes = {
        "counted": counted.id,
        "sensitivity": se,
        "specificity": sp,
        "positives": errors.positives,
        "negatives": errors.negatives,
        "missing_share": counted.detail.get("missing_share", 0.0),
        "missing": counted.detail.get("missing", {}),
        "seed": seed,
    }

    def unknown(reason: str) -> Evidence:
        return not_assessable(
            metric,
            reason=reason,
            n=counted.n,
            n_clusters=counted.n_clusters,
            level=counted.level,
            slice=counted.slice,
            subject=counted.subject,
            detail=notes,
        )

    if counted.estimate is None:
        return unknown(counted.reason or "there is no count to correct")
    if "n_effective" not in counted.detail:
        raise InputError("Only a rate can be corrected for a judge's errors.", where=f"evidence '{counted.metric}'", mend="make it with rate(…)")
    if errors.labels < LEAST_LABELS:
        return unknown(f"the judge was checked on {errors.labels} human labels; {LEAST_LABELS} are needed")
    if se is None or sp is None:
        return unknown("the judge was checked on one kind of item only, so one of its errors is unknown")
    if se + sp - 1 < LEAST_YOUDEN:
        return unknown(f"the judge is hardly better than chance (sensitivity {se:.2f}, specificity {sp:.2f})")
    n = float(counted.detail["n_effective"])
    generator = np.random.default_rng(seed)

    def draw(events: float, total: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return generator.beta(events + 0.5, total - events + 0.5, size=_DRAWS)

    seen = draw(counted.estimate * n, n)
    se_drawn, sp_drawn = draw(errors.found, errors.positives), draw(errors.left, errors.negatives)
    youden = se_drawn + sp_drawn - 1
    tail = (1 - counted.level) / 2
    if float((youden <= 0).mean()) > tail:
        return unknown("too few labels to show that the judge is better than chance")
    true = (seen + sp_drawn - 1) / np.where(youden > 0, youden, np.nan)
    lower, upper = (float(bound) for bound in np.nanquantile(true, [tail, 1 - tail]))
    if upper <= 0 or lower >= 1:
        return unknown("the judge's count is out of reach of its own error rates: they do not hold on these items")
    estimate = min(1.0, max(0.0, (counted.estimate + sp - 1) / (se + sp - 1)))
    return Evidence(
        metric=metric,
        status="measured",
        estimate=estimate,
        lower=min(estimate, max(0.0, lower)),
        upper=max(estimate, min(1.0, upper)),
        level=counted.level,
        n=counted.n,
        n_clusters=counted.n_clusters,
        method="Rogan-Gladen with the judge's errors uncertain",
        slice=counted.slice,
        subject=counted.subject,
        detail=notes,
    )
