"""Questions: what is asked, of which kind, and on which scale.

What answers a question is checked in :mod:`.answers`, one function a kind; here stands only what may be asked. Fields that came after the first
four kinds are written out only where they are set, so that rubrics stored before them keep their ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from pilotage.core import InputError
from pilotage.judging import answers

QuestionKind = Literal["choice", "choices", "rating", "bool", "text", "spans", "pair", "ranking", "edit"]
Policy = Literal["majority", "adjudicate", "soft"]
KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)
POLICIES: tuple[Policy, ...] = get_args(Policy)
FREE_TEXT = ("text", "edit")  # answers that may hold personal data: never in lists, and only committed to in the ledger
MAX_STRENGTH = 9  # strengths are given with one digit

WITH_OPTIONS = ("choice", "choices", "spans")
# The optional fields, and the kinds that know them. ``of`` and ``required`` are known to all.
FIELDS_OF: dict[str, tuple[str, ...]] = {
    "options": WITH_OPTIONS,
    "minimum": ("rating",),
    "maximum": ("rating",),
    "at_least": ("choices", "spans"),
    "at_most": ("choices", "spans"),
    "overlapping": ("spans",),
    "ties": ("pair", "ranking"),
    "both_bad": ("pair",),
    "strength": ("pair",),
}
_DEFAULT_OF = {"spans": "text", "ranking": "candidates"}


class Scale(StrEnum):
    """What differences between answers mean (Stevens 1946); it chooses the disagreement measure of agreement figures."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"


@dataclass(frozen=True)
class Option:
    """One answer of a choice, or one label of spans. ``key`` is the keyboard key that gives it, if it has one."""

    value: str
    label: str = ""
    key: str = ""


