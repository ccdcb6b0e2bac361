"""What a format has to be told to read a file, and to write one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from pilotage.core import MICROSECONDS, InputError, parse_moment
from pilotage.judging import Rubric
from pilotage.review.exchange.record import Exchanged, Misfit

Lost: TypeAlias = Callable[[str], None]
"""Told of each thing a format cannot express, so that an export's report can count them."""


@dataclass(frozen=True)
class Terms:
    """How the file's words map to ours.

    rubric
        The questions its answers answer.
    question
        Of formats that name no question: which one they answer. None: the only one of a fitting kind.
    fields
        ``{ours: theirs}``: payload fields that are called otherwise here (``{"a": "text1", "b": "text2"}``). Written back under their own names.
    columns
        Of tables: ``{"task": …, "worker": …, "label": …, "ms": …, "guideline": …}``, where the columns are called otherwise.
    targets
        Of Label Studio, from its configuration: control → the names of the objects it may point at. Empty: not checked.
    """

    rubric: Rubric
    question: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def inward(self, payload: dict[str, Any]) -> dict[str, Any]:
        """A payload under our names."""
        if not self.fields:
            return payload
        taken = [ours for ours, theirs in self.fields.items() if ours in payload and ours not in self.fields.values() and theirs in payload]
        if taken:
            raise Misfit(taken[0], f"'{self.fields[taken[0]]}' cannot become '{taken[0]}': the row has both")
        back = {theirs: ours for ours, theirs in self.fields.items()}
        return {back.get(name, name): value for name, value in payload.items()}

    def outward(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of :meth:`inward`."""
        return {self.fields.get(name, name): value for name, value in payload.items()}

    def check(self) -> None:
        """Raise ``InputError`` unless the words map one to one."""
        if len(set(self.fields.values())) != len(self.fields):
            raise InputError("Two fields have one source.", where=str(dict(self.fields)), mend="map each field to a field of its own")
        if self.question is not None:
            self.rubric.question(self.question)


class Codec(Protocol):
    """One format's way to tell a record. Pure: a row in, a record out, and back."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        """The record of a row. Raises ``Misfit``."""
        ...

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        """The rows of a record: one, or one for each answer. What was read from a row of this format is written as it came."""
        ...


def require_object(value: Any, field: str) -> dict[str, Any]:
    """``value`` if it is an object."""
    if not isinstance(value, dict):
        raise Misfit(field, f"expected an object, found {type(value).__name__}")
    return value


def require_list(value: Any, field: str) -> list[Any]:
    """``value`` if it is a list; nothing at all is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Misfit(field, f"expected a list, found {type(value).__name__}")
    return value


def name_of(value: Any) -> str:
    """An id or a name, of whatever type, as text; '' for none."""
    return "" if value is None else value if isinstance(value, str) else str(value)


def milliseconds(value: Any, *, per_unit: float, field: str) -> int | None:
    """A duration as whole milliseconds; ``per_unit`` says how many one of the file's units has."""
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Misfit(field, f"{value!r} is no duration") from None
    if isinstance(value, bool) or not 0 <= number * per_unit < 2**53:
        raise Misfit(field, f"{value!r} is no duration")
    return round(number * per_unit)


def moment(value: Any) -> int | None:
    """A date-time with a zone as µs; None where it is none. It only orders and informs, so a strange one is no reason to refuse a row."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**40:
        return round(value * MICROSECONDS)
    try:
        return parse_moment(value) if isinstance(value, str) else None
    except InputError:
        return None
