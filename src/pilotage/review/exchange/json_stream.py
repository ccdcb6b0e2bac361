"""JSON of any length, one record at a time: an array of objects, an object of objects, or one object a line.

Reading holds one piece of the file (a megabyte, or the record if that is longer); writing holds one record. A record that is no strict JSON (a key
twice, NaN) is refused alone where its end can be told, which a line's can, and ends the reading where it cannot.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from pilotage.core import InputError
from pilotage.data.contract import Problem
from pilotage.data.sources import ImportLimits, read_jsonl
from pilotage.data.strict_json import scan_json
from pilotage.review.exchange.record import ExchangeLimits, Misfit

PIECE = 1024 * 1024
_SPACE = " \t\r\n"

Row = tuple[int, dict[str, Any] | Misfit]


def read_lines(file: BinaryIO, limits: ExchangeLimits) -> Iterator[Row]:
    """One object a line; the row is the line's number."""
    for found in read_jsonl(file, limits=ImportLimits(line_bytes=limits.record_bytes)):
        row = found.row
        yield found.line, Misfit(row.field, row.reason) if isinstance(row, Problem) else row


def read_array(file: BinaryIO, limits: ExchangeLimits, *, where: str) -> Iterator[Row]:
    """The objects of ``[{…}, …]``, or the one object that stands alone."""
    text = _Text(file, limits, where)
    if text.peek() == "{":
        yield 1, text.value()
        text.require_end()
        return
    text.take("[", "a list of records")
    if text.peek() == "]":
        text.take("]", "the end of the list")
        text.require_end()
        return
    row = 1
    while True:
        yield row, text.value()
        row += 1
        if text.take(",]", "a comma, or the end of the list") == "]":
            text.require_end()
            return


def read_object(file: BinaryIO, limits: ExchangeLimits, *, where: str) -> Iterator[tuple[int, str, dict[str, Any] | Misfit]]:
    """The entries of ``{"name": {…}, …}``."""
    text = _Text(file, limits, where)
    text.take("{", "an object of records")
    if text.peek() == "}":
        text.take("}", "the end of the object")
        text.require_end()
        return
    row, names = 1, set[str]()
    while True:
        name = text.any_value()
        if not isinstance(name, str):
            text.refuse("a record's name is no text")
        text.take(":", "a colon")
        value = text.value()
        yield row, name, Misfit(name, "this name stands twice in the file") if name in names else value
        names.add(name)
        row += 1
        if text.take(",}", "a comma, or the end of the object") == "}":
            text.require_end()
            return


class _Text:
    """A file as text, a piece at a time."""

    def __init__(self, file: BinaryIO, limits: ExchangeLimits, where: str) -> None:
        self._file, self._limits, self._where = file, limits, where
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False
        self._before = 0  # characters of earlier pieces

    def peek(self) -> str:
        """The next character that is no space; ``""`` at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str, what: str) -> str:
        """Step over the next character, which must be one of ``wanted``."""
        found = self.peek()
        if not found or found not in wanted:
            self.refuse(f"expected {what}, found {repr(found) if found else 'the end of the file'}")
        self._at += 1
        return found

    def require_end(self) -> None:
        if self.peek():
            self.refuse("something follows the end of the records")

    def value(self) -> dict[str, Any] | Misfit:
        """The object that stands here."""
        found = self.any_value()
        return found if isinstance(found, dict) else Misfit(None, f"expected an object, found {type(found).__name__}")

    def any_value(self) -> Any:
        self.peek()
        piece = PIECE
        while True:
            try:
                found, end = scan_json(self._text, self._at)
            except json.JSONDecodeError as error:
                # An error far from the end of what was read is no matter of reading on, unless it is text that does not end.
                hopeless = error.pos < len(self._text) - 64 and not error.msg.startswith("Unterminated")
                if hopeless or not self._more(piece):
                    self.refuse(f"not JSON: {error.msg}", at=error.pos)
                piece *= 2
            except ValueError as error:
                self.refuse(str(error))
            except RecursionError:
                self.refuse("nested too deep")
            else:
                if end == len(self._text) and not isinstance(found, dict | str) and self._more():
                    continue  # a number may go on in the next piece
                self._at = end
                return found
            if len(self._text) - self._at > self._limits.record_bytes:
                self.refuse(f"a record is longer than {self._limits.record_bytes} characters")

    def refuse(self, reason: str, *, at: int | None = None) -> Any:
        place = self._before + (self._at if at is None else at)
        raise InputError(
            f"The file cannot be read on: {reason}.",
            where=f"{self._where} character {place}",
            mend="mend the file; nothing after this can be told apart",
        )

    def _more(self, size: int = PIECE) -> bool:
        """Read on; False at the end of the file."""
        if self._ended:
            return False
        data = self._file.read(size)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise InputError(f"The file is not UTF-8: {error.reason}.", where=self._where, mend="save it as UTF-8") from error
        self._before += self._at
        self._text, self._at = self._text[self._at :] + text, 0
        return bool(text) or not self._ended


def write_json(value: Any) -> bytes:
    """One record as JSON text. Characters that HTML gives a meaning stay what they are: JSON is no page."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
