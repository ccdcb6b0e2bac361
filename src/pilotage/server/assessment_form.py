"""The four questions as a form: what was filled in, and the assessment that comes of it. Figures are named, never typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError, parse_declared
from pilotage.review.assessment import Assessment, AssessmentFile, Outcome, Profile, assess, assessment_of, profile_of, slice_key
from pilotage.store import Workspace

LONGEST = 2_000
FIELDS = (
    *("category", "slice", "model", "severity", "amount", "currency", "minor", "moderate", "major", "critical"),
    *("reversible", "detected", "defined", "check", "at_most"),
    *("mean", "mean_of", "mean_reason", "worst_slice", "worst_slice_of", "worst_slice_reason"),
    *("accountable", "rule", "valid_for", "note"),
)
# What must be answered, in the order of the questions.
NEEDED = (
    ("category", "the task category"),
    ("severity", "what a wrong output costs"),
    ("reversible", "whether it can be undone"),
    ("detected", "whether anybody would notice"),
    ("defined", "how well 'correct' is defined"),
    ("at_most", "the share of wrong outputs that is bearable"),
    ("mean", "how well it does on average"),
    ("worst_slice", "how well it does in its worst slice"),
    ("accountable", "who answers for it by law"),
)


@dataclass(frozen=True)
class Form:
    """What stands in the fields; '' where nothing does."""

    values: dict[str, str]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Form:
        """What was sent. Raises ``InputError`` on a text longer than anybody types."""
        values = {name: str(given.get(name) or "").strip() for name in FIELDS}
        for name, text in values.items():
            if len(text) > LONGEST:
                raise InputError(f"This is longer than {LONGEST} characters.", where=f"field '{name}'", mend="say it in fewer words")
        return cls({**values, "valid_for": values["valid_for"] or "180d"})

    @classmethod
    def again(cls, about: Assessment, answers: Mapping[str, Any]) -> Form:
        """The answers of a record, to be looked at anew. Figures that somebody typed into a file are not among them."""
        cost, consistency, legal = answers["cost"], answers["consistency"], answers["legal"]
        wrong = cost.get("wrong_output") or {}
        values = {
            "category": about.category,
            "slice": about.slice,
            "model": about.model,
            "severity": cost.get("severity") or about.profile["severity"],
            "amount": wrong.get("amount"),
            "currency": wrong.get("currency"),
            "reversible": cost["reversible"],
            "detected": cost["detected"],
            "defined": answers["correctness"]["defined"],
            "check": answers["correctness"].get("check"),
            "at_most": consistency["at_most"],
            "accountable": legal["accountable"],
            "rule": legal.get("rule"),
        }
        if wrong:  # the bands were the file's own and are not kept: the amount's meaning is
            values |= {"amount": "", "currency": ""}
        for name in ("mean", "worst_slice"):
            figure = consistency[name]
            values[name] = figure.get("evidence") or ("none" if figure.get("not_measured") else "")
            values[f"{name}_of"], values[f"{name}_reason"] = figure.get("of", "errors"), figure.get("not_measured")
        return cls.of(values)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def missing(self) -> list[str]:
        """What nobody has answered yet, in words."""
        given = {**self.values, "severity": self["severity"] or self["amount"]}
        return [words for name, words in NEEDED if not given[name]]

    @property
    def key(self) -> str:
        """The slice as one text."""
        return slice_key(self._slice())

    def file(self) -> AssessmentFile:
        """The assessment that the form says. Raises ``InputError`` with the field at the first answer that does not fit."""
        if self.missing:
            raise InputError(f"Not answered yet: {', '.join(self.missing)}.", mend="answer all four questions")
        answers = {
            "cost": _given({"severity": self["severity"], "reversible": self["reversible"], "detected": self["detected"], **self._amount()}),
            "correctness": _given({"defined": self["defined"], "check": self["check"] if self["defined"] == "executable" else ""}),
            "consistency": {"at_most": _number(self["at_most"], "at_most"), "mean": self._figure("mean"), "worst_slice": self._figure("worst_slice")},
            "legal": _given({"accountable": self["accountable"], "rule": self["rule"]}),
        }
        whole = _given({"category": self["category"], "model": self["model"], "valid_for": self["valid_for"], "note": self["note"]})
        if self["amount"]:
            bands = {name: _whole(self[name], name) for name in ("minor", "moderate", "major", "critical")}
            whole["bands"] = {"currency": self["currency"], **bands}
        slices = [{"slice": self._slice(), **answers}] if self["slice"] else []
        try:
            return assessment_of(parse_declared(json.dumps({**whole, **answers, "slices": slices}), file="form"))
        except InputError as error:
            raise InputError(error.what, where=(error.where or "").removeprefix("form:1").strip() or None, why=error.why, mend=error.mend) from error

    def outcome(self, workspace: Workspace) -> tuple[Profile, Outcome]:
        """What the rules say of it, with the figures as they are read now. Nothing is kept."""
        file = self.file()
        answers = {slice_key(named): given for named, given in file.answers()}[self.key]
        profile = profile_of(workspace, answers, bands=file.bands, model=file.model)
        return profile, assess(profile)

    def _slice(self) -> dict[str, str]:
        parts = [part.partition("=") for part in self["slice"].split(",") if part.strip()]
        if any(not mark or not name.strip() or not value.strip() for name, mark, value in parts):
            raise InputError("This is no slice.", where="field 'slice'", mend="write language=de, or leave it empty for the category as a whole")
        return {name.strip(): value.strip() for name, _, value in parts}

    def _amount(self) -> dict[str, Any]:
        if not self["amount"]:
            return {}
        return {"wrong_output": {"amount": _whole(self["amount"], "amount"), "currency": self["currency"]}}

    def _figure(self, name: str) -> dict[str, Any]:
        if self[name] == "none":
            return {"not_measured": self[f"{name}_reason"]}
        return {"evidence": self[name], "of": self[f"{name}_of"] or "errors"}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None)}


def _number(text: str, name: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InputError(f"'{text}' is no number.", where=f"field '{name}'", mend="such as 0.05") from error


def _whole(text: str, name: str) -> int:
    if not text.isdigit() or len(text) > 15:
        raise InputError(
            f"'{text}' is no whole number." if text else "The amount is missing.", where=f"field '{name}'", mend="in cents, such as 1200"
        )
    return int(text)
