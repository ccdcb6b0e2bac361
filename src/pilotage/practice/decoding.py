"""What the assistant can read besides plain text: encodings, disguises, and three languages.

This is its understanding, not its judgement: :mod:`pilotage.practice.model` decides whether to refuse. Everything here is a pure function of text.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_WORD = re.compile(r"[a-zà-öø-ÿœ0-9]+(?:['’-][a-zà-öø-ÿœ0-9]+)*", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_LEET = str.maketrans("431057@$", "aeiostas")
_LETTER = re.compile(r"[a-z]", re.IGNORECASE)
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


@dataclass(frozen=True)
class Reading:
    """What a text says once it is decoded.

    text
        The plain meaning: the decoded part where something was decoded, else the text itself.
    how
        Which disguises were taken off, in order: ``base64``, ``rot13``, ``reversed``, ``leetspeak``, ``invisible``, ``de``, ``es``, ``fr``.
    """

    text: str
    how: tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of ``text``, in lower case."""
    return _WORD.findall(text.lower())


def read(text: str) -> Reading:
    """Read ``text``, line by line. A decoded line is taken for the message: what stands around it only says how to decode it."""
    how: list[str] = []
    visible = text.translate(_INVISIBLE)
    if visible != text:
        how.append("invisible")
    visible = unicodedata.normalize("NFKC", visible)
    decoded: list[str] = []
    for line in visible.splitlines():
        plain, kind = _decode_line(line)
        if kind is not None:
            decoded.append(plain)
            how.append(kind)
    meaning = "\n".join(decoded) if decoded else visible
    language = _language(meaning)
    if language is not None:
        meaning = _translate(meaning, language)
        how.append(language)
    return Reading(meaning, tuple(dict.fromkeys(how)))


def _decode_line(line: str) -> tuple[str, str | None]:
    for match in _BASE64.finditer(line):
        plain = _from_base64(match.group(0))
        if plain is not None:
            return plain, "base64"
    if len(words(line)) < 3:
        return line, None
    plainness = _familiar(line)
    if plainness >= 0.5:
        return line, None
    candidates = {
        "rot13": codecs.encode(line, "rot13"),
        "reversed": line[::-1],
        "leetspeak": _unleet(line),
    }
    kind, plain = max(candidates.items(), key=lambda candidate: _familiar(candidate[1]))
    if _familiar(plain) >= max(0.5, plainness + 0.25):
        return plain, kind
    return line, None


def _unleet(line: str) -> str:
    """Letters for look-alike digits. A token of digits only stays a number, unless it is short and makes a known word (``15`` for "is")."""

    def read_token(token: re.Match[str]) -> str:
        plain = token.group(0).translate(_LEET)
        short_word = len(plain) < 3 and plain.lower() in _english()
        return plain if short_word or _LETTER.search(token.group(0)) else token.group(0)

    return re.sub(r"\S+", read_token, line)


def _from_base64(text: str) -> str | None:
    try:
        plain = base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return plain if plain.isprintable() and " " in plain else None


def _familiar(text: str) -> float:
    """The share of words in ``text`` that the assistant knows in any of its languages."""
    found = words(text)
    known = _vocabulary()
    return sum(word in known for word in found) / len(found) if found else 0.0


@cache
def _content(name: str) -> str:
    return files("pilotage.practice").joinpath("content", name).read_text(encoding="utf-8")


@cache
def _lexicon(language: str) -> dict[str, str]:
    lexicon: dict[str, str] = json.loads(_content("lexicon.json"))[language]
    return lexicon


@cache
def _vocabulary() -> frozenset[str]:
    known = set(_english())
    for language in ("de", "es", "fr"):
        for phrase in _lexicon(language):
            known.update(words(phrase))
    return frozenset(known)


def _language(text: str) -> str | None:
    """The foreign language most of the words belong to, or None for English."""
    found = words(text)
    if len(found) < 3:
        return None
    english = _english()
    foreign = {
        language: sum(word in single or word in phrases for word in found)
        for language in ("de", "es", "fr")
        for single, phrases in [_single_words(language)]
    }
    language, hits = max(foreign.items(), key=lambda entry: entry[1])
    return language if hits > sum(word in english for word in found) and hits / len(found) >= 0.5 else None


@cache
def _english() -> frozenset[str]:
    return frozenset(words(_content("knowledge.jsonl"))) | frozenset(words(_content("base.jsonl"))) | frozenset(words(_content("words.txt")))


@cache
def _single_words(language: str) -> tuple[frozenset[str], frozenset[str]]:
    lexicon = _lexicon(language)
    return frozenset(phrase for phrase in lexicon if " " not in phrase), frozenset(word for phrase in lexicon for word in words(phrase))


def _translate(text: str, language: str) -> str:
    """Word for word, longest phrase first; words the lexicon lacks are kept (names, numbers)."""
    lexicon = _lexicon(language)
    found = words(text)
    longest = max(len(phrase.split()) for phrase in lexicon)
    out: list[str] = []
    position = 0
    while position < len(found):
        for width in range(min(longest, len(found) - position), 0, -1):
            phrase = " ".join(found[position : position + width])
            if phrase in lexicon:
                if lexicon[phrase]:
                    out.append(lexicon[phrase])
                position += width
                break
        else:
            out.append(found[position])
            position += 1
    return " ".join(out)
