"""Label Studio's labelling configuration: XML that comes from elsewhere, read without what XML can do to a reader.

A document type is refused, and with it every entity: none can expand, none can name a file. Size, depth and the number of tags are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat  # the parser itself: what it may do is switched off below

from pilotage.core import InputError

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 100
MAX_TAGS = 20_000


@dataclass
class Tag:
    """One element of the configuration."""

    name: str
    attributes: dict[str, str]
    children: list[Tag] = field(default_factory=list)

    def walk(self) -> list[Tag]:
        """The element and all within it, in the order of the text."""
        found, waiting = [], [self]
        while waiting:
            tag = waiting.pop()
            found.append(tag)
            waiting += reversed(tag.children)
        return found


def parse_config(text: str, *, where: str = "labelling configuration") -> Tag:
    """The configuration's root element. Raises ``InputError`` for what is no such configuration, or tries more than one is for."""
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The configuration is longer than {MAX_CHARACTERS:,} characters.", where=where, mend="shorten it")
    parser = expat.ParserCreate(encoding="utf-8")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    root: list[Tag] = []
    stack: list[Tag] = []
    count = 0

    def refuse(what: str) -> NoReturn:
        raise InputError(what, where=f"{where} line {parser.CurrentLineNumber}", mend="take it out: a labelling configuration needs none")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) >= MAX_DEPTH or count > MAX_TAGS:
            refuse("The configuration has too many tags, or nests them too deep.")
        tag = Tag(name, attributes)
        (stack[-1].children if stack else root).append(tag)
        stack.append(tag)

    def outside(*_: object) -> int:
        refuse("The configuration names something outside itself.")

    def end(_: str) -> None:
        stack.pop()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = lambda *_: refuse("The configuration declares a document type.")
    parser.EntityDeclHandler = lambda *_: refuse("The configuration declares an entity.")
    parser.ExternalEntityRefHandler = outside
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise InputError(f"The configuration is no XML: {expat.ErrorString(error.code)}.", where=f"{where} line {error.lineno}") from error
    return root[0]
