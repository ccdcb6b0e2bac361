"""YAML files people write (pilots, rubrics, gates), read strictly: every error names file, line and field, and says how to mend it.

Strict means: UTF-8 only, no duplicate keys, no custom tags, no aliases (a few lines of them can expand without bound), no NaN, no unknown keys.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pilotage.core.errors import InputError, NotFound

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Declaration:
    """A parsed YAML file: its plain value, and the line each part stands on."""

    path: Path
    value: Any
    lines: Mapping[Place, int]

    def where(self, place: Place) -> str:
        """``pilot.yaml:12 field 'target.url'``: the line of ``place``, or of the nearest part around it that exists."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        field = ".".join(str(part) for part in place)
        return f"{self.path.name}:{self.lines.get(known, 1)}" + (f" field '{field}'" if field else "")

    def error(self, place: Place, what: str, *, why: str | None = None, mend: str | None = None) -> InputError:
        """An ``InputError`` at ``place``."""
        return InputError(what, where=self.where(place), why=why, mend=mend)


def read_declaration(path: Path) -> Declaration:
    """Read a YAML file.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        If it is not UTF-8, not YAML, or holds a duplicate key, an alias, a tag or NaN.
    """
    import yaml

    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"The file {path.name} does not exist.", where=str(path), mend="check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path.name} is a folder, not a file.", where=str(path), mend="name the file in it") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError("The file is not valid UTF-8.", where=f"{path.name}:{line} byte {error.start}", mend="save it as UTF-8") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}" if mark else path.name
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(f"This is not YAML: {problem}.", where=where, mend="mend the syntax at that line") from error
    lines: dict[Place, int] = {}
    value = None if root is None else _build(path, root, (), lines, set())
    return Declaration(path, value, lines)


def _build(path: Path, node: Any, place: Place, lines: dict[Place, int], seen: set[int]) -> Any:
    import yaml

    line = node.start_mark.line + 1
    lines.setdefault(place, line)
    where = f"{path.name}:{line}"
    if id(node) in seen:
        raise InputError("YAML aliases are not accepted.", where=where, mend="write the value out where it is used")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            key_where = f"{path.name}:{key_node.start_mark.line + 1}"
            if key is None:
                raise InputError("A key must be plain text.", where=key_where)
            if key in built:
                raise InputError(f"The key '{key}' stands here twice.", where=key_where, why="one of the two would be ignored", mend="keep one")
            lines[(*place, key)] = key_node.start_mark.line + 1
            built[key] = _build(path, value_node, (*place, key), lines, seen)
        return built
    if isinstance(node, yaml.SequenceNode):
        return [_build(path, child, (*place, number), lines, seen) for number, child in enumerate(node.value)]
    return _scalar(node, where)


def _scalar(node: Any, where: str) -> Any:
    import yaml

    if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
        return node.value  # dates stay the text they were written as
    if node.tag == "tag:yaml.org,2002:bool" and node.value.lower() not in ("true", "false"):
        return node.value  # YAML 1.1 takes yes/no/on/off for booleans; in a rubric they are answers
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"This value cannot be read: {node.value!r}.", where=where, mend="use plain text, numbers, true/false or null") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("NaN and infinity are not values.", where=where, mend="leave the key out, or give a number")
    return value


def validate(declaration: Declaration, model: type[Model], *, place: Place = (), value: Any = None) -> Model:
    """The declaration (or its part at ``place``) as a ``model``.

    Raises
    ------
    InputError
        At the first field that does not fit, with its line; unknown keys name the closest known one.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(declaration.value if value is None else value)
    except ValidationError as error:
        # A misspelt key is also a missing one; naming the misspelling helps more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        loc = (*place, *(part for part in first["loc"] if not _is_union_tag(part, declaration, place)))
        if first["type"] == "extra_forbidden":
            raise declaration.error(
                loc, f"Unknown key '{loc[-1]}'.", why="it would be ignored", mend=_closest(str(loc[-1]), _known_keys(model, first["loc"][:-1]))
            ) from error
        if first["type"] == "missing":
            raise declaration.error(loc, f"The key '{loc[-1]}' is missing.", mend=f"add '{loc[-1]}:' here") from error
        raise declaration.error(loc, f"This value does not fit: {first['msg']}.", mend=_got(loc, first.get("input"))) from error


def _is_union_tag(part: str | int, declaration: Declaration, place: Place) -> bool:
    """Pydantic names the branch of a union in an error's place; it stands in no file."""
    return isinstance(part, str) and part not in {step for known in declaration.lines for step in known} and part[:1].isupper()


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
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


_PRIVATE = ("key", "token", "secret", "password")


def _got(loc: tuple[int | str, ...], value: Any) -> str | None:
    """What stands there now, unless it may be a secret: people write keys where the name of a variable belongs."""
    if any(word in str(part).lower() for part in loc for word in _PRIVATE):
        return None
    text = repr(value)
    return f"got {text if len(text) <= 60 else text[:57] + '...'}"
