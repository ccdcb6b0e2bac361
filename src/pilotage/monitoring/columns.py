"""Two samples of the same columns, side by side: numbers as floats, levels as codes, what is missing kept apart.

Times and columns that name things (keys, free text) are set aside with the reason: a time always moves, and every name is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from pilotage.core import InputError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MOST_LEVELS = 1000
SHOWN_LEVELS = 12


@dataclass(frozen=True)
class NumberPair:
    """A numeric column in both samples: values that are there (NaN counts as missing), and all rows with NaN where missing."""

    name: str
    reference: Floats
    production: Floats

    @cached_property
    def there(self) -> tuple[Floats, Floats]:
        """The values that are not missing."""
        return self.reference[~np.isnan(self.reference)], self.production[~np.isnan(self.production)]

    @property
    def missing(self) -> tuple[int, int]:
        """Missing values in each."""
        return len(self.reference) - len(self.there[0]), len(self.production) - len(self.there[1])


@dataclass(frozen=True)
class LevelPair:
    """A column of levels in both samples: codes into ``levels``, -1 where missing."""

    name: str
    reference: Codes
    production: Codes
    levels: tuple[str, ...]

    @property
    def counts(self) -> tuple[Codes, Codes]:
        """Rows per level in each."""
        k = len(self.levels)
        return (
            np.bincount(self.reference[self.reference >= 0], minlength=k),
            np.bincount(self.production[self.production >= 0], minlength=k),
        )

    @property
    def missing(self) -> tuple[int, int]:
        """Missing values in each."""
        return int((self.reference < 0).sum()), int((self.production < 0).sum())


Pair = NumberPair | LevelPair


@dataclass(frozen=True)
class Paired:
    """The columns two tables share.

    left_out
        Column -> why it is not compared.
    gone, new
        Columns only the reference has; only production has.
    retyped
        Column -> (type before, type now), where a number became levels or the other way round.
    """

    columns: tuple[Pair, ...]
    left_out: dict[str, str]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    retyped: dict[str, tuple[str, str]]
    n_reference: int
    n_production: int


def pair_columns(reference: pa.Table, production: pa.Table) -> Paired:
    """Put the columns of both tables side by side. Cost: one pass over each.

    Raises
    ------
    InputError
        If a numeric column holds an infinite value.
    """
    pairs: list[Pair] = []
    left_out: dict[str, str] = {}
    retyped: dict[str, tuple[str, str]] = {}
    there = set(production.column_names)
    for name in reference.column_names:
        if name not in there:
            continue
        first, second = reference[name], production[name]
        kinds = _kind(first.type), _kind(second.type)
        if "nothing" in kinds and kinds != ("nothing", "nothing"):  # a column of nulls has whatever type the other one has
            known = second.type if kinds[0] == "nothing" else first.type
            first, second = pc.cast(first, known), pc.cast(second, known)
            kinds = (_kind(known), _kind(known))
        if kinds[0] != kinds[1]:
            retyped[name] = (str(first.type), str(second.type))
        elif kinds[0] == "number":
            pairs.append(NumberPair(name, _floats(first, name), _floats(second, name)))
        elif kinds[0] == "level":
            made = _levels(name, first, second)
            if isinstance(made, str):
                left_out[name] = made
            else:
                pairs.append(made)
        else:
            left_out[name] = {"time": "a time always moves", "nothing": "it holds nothing"}.get(kinds[0], f"type {first.type} is not compared")
    return Paired(
        columns=tuple(pairs),
        left_out=left_out,
        gone=tuple(name for name in reference.column_names if name not in there),
        new=tuple(name for name in production.column_names if name not in set(reference.column_names)),
        retyped=retyped,
        n_reference=reference.num_rows,
        n_production=production.num_rows,
    )


def _kind(type_: pa.DataType) -> str:
    if pat.is_dictionary(type_):
        return _kind(type_.value_type)
    if pat.is_integer(type_) or pat.is_floating(type_) or pat.is_decimal(type_):
        return "number"
    if pat.is_boolean(type_) or pat.is_string(type_) or pat.is_large_string(type_) or pat.is_string_view(type_):
        return "level"
    if pat.is_temporal(type_):
        return "time"
    return "nothing" if pat.is_null(type_) else "other"


def _floats(column: pa.ChunkedArray, name: str) -> Floats:
    values = np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if np.isinf(values).any():
        raise InputError(
            "An infinite value cannot be compared.", where=f"column '{name}'", mend="find where it is made; leave it null if it is unknown"
        )
    return values


def _levels(name: str, reference: pa.ChunkedArray, production: pa.ChunkedArray) -> LevelPair | str:
    both = pa.chunked_array([*pc.cast(reference, pa.string()).chunks, *pc.cast(production, pa.string()).chunks], type=pa.string())
    encoded = pc.dictionary_encode(both).combine_chunks()
    levels = tuple(encoded.dictionary.to_pylist())
    if len(levels) > MOST_LEVELS and len(levels) > 0.2 * len(both):
        return f"{len(levels)} different values: it names things, so every window is new"
    codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    n = len(reference)
    return LevelPair(name, codes[:n], codes[n:], levels)


@dataclass(frozen=True)
class Matrix:
    """Both samples as numbers for a learner: (n, d); NaN where missing. ``owner[j]`` is the column that matrix column ``j`` comes from."""

    reference: Floats
    production: Floats
    owner: tuple[str, ...]


def to_matrix(pairs: tuple[Pair, ...]) -> Matrix:
    """Numbers as they are; of levels, an indicator for each of the most frequent (all others are the base)."""
    first: list[Floats] = []
    second: list[Floats] = []
    owner: list[str] = []
    for pair in pairs:
        if isinstance(pair, NumberPair):
            first.append(pair.reference)
            second.append(pair.production)
            owner.append(pair.name)
            continue
        counts = pair.counts[0] + pair.counts[1]
        for code in np.argsort(-counts, kind="stable")[:SHOWN_LEVELS]:
            first.append(np.where(pair.reference < 0, np.nan, pair.reference == code))
            second.append(np.where(pair.production < 0, np.nan, pair.production == code))
            owner.append(pair.name)
    return Matrix(np.column_stack(first), np.column_stack(second), tuple(owner))
