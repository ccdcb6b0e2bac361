"""Patterns that cannot run away, and words that mark a sensitive case.

Python's engine backtracks, so a careless pattern takes hours on a text somebody chose. Here a pattern may hold no unbounded repeat, no
back-reference and no look-around, and the number of ways it can try at one place, times its width, is bounded when the policy is read. A text longer
than :data:`SCANNED` is not scanned at all: it goes to people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from re import _constants as codes  # type: ignore[attr-defined]  # the engine's own parser: the one reading of a pattern that counts
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from pilotage.core import InputError

SCANNED = 20_000
MOST_STEPS = 2_000
_UNBOUNDED = 1_000


def safe_pattern(pattern: str, *, where: str) -> re.Pattern[str]:
    """The compiled pattern. Raises ``InputError`` if it is none, or its work at one place of a text is not bounded by :data:`MOST_STEPS` steps."""
    try:
        ways, width = _work(parser.parse(pattern), where)
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"This is no pattern: {error}.", where=where) from error
    if compiled.match("") is not None:
        raise InputError("This pattern matches an empty text.", where=where, why="it would stop everything", mend="ask for at least one character")
    if ways * width > MOST_STEPS:
        raise InputError(
            f"This pattern may take {ways * width} steps at every place of a text; {MOST_STEPS} are allowed.",
            where=where,
            why="whoever writes the text could make the router stand still",
            mend="shorten the repeats, or make them possessive: {1,64}+ never tries again",
        )
    return compiled


def words_pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern that finds any of ``words`` as whole words in a :func:`folded` text; None for no words."""
    listed = sorted({folded(word).strip() for word in words} - {""}, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, listed))})(?!\w)") if listed else None


def folded(text: str) -> str:
    """One form of a text: compatible characters made equal (NFKC), capitals folded."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def _work(parsed: Any, where: str) -> tuple[int, int]:
    """(ways to try, longest match) of a parsed pattern: an upper bound of both."""
    ways, width = 1, 0
    for code, given in parsed:
        more, longer = _one(code, given, where)
        ways, width = ways * more, width + longer
        if ways > 10**9:
            return ways, max(width, 1)
    return ways, max(width, 1)


def _one(code: Any, given: Any, where: str) -> tuple[int, int]:
    if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN, codes.AT):
        return 1, 1
    if code is codes.SUBPATTERN:
        return _work(given[-1], where)
    if code is codes.ATOMIC_GROUP:
        ways, width = _work(given, where)
        return 1, ways * width  # tried once, and never again
    if code is codes.BRANCH:
        branches = [_work(branch, where) for branch in given[1]]
        return sum(ways for ways, _ in branches), max(width for _, width in branches)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, most, inside = given
        if most > _UNBOUNDED:
            raise InputError(
                f"A repeat without an end (or above {_UNBOUNDED}).", where=where, why="its work grows with the text", mend="write {0,100}"
            )
        ways, width = _work(inside, where)
        if code is codes.POSSESSIVE_REPEAT:
            return 1, ways * width * most
        total = (most - least + 1) if ways == 1 else sum(ways**count for count in range(least, min(most, least + 40) + 1))
        return total, width * most
    raise InputError(f"'{str(code).lower()}' is not used here.", where=where, why="its work cannot be bounded", mend="write it without")
