"""``policy.yaml``: what may go out without a person having looked, and what else speaks against it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotage.core import Declared, fit, parse_duration, read_declared
from pilotage.review.assessment import AUTOMATED, LEVELS, slice_key
from pilotage.review.routing.patterns import safe_pattern

LEAST_AUDIT = 0.01
LEAST_AUDIT_ON_THE_LOOP = 0.05

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
Level = Literal["automatic", "automatic_with_audit", "on_the_loop", "in_the_loop", "two_person", "people_only"]
Stops = Literal["review", "two_person", "people_only", "block"]
Share = Annotated[float, Field(gt=0, le=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Strict):
    """What gives the confidence: the fingerprint of the target, and of the prompt. Requests that name another one go to people."""

    fingerprint: Annotated[str, Field(min_length=1, max_length=200)]
    prompt: Annotated[str, Field(max_length=200)] = ""


class Contract(Strict):
    """At most this share of what is accepted may be wrong; it is what the audit holds the policy to."""

    error_rate: Annotated[float, Field(gt=0, lt=0.5)]


class PolicySlice(Strict):
    """A part of the traffic. ``{}`` is everything no other slice names.

    level
        Stricter than the assessment's, if anything.
    threshold
        Higher than the certified one, if anything.
    audit
        Share of what is accepted that people look at afterwards; at least 1 %, at least 5 % on the loop.
    """

    slice: dict[str, str]
    level: Level | None = None
    threshold: Share | None = None
    audit: Annotated[float, Field(ge=LEAST_AUDIT, le=1)] | None = None


class NoveltyTrigger(Strict):
    """Outputs unlike the reference (a file made by 'pilotage routing novelty', kept by its digest)."""

    reference: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    then: Stops = "review"


class PatternTrigger(Strict):
    name: Name
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    then: Stops = "block"


class SensitiveTrigger(Strict):
    """A context in which a person looks: a declared field with one of these values, or a word in the text."""

    name: Name
    fields: dict[str, tuple[str | int | bool, ...]] = Field(default_factory=dict)
    words: tuple[Annotated[str, Field(min_length=2, max_length=100)], ...] = ()
    then: Stops = "review"

    @model_validator(mode="after")
    def _something(self) -> SensitiveTrigger:
        if not self.fields and not self.words:
            raise ValueError("name 'fields' or 'words'")
        return self


class Triggers(Strict):
    novelty: NoveltyTrigger | None = None
    patterns: tuple[PatternTrigger, ...] = ()
    sensitive: tuple[SensitiveTrigger, ...] = ()


class Audit(Strict):
    """``question`` of the project's rubric; an answer among ``wrong`` says that the output should not have gone out."""

    question: Name
    wrong: Annotated[tuple[str | int | bool, ...], Field(min_length=1)]
    rate: Annotated[float, Field(ge=LEAST_AUDIT, le=1)] = LEAST_AUDIT


class Fallback(Strict):
    """What happens when people cannot keep up, or a decision cannot be kept.

    queue_limit
        Open tasks of the project from which on the queue is full.
    full
        ``hold``: the output waits, and goes to the queue when there is room. ``block``. ``accept_low_risk``: an output that only missed its
        threshold, and reaches ``low_risk``, goes out where the level is automatic or automatic with audit; everything else is held. The certificate
        does not cover these; the audit does.
    degraded
        When nothing can be written: ``hold`` (the caller keeps it) or ``block``. Nothing is accepted then.
    """

    queue_limit: Annotated[int, Field(ge=1)] = 1_000
    full: Literal["hold", "block", "accept_low_risk"] = "hold"
    low_risk: Share | None = None
    degraded: Literal["hold", "block"] = "hold"

    @model_validator(mode="after")
    def _said(self) -> Fallback:
        if (self.full == "accept_low_risk") != (self.low_risk is not None):
            raise ValueError("'low_risk' is the confidence that 'accept_low_risk' asks for, and goes with it")
        return self


