"""Key and time in one number, so that sorting, running maxima and binary searches by key and time are each one pass over one array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]
_LIMIT = 2**62


class Packing:
    """Key and time in one int64 that sorts by key, then time. Times are offsets where that fits, else ranks among the times there are."""

    def __init__(self, *times: Whole, keys: int) -> None:
        parts = [part for part in times if part.size]
        low = min((int(part.min()) for part in parts), default=0)
        high = max((int(part.max()) for part in parts), default=0)
        self._low, self._span = low, high - low + 3
        self._distinct: Whole | None = None
        if self._span * (keys + 1) >= _LIMIT:
            self._distinct = np.unique(np.concatenate(parts))
            self._span = self._distinct.size + 3

    def exact(self, key: Whole, time: Whole) -> Whole:
        """For times the packing was made of; as many keys as times."""
        packed = key * self._span
        packed += time if self._distinct is None else np.searchsorted(self._distinct, time)
        packed += 1 - self._low if self._distinct is None else 1
        return packed

    def at_most(self, key: Whole, time: Whole) -> Whole:
        """For any times: at or above every packed time of the key that is not after ``time``, and below all others."""
        if self._distinct is None:
            place = np.clip(time - self._low + 1, 0, self._span - 1)
        else:
            place = np.searchsorted(self._distinct, time, side="right")
        return key * self._span + place

    def at_least(self, key: Whole, time: Whole) -> Whole:
        """For any times: at or below every packed time of the key that is not before ``time``, and above all others."""
        if self._distinct is None:
            place = np.clip(time - self._low + 1, 0, self._span - 1)
        else:
            place = np.searchsorted(self._distinct, time, side="left") + 1
        return key * self._span + place
