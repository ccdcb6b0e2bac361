"""The field contract: what every row of a dataset must look like.

A contract names fields and their rules. Fields it does not name may be there; a row's ``id`` always is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilotage.core import InputError

FieldType = Literal["text", "int", "float", "bool", "list", "object"]


class FieldRule(BaseModel):
    """The rule of one field.

    ``min_length`` and ``max_length`` count characters of text (without surrounding space) and entries of lists. A required text or list is at least
    1 long unless ``min_length`` says otherwise. ``options`` are the only values allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: FieldType = "text"
    required: bool = True
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    options: tuple[str | int | float | bool, ...] | None = None


Contract: TypeAlias = Mapping[str, FieldRule]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row: the field (None for the whole row) and the reason."""

    field: str | None
    reason: str


def make_contract(fields: Mapping[str, FieldRule | Mapping[str, Any]] | None) -> dict[str, FieldRule]:
    """A contract from rules or plain mappings (as a YAML file gives them). Raises ``InputError`` on an unknown key or type."""
    contract: dict[str, FieldRule] = {}
    for name, rule in (fields or {}).items():
        try:
            contract[name] = rule if isinstance(rule, FieldRule) else FieldRule.model_validate(dict(rule))
        except (ValidationError, TypeError, ValueError) as error:
            detail = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error), "loc": ()}
            raise InputError(
                f"The rule of field '{name}' cannot be used: {detail['msg']}.",
                where=".".join(["fields", name, *map(str, detail["loc"])]),
                mend="a rule has: type (text|int|float|bool|list|object), required, min_length, max_length, options",
            ) from error
    return contract


def check_row(row: Mapping[str, Any], contract: Contract) -> Problem | None:
    """The first thing in ``row`` that breaks ``contract``, or None."""
    for name, rule in contract.items():
        value = row.get(name)
        if value is None:
            if rule.required:
                return Problem(name, "the field is missing" if name not in row else "the field is null")
            continue
        reason = _check_value(value, rule)
        if reason is not None:
            return Problem(name, reason)
    return None


def _check_value(value: Any, rule: FieldRule) -> str | None:
    if not _has_type(value, rule.type):
        return f"expected {rule.type}, found {type_name(value)}"
    if isinstance(value, str | list):
        length = len(value.strip()) if isinstance(value, str) else len(value)
        least = rule.min_length if rule.min_length is not None else (1 if rule.required else 0)
        if length < least:
            return "the field is empty" if length == 0 else f"{length} long, at least {least} wanted"
        if rule.max_length is not None and length > rule.max_length:
            return f"{length} long, at most {rule.max_length} allowed"
    if rule.options is not None and not any(value == option and isinstance(value, bool) == isinstance(option, bool) for option in rule.options):
        return f"not one of: {', '.join(map(str, rule.options))}"
    return None


def _has_type(value: Any, wanted: FieldType) -> bool:
    if isinstance(value, bool):
        return wanted == "bool"
    kinds: dict[FieldType, tuple[type, ...]] = {
        "text": (str,),
        "int": (int,),
        "float": (int, float),
        "bool": (),
        "list": (list, tuple),
        "object": (dict,),
    }
    return isinstance(value, kinds[wanted])


def type_name(value: Any) -> str:
    """The contract's word for the type of ``value``."""
    if value is None:
        return "null"
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "text"), (list, "list"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return type(value).__name__
