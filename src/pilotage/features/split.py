"""Which rows of a training set a model learns from, and which it is tried on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from pilotage.core import InputError, canonical_json

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS: Final = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True)
class Split:
    """How rows are split.

    by
        ``time``: the earliest moments train, the latest test; rows of one moment are never parted. ``entity``: by a hash of the key and the seed, so
        an entity is wholly in one part, whatever else is in the table. ``none``: every row trains.
    validation, test
        The shares of rows (time) or entities (entity), 0 to below 1 together.
    """

    by: Literal["time", "entity", "none"] = "time"
    validation: float = 0.0
    test: float = 0.2

    def __post_init__(self) -> None:
        if self.by not in ("time", "entity", "none"):
            raise InputError(f"A split is by time, entity or none, not {self.by!r}.")
        if not (self.validation >= 0.0 and self.test >= 0.0 and self.validation + self.test < 1.0):
            raise InputError("The shares of validation and test are 0 or more, and below 1 together.")

    def to_dict(self) -> dict[str, Any]:
        """The split as plain data."""
        return {"by": self.by, "validation": self.validation, "test": self.test} if self.by != "none" else {"by": "none"}

    def assign(self, *, moments: Any, entities: pl.DataFrame, seed: int) -> pl.Series:
        """``train``, ``validation`` or ``test`` for each row. The same rows get the same parts in any order."""
        if self.by == "none":
            return pl.Series("split", [TRAIN] * len(moments), dtype=pl.String)
        place = _time_shares(np.asarray(moments)) if self.by == "time" else _entity_shares(entities, seed)
        parts = np.where(place >= 1.0 - self.test, TEST, np.where(place >= 1.0 - self.test - self.validation, VALIDATION, TRAIN))
        return pl.Series("split", parts.astype(object), dtype=pl.String)


def _time_shares(moments: Any) -> Any:
    """For each row the share of rows strictly before its moment."""
    return np.searchsorted(np.sort(moments), moments, side="left") / max(len(moments), 1)


def _entity_shares(entities: pl.DataFrame, seed: int) -> Any:
    distinct = entities.unique(maintain_order=True)
    places = [_hashed(row, seed) for row in distinct.with_columns(pl.col(pl.Date).cast(pl.String)).iter_rows()]
    numbered = distinct.with_columns(pl.Series("__place", places, dtype=pl.Float64))
    return entities.join(numbered, on=entities.columns, how="left", maintain_order="left")["__place"].to_numpy()


def _hashed(key: tuple[Any, ...], seed: int) -> float:
    """A number from 0 to below 1 that depends on the key and the seed only."""
    digest = hashlib.blake2b(canonical_json([seed, *(str(part) for part in key)]), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