@dataclass(frozen=True)
class Question:
    """One question of a rubric.

    kind
        ``choice`` (one of ``options``), ``choices`` (several of them), ``rating`` (a number from ``minimum`` to ``maximum``; whole unless the scale
        is interval or ratio), ``bool``, ``text``, ``spans`` (places in a text, each labelled with one of ``options``), ``pair`` (which of ``a`` and
        ``b`` of the item is better), ``ranking`` (the item's candidates, best first) or ``edit`` (a text put right). Values: :mod:`.answers`.
    scale
        What differences between answers mean. Ordinal choices are ordered as their options are.
    required_role
        Who may answer it, or None for any reviewer.
    policy
        How answers become one: ``majority``; ``adjudicate`` (facts: somebody decides); ``soft`` (opinions: the distribution is the answer).
    of
        The part of the item it is about: a field of the payload, or a path like ``messages.3.content`` (``-1``: the last). Spans are of ``text`` and
        rankings of ``candidates`` unless told; an edit without it corrects the suggestion.
    required
        Whether an answer must come for it. Free text and edits need not unless told; everything else must unless told. Always a bool once made.
    at_least, at_most
        How many of the options, or how many spans. At least one option and no span unless told.
    overlapping
        Whether two spans may share a character.
    ties, both_bad, strength
        Whether candidates (of a pair: its sides) may stand equal; whether a pair may be refused as both bad; how many degrees of "better" there are
        (0: not asked).
    """

    name: str
    prompt: str
    kind: QuestionKind
    options: tuple[Option, ...] = ()
    scale: Scale = Scale.NOMINAL
    required_role: str | None = None
    policy: Policy = "majority"
    minimum: float = 1
    maximum: float = 5
    of: str = ""
    required: bool | None = None
    at_least: int | None = None
    at_most: int | None = None
    overlapping: bool = False
    ties: bool = True
    both_bad: bool = True
    strength: int = 0

    def __post_init__(self) -> None:
        where = f"question '{self.name}'"
        if not self.name or not self.prompt:
            raise InputError("A question needs a name and a prompt.", where=where)
        if self.kind not in KINDS:
            raise InputError(f"'{self.kind}' is not a kind of question.", where=where, mend=f"use one of: {', '.join(KINDS)}")
        if self.policy not in POLICIES:
            raise InputError(f"'{self.policy}' is not a policy.", where=where, mend=f"use one of: {', '.join(POLICIES)}")
        if self.required is None:
            object.__setattr__(self, "required", self._required_unless_told)
        self._check_options(where)
        if self.kind == "rating" and not (math.isfinite(self.minimum) and math.isfinite(self.maximum) and self.minimum < self.maximum):
            raise InputError("A rating's minimum must be below its maximum.", where=where, mend="set 'minimum' and 'maximum'")
        self._check_fields(where)

    def _check_options(self, where: str) -> None:
        values = [option.value for option in self.options]
        if self.kind not in WITH_OPTIONS:
            if values:
                raise InputError(
                    f"Only a choice, choices or spans have options; this is a {self.kind}.", where=where, mend="remove 'options' or make it a choice"
                )
            return
        fewest = 1 if self.kind == "spans" else 2
        if len(values) < fewest or len(set(values)) != len(values):
            what = "Spans need at least one label" if self.kind == "spans" else "A choice needs at least two options"
            raise InputError(f"{what}, each with its own value.", where=where, mend="list them under 'options'")
        keys = [option.key for option in self.options if option.key]
        if len(set(keys)) != len(keys):
            raise InputError("Two options have the same key.", where=where, mend="give each its own key, or leave 'key' out")

    def _check_fields(self, where: str) -> None:
        for name, default in _DEFAULTS.items():
            if getattr(self, name) != default and self.kind not in FIELDS_OF[name]:
                raise InputError(f"Only a {' or '.join(FIELDS_OF[name])} has '{name}'; this is a {self.kind}.", where=where, mend=f"remove '{name}'")
        low, high = self.fewest, self.at_most
        if low < 0 or (high is not None and high < max(low, 1)):
            raise InputError("'at_least' must not be negative nor above 'at_most'.", where=where, mend="set both so that an answer is possible")
        if self.kind == "choices" and max(low, high or 0) > len(self.options):
            raise InputError(f"There are only {len(self.options)} options to choose from.", where=where, mend="lower 'at_least' and 'at_most'")
        if not 0 <= self.strength <= MAX_STRENGTH or self.strength == 1:
            raise InputError(
                f"{self.strength} degrees of strength cannot be told apart.", where=where, mend=f"use 2 to {MAX_STRENGTH}, or 0 for none"
            )

    @property
    def _required_unless_told(self) -> bool:
        return self.kind not in FREE_TEXT

    @property
    def free_text(self) -> bool:
        """Whether its answers are what a person wrote, which may hold personal data."""
        return self.kind in FREE_TEXT

    @property
    def fewest(self) -> int:
        """How many options (or spans) an answer has at least."""
        return self.at_least if self.at_least is not None else int(self.kind == "choices")

    @property
    def about(self) -> str:
        """The part of the item's payload it is about, its kind's own unless told; '' for the item as a whole."""
        return self.of or _DEFAULT_OF.get(self.kind, "")

    def check(self, value: Any, payload: Mapping[str, Any] | None = None) -> Any:
        """``value`` as it is kept if it answers this question: choices in the options' order, spans in the text's.

        With the item's ``payload``, also whether it answers it *of that item*: spans lie within the text, a ranking covers just the candidates.
        Cost grows with the value. Raises ``InputError`` naming the question otherwise.
        """
        return answers.check(self, value, payload)

    def check_payload(self, payload: Mapping[str, Any]) -> None:
        """Raise ``InputError`` unless the item has what this question is about: a task that cannot be answered is refused before anybody sees it."""
        answers.check_payload(self, payload)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the first kinds' defaults written out."""
        later = {name: getattr(self, name) for name, default in _DEFAULTS.items() if name not in ("options", "minimum", "maximum")}
        return {
            "name": self.name,
            "prompt": self.prompt,
            "kind": self.kind,
            "options": [{"value": option.value, "label": option.label, "key": option.key} for option in self.options],
            "scale": str(self.scale),
            "required_role": self.required_role,
            "policy": self.policy,
            "minimum": self.minimum,
            "maximum": self.maximum,
            **({"of": self.of} if self.of else {}),
            **({"required": self.required} if self.required != self._required_unless_told else {}),
            **{name: value for name, value in later.items() if value != _DEFAULTS[name]},
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Question:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**value, "options": tuple(Option(**option) for option in value["options"]), "scale": Scale(value["scale"])})


_DEFAULTS: dict[str, Any] = {name: Question.__dataclass_fields__[name].default for name in FIELDS_OF}
