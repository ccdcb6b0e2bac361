"""The point-in-time join: for each row of a spine, the features as they were known at that row's moment ``T``, and not a microsecond later.

Two times decide. A row of the source is *known at T* when it had happened (event time before ``T``; at ``T`` too with ``closed="right"``) and had
become available (available time at or before ``T``). Of the known rows of the entity the one with the largest (event, available, sequence) wins; it
is null when it is older than the view's ``ttl``.

Algorithm (own; O((n + m) log n) whatever the number of rows per key): ``k = max(available, event [+ 1 µs for closed left])`` is the moment from which
a row is known. Rows are sorted by key and ``k``; a row whose event lies before the running maximum of its key's events can never win, because a row
known no later happened after it, and is dropped; rows with equal ``k`` keep their winner. Then the winner at ``T`` is simply the last row with
``k <= T``, which is what makes a plain binary search exact. Key and time are packed into one 64-bit number, so that sort, running maximum and search
are each one pass over one array.

The answer is checked every time: as many rows as the spine has, in its order, and no row's value from another key, from after ``T``, not yet
available at ``T``, or older than the ttl. What fails the check is never returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import polars as pl

from pilotage.core import InputError, IntegrityError
from pilotage.features.definition import FeatureView
from pilotage.features.packing import Packing
from pilotage.features.rows import SourceRows, Whole, check_keys, check_source, kinds_of, known_from, microseconds
from pilotage.features.windows import window_features

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
SOURCE_ROW = "__source_row"


def point_in_time(spine: Frame, source: Frame, view: FeatureView, *, time: str | None = None, source_rows: bool = False) -> Frame:
    """``spine`` with the features of ``view``, each as known at the row's own moment.

    Parameters
    ----------
    spine
        Rows with the view's entity columns and a moment; keys and moments may repeat. Its rows keep their order and number.
    source
        The rows of the view's source, in the source's order.
    time
        The spine's column of moments ``T`` (timestamp with a zone). Default: the name of the view's event time.
    source_rows
        Also give ``__source_row``: the position in ``source`` of the row that the column features come from, null where none was known.

    With lazy frames the result is lazy, and what is refused is refused when it is collected.

    Raises
    ------
    InputError
        If columns are missing or clash, keys are null or floats, or timestamps have no zone.
    Refused
        If a row's availability is not known.
    IntegrityError
        If the answer failed its own check.

    Cost: O(n log n) time and about 60 bytes a source row of memory beyond the frames.
    """
    if isinstance(spine, pl.LazyFrame) or isinstance(source, pl.LazyFrame):
        lazy_spine, lazy_source = spine.lazy(), source.lazy()

        def joined() -> pl.DataFrame:
            needed = lazy_source.select(view.source_columns()).collect()
            return _join(lazy_spine.collect(), needed, view, time=time, source_rows=source_rows)

        empty = _join(lazy_spine.clear().collect(), lazy_source.clear().collect(), view, time=time, source_rows=source_rows)
        return pl.defer(joined, schema=empty.schema)
    return _join(spine, source, view, time=time, source_rows=source_rows)


def _join(spine: pl.DataFrame, source: pl.DataFrame, view: FeatureView, *, time: str | None, source_rows: bool) -> pl.DataFrame:
    moments = check_spine(spine, view, time=time)
    rows = check_source(source, view)
    keys = pack_keys(spine, rows.frame, view.entity)
    made: list[pl.Series] = []
    if view.columns or source_rows:
        winner = latest_rows(rows, keys, moments, view)
        made += _column_features(rows, winner, view)
        if source_rows:
            made.append(pl.Series(SOURCE_ROW, winner, dtype=pl.Int64).set(pl.Series(winner < 0), None))
    if view.aggregates:
        made += window_features(rows, spine_key=keys.spine, source_key=keys.source, moments=moments, view=view)
    result = spine.with_columns(made)
    result = add_request_features(result, view)
    if result.height != spine.height:
        raise IntegrityError(f"The join made {result.height} rows of {spine.height}.", where=f"view '{view.ref}'", mend="report this: it is a bug")
    return result


def check_spine(spine: pl.DataFrame, view: FeatureView, *, time: str | None = None) -> Whole:
    """The spine's moments in microseconds, after checking its keys and names."""
    check_keys(spine, view.entity, what="spine")
    clash = sorted({*view.features, SOURCE_ROW} & set(spine.columns))
    if clash:
        raise InputError(
            f"The spine already has a column '{clash[0]}'.",
            why="a feature of the same name would hide it",
            mend="rename the column of the spine",
        )
    missing = sorted(set(view.request_inputs) - set(spine.columns)) if view.request else []
    if missing:
        raise InputError(
            f"The spine has no column '{missing[0]}', which the view's request features need.",
            where=f"view '{view.ref}'",
            mend="add the value the request had at that moment to the spine",
        )
    return microseconds(spine, time or view.event_time, what="spine")


