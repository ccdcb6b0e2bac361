"""Where a span begins and ends: code points, as everywhere here, or UTF-16 code units, as programs that run in a browser count.

They differ after the first character beyond U+FFFF (an emoji). Label Studio wrote code units for years and writes code points now, and its files do
not say which; but a span carries the text it covers, which decides.
"""

from __future__ import annotations


def from_utf16(text: str, offset: int) -> int | None:
    """The code point at which UTF-16 code unit ``offset`` of ``text`` stands; None beyond the end, or within a surrogate pair."""
    units = 0
    for index, character in enumerate(text):
        if units == offset:
            return index
        if units > offset:
            return None
        units += 2 if ord(character) > 0xFFFF else 1
    return len(text) if units == offset else None


def to_utf16(text: str, offset: int) -> int:
    """The UTF-16 code unit at which code point ``offset`` of ``text`` stands."""
    return offset + sum(1 for character in text[:offset] if ord(character) > 0xFFFF)


def code_points(text: str, start: int, end: int, covered: str | None) -> tuple[int, int] | None:
    """``start`` and ``end`` in code points, whichever of the two the file counts in; None if the span does not lie in the text.

    ``covered`` is the text the file says the span covers; without it, code points are taken.
    """
    if 0 <= start <= end <= len(text) and (covered is None or _same(text[start:end], covered)):
        return start, end
    if covered is None:
        return None
    low, high = from_utf16(text, start), from_utf16(text, end)
    if low is not None and high is not None and _same(text[low:high], covered):
        return low, high
    return None


def _same(found: str, covered: str) -> bool:
    """Equal, but for how lines end: Label Studio writes a literal backslash-n for them."""
    return found == covered or found.replace("\r\n", "\n") == covered.replace("\\n", "\n").replace("\r\n", "\n")