class Alarm(Strict):
    """False alarm probability over all time, and what an alarm does to its slice: a level, or a higher threshold (where that still accepts)."""

    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    then: Literal["on_the_loop", "in_the_loop", "two_person", "people_only"] = "in_the_loop"
    raise_threshold: Share | None = None


class Policy(Strict):
    """The policy as declared. ``report`` is the stored calibration report it stands on.

    report
        The report it stands on; ``latest`` is settled to the latest look when the draft is kept.
    record
        ``before``: every decision is durable before it is answered. ``behind``: those that let an output out unaudited follow within moments, and a
        crash may lose the last of them; all others are durable before they are answered.
    refresh
        How long a router may go on before it looks whether the policy has changed; what it records looks every time.
    output_fields
        Fields of the payload that hold what the machine made; taken out where only people may decide.
    """

    policy: Name
    category: Name
    project: Annotated[str, Field(min_length=1, max_length=200)]
    model: Model
    report: Annotated[str, Field(pattern=r"^(cal_[0-9a-f]{32}|latest)$")]
    max_age: str = "90d"
    contract: Contract
    record: Literal["before", "behind"] = "before"
    refresh: str = "1s"
    output_fields: tuple[str, ...] = ()
    slices: Annotated[tuple[PolicySlice, ...], Field(min_length=1)]
    triggers: Triggers = Triggers()
    audit: Audit
    fallback: Fallback = Fallback()
    alarm: Alarm = Alarm()

    @property
    def alone(self) -> bool:
        """Whether there is one slice, so that ``{}`` is everything and not what others leave over."""
        return len(self.slices) == 1

    def audit_rate(self, declared: PolicySlice, level: str) -> float:
        """The share of accepted outputs of a slice that people look at: what was declared, and never less than its level asks for."""
        least = LEAST_AUDIT_ON_THE_LOOP if level == "on_the_loop" else LEAST_AUDIT
        return max(least, declared.audit if declared.audit is not None else self.audit.rate)

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=False)


def read_policy(path: str | Path) -> Policy:
    """The policy file. Raises ``InputError`` with file and line at the first thing that does not fit."""
    return policy_of(read_declared(path))


def policy_of(declared: Declared) -> Policy:
    """As :func:`read_policy`, from a declared document."""
    policy = fit(declared, Policy)
    for field in ("max_age", "refresh"):
        parse_duration(getattr(policy, field), where=declared.at(field).where)
    for number, one in enumerate(policy.slices):
        slice_key(one.slice)
        if one.threshold is not None and one.level is not None and one.level not in AUTOMATED:
            declared.at("slices", number, "threshold").refuse(
                f"At '{one.level}' nothing is accepted, so there is no threshold.", mend=f"leave it out, or use one of: {', '.join(LEVELS[:3])}"
            )
    for (_, a), (number, b) in combinations(enumerate(policy.slices), 2):
        if a.slice == b.slice:
            declared.at("slices", number, "slice").refuse("This slice is here twice.", mend="keep one of them")
        if a.slice and b.slice and not any(a.slice[name] != b.slice[name] for name in a.slice.keys() & b.slice.keys()):
            declared.at("slices", number, "slice").refuse(
                f"An output can be in this slice and in '{slice_key(a.slice)}' at once.",
                why="the audit of a slice counts each output in one slice",
                mend="make them exclude each other: give both the same field with different values",
            )
    named: set[str] = set()
    places = [("patterns", number, one.name) for number, one in enumerate(policy.triggers.patterns)]
    places += [("sensitive", number, one.name) for number, one in enumerate(policy.triggers.sensitive)]
    for kind, number, name in places:
        if name in named:
            declared.at("triggers", kind, number, "name").refuse(f"'{name}' is here twice.", why="it is the reason code")
        named.add(name)
    for number, trigger in enumerate(policy.triggers.patterns):
        safe_pattern(trigger.pattern, where=declared.at("triggers", "patterns", number, "pattern").where)
    return policy
