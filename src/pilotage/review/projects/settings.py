"""What a project declares: the settings of ``project.yaml``. Durations are text (``10m``, ``24h``), shares and bounds numbers from 0 to 1."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pilotage.core import PilotageError, parse_duration


def _duration(text: str) -> str:
    try:
        if parse_duration(text) <= 0:
            raise ValueError("it must be longer than nothing")
    except PilotageError as error:
        raise ValueError(f"{error.what} {error.mend}") from error
    return text


def _slice(text: str) -> str:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()) and text != EVERYWHERE:
        raise ValueError(f"'{text}' names no slice; write 'language=de', or '{EVERYWHERE}' for every item")
    return text


EVERYWHERE = "*"
Duration = Annotated[str, AfterValidator(_duration)]
Share = Annotated[float, Field(ge=0, le=1)]
Slice = Annotated[str, AfterValidator(_slice)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s/\x00-\x1f][^/\x00-\x1f]*$")]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Overlap(_Part):
    """How many people answer an item: ``start`` of them, and one more while the posterior of the leading answer to ``question`` is below ``until``,
    up to ``most``. ``assumed_accuracy`` stands for people nothing is known of yet."""

    start: int = Field(default=1, ge=1, le=1000)
    most: int | None = Field(default=None, ge=1, le=1000)
    until: float | None = Field(default=None, gt=0.5, lt=1)
    question: Word | None = None
    assumed_accuracy: float = Field(default=0.8, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> Overlap:
        if self.most is not None and self.most < self.start:
            raise ValueError(f"'most' ({self.most}) is below 'start' ({self.start})")
        if self.until is not None and (self.most is None or self.most == self.start):
            raise ValueError("'until' asks for more people, but 'most' allows none: set 'most' above 'start'")
        return self

    @property
    def limit(self) -> int:
        """The most people an item may ask for."""
        return self.most or self.start


class Arms(_Part):
    """Which share of (person, item) pairs sees no suggestion, a planted wrong one, or the suggestion only after their own answer."""

    withheld: Share = 0
    seeded: Share = 0
    answer_first: Share = 0

    @model_validator(mode="after")
    def _a_whole(self) -> Arms:
        if self.withheld + self.seeded + self.answer_first > 1:
            raise ValueError("the arms add up to more than 1")
        return self


class Countermeasures(_Part):
    """Against following a machine blindly. ``reason_on_accept`` names slices in which agreeing needs a reason."""

    evidence_first: bool = False
    hide_confidence: bool = False
    answer_first: bool = False
    reason_on_accept: tuple[Slice, ...] = ()


class Gold(_Part):
    """Items whose answer is known, mixed into the work: ``share`` of what each person is served; each to at most ``exposure_cap`` people.

    ``feedback``: whether people are told afterwards that it was one and what was right. ``floor``: the accuracy below which a lead is told.
    """

    share: Share = 0.05
    exposure_cap: int = Field(default=20, ge=1)
    feedback: bool = False
    floor: float | None = Field(default=None, gt=0, lt=1)


class Qualification(_Part):
    """The skill people need before they are served work here, and how the exam gives it.

    ``judged_by``: whether the share right must reach ``pass_at``, or its lower bound (90 % Wilson, so that chance passes one in twenty). ``tries``
    and ``wait`` are how often somebody may sit it under one guideline, and how long they wait in between.
    """

    skill: Word
    pass_at: Share = 0.8
    items: int = Field(default=20, ge=1)
    valid_for: Duration | None = None
    judged_by: Literal["rate", "lower"] = "rate"
    tries: int = Field(default=3, ge=1)
    wait: Duration = "1d"


class Round(_Part):
    """The calibration round each guideline version begins with: how many items each person answers."""

    items: int = Field(default=10, ge=1)


class Caps(_Part):
    """How much one person is served: tasks a day (UTC), tasks in hand at once, and answers in a row before a pause of ``break_for``."""

    per_day: int | None = Field(default=None, ge=1)
    at_once: int | None = Field(default=None, ge=1)
    break_after: int | None = Field(default=None, ge=1)
    break_for: Duration = "10m"


class Rotation(_Part):
    """Variety: of the last ``over`` tasks a person was served, at most the share ``most`` is of one value of slice ``by`` (or by one ``author``), as
    long as other work waits."""

    by: Word
    most: float = Field(gt=0, lt=1)
    over: int = Field(default=50, ge=2, le=500)


class Sla(_Part):
    """When an item is due, counted from being put; overdue ones are raised in priority and, where ``escalate_to`` says so, handed to another role."""

    due: Duration = "24h"
    escalate_to: Word | None = None
    raise_priority: int = Field(default=1000, ge=0, le=1_000_000)


class ProjectSettings(_Part):
    """Everything a project declares besides its rubric and guideline. Each default is what a queue without a project does."""

    name: Name
    title: str = ""
    overlap: Overlap = Overlap()
    arms: Arms = Arms()
    countermeasures: Countermeasures = Countermeasures()
    gold: Gold = Gold()
    qualification: Qualification | None = None
    calibration_round: Round | None = None
    skills: dict[Slice, Word] = Field(default_factory=dict)
    caps: Caps = Caps()
    rotation: Rotation | None = None
    sla: Sla | None = None
    lease: Duration = "10m"
    adjudicator: Word | None = None  # the role that decides what people could not agree on; left out: anybody who reviews
    agreement_floor: float | None = Field(default=None, ge=-1, le=1)
    consent: str = ""

    def skill_of(self, slices: dict[str, str]) -> str:
        """The skill an item of these slices needs, or ''. The first slice named wins; ``*`` is for all that no other names."""
        for key, skill in self.skills.items():
            name, _, value = key.partition("=")
            if key != EVERYWHERE and slices.get(name) == value:
                return skill
        return self.skills.get(EVERYWHERE, "")

    def needs_reason(self, slices: dict[str, str]) -> bool:
        """Whether agreeing with a suggestion about such an item needs a reason."""
        return any(key == EVERYWHERE or slices.get(key.partition("=")[0]) == key.partition("=")[2] for key in self.countermeasures.reason_on_accept)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, every default written out."""
        return self.model_dump(mode="json")
