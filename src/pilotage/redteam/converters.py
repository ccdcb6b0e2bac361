"""Converters: small, deterministic changes to an attack's text, and the grammar that says which may follow which.

A chain is ``SEMANTIC* SURFACE* ENCODE? WRAP* CARRIER?``: first what is said, then how it is spelt, then its encoding, then the text around it, then
the document that carries it. Every converter has an exact inverse, or declares what it loses. An unknown id, a wrong order, a second encoding or a
wrap without its slot is refused, never skipped.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from pilotage.core import InputError

SLOT = "{payload}"


class Stage(IntEnum):
    """Where in a chain a converter may stand. Only ``ENCODE`` and ``CARRIER`` may stand once only."""

    SEMANTIC = 0
    SURFACE = 1
    ENCODE = 2
    WRAP = 3
    CARRIER = 4


_ONCE = frozenset({Stage.ENCODE, Stage.CARRIER})


@dataclass(frozen=True)
class Converter:
    """One change to a text.

    id, version
        What a technique names it by. Another behaviour is another version.
    stage
        Its place in the grammar.
    encode
        The change.
    decode
        Its exact inverse on all Unicode text, or None.
    loss
        What cannot be got back, where there is no inverse.
    """

    id: str
    version: int
    stage: Stage
    encode: Callable[[str], str]
    decode: Callable[[str], str] | None = None
    loss: str | None = None

    def __post_init__(self) -> None:
        if (self.decode is None) == (self.loss is None):
            raise InputError(f"Converter '{self.id}' must have an inverse or declare its loss, one of the two.", where=self.id)


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _from_base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _reverse(text: str) -> str:
    return text[::-1]


_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_ZERO_WIDTH = "\u200b"


def wrap(identifier: str, template: str, *, version: int = 1, stage: Stage = Stage.WRAP) -> Converter:
    """A converter that puts the text into ``template`` at ``{payload}``.

    Raises
    ------
    InputError
        If the template does not hold the slot exactly once, or the stage is neither ``WRAP`` nor ``CARRIER``.
    """
    if template.count(SLOT) != 1:
        raise InputError(
            f"The wrap '{identifier}' must hold {SLOT} exactly once; it holds it {template.count(SLOT)} times.",
            where=identifier,
            why="without the slot the attack would be sent without its objective",
        )
    if stage not in (Stage.WRAP, Stage.CARRIER):
        raise InputError(f"A template is a wrap or a carrier, not {stage.name.lower()}.", where=identifier)
    before, after = template.split(SLOT)

    def encode(text: str) -> str:
        return f"{before}{text}{after}"

    def decode(text: str) -> str:
        if not (text.startswith(before) and text.endswith(after) and len(text) >= len(before) + len(after)):
            raise InputError(f"This text is not in the wrap '{identifier}'.", where=identifier)
        return text[len(before) : len(text) - len(after)]

    return Converter(identifier, version, stage, encode, decode)


BUILT_IN: Mapping[str, Converter] = {
    converter.id: converter
    for converter in (
        Converter("leetspeak", 1, Stage.SURFACE, lambda text: text.translate(_LEET), loss="letter case, and which digits were digits before"),
        Converter("zero_width", 1, Stage.SURFACE, lambda text: _ZERO_WIDTH.join(text), loss="zero-width spaces that were there before"),
        Converter("base64", 1, Stage.ENCODE, _to_base64, _from_base64),
        Converter("rot13", 1, Stage.ENCODE, _rot13, _rot13),
        Converter("reversed", 1, Stage.ENCODE, _reverse, _reverse),
    )
}


@dataclass(frozen=True)
class Chain:
    """Converters in a valid order. Make one with :func:`chain`."""

    converters: tuple[Converter, ...]

    def encode(self, text: str) -> str:
        """``text`` after every converter, first to last."""
        for converter in self.converters:
            text = converter.encode(text)
        return text

    def decode(self, text: str) -> str:
        """The text before: the inverse of :meth:`encode`. Raises ``InputError`` if a converter has none."""
        for converter in reversed(self.converters):
            if converter.decode is None:
                raise InputError(f"Converter '{converter.id}' has no inverse: it loses {converter.loss}.", where=converter.id)
            text = converter.decode(text)
        return text

    @property
    def id(self) -> str:
        """``base64@1+ask_to_decode@1``: the steps and their versions; ``plain`` for none."""
        return "+".join(f"{converter.id}@{converter.version}" for converter in self.converters) or "plain"


def chain(steps: Sequence[str | Converter], *, known: Mapping[str, Converter] = BUILT_IN) -> Chain:
    """Check ``steps`` (ids of ``known`` converters, or converters) against the grammar.

    Raises
    ------
    InputError
        On an empty or unknown step, a step out of order (a semantic change after an encoding, say), or a second encoding or carrier.
    """
    found: list[Converter] = []
    for position, step in enumerate(steps, start=1):
        where = f"chain step {position}"
        if isinstance(step, str):
            if step not in known:
                raise InputError(
                    f"Unknown converter {step!r}.",
                    where=where,
                    why="a step that is skipped would change what was tried",
                    mend=f"use one of: {', '.join(sorted(known))}",
                )
            step = known[step]
        elif not isinstance(step, Converter):
            raise InputError(f"A step is a converter or its id, not {type(step).__name__}.", where=where)
        if found:
            last = found[-1]
            if step.stage < last.stage:
                raise InputError(
                    f"'{step.id}' ({step.stage.name.lower()}) cannot follow '{last.id}' ({last.stage.name.lower()}).",
                    where=where,
                    why="it would change the encoded text or the text around it, not the message",
                    mend="the order is semantic, surface, encode, wrap, carrier",
                )
            if step.stage == last.stage and step.stage in _ONCE:
                raise InputError(f"A chain has one {step.stage.name.lower()} step; '{last.id}' is there already.", where=where)
        found.append(step)
    return Chain(tuple(found))
