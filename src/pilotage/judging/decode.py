"""Other ways to read a text: what it says once zero-width characters, look-alike letters, base64, ROT13, reversal and the like are undone.

A secret that leaves encoded has left. Each reading names how it was reached. Undoing is bounded: two layers deep, a few readings of each.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_LONGEST = 100_000
_DEPTH = 2
_MOST = 64

# Letters of other scripts that look like Latin ones: the ones in use for disguise, not the whole Unicode table.
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһӏвкмнтАВЕКМНОРСТУХІЈЅοανικτρυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhlbkmhtABEKMHOPCTYXIJSoaviktpuxABEZHIKMNOPTYX",
)
_LEET = str.maketrans("4@831!|l05$7+9", "aabeiiiiossttg")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{16,}={0,6}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){6,}")
_BINARY = re.compile(r"(?:[01]{8}\s?){5,}")
_TAG_FIRST, _TAG_LAST = 0xE0020, 0xE007E


@dataclass(frozen=True)
class Reading:
    """The text, read in one way. ``how`` is ``plain``, or the steps joined by `` + ``."""

    text: str
    how: str


def visible(text: str) -> str:
    """``text`` in NFKC without zero-width and other format characters: what a reader sees."""
    return "".join(character for character in unicodedata.normalize("NFKC", text) if unicodedata.category(character) != "Cf")


def tokens(text: str) -> list[str]:
    """The words of ``text``, case folded."""
    return re.findall(r"\w+", text.casefold())


def squeezed(text: str) -> str:
    """Letters and digits of ``text`` only, case folded: blind to spacing and punctuation."""
    return "".join(character for character in text.casefold() if character.isalnum())


def leet_undone(text: str) -> str:
    """``text`` with digits and signs that stand for letters replaced. Undo both sides before comparing: digits and some letters run together."""
    return text.casefold().translate(_LEET)


def readings(text: str) -> list[Reading]:
    """The ways to read ``text``, the plain one first. Cost: a few passes over at most 100,000 characters."""
    text = text[:_LONGEST]
    found = [Reading(visible(text), "plain")]
    seen = {found[0].text}
    tagged = "".join(chr(ord(character) - 0xE0000) for character in text if _TAG_FIRST <= ord(character) <= _TAG_LAST)
    if len(tagged) >= 4:
        found.append(Reading(tagged, "tag characters"))
        seen.add(tagged)
    layer = list(found)
    for _ in range(_DEPTH):
        deeper: list[Reading] = []
        for reading in layer:
            for step, undone in _undo(reading.text):
                if undone not in seen and len(found) + len(deeper) < _MOST:
                    seen.add(undone)
                    deeper.append(Reading(undone, step if reading.how == "plain" else f"{reading.how} + {step}"))
        found += deeper
        layer = deeper
    return found


def _undo(text: str) -> Iterator[tuple[str, str]]:
    folded = text.translate(_LOOK_ALIKES)
    if folded != text:
        yield "look-alike letters", folded
    yield from _runs(text)
    if "%" in text and unquote(text) != text:
        yield "percent-encoding", unquote(text)
    yield "reversed", text[::-1]
    yield "rot13", codecs.encode(text, "rot13")


def _runs(text: str) -> Iterator[tuple[str, str]]:
    for name, pattern, undo in (
        ("binary", _BINARY, lambda run: bytes(int(bits, 2) for bits in re.findall("[01]{8}", run))),
        ("hexadecimal", _HEX, lambda run: bytes.fromhex(re.sub(r"[\s:]", "", run))),
        ("base32", _BASE32, lambda run: base64.b32decode(run.rstrip("=") + "=" * (-len(run.rstrip("=")) % 8))),
        ("base64", _BASE64, _from_base64),
    ):
        decoded = [plain for run in pattern.findall(text)[:_MOST] if (plain := _as_text(undo, run)) is not None]
        if decoded:
            yield name, " ".join(decoded)


def _from_base64(run: str) -> bytes:
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def _as_text(undo: object, run: str) -> str | None:
    """The decoded run if it is readable text; most runs that could be base64 are only words."""
    if not callable(undo):
        return None
    try:
        plain: str = undo(run).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    readable = sum(character.isprintable() or character in "\n\t" for character in plain)
    return plain if plain and readable == len(plain) else None
