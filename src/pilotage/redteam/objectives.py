"""Objectives: what an attack tries to get, and how it is known whether it got it.

A file of objectives is JSONL, one object a line. It is read strictly: an unknown key, a missing field or a doubled id is an error with file, line and
field, and nothing of the file is used then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pilotage.core import InputError, content_id
from pilotage.data import Contract, FieldRule, read_jsonl_rows

Split = Literal["develop", "gate"]
SPLITS: tuple[Split, ...] = ("develop", "gate")
SEVERITIES = ("low", "medium", "high", "critical")
SUCCESS_KINDS = ("canary", "tool", "contains", "policy")

# What the data room checks when objectives are imported as a dataset version.
OBJECTIVE_FIELDS: Contract = {
    "category": FieldRule(),
    "clause": FieldRule(),
    "split": FieldRule(options=SPLITS),
    "prompt": FieldRule(),
    "success": FieldRule(type="object"),
    "correct_response": FieldRule(),
    "benign_twin": FieldRule(type="object"),
    "severity": FieldRule(options=SEVERITIES),
    "translations": FieldRule(type="object", required=False),
}


@dataclass(frozen=True)
class Success:
    """How success shows.

    kind
        ``canary``: ``value`` appears in what the target said. ``tool``: the tool ``name`` was called, with an argument of ``over`` above its bound
        where bounds are given. ``contains``: one of the texts in ``any`` appears. ``policy``: only a person can tell.
    """

    kind: str
    value: str = ""
    name: str = ""
    over: Mapping[str, float] = field(default_factory=dict)
    any: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the file."""
        match self.kind:
            case "canary":
                return {"kind": self.kind, "value": self.value}
            case "tool":
                return {"kind": self.kind, "name": self.name, **({"over": dict(self.over)} if self.over else {})}
            case "contains":
                return {"kind": self.kind, "any": list(self.any)}
            case _:
                return {"kind": self.kind}


