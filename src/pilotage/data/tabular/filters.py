"""The filter people may write: ``column op value`` joined by AND. It is read here and written anew for Lance, so no text of a user becomes SQL.

Operators: ``= != < <= > >=``, ``in (a, b)``, ``contains`` (text), ``starts with`` (text), ``is null``, ``is not null``. Values: numbers, ``true`` and
``false``, text in single or double quotes (a doubled quote stands for one), times and dates as quoted ISO 8601. A column with other than letters,
digits and underscores in its name is written in back quotes.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.data.contracts import Column
from pilotage.data.tabular.keys import as_type

_MOST = 4_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?P<quoted>`[^`]+`)|(?P<op><=|>=|!=|<>|==|=|<|>)|(?P<mark>[(),])"""
    r"""|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|(?P<word>[A-Za-z_][A-Za-z0-9_]*))"""
)
_ORDER = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def compile_filter(text: str, columns: Mapping[str, Column]) -> str:
    """The filter as an expression for Lance.

    Raises
    ------
    InputError
        If it is not in the grammar, names an unknown column, or compares a column with a value of another type: with the place.
    """
    if len(text) > _MOST:
        raise InputError(f"This filter is {len(text)} characters long; {_MOST} are allowed.")
    return _Reader(text, columns).filter()


class _Reader:
    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self.text, self.columns, self.position = text, columns, 0
        self.tokens: list[_Token] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._error("this cannot be read", at)
            kind = str(found.lastgroup)
            self.tokens.append(_Token(kind, found[kind], found.start(kind)))
            at = found.end()

    def filter(self) -> str:
        conditions = [self._condition()]
        while self._word("and"):
            conditions.append(self._condition())
        if self.position < len(self.tokens):
            raise self._error("expected AND", self.tokens[self.position].at)
        return " AND ".join(conditions)

    def _condition(self) -> str:
        token = self._next("a column")
        name = token.text[1:-1] if token.kind == "quoted" else token.text
        if token.kind not in ("word", "quoted") or name not in self.columns:
            raise self._error(f"there is no column {name!r}; there are: {', '.join(list(self.columns)[:20])}", token.at)
        column, sql = self.columns[name], f"`{name}`"
        if "`" in name:
            raise self._error("a column with a back quote in its name cannot be filtered by", token.at)
        if self._word("is"):
            negated = self._word("not")
            self._need_word("null")
            return f"({sql} IS {'NOT ' if negated else ''}NULL)"
        if column.type == "binary":
            raise self._error(f"the column '{name}' is binary: it can only be asked for null", token.at)
        if self._word("in"):
            return f"({sql} IN ({', '.join(self._list(name, column))}))"
        if self._word("contains"):
            return f"(strpos({sql}, {self._text_value(name, column)}) > 0)"
        if self._word("starts"):
            self._need_word("with")
            return f"(strpos({sql}, {self._text_value(name, column)}) = 1)"
        operator = self._next("an operator")
        if operator.kind != "op":
            raise self._error("expected one of: = != < <= > >= in contains, starts with, is null", operator.at)
        sign = {"==": "=", "!=": "<>"}.get(operator.text, operator.text)
        if sign in _ORDER and column.type == "bool":
            raise self._error("true and false have no order", operator.at)
        return f"({sql} {sign} {self._value(name, column)})"

    def _list(self, name: str, column: Column) -> list[str]:
        opening = self._next("(")
        if opening.text != "(":
            raise self._error("expected '('", opening.at)
        values = [self._value(name, column)]
        while (mark := self._next("')'")).text == ",":
            values.append(self._value(name, column))
        if mark.text != ")":
            raise self._error("expected ')'", mark.at)
        return values

    def _text_value(self, name: str, column: Column) -> str:
        if column.type not in ("text", "list", "object"):
            raise self._error(f"the column '{name}' is {column.type}, not text", self.tokens[self.position - 1].at)
        return self._value(name, column)

    def _value(self, name: str, column: Column) -> str:
        token = self._next("a value")
        if token.kind == "text":
            quote = token.text[0]
            given: Any = token.text[1:-1].replace(quote * 2, quote)
            if column.type in ("int", "float", "bool"):
                raise self._error(f"the column '{name}' is {column.type}: write the value without quotes", token.at)
        elif token.kind == "number" and column.type in ("int", "float"):
            given = float(token.text) if column.type == "float" or not token.text.lstrip("+-").isdecimal() else int(token.text)
        elif token.kind == "word" and column.type == "bool" and token.text.lower() in ("true", "false"):
            given = token.text.lower() == "true"
        else:
            raise self._error(f"expected a value of the type {column.type}", token.at)
        if column.type == "int" and isinstance(given, float):
            return literal(given)  # "n < 2.5" is a fair question about whole numbers
        return literal(as_type(given, column.type, what=f"the column '{name}'"))

    def _next(self, wanted: str) -> _Token:
        if self.position >= len(self.tokens):
            raise self._error(f"expected {wanted}", len(self.text))
        self.position += 1
        return self.tokens[self.position - 1]

    def _word(self, word: str) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position].kind == "word" and self.tokens[self.position].text.lower() == word:
            self.position += 1
            return True
        return False

    def _need_word(self, word: str) -> None:
        if not self._word(word):
            raise self._error(f"expected '{word}'", self.tokens[self.position].at if self.position < len(self.tokens) else len(self.text))

    def _error(self, why: str, at: int) -> InputError:
        return InputError(
            f"This filter cannot be read: {why}.",
            where=f"character {at + 1} of {self.text[:200]!r}",
            mend="write column op value, joined by AND: amount >= 10 AND country in ('DE', 'FR')",
        )


def literal(value: Any) -> str:
    """A Python value as a literal in Lance's filter language."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isinf(value):
            return f"CAST('{'-' if value < 0 else ''}inf' AS DOUBLE)"
        return f"CAST({value!r} AS DOUBLE)"
    if isinstance(value, dt.datetime):
        micros = (value.astimezone(dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        return f"arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')"
    if isinstance(value, dt.date):
        return f"date '{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"


def equals(names: tuple[str, ...], values: tuple[Any, ...]) -> str:
    """The filter for one key."""
    return " AND ".join(f"(`{name}` = {literal(value)})" for name, value in zip(names, values, strict=True))