@dataclass(frozen=True)
class Keys:
    """The entity of each row as a number from 0, the same in spine and source; -1 for a source row whose entity is not in the spine."""

    spine: Whole
    source: Whole
    count: int


def pack_keys(spine: pl.DataFrame, source: pl.DataFrame, entity: tuple[str, ...]) -> Keys:
    """Number the entities. Raises ``InputError`` where the two sides' keys are of different kinds, which would match nothing."""
    mine, theirs = kinds_of(spine.schema), kinds_of(source.schema)
    for name in entity:
        if mine[name] != theirs[name]:
            raise InputError(
                f"The key '{name}' is {mine[name]} in the spine and {theirs[name]} in the source.",
                why="no row would find its features",
                mend="give both the same type",
            )
    if len(entity) == 1 and mine[entity[0]] == "int" and spine.height:
        direct = _whole_keys(spine[entity[0]], source[entity[0]])
        if direct is not None:
            return direct
    left = spine.select(pl.col(name).cast(source.schema[name]) for name in entity)
    known = left.unique(maintain_order=True).with_row_index("__key")

    def numbered(frame: pl.DataFrame) -> Whole:
        found = frame.select(entity).join(known, on=list(entity), how="left", maintain_order="left")
        return found["__key"].cast(pl.Int64).fill_null(-1).to_numpy()

    return Keys(spine=numbered(left), source=numbered(source), count=known.height)


def _whole_keys(spine: pl.Series, source: pl.Series) -> Keys | None:
    """Whole-number keys that lie close together are their own numbers: no table of keys is needed. None where they lie far apart."""
    asked, there = spine.cast(pl.Int64).to_numpy(), source.cast(pl.Int64).to_numpy()
    low, high = int(asked.min()), int(asked.max())
    if high - low >= max(4 * (spine.len() + source.len()), 1_000):
        return None
    inside = (there >= low) & (there <= high)
    return Keys(spine=asked - low, source=there - low if inside.all() else np.where(inside, there - low, -1), count=high - low + 1)


def latest_rows(rows: SourceRows, keys: Keys, moments: Whole, view: FeatureView) -> Whole:
    """For each spine row the position of the source row that wins at its moment, or -1: checked."""
    used = keys.source >= 0
    whole = bool(used.all())
    mine = np.flatnonzero(used) if not whole else np.zeros(0, dtype=np.int64)
    taken: Any = slice(None) if whole else mine
    key, event, known = keys.source[taken], rows.event[taken], known_from(rows, view)[taken]
    packing = Packing(known, event, keys=keys.count)
    packed, happened = packing.exact(key, known), packing.exact(key, event)
    order = pl.Series(packed).arg_sort().to_numpy().astype(np.int64)  # numpy gathers by int64 three times as fast
    packed = packed[order]
    tied = np.flatnonzero(packed[1:] == packed[:-1])
    if tied.size:
        order, packed = _keep_winners(order, packed, tied, event, rows.available[taken], rows.sequence[taken])
    happened = happened[order]
    alive = happened >= np.maximum.accumulate(happened) if happened.size else np.zeros(0, dtype=bool)
    order, packed = order[alive], packed[alive]
    wanted = packing.at_most(keys.spine, moments)
    place = _search(packed, wanted)
    winner = np.full(moments.size, -1, dtype=np.int64)
    some = place >= 0
    candidate = mine[order[place[some]]] if not whole else order[place[some]]
    same = keys.source[candidate] == keys.spine[some]
    winner[np.flatnonzero(some)[same]] = candidate[same]
    if view.ttl_us is not None:
        found = np.flatnonzero(winner >= 0)
        winner[found[moments[found] - rows.event[winner[found]] > view.ttl_us]] = -1
    _check_winners(winner, rows, keys, moments, view)
    return winner


