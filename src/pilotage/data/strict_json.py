"""Reading JSON strictly: no duplicate keys, no NaN or infinity, no number too large, no nesting that breaks the reader."""

from __future__ import annotations

import json
from typing import Any

from pilotage.data.contract import Problem


class _Bad(ValueError):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                raise _Bad(Problem(name, "the key stands twice in one object"))
            names.add(name)
    return found


def _constant(text: str) -> Any:
    raise _Bad(Problem(None, f"{text} is not JSON: write null for a missing number"))


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def parse_json(text: str) -> Any:
    """The value of ``text``, or the :class:`Problem` that keeps it from being one."""
    try:
        return _decoder.decode(text)
    except _Bad as bad:
        return bad.problem
    except json.JSONDecodeError as error:
        return Problem(None, f"not JSON: {error.msg} at character {error.pos}")
    except ValueError:  # int() refuses thousands of digits
        return Problem(None, "a number with too many digits; write it as text")
    except RecursionError:
        return Problem(None, "nested too deep")


def parse_object(text: str) -> dict[str, Any] | Problem:
    """As :func:`parse_json`, for text that must hold an object."""
    value = parse_json(text)
    if isinstance(value, dict | Problem):
        return value
    return Problem(None, f"expected an object, found {type(value).__name__}")
