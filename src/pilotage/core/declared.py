"""YAML files people write (pilots, rubrics, gates), read so that every complaint names file, line and field, and says how to mend it.

Values come with the line they stand on. A field nobody knows, a field twice, a wrong type: each is an :class:`InputError`. Aliases, tags and merge
keys are refused: what is not written plainly is not declared. ``yes`` and ``no`` are words here (YAML 1.1 would make them booleans; in a rubric they
are answers), dates stay the text they were written as, and NaN is not a value.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pilotage.core.errors import InputError, NotFound

if TYPE_CHECKING:
    import yaml
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)


LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Declared:
    """One value of the file: ``value`` is a dict or list of :class:`Declared`, or plain text, number, bool or None."""

    value: Any
    file: str
    line: int
    field: str

    @property
    def where(self) -> str:
        """``rubric.yaml:12 field 'questions[0].kind'``."""
        return f"{self.file}:{self.line}" + (f" field '{self.field}'" if self.field else "")

    def refuse(self, what: str, *, why: str | None = None, mend: str | None = None) -> NoReturn:
        """Raise ``InputError`` at this place."""
        raise InputError(what, where=self.where, why=why, mend=mend)

    def mapping(self, *, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Declared]:
        """This value as a mapping that has only ``known`` fields and all of ``required``."""
        if not isinstance(self.value, dict):
            self.refuse(f"This must be a mapping, not {_kind(self.value)}.", mend=f"write it with the fields: {', '.join(known)}")
        for name, entry in self.value.items():
            if name not in known:
                entry.refuse(f"Unknown field '{name}'.", mend=f"use: {', '.join(known)}")
        missing = [name for name in required if name not in self.value]
        if missing:
            self.refuse(f"The field '{missing[0]}' is missing.", mend=f"add '{missing[0]}:' here")
        return dict(self.value)

    def entries(self) -> list[Declared]:
        """This value as a list."""
        if not isinstance(self.value, list):
            self.refuse(f"This must be a list, not {_kind(self.value)}.", mend="write each entry on its own line, after '- '")
        return list(self.value)

    def text(self, *, one_of: tuple[str, ...] = ()) -> str:
        """This value as non-empty text, one of ``one_of`` where given."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.refuse(f"This must be text, not {_kind(self.value)}.", mend=f"use one of: {', '.join(one_of)}" if one_of else "put it in quotes")
        if one_of and self.value not in one_of:
            self.refuse(f"'{self.value}' is not known here.", mend=f"use one of: {', '.join(one_of)}")
        return str(self.value)

    def number(self, *, at_least: float | None = None, at_most: float | None = None) -> float:
        """This value as a finite number within the bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value in (float("inf"), float("-inf")):
            self.refuse(f"This must be a finite number, not {_kind(value)}.")
        if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
            span = " and ".join(
                part
                for part in (f"at least {at_least:g}" if at_least is not None else "", f"at most {at_most:g}" if at_most is not None else "")
                if part
            )
            self.refuse(f"{value} is out of range: it must be {span}.")
        return float(value)

    def whole(self, *, at_least: int = 0) -> int:
        """This value as a whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.refuse(f"This must be a whole number, not {_kind(self.value)}.")
        if self.value < at_least:
            self.refuse(f"{self.value} is out of range: it must be at least {at_least}.")
        return int(self.value)

    def at(self, *place: str | int) -> Declared:
        """The part at ``place``, or the nearest part around it that exists: where a complaint about it belongs."""
        if not place:
            return self
        step, *rest = place
        inside: Declared | None = None
        if isinstance(self.value, dict):
            inside = self.value.get(step)
        elif isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            inside = self.value[step]
        if inside is not None:
            return inside.at(*rest)
        path = self.field
        for part in place:
            path = f"{path}[{part}]" if isinstance(part, int) else (f"{path}.{part}" if path else part)
        return Declared(None, self.file, self.line, path)

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {name: entry.plain() for name, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value


def read_declared(path: str | Path) -> Declared:
    """The file's one document.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        If it is a folder, not UTF-8, not YAML, empty, holds several documents, or uses aliases, tags or a field twice.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                f"This file is larger than {LARGEST_FILE} bytes.", where=str(path), why="people write such files by hand", mend="name another"
            )
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"The file {path.name} does not exist.", where=str(path), mend="check the name, or create it") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError("This file is not valid UTF-8.", where=f"{path.name}:{line} byte {error.start}", mend="save it as UTF-8 text") from error
    except OSError as error:
        raise InputError(f"This file cannot be read: {error.strerror}", where=str(path), mend="name a file that can be read") from error
    return parse_declared(text, file=path.name)


def parse_declared(text: str, *, file: str) -> Declared:
    """As :func:`read_declared`, from text; ``file`` is the name complaints use."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            return _declared(node, file, "", seen=set())
    except RecursionError as error:
        raise InputError("This is nested too deep.", where=file, mend="write it flatter") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            f"This is not YAML: {error.problem}", where=f"{file}:{mark.line + 1}" if mark else file, mend="mend the YAML at this line"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"This is not YAML: {error}", where=file, mend="save it as plain UTF-8 YAML") from error
    raise InputError("This file is empty.", where=file, mend="see the documentation for an example to start from")


