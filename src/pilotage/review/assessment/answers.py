"""The four questions and what may be answered to them.

1. What does a wrong output cost: how much, can it be undone, would anybody notice?
2. How well is "correct" defined: can a program check it, can people with a guideline, or do people disagree?
3. How well does the system do, on average and in its worst slice? Measured, with an interval and n, or not measured.
4. Who answers for it by law?

A figure is best given as the id of an evidence record; then nobody types it, and it is read again when the assessment is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotage.core import Declared, fit, parse_duration, read_declared

SEVERITIES = ("negligible", "minor", "moderate", "major", "critical")
REVERSIBLE = ("yes", "with_effort", "no")
DETECTED = ("at_once", "later", "rarely")
DEFINED = ("executable", "guideline", "contested")
ACCOUNTABLE = ("none", "oversight", "unknown", "human_decision", "two_persons", "people_only")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(Strict):
    """What one wrong output costs, in whole minor units (cents)."""

    amount: Annotated[int, Field(ge=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Bands(Strict):
    """From which amount (minor units) a wrong output is minor, moderate, major, critical for this organisation."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    minor: Annotated[int, Field(ge=0)]
    moderate: Annotated[int, Field(ge=0)]
    major: Annotated[int, Field(ge=0)]
    critical: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _in_order(self) -> Bands:
        if not self.minor <= self.moderate <= self.major <= self.critical:
            raise ValueError("the bands must not fall: minor ≤ moderate ≤ major ≤ critical")
        return self


class Cost(Strict):
    """Question 1. Give ``severity``, or ``wrong_output`` (an amount; then ``bands`` say what the amount means), or both: the graver counts."""

    severity: Literal["negligible", "minor", "moderate", "major", "critical"] | None = None
    wrong_output: Amount | None = None
    reversible: Literal["yes", "with_effort", "no"]
    detected: Literal["at_once", "later", "rarely"]

    @model_validator(mode="after")
    def _something(self) -> Cost:
        if self.severity is None and self.wrong_output is None:
            raise ValueError("say what a wrong output costs: 'severity' or 'wrong_output'")
        return self


class Correctness(Strict):
    """Question 2. ``check`` names the program that checks an output; it is what makes correctness ``executable``."""

    defined: Literal["executable", "guideline", "contested"]
    check: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Correctness:
        if (self.defined == "executable") != bool(self.check):
            raise ValueError("an executable definition names its 'check', and nothing else does")
        return self


class Figure(Strict):
    """A share of wrong outputs: from an evidence record, typed in with its interval and n, or not measured, and why.

    ``of: correct`` says that the figure is the share of right outputs; it is turned round.
    """

    evidence: str | None = None
    estimate: Share | None = None
    lower: Share | None = None
    upper: Share | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    not_measured: str | None = None
    of: Literal["errors", "correct"] = "errors"
    slice: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> Figure:
        typed = (self.estimate, self.lower, self.upper, self.n)
        ways = [self.evidence is not None, any(part is not None for part in typed), self.not_measured is not None]
        if sum(ways) != 1:
            raise ValueError("give 'evidence', or 'estimate' with 'lower', 'upper' and 'n', or 'not_measured' with the reason: one of the three")
        if ways[1]:
            if any(part is None for part in typed):
                raise ValueError("a figure has 'estimate', 'lower', 'upper' and 'n'")
            if not self.lower <= self.estimate <= self.upper or self.lower == self.upper:  # type: ignore[operator]
                raise ValueError("the interval must hold the estimate and have a width")
        if self.not_measured is not None and not self.not_measured.strip():
            raise ValueError("'not_measured' says why")
        return self


class Consistency(Strict):
    """Question 3. ``at_most`` is the share of wrong outputs that was agreed to be bearable."""

    at_most: Annotated[float, Field(gt=0, lt=1)]
    mean: Figure
    worst_slice: Figure


class Legal(Strict):
    """Question 4. ``rule`` is the law, regulation or contract clause; only ``none`` and ``unknown`` go without."""

    accountable: Literal["none", "oversight", "unknown", "human_decision", "two_persons", "people_only"]
    rule: str | None = None

    @model_validator(mode="after")
    def _cited(self) -> Legal:
        if self.accountable not in ("none", "unknown") and not (self.rule or "").strip():
            raise ValueError("name the 'rule': the law, regulation or clause that says so")
        return self


class Answers(Strict):
    """All four answers for one task category and slice."""

    cost: Cost
    correctness: Correctness
    consistency: Consistency
    legal: Legal


class SliceAnswers(Strict):
    """A slice whose answers differ from the category's: what is left out is as for the category."""

    slice: Annotated[dict[str, str], Field(min_length=1)]
    cost: Cost | None = None
    correctness: Correctness | None = None
    consistency: Consistency | None = None
    legal: Legal | None = None


class AssessmentFile(Strict):
    """``assessment.yaml``. The category as a whole is one assessment and each of ``slices`` another."""

    category: Name
    model: str | None = None
    bands: Bands | None = None
    valid_for: str = "180d"
    cost: Cost
    correctness: Correctness
    consistency: Consistency
    legal: Legal
    slices: tuple[SliceAnswers, ...] = ()
    note: str | None = None

    def answers(self) -> list[tuple[dict[str, str], Answers]]:
        """(slice, its answers), the category as a whole ({}) first."""
        whole = Answers(cost=self.cost, correctness=self.correctness, consistency=self.consistency, legal=self.legal)
        made: list[tuple[dict[str, str], Answers]] = [({}, whole)]
        for one in self.slices:
            given = {name: value for name in ("cost", "correctness", "consistency", "legal") if (value := getattr(one, name)) is not None}
            made.append((dict(one.slice), whole.model_copy(update=given)))
        return made


def read_assessment(path: str | Path) -> AssessmentFile:
    """The assessment file. Raises ``InputError`` with file and line at the first thing that does not fit."""
    return assessment_of(read_declared(path))


def assessment_of(declared: Declared) -> AssessmentFile:
    """As :func:`read_assessment`, from a declared document."""
    file = fit(declared, AssessmentFile)
    parse_duration(file.valid_for, where=declared.at("valid_for").where)
    places: list[tuple[Cost | None, tuple[str | int, ...]]] = [(file.cost, ("cost",))]
    places += [(one.cost, ("slices", number, "cost")) for number, one in enumerate(file.slices)]
    for cost, place in places:
        if cost is None or cost.wrong_output is None:
            continue
        if file.bands is None:
            declared.at(*place, "wrong_output").refuse(
                "An amount needs 'bands'.", why="nobody but you knows from where on an amount is major for you", mend="add 'bands:' to the file"
            )
        if file.bands.currency != cost.wrong_output.currency:
            declared.at(*place, "wrong_output", "currency").refuse(f"The bands are in {file.bands.currency}.", mend="use one currency")
    seen: set[tuple[tuple[str, str], ...]] = set()
    for number, one in enumerate(file.slices):
        if (key := tuple(sorted(one.slice.items()))) in seen:
            declared.at("slices", number, "slice").refuse("This slice is here twice.", mend="keep one of them")
        seen.add(key)
    return file
