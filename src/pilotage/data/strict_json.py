"""Reading JSON strictly: no duplicate keys, no NaN or infinity, no number too large, no nesting that breaks the reader."""

from __future__ import annotations

import json
from typing import Any

from pilotage.core import canonical_json
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


def exact_integer(text: str) -> int | float:
    """The number that ``text``, digits without fraction or exponent, stands for in canonical JSON.

    Canonical JSON writes the double 2**53 as ``9007199254740992``, so a whole number beyond the safe range is read as a double where the double
    is written with these very digits. Otherwise it stays an integer, which has no canonical form and is refused later.
    """
    value = int(text)
    if -_SAFE < value < _SAFE or len(text) > _LONGEST_PLAIN:
        return value
    double = float(value)
    return double if canonical_json(double).decode() == text else value


_SAFE = 2**53
_LONGEST_PLAIN = len("-100000000000000000000")  # RFC 8785: from 1e21 on, numbers are written with an exponent
_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=exact_integer)


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


def scan_json(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends.

    For readers that hold a part of a file: ``json.JSONDecodeError`` may mean that more is needed.

    Raises
    ------
    json.JSONDecodeError
        If no whole value stands there.
    ValueError
        If one does that is not strict JSON (a key twice, NaN, a number with thousands of digits).
    RecursionError
        If it is nested deeper than Python reads.
    """
    return _decoder.raw_decode(text, at)