def _declared(node: yaml.Node, file: str, field: str, *, seen: set[int]) -> Declared:
    import yaml

    line = node.start_mark.line + 1
    here = Declared(None, file, line, field)
    if id(node) in seen:
        here.refuse("Anchors and aliases are not used here.", mend="write the value out")
    seen.add(id(node))
    if not isinstance(node, yaml.ScalarNode) and node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
        here.refuse(f"The tag {node.tag} is not used here.", mend="remove it")
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Declared] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                Declared(None, file, key_node.start_mark.line + 1, field).refuse("A field's name must be plain text.", mend="put it in quotes")
            name = str(key_node.value)
            child = f"{field}.{name}" if field else name
            if name in mapping:
                Declared(None, file, key_node.start_mark.line + 1, child).refuse(f"The field '{name}' is here twice.", mend="keep one of them")
            mapping[name] = _declared(value_node, file, child, seen=seen)
        return Declared(mapping, file, line, field)
    if isinstance(node, yaml.SequenceNode):
        return Declared([_declared(child, file, f"{field}[{index}]", seen=seen) for index, child in enumerate(node.value)], file, line, field)
    if not node.tag.startswith("tag:yaml.org,2002:"):
        here.refuse(f"The tag {node.tag} is not used here.", mend="remove it")
    if node.tag.endswith((":timestamp", ":binary")) or (node.tag.endswith(":bool") and node.value.lower() not in ("true", "false")):
        return Declared(str(node.value), file, line, field)
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        here.refuse(f"This value cannot be read: {error}", mend="put it in quotes if it is text")
    if isinstance(value, float) and not math.isfinite(value):
        here.refuse("NaN and infinity are not values.", mend="leave the field out, or give a number")
    return Declared(value, file, line, field)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {dict: "a mapping", list: "a list", str: "text", bool: "yes/no", int: "a whole number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def fit(declared: Declared, model: type[Model], *, value: Any = None) -> Model:
    """The declared value (or ``value`` in its place, where something was filled in) as a pydantic ``model``.

    Raises
    ------
    InputError
        At the first field that does not fit, with its line; an unknown field is told the closest known one.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(declared.plain() if value is None else value)
    except ValidationError as error:
        # A misspelt field is also a missing one; naming the misspelling helps more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        loc = _place(declared, first["loc"])
        here = declared.at(*loc)
        if first["type"] == "extra_forbidden":
            here.refuse(f"Unknown field '{loc[-1]}'.", why="it would be ignored", mend=_closest(str(loc[-1]), _known_fields(model, loc[:-1])))
        if first["type"] == "missing":
            declared.at(*loc).refuse(f"The field '{loc[-1]}' is missing.", mend=f"add '{loc[-1]}:' here")
        here.refuse(f"This value does not fit: {first['msg']}.", mend=_got(loc, first.get("input")))


def _place(declared: Declared, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """``loc`` without the names of a union's branches, which pydantic puts in and which stand in no file."""
    place: list[int | str] = []
    for number, part in enumerate(loc):
        inside = declared.at(*place).value
        is_last = number == len(loc) - 1
        if is_last or isinstance(part, int) or (isinstance(inside, dict) and part in inside):
            place.append(part)
    return tuple(place)


def _known_fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    from pydantic import BaseModel as Base

    current: Any = model
    for part in loc:
        field = getattr(current, "model_fields", {}).get(part) if isinstance(part, str) else None
        if field is None:
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [candidate for candidate in candidates if isinstance(candidate, type) and issubclass(candidate, Base)]
        if nested:
            current = nested[0]
    return list(getattr(current, "model_fields", {}))


def _closest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"use one of: {', '.join(known)}"


_PRIVATE = ("key", "token", "secret", "password", "_env")


def _got(loc: tuple[int | str, ...], value: Any) -> str | None:
    """What stands there now, unless it may be a secret: people write keys where the name of a variable belongs."""
    if any(word in str(part).lower() for part in loc for word in _PRIVATE):
        return None
    text = repr(value)
    return f"got {text if len(text) <= 60 else text[:57] + '...'}"
