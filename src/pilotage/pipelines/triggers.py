"""When to train again: declared reasons, each with its figure and its limit, held back by a cool-down and a budget.

A reason fires on evidence. A fall of performance fires only if its whole interval lies beyond the limit; an interval that straddles it says how
things stand and fires nothing, because retraining on noise costs a model and teaches people to ignore the trigger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pilotage.core import InputError, format_duration, parse_duration

if TYPE_CHECKING:
    from pilotage.evidence import Evidence
    from pilotage.monitoring import Diagnosis

Causes = Literal["covariate shift harmful", "concept drift", "label shift"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _duration(value: str) -> str:
    try:
        parse_duration(value)
    except InputError as error:
        raise ValueError(error.what) from error
    return value


class Budget(_Strict):
    """At most ``runs`` trainings in any stretch of ``per``."""

    runs: int = Field(ge=1)
    per: str

    _per = field_validator("per")(_duration)


class RetrainPolicy(_Strict):
    """What calls for a new model. Every part is optional; a policy without any never fires.

    first_labels
        The first model is trained once so many labels are known.
    schedule
        So long after the last training, whether its challenger won or not.
    estimated_fall, realised_fall
        A fall of the watched metric by more than this, without and with labels, its whole interval beyond it.
    concept_part
        A concept part of the loss larger than this, its whole interval beyond it.
    causes
        Diagnoses that call for training.
    new_labels
        So many labels since the champion's training set.
    contract_change
        A contract of one of the sources changed since.
    cool_down
        Nothing fires so soon after the last training.
    """

    first_labels: int = Field(default=500, ge=2)
    schedule: str | None = None
    estimated_fall: float | None = Field(default=None, gt=0, lt=1)
    realised_fall: float | None = Field(default=None, gt=0, lt=1)
    concept_part: float | None = Field(default=None, gt=0, lt=1)
    causes: tuple[Causes, ...] = ()
    new_labels: int | None = Field(default=None, ge=1)
    contract_change: bool = False
    cool_down: str = "0s"
    budget: Budget | None = None

    @field_validator("schedule", "cool_down")
    @classmethod
    def _durations(cls, value: str | None) -> str | None:
        return None if value is None else _duration(value)


@dataclass(frozen=True)
class Situation:
    """What the decision looks at.

    Times are in µs UTC. ``cut_at`` is the as-of of the champion's training set, None where there is no champion; ``new_labels`` are those that became
    known since then. ``waiting``: sources whose deliveries are held, failing or missing, so that a training set of now would lack them.
    """

    now_us: int
    cut_at: int | None
    trainings: Sequence[int] = ()
    new_labels: int = 0
    changed_contracts: tuple[str, ...] = ()
    diagnosis: Diagnosis | None = None
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trigger:
    """One reason: whether it fired, the figure and limit it stood on, and why in words."""

    name: str
    fired: bool
    why: str
    figure: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None
    evidence: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class Decision:
    """Whether to train. ``held_back_by`` says what kept a fired reason from counting: deliveries that wait, the cool-down or the budget."""

    train: bool
    triggers: tuple[Trigger, ...]
    held_back_by: str | None = None

    def __str__(self) -> str:
        fired = "; ".join(trigger.why for trigger in self.triggers if trigger.fired)
        if self.train:
            return f"train: {fired}"
        return f"do not train: {self.held_back_by} ({fired})" if self.held_back_by else "do not train: no reason fired"


def decide(policy: RetrainPolicy, situation: Situation) -> Decision:
    """Whether the policy calls for training in this situation. Pure: the same situation gives the same decision."""
    if situation.cut_at is None:
        why = f"there is no model yet; {situation.new_labels} labels are known, {policy.first_labels} are needed"
        enough = situation.new_labels >= policy.first_labels
        triggers: tuple[Trigger, ...] = (Trigger("first", enough, why, figure=situation.new_labels, limit=policy.first_labels),)
    else:
        triggers = tuple(_triggers(policy, situation, situation.cut_at))
    if not any(trigger.fired for trigger in triggers):
        return Decision(False, triggers)
    held = _held_back(policy, situation)
    return Decision(held is None, triggers, held)


def _triggers(policy: RetrainPolicy, now: Situation, cut_at: int) -> list[Trigger]:
    found: list[Trigger] = []
    if policy.schedule is not None:
        age, limit = now.now_us - max((cut_at, *now.trainings)), parse_duration(policy.schedule)
        why = f"the last training was {_days(age)} ago (schedule: {policy.schedule})"
        found.append(Trigger("schedule", age >= limit, why, figure=age / 1e6, limit=limit / 1e6))
    if policy.estimated_fall is not None:
        found.append(_fall("estimated_fall", "estimated", policy.estimated_fall, _estimated_drop(now.diagnosis)))
    if policy.realised_fall is not None:
        parts = now.diagnosis.parts if now.diagnosis else None
        found.append(_fall("realised_fall", "realised", policy.realised_fall, parts.total if parts else None))
    if policy.concept_part is not None:
        parts = now.diagnosis.parts if now.diagnosis else None
        found.append(_fall("concept_part", "concept part of the", policy.concept_part, parts.concept if parts else None))
    if policy.causes:
        cause = str(now.diagnosis.cause) if now.diagnosis else "none was made"
        found.append(Trigger("causes", cause in policy.causes, f"diagnosis: {cause}"))
    if policy.new_labels is not None:
        why = f"{now.new_labels} labels since the champion's training set (limit: {policy.new_labels})"
        found.append(Trigger("new_labels", now.new_labels >= policy.new_labels, why, figure=now.new_labels, limit=policy.new_labels))
    if policy.contract_change:
        names = ", ".join(now.changed_contracts)
        found.append(Trigger("contract_change", bool(names), f"contracts changed since: {names or 'none'}"))
    return found


def _estimated_drop(diagnosis: Diagnosis | None) -> Evidence | None:
    if diagnosis is None or diagnosis.estimate is None or diagnosis.estimate.refusals:
        return None
    return diagnosis.estimate.drop(diagnosis.thresholds.metric)


def _fall(name: str, words: str, limit: float, drop: Evidence | None) -> Trigger:
    if drop is None:
        return Trigger(name, False, f"no {words} fall was measured", limit=limit)
    if drop.estimate is None or drop.lower is None or drop.upper is None:
        return Trigger(name, False, f"the {words} fall is not assessable: {drop.reason}", limit=limit, evidence=drop.id)
    shown = f"{drop.estimate:.3f} [{drop.lower:.3f}, {drop.upper:.3f}], n = {drop.n}"
    if drop.lower > limit:
        why = f"{words} fall {shown} is beyond {limit}"
    elif drop.upper > limit:
        why = f"{words} fall {shown} may be beyond {limit}: undecided"
    else:
        why = f"{words} fall {shown} is within {limit}"
    numbers = {"figure": drop.estimate, "lower": drop.lower, "upper": drop.upper}
    return Trigger(name, drop.lower > limit, why, **numbers, limit=limit, evidence=drop.id)


def _held_back(policy: RetrainPolicy, now: Situation) -> str | None:
    if now.waiting:
        return f"deliveries wait: {', '.join(now.waiting)}; a model trained now would not know them"
    cool_down = parse_duration(policy.cool_down)
    last = max(now.trainings, default=None)
    if last is not None and now.now_us - last < cool_down:
        return f"cool-down: the last training was {_days(now.now_us - last)} ago, {policy.cool_down} must pass"
    if policy.budget is not None:
        recent = sum(1 for at in now.trainings if now.now_us - at < parse_duration(policy.budget.per))
        if recent >= policy.budget.runs:
            return f"budget: {recent} trainings within {policy.budget.per}, {policy.budget.runs} are allowed"
    return None


def _days(us: int) -> str:
    day = parse_duration("1d")
    return f"{us / day:.1f} days" if us >= day else format_duration(max(us // 60_000_000, 0) * 60_000_000)