@dataclass(frozen=True)
class BenignTwin:
    """A harmless request close in wording to the attack, which a good target answers.

    must_contain
        Texts that a right answer holds, whatever their case.
    """

    prompt: str
    reference: str
    must_contain: tuple[str, ...] = ()
    translations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """One thing the target must not do.

    category, clause
        The kind of harm, and the clause of the policy that forbids it. Findings cluster by clause.
    split
        ``develop`` may be learnt from; ``gate`` is held back and only ever measured.
    correct_response
        What the target should have said: the reviewer's starting point.
    translations
        Language tag -> the prompt in that language, written by people; the technique ``translated`` uses them.
    """

    id: str
    category: str
    clause: str
    split: Split
    prompt: str
    success: Success
    correct_response: str
    benign_twin: BenignTwin
    severity: str
    translations: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Addressed by what is tried, not by how it is answered: the same prompt with the same success is the same objective."""
        return content_id(
            "obj", {"prompt": self.prompt, "success": self.success.to_dict(), "clause": self.clause, "translations": dict(self.translations)}
        )


def load_objectives(path: str | Path) -> tuple[Objective, ...]:
    """Read a JSONL file of objectives, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be read, a line is no JSON object, a field is missing, unknown or of the wrong kind, or an id stands twice.
    """
    return _unique((where, objective_of(row, where=where)) for where, row in read_jsonl_rows(path, what="objective"))


def objectives_of(rows: Iterable[Mapping[str, Any]], *, where: str = "objectives") -> tuple[Objective, ...]:
    """Objectives from the rows of a dataset version. Raises ``InputError`` as :func:`load_objectives` does, naming the row."""
    return _unique((f"{where} row {number}", objective_of(row, where=f"{where} row {number}")) for number, row in enumerate(rows, start=1))


def _unique(found: Iterable[tuple[str, Objective]]) -> tuple[Objective, ...]:
    seen: dict[str, str] = {}
    objectives: list[Objective] = []
    for where, objective in found:
        if objective.id in seen:
            raise InputError(
                f"The objective '{objective.id}' stands twice.",
                where=f"{where} field 'id'",
                why=f"it is in {seen[objective.id]} already, and its attempts would be mixed",
                mend="give one of them another id",
            )
        seen[objective.id] = where
        objectives.append(objective)
    return tuple(objectives)


def objective_of(row: Any, *, where: str) -> Objective:
    """One objective from plain data. Raises ``InputError`` with the field."""
    fields = _Fields(row, where)
    success = _success(fields.take("success", dict), f"{where} field 'success'")
    objective = Objective(
        id=fields.text("id"),
        category=fields.text("category"),
        clause=fields.text("clause"),
        split=cast("Split", fields.choice("split", SPLITS)),
        prompt=fields.text("prompt"),
        success=success,
        correct_response=fields.text("correct_response"),
        benign_twin=_twin(fields.take("benign_twin", dict), f"{where} field 'benign_twin'"),
        severity=fields.choice("severity", SEVERITIES),
        translations=fields.texts_by_name("translations"),
    )
    fields.done()
    return objective


def _success(value: Any, where: str) -> Success:
    fields = _Fields(value, where)
    kind = fields.choice("kind", SUCCESS_KINDS)
    match kind:
        case "canary":
            success = Success(kind, value=fields.text("value"))
            if len(success.value) < 8:
                raise InputError("A canary must be at least 8 characters long.", where=f"{where}.value", why="a short one turns up by chance")
        case "tool":
            over = fields.take("over", dict, default={})
            for name, bound in over.items():
                if isinstance(bound, bool) or not isinstance(bound, int | float):
                    raise InputError(f"The bound of '{name}' is not a number.", where=f"{where}.over")
            success = Success(kind, name=fields.text("name"), over=over)
        case "contains":
            success = Success(kind, any=fields.texts("any"))
            if not success.any:
                raise InputError("'any' must hold at least one text.", where=f"{where}.any")
        case _:
            success = Success(kind)
    fields.done()
    return success


def _twin(value: Any, where: str) -> BenignTwin:
    fields = _Fields(value, where)
    twin = BenignTwin(fields.text("prompt"), fields.text("reference"), fields.texts("must_contain"), fields.texts_by_name("translations"))
    fields.done()
    return twin


class _Fields:
    """Takes fields out of an object, and refuses what is left."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise InputError(f"Expected an object, found {type(value).__name__}.", where=where)
        self._left = dict(value)
        self._where = where

    def _at(self, name: str) -> str:
        return f"{self._where}.{name}" if " field " in self._where else f"{self._where} field '{name}'"

    def take(self, name: str, kind: type, *, default: Any = None) -> Any:
        if self._left.get(name) is None:
            self._left.pop(name, None)
            if default is None:
                raise InputError(f"The field '{name}' is missing.", where=self._at(name))
            return default
        value = self._left.pop(name)
        if not isinstance(value, kind):
            raise InputError(f"The field '{name}' must be {kind.__name__}, not {type(value).__name__}.", where=self._at(name))
        return value

    def text(self, name: str) -> str:
        value = str(self.take(name, str))
        if not value.strip():
            raise InputError(f"The field '{name}' is empty.", where=self._at(name))
        return value

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in options:
            raise InputError(f"The field '{name}' is {value!r}.", where=self._at(name), mend=f"use one of: {', '.join(options)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.take(name, list, default=[])
        if not all(isinstance(each, str) and each for each in value):
            raise InputError(f"The field '{name}' must be a list of texts.", where=self._at(name))
        return tuple(value)

    def texts_by_name(self, name: str) -> dict[str, str]:
        value = self.take(name, dict, default={})
        if not all(isinstance(each, str) and each.strip() for each in value.values()):
            raise InputError(f"The field '{name}' must map names to texts.", where=self._at(name))
        return dict(value)

    def done(self) -> None:
        for name in sorted(self._left):
            raise InputError(f"Unknown field '{name}'.", where=self._at(name), why="a misspelt field would be ignored in silence", mend="remove it")
