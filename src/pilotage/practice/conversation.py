"""A conversation as the assistant understands it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pilotage.core import InputError
from pilotage.practice.decoding import read

_QUOTED = re.compile(r"[\"\u201c\u00ab]([^\"\u201d\u00bb]+)[\"\u201d\u00bb]")
_JOIN = re.compile(r"\b(?:join|put together|combine|both halves|the two halves)\b", re.IGNORECASE)
_SPEAKER = re.compile(r"^(?:customer|user|visitor) *: *(.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Turn:
    """One message: its role and its text."""

    role: str
    text: str


@dataclass(frozen=True)
class Conversation:
    """What was said, and what it means.

    raw
        The last user message as written.
    meaning
        What that message says once decoded, translated or joined from parts, where this differs from ``raw``; else None.
    how
        How the meaning was reached: as in :class:`pilotage.practice.decoding.Reading`, and ``joined`` from parts or the last line of a ``dialogue``.
    earlier
        The user's turns before it, as written.
    turns
        How many user turns there are, the last one included.
    """

    raw: str
    meaning: str | None
    how: tuple[str, ...]
    earlier: str
    turns: int

    @property
    def plain(self) -> str:
        """The text to act on."""
        return self.raw if self.meaning is None else self.meaning


def understand(turns: Sequence[Turn]) -> Conversation:
    """Read the user's part of a conversation. Raises ``InputError`` if there is no user message."""
    said = [turn.text for turn in turns if turn.role == "user"]
    if not said:
        raise InputError("The conversation has no user message.", where="messages", mend="send at least one message with role 'user'")
    raw, earlier = said[-1], said[:-1]
    reading = read(raw)
    how = list(reading.how)
    meaning: str | None = reading.text if how else None
    plain = reading.text
    if earlier and _JOIN.search(plain):
        parts = [part for text in earlier for part in _QUOTED.findall(read(text).text)]
        if parts:
            meaning, how = " ".join(part.strip(" .…") for part in parts), [*how, "joined"]
    else:
        asked = [found.group(1) for line in plain.splitlines() if (found := _SPEAKER.match(line.strip()))]
        if len(asked) > 1:
            meaning, how = asked[-1], [*how, "dialogue"]
    return Conversation(raw, meaning, tuple(how), "\n".join(earlier), len(said))
