"""Canonical JSON (RFC 8785) and the digests built on it.

Two equal values have one canonical form and so one digest, on every machine. NaN and infinities have no canonical form and are refused, as are
integers beyond the range a double represents exactly (RFC 8785 §3.2.2.3); keep such numbers as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
import rfc8785

from pilotage.core.errors import InputError

_encode = msgspec.json.Encoder(order="sorted").encode
_LARGEST = 2**53 - 1

# A value JSON can hold. ``Any`` inside: a recursive alias would force casts on every caller that reads a parsed document.
Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of ``value``.

    Raises
    ------
    InputError
        If ``value`` holds NaN, an infinity, an integer beyond ±(2**53 - 1), a lone surrogate or a type JSON does not have, or is nested too deep.
    """
    try:
        if _is_plain(value):
            # Text, small integers, booleans and null under ASCII keys: msgspec, told to sort, writes the same bytes ten times sooner.
            try:
                return _encode(value)
            except UnicodeEncodeError:
                pass  # a lone surrogate: refused below, with its reason
        return rfc8785.dumps(value)
    except RecursionError as error:
        raise InputError("This value is nested too deep.", why="it could be neither read nor hashed", mend="nest it less deep") from error
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise InputError(
            f"This value has no canonical JSON form: {error}",
            why="it could not be hashed the same way on every machine",
            mend="use text for very large integers, null for missing numbers, and valid Unicode",
        ) from error


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is dict:
        for name, inner in value.items():  # noqa: SIM110 - a loop, with no look inside text, is twice as fast, and every row that gets an id comes here
            if type(name) is not str or not name.isascii() or not (type(inner) is str or _is_plain(inner)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(type(inner) is str or _is_plain(inner) for inner in value)
    return kind is int and -_LARGEST <= value <= _LARGEST


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of ``data`` as 64 lower-case hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """The SHA-256 (hex) of the canonical JSON of ``value``."""
    return sha256_hex(canonical_json(value))


_MULTISET_BITS = 128
_MULTISET_MASK = (1 << _MULTISET_BITS) - 1


class MultisetDigest:
    """An order-free digest of rows: the sum mod 2**128 of each row's BLAKE2b-128, with the row count.

    Adding rows in any order, or merging the digests of two halves, gives the same result; a missing, changed or doubled row does not.
    It detects accident and bit rot, and edits by anybody who cannot also rewrite the ledger that holds the digest.
    """

    __slots__ = ("_sum", "count")

    def __init__(self) -> None:
        self._sum = 0
        self.count = 0

    @classmethod
    def of(cls, total: int, *, count: int) -> MultisetDigest:
        """The digest of ``count`` rows whose hashes, added up elsewhere, are ``total`` (0 to 2**128 - 1)."""
        made = cls()
        made._sum, made.count = total & _MULTISET_MASK, count
        return made

    def add(self, row: bytes) -> None:
        """Count one row, given as its canonical bytes."""
        self._sum = (self._sum + int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "big")) & _MULTISET_MASK
        self.count += 1

    def update(self, rows: Iterable[bytes]) -> None:
        """Count every row of ``rows``."""
        for row in rows:
            self.add(row)

    def merge(self, other: MultisetDigest) -> None:
        """Count every row that ``other`` counted."""
        self._sum = (self._sum + other._sum) & _MULTISET_MASK
        self.count += other.count

    def remove(self, other: MultisetDigest) -> None:
        """Take away every row that ``other`` counted."""
        self._sum = (self._sum - other._sum) & _MULTISET_MASK
        self.count -= other.count

    def hexdigest(self) -> str:
        """32 hexadecimal characters of the sum."""
        return f"{self._sum:032x}"
