"""What an agreement figure is, and the interval that all of them get: units are drawn again, with their answers as they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.judging.judgement import Judgement

ENOUGH_UNITS = 50
MOST_CELLS = 50_000_000
PREVALENT = 0.9
_MOST_UNDEFINED = 0.05

Counts = NDArray[np.float64]
Statistic = Callable[[Counts], Counts]


class Rating(NamedTuple):
    """One rater's value for one unit. A unit a rater did not judge simply has no rating."""

    unit: Hashable
    rater: Hashable
    value: Any


@dataclass(frozen=True)
class Agreement:
    """How far raters agree beyond chance.

    status
        ``measured``; ``too_few_for_a_verdict`` (fewer than 50 units judged twice: the figure is shown, but nothing may be decided on it);
        ``not_assessable`` (no figure; ``reason`` says why).
    n_units
        Units with at least two values; only these carry information about agreement.
    observed
        Plain agreement before chance is taken out, 0 to 1; None where the figure has none.
    warning
        What makes the figure easy to misread: one value in nearly all answers, say, where chance-corrected figures are low although raters agree.
    """

    coefficient: str
    scale: str
    estimate: float | None
    lower: float | None
    upper: float | None
    level: float
    n_units: int
    n_raters: int
    n_values: int
    status: str
    reason: str = ""
    observed: float | None = None
    warning: str = ""

    def __str__(self) -> str:
        name = f"{self.coefficient} ({self.scale})"
        if self.estimate is None:
            return f"{name}: not assessable: {self.reason}"
        interval = f" [{self.lower:.3f}, {self.upper:.3f}]" if self.lower is not None and self.upper is not None else ""
        note = "".join(f"; {each}" for each in (self.reason, self.warning) if each)
        return f"{name}: {self.estimate:.3f}{interval} at {self.level:.0%}, {self.n_units} units, {self.n_raters} raters{note}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"

    @property
    def decides(self) -> bool:
        """Whether a verdict may rest on it."""
        return self.status == "measured"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Shape:
    """What is known of a figure before it is computed: enough to say that it is not assessable, and why."""

    coefficient: str
    scale: str
    level: float
    n_units: int
    n_raters: int
    n_values: int
    observed: float | None = None
    warning: str = ""

    def measured(self, estimate: float, lower: float | None, upper: float | None, reason: str = "") -> Agreement:
        """The figure; marked where there are too few units to decide on it."""
        few = self.n_units < ENOUGH_UNITS
        note = f"{self.n_units} units judged twice; a verdict needs {ENOUGH_UNITS}" if few else ""
        status = "too_few_for_a_verdict" if few else "measured"
        return Agreement(**self.__dict__, estimate=estimate, lower=lower, upper=upper, status=status, reason="; ".join(filter(None, (note, reason))))

    def undefined(self, reason: str) -> Agreement:
        """No figure."""
        return Agreement(**self.__dict__, estimate=None, lower=None, upper=None, status="not_assessable", reason=reason)

    def with_interval(self, statistic: Statistic, weights: NDArray[np.int64], *, replicates: int, seed: int) -> Agreement:
        """The figure of ``statistic``: (replicates × patterns) weights → one number each, NaN where it is not defined.

        ``weights`` counts the units of each pattern; only patterns are drawn, so the cost does not grow with the units.
        """
        estimate = float(statistic(weights[None, :].astype(float))[0])
        tail = (1 - self.level) / 2
        if np.isnan(estimate):
            return self.undefined("every answer is the same")
        if replicates == 0:
            return self.measured(estimate, None, None)
        if estimate >= 1 - 1e-12:
            # No disagreement was seen, so resampling sees none either. If a share q of all units were answered as if by chance, the figure would
            # be 1 - q, and q is below 1 - tail**(1/units) at this confidence (the exact bound for no event).
            return self.measured(1.0, tail ** (1 / self.n_units), 1.0, "no disagreement seen; the lower bound is exact")
        figures = resampled(statistic, weights, replicates=replicates, seed=seed)
        defined = figures[~np.isnan(figures)]
        undefined = 1 - len(defined) / replicates
        if undefined > _MOST_UNDEFINED:
            return self.undefined(f"in {undefined:.0%} of the resamples every answer is the same: too few units differ to say anything")
        lower, upper = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
        return self.measured(estimate, min(lower, estimate), max(upper, estimate))


def resampled(statistic: Statistic, weights: NDArray[np.int64], *, replicates: int, seed: int) -> Counts:
    """``statistic`` over draws of as many units, with replacement; a few at a time, so that memory stays bounded."""
    generator = np.random.default_rng(seed)
    units = int(weights.sum())
    step = max(1, MOST_CELLS // max(1, 8 * len(weights)))
    draws = (generator.multinomial(units, weights / units, size=min(step, replicates - start)) for start in range(0, replicates, step))
    return np.concatenate([statistic(drawn.astype(float)) for drawn in draws])


def ratings_of(judgements: Iterable[Judgement]) -> list[Rating]:
    """The answers of ``judgements`` (of one question) as ratings. Abstentions are missing values."""
    given = list(judgements)
    if len({judgement.question for judgement in given}) > 1:
        raise InputError("Agreement is about one question at a time.", mend="ask for judgements(…, question=…)")
    return [Rating(judgement.item_id, judgement.rater_id, judgement.value) for judgement in given if not judgement.abstained]


def prevalence_warning(marginals: Counts, known: Iterable[Any]) -> str:
    """The warning where one value has nearly all the answers, else nothing."""
    total = float(marginals.sum())
    if total == 0 or marginals.max() / total < PREVALENT:
        return ""
    value = list(known)[int(marginals.argmax())]
    share = f"{marginals.max() / total:.1%}"
    return f"{value!r} is {share} of the answers: a chance-corrected figure falls with that, however well raters agree; read AC1 and the slices too"
