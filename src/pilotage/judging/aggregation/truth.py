"""What truth inference gives back: posteriors, labels, and how good each rater seems to be."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np

from pilotage.core import InputError
from pilotage.judging.aggregation.votes import Floats


@dataclass(frozen=True)
class RaterQuality:
    """How good one rater seems to be, judged by the posterior of all.

    n
        Votes of this rater.
    accuracy, lower, upper, level
        The expected share of right votes, with Wilson's interval over the rater's votes. The interval takes the posterior as it is: it does not
        know how uncertain the truth itself is, so with few raters a unit it is too narrow. Gold measures better.
    n_gold
        How many of the votes were on units whose truth was given.
    confusion
        P(said | true), rows the true value, columns what was said, both in the order of the schema; () where the method has none.
    """

    rater: Hashable
    n: int
    accuracy: float
    lower: float
    upper: float
    level: float = 0.95
    n_gold: int = 0
    confusion: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Truth:
    """What the votes say of every unit.

    method, parameters, seed
        How it was inferred; with the same votes it comes out the same. ``seed`` is None where nothing is drawn.
    posterior
        units × values, rows sum to 1.
    labels
        The likeliest value of each unit; None where a tie rule left it open.
    tied
        Units whose best values are equally likely.
    rater_quality
        By rater.
    iterations, converged
        Steps taken, and whether the posterior had come to rest before the last allowed one.
    objective
        What the method climbs, after each step (log posterior or evidence bound); () where it has none.
    clamped
        Units whose truth was given, not inferred.
    banner
        What a reader must know before using it, or "".
    """

    method: str
    units: tuple[Hashable, ...]
    values: tuple[Hashable, ...]
    posterior: Floats
    labels: tuple[Any, ...]
    rater_quality: Mapping[Hashable, RaterQuality]
    iterations: int = 0
    converged: bool = True
    seed: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    objective: tuple[float, ...] = ()
    tied: tuple[Hashable, ...] = ()
    clamped: tuple[Hashable, ...] = ()
    unit_difficulty: Mapping[Hashable, float] = field(default_factory=dict)
    banner: str = ""

    def __str__(self) -> str:
        rest = "" if self.converged else f"; not at rest after {self.iterations} steps"
        ties = f"; {len(self.tied):,} tied" if self.tied else ""
        banner = f"\n{self.banner}" if self.banner else ""
        return f"{self.method}: {len(self.units):,} units, {len(self.rater_quality):,} raters, {len(self.values)} values{ties}{rest}{banner}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"

    @property
    def by_unit(self) -> dict[Hashable, Any]:
        """Unit → label."""
        return dict(zip(self.units, self.labels, strict=True))

    def confidence(self) -> Floats:
        """The probability of the likeliest value of each unit."""
        best: Floats = self.posterior.max(axis=1)
        return best

    def with_banner(self, banner: str) -> Truth:
        """The same, saying this first."""
        return replace(self, banner=banner)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "method": self.method,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "iterations": self.iterations,
            "converged": self.converged,
            "banner": self.banner,
            "values": list(self.values),
            "units": [
                {"unit": unit, "label": label, "posterior": [round(float(p), 6) for p in row]}
                for unit, label, row in zip(self.units, self.labels, self.posterior, strict=True)
            ],
            "tied": list(self.tied),
            "raters": [
                {"rater": q.rater, "n": q.n, "accuracy": q.accuracy, "lower": q.lower, "upper": q.upper, "n_gold": q.n_gold}
                for q in self.rater_quality.values()
            ],
        }


@dataclass(frozen=True)
class Disagreement:
    """A unit on which methods differ: for somebody to decide."""

    unit: Hashable
    labels: dict[str, Any]
    confidence: dict[str, float]


def disagreements_between(truths: Iterable[Truth]) -> tuple[Disagreement, ...]:
    """The units whose label differs between ``truths`` (an open tie differs from any label), least certain first.

    Raises ``InputError`` if they are not about the same units, or two have the same method.
    """
    given = list(truths)
    if len(given) < 2:
        raise InputError("Two results at least are needed to compare.")
    if any(truth.units != given[0].units for truth in given):
        raise InputError("The results are not about the same units.", mend="infer all of them from the same votes")
    if len({truth.method for truth in given}) != len(given):
        raise InputError("Two results have the same method.", mend="give one of each method")
    sure = {truth.method: truth.confidence() for truth in given}
    found = []
    for index, unit in enumerate(given[0].units):
        said = {truth.method: truth.labels[index] for truth in given}
        first, *others = said.values()
        if any(other != first or type(other) is not type(first) for other in others):
            found.append(Disagreement(unit, said, {method: float(p[index]) for method, p in sure.items()}))
    return tuple(sorted(found, key=lambda each: (float(np.mean(list(each.confidence.values()))), repr(each.unit))))
