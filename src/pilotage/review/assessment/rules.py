"""From the four answers to a level: each rule that fires forbids every level laxer than its own, and the strictest that fired decides.

Nothing is weighed against anything else. A rule may only look at whether an answer is *at least* so grave, so a graver answer never gives a laxer
level. Where the law decides, its rule is named first: no other answer can take anything off it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pilotage.review.assessment.answers import ACCOUNTABLE, DEFINED, DETECTED, REVERSIBLE, SEVERITIES
from pilotage.review.assessment.level import LEVELS, step_of, strictest

FEW = 50  # below so many outputs, a measured share says little about a slice


@dataclass(frozen=True)
class Measured:
    """A share of wrong outputs with its interval and n. ``reason`` says why there is none; then there are no numbers.

    ``evidence`` is the id of the record it was read from, '' where somebody typed it.
    """

    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    n: int = 0
    reason: str = ""
    evidence: str = ""
    slice: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        return self.estimate is not None

    def reaches(self, limit: float) -> bool:
        """Whether the share may be above ``limit`` for all we know."""
        return self.upper is None or self.upper > limit

    def exceeds(self, limit: float) -> bool:
        """Whether the share was measured above ``limit``."""
        return self.estimate is not None and self.estimate > limit


@dataclass(frozen=True)
class Profile:
    """The answers, settled: an amount turned into a severity, figures read. What the rules look at, and all they look at."""

    severity: str
    reversible: str
    detected: str
    defined: str
    at_most: float
    mean: Measured
    worst_slice: Measured
    accountable: str
    law: str = ""

    def costs(self, severity: str) -> bool:
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)

    def irreversible(self) -> bool:
        return REVERSIBLE.index(self.reversible) >= REVERSIBLE.index("no")

    def unnoticed(self) -> bool:
        return DETECTED.index(self.detected) >= DETECTED.index("rarely")

    def vague(self, defined: str) -> bool:
        return DEFINED.index(self.defined) >= DEFINED.index(defined)

    def law_asks(self, accountable: str) -> bool:
        return ACCOUNTABLE.index(self.accountable) >= ACCOUNTABLE.index(accountable)


@dataclass(frozen=True)
class Rule:
    """A rule: when it ``fires``, nothing laxer than ``floor`` is allowed. ``question`` is 1 to 4."""

    name: str
    question: int
    floor: str
    says: str
    fires: Callable[[Profile], bool]


RULES: tuple[Rule, ...] = (
    Rule("law_people_only", 4, "people_only", "the law leaves this to people", lambda p: p.law_asks("people_only")),
    Rule("law_two_persons", 4, "two_person", "the law asks for two people", lambda p: p.law_asks("two_persons")),
    Rule("law_human_decision", 4, "in_the_loop", "the law asks for a person's decision", lambda p: p.law_asks("human_decision")),
    Rule("law_unknown", 4, "in_the_loop", "nobody has said what the law asks for", lambda p: p.law_asks("unknown")),
    Rule("law_oversight", 4, "on_the_loop", "the law asks for people to oversee it", lambda p: p.law_asks("oversight")),
    Rule(
        "critical_for_good",
        1,
        "two_person",
        "a wrong output is critical and cannot be undone",
        lambda p: p.costs("critical") and p.irreversible(),
    ),
    Rule("critical", 1, "in_the_loop", "a wrong output is critical", lambda p: p.costs("critical")),
    Rule("major_for_good", 1, "in_the_loop", "a wrong output is major and cannot be undone", lambda p: p.costs("major") and p.irreversible()),
    Rule("major", 1, "on_the_loop", "a wrong output is major", lambda p: p.costs("major")),
    Rule(
        "moderate_unnoticed",
        1,
        "on_the_loop",
        "a wrong output is moderate or worse, and would rarely be noticed",
        lambda p: p.costs("moderate") and p.unnoticed(),
    ),
    Rule("moderate", 1, "automatic_with_audit", "a wrong output is moderate", lambda p: p.costs("moderate")),
    Rule("for_good", 1, "automatic_with_audit", "a wrong output cannot be undone", lambda p: p.irreversible()),
    Rule("unnoticed", 1, "automatic_with_audit", "a wrong output would rarely be noticed", lambda p: p.unnoticed()),
    Rule(
        "contested_and_costly",
        2,
        "in_the_loop",
        "people disagree about what is correct, and a wrong output is major or worse",
        lambda p: p.vague("contested") and p.costs("major"),
    ),
    Rule("contested", 2, "on_the_loop", "people disagree about what is correct", lambda p: p.vague("contested")),
    Rule("no_executable_check", 2, "automatic_with_audit", "no program checks whether an output is correct", lambda p: p.vague("guideline")),
    Rule("mean_not_measured", 3, "in_the_loop", "nobody measured how often it is wrong", lambda p: not p.mean.known),
    Rule("mean_too_high", 3, "in_the_loop", "it was measured wrong more often than agreed", lambda p: p.mean.exceeds(p.at_most)),
    Rule("mean_not_shown", 3, "on_the_loop", "its interval reaches above what was agreed", lambda p: p.mean.reaches(p.at_most)),
    # Not to measure must never pay: what is unmeasured counts as much as what was measured too high.
    Rule("worst_slice_not_measured", 3, "in_the_loop", "its worst slice was not measured", lambda p: not p.worst_slice.known),
    Rule(
        "worst_slice_too_high",
        3,
        "in_the_loop",
        "its worst slice was measured wrong more often than agreed",
        lambda p: p.worst_slice.exceeds(p.at_most),
    ),
    Rule(
        "worst_slice_not_shown",
        3,
        "on_the_loop",
        "the interval of its worst slice reaches above what was agreed",
        lambda p: p.worst_slice.reaches(p.at_most),
    ),
    Rule("worst_slice_thin", 3, "automatic_with_audit", f"its worst slice was measured on fewer than {FEW} outputs", lambda p: p.worst_slice.n < FEW),
)


@dataclass(frozen=True)
class Finding:
    """What one rule said."""

    rule: str
    question: int
    floor: str
    says: str
    fired: bool


@dataclass(frozen=True)
class Outcome:
    """The level, the rule that decided it ('' where none fired: automatic), and every rule with whether it fired."""

    level: str
    decided_by: str
    findings: tuple[Finding, ...]

    def fired(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.fired]

    def to_dict(self) -> dict[str, Any]:
        return {"level": self.level, "decided_by": self.decided_by, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        lines = [f"{self.level}" + (f" because {self.decided_by}" if self.decided_by else " (no rule fired)")]
        lines += [f"  {'x' if f.fired else ' '} {f.rule} ({f.floor}): {f.says}" for f in self.findings]
        return "\n".join(lines)


def assess(profile: Profile) -> Outcome:
    """The level the answers allow. Pure; microseconds."""
    findings = tuple(Finding(rule.name, rule.question, rule.floor, rule.says, rule.fires(profile)) for rule in RULES)
    fired = [finding for finding in findings if finding.fired]
    level = strictest(finding.floor for finding in fired)
    # The rules stand in the order of their weight: law first.
    decided = next((finding.rule for finding in fired if step_of(finding.floor) == step_of(level)), "")
    return Outcome(level if fired else LEVELS[0], decided, findings)