def _search(packed: Whole, wanted: Whole) -> Whole:
    """The place of the last entry at or below each wanted one, -1 for none. Asked in order, which a processor's cache rewards."""
    order = pl.Series(wanted).arg_sort().to_numpy().astype(np.int64)
    place = np.empty(wanted.size, dtype=np.int64)
    place[order] = np.searchsorted(packed, wanted[order], side="right") - 1
    return place


def _keep_winners(order: Whole, packed: Whole, tied: Whole, event: Whole, available: Whole, sequence: Whole) -> tuple[Whole, Whole]:
    """Of rows with equal key and ``k``: the largest (event, available, sequence, position). Sorts only the rows that tie."""
    touched = np.zeros(order.size, dtype=bool)
    touched[tied] = touched[tied + 1] = True
    places = np.flatnonzero(touched)
    position = order[places]
    ranked = np.lexsort((position, sequence[position], available[position], event[position], packed[places]))
    group = packed[places][ranked]
    last = np.append(group[1:] != group[:-1], True)
    keep = ~touched
    keep[places[last]] = True  # one place for each group; its winner is put there
    order = order.copy()
    order[places[last]] = position[ranked[last]]
    return order[keep], packed[keep]


def _check_winners(winner: Whole, rows: SourceRows, keys: Keys, moments: Whole, view: FeatureView) -> None:
    found = winner >= 0
    row, moment = winner[found], moments[found]
    event = rows.event[row]
    broken = {
        "another entity's row": keys.source[row] != keys.spine[found],
        "a row that was not yet available": rows.available[row] > moment,
        "a row that had not happened": event >= moment if view.closed == "left" else event > moment,
    }
    if view.ttl_us is not None:
        broken["a row older than the ttl"] = moment - event > view.ttl_us
    for what, where in broken.items():
        if where.any():
            raise IntegrityError(
                f"The point-in-time join picked {what} for {int(where.sum())} of {moments.size} rows.",
                where=f"view '{view.ref}', spine row {int(np.flatnonzero(found)[where][0])}",
                why="a training set of it would teach a model the future",
                mend="nothing was returned; report this: it is a bug",
            )


def _column_features(rows: SourceRows, winner: Whole, view: FeatureView) -> list[pl.Series]:
    if not view.columns:
        return []
    found = winner >= 0
    columns = list(dict.fromkeys(name for expression in view.columns.values() for name in expression.columns()))
    # The expressions run on the winners only; where there is none the feature is null, whatever the expression makes of nulls.
    taken = rows.frame.select(columns)[np.where(found, winner, 0)] if rows.frame.height else rows.frame.select(columns).clear(winner.size)
    there = pl.Series("__found", found)
    made = (
        taken.with_columns(there)
        .lazy()
        .select(pl.when(pl.col("__found")).then(expression.to_polars(rows.kinds)).alias(name) for name, expression in view.columns.items())
    )
    return made.collect().get_columns()


def add_request_features(frame: pl.DataFrame, view: FeatureView) -> pl.DataFrame:
    """``frame`` with the view's request features, from its columns of request inputs and of the view's other features."""
    for name, expression in view.request.items():
        kinds = kinds_of(frame.schema)
        frame = frame.with_columns(expression.to_polars(kinds).alias(name))
    return frame
