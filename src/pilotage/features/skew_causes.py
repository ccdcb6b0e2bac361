"""Why a served value differs from the one the batch path computes: hypotheses, each tested by computing again under it.

Every hypothesis is a way in which serving goes wrong, told as a change of what the batch path is given. If under it the batch path gives exactly
what was served, it explains that value. A feature's cause is the hypothesis that explains most of its differing values, the simpler one on a tie;
what none explains is ``unknown``. The hypotheses, simpler first:

``version``
    The value was made by another definition than the view's.
``null policy``
    A null was served as a constant or a constant as null, or nulls of the source were filled before computing.
``late data``
    Rows that arrived after newer ones were left out.
``staleness``
    The store had not been told of what was known by then: computed from what it had been told (its row's available time; nothing, if it had no row).
``time zone``
    The source's timestamps were read in another zone: all event times shifted by one of the world's offsets.

Cost: one join for each hypothesis (some 35), over the source rows of at most a few hundred differing vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from pilotage.features.definition import FeatureView
from pilotage.features.online.states import plain_times
from pilotage.features.point_in_time import point_in_time
from pilotage.features.rows import check_source

CAUSES: Final = ("version", "null policy", "late data", "staleness", "time zone", "unknown")
_MINUTES: Final = (*(60 * hours for hours in range(1, 15)), 210, 270, 330, 345, 570)
_FILLERS: Final = (0, False, "", -1)
_WORLD: Final = "__world"
_KNOWN_AT: Final = "__known_at"


@dataclass(frozen=True)
class Case:
    """A served vector with at least one differing value: when it was served, up to when its store had been told, and by which definition."""

    entity: str
    at_us: int
    known_us: int | None
    same_definition: bool
    served: Mapping[str, Any]
    recomputed: Mapping[str, Any]
    request_values: Mapping[str, Any]


@dataclass(frozen=True)
class Attribution:
    """How many differing values of a feature each cause explains best, the main one, and what more there is to say of it ("+2h")."""

    cause: str
    explained: Mapping[str, int]
    note: str = ""


def same(left: Any, right: Any) -> bool:
    """Whether two values are one: numbers exactly, null only with null, a truth value never with a number."""
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, Sequence) and not isinstance(left, str | bytes):
        return isinstance(right, Sequence) and len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def attribute(view: FeatureView, source: pl.DataFrame, cases: Sequence[Case], *, entity: str, time: str) -> dict[str, Attribution]:
    """The cause of each feature's differing values.

    Parameters
    ----------
    source
        The source's rows with the column ``entity`` (the key as text, as the cases name it).
    time
        The name to give the spine's moments.
    """
    differing = {
        name: [i for i, case in enumerate(cases) if name in case.served and not same(case.served[name], case.recomputed[name])]
        for name in view.features
    }
    differing = {name: found for name, found in differing.items() if found}
    explained: dict[str, dict[str, set[int]]] = {name: {} for name in differing}
    for cause, note, given in _hypotheses(view, source, cases, entity=entity, time=time):
        for name, found in differing.items():
            hit = {i for i in found if given(name, i)}
            if hit:
                explained[name][f"{cause}|{note}"] = hit
    return {name: _decide(differing[name], explained[name]) for name in differing}


def _decide(differing: Sequence[int], explained: Mapping[str, set[int]]) -> Attribution:
    """The hypothesis that explains most values takes them; then the one that explains most of the rest; and so on."""
    left = set(differing)
    counts: Counter[str] = Counter()
    first = ""
    while left:
        ranked = sorted(explained, key=lambda key: (-len(explained[key] & left), CAUSES.index(key.partition("|")[0])))
        if not ranked or not explained[ranked[0]] & left:
            break
        # Among equals the simpler hypothesis, and of one hypothesis with a free parameter the first tried, the nearest to none.
        best = ranked[0]
        first = first or best
        counts[best.partition("|")[0]] += len(explained[best] & left)
        left -= explained[best]
    if left:
        counts["unknown"] += len(left)
    cause = counts.most_common(1)[0][0]
    note = first.partition("|")[2] if first.startswith(cause) else ""
    return Attribution(cause, dict(counts), note)


_Explains = Callable[[str, int], bool]


def _hypotheses(view: FeatureView, source: pl.DataFrame, cases: Sequence[Case], *, entity: str, time: str) -> Iterator[tuple[str, str, _Explains]]:
    yield "version", "", lambda name, i: not cases[i].same_definition
    yield "null policy", "a constant in place of null", lambda name, i: _null_for_constant(cases[i].served[name], cases[i].recomputed[name])

    worlds = _Worlds(view, source, cases, entity=entity, time=time)
    yield "null policy", "nulls of the source filled", worlds.explains(_filled(view, worlds.rows))
    in_order = worlds.rows.sort(_KNOWN_AT, view.event_time, maintain_order=True)
    newest = pl.col(view.event_time).cum_max().over(_WORLD)
    yield "late data", "", worlds.explains(in_order.filter(pl.col(view.event_time) >= newest))
    told = pl.DataFrame({_WORLD: range(len(cases)), "__told": [case.known_us for case in cases]}, schema={_WORLD: pl.Int64, "__told": pl.Int64})
    known = worlds.rows.join(told, on=_WORLD, maintain_order="left").filter(pl.col(_KNOWN_AT).dt.epoch("us") <= pl.col("__told"))
    yield "staleness", "", worlds.explains(known)
    stamps = [name for name in view.source_columns() if isinstance(source.schema[name], pl.Datetime) and name != view.available_time]
    for minutes in _MINUTES:
        for sign in (1, -1):
            moved = worlds.rows.with_columns(pl.col(stamps) + pl.duration(minutes=sign * minutes))
            yield "time zone", f"{'+' if sign > 0 else '-'}{minutes // 60}:{minutes % 60:02}", worlds.explains(moved)


def _null_for_constant(served: Any, recomputed: Any) -> bool:
    pair = (served, recomputed)
    if (served is None) is (recomputed is None):
        return False
    there = pair[0] if pair[1] is None else pair[1]
    return any(same(there, filler) for filler in _FILLERS) or (isinstance(there, float) and there in (0.0, -1.0))


def _filled(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    times = {view.event_time, view.available_time, view.sequence, *view.entity}
    fills = [
        pl.col(name).fill_null("" if dtype == pl.String else False if dtype == pl.Boolean else 0)
        for name, dtype in rows.schema.items()
        if name not in times and (dtype.is_numeric() or dtype in (pl.String, pl.Boolean))
    ]
    return rows.with_columns(fills)


class _Worlds:
    """Each case beside its own copy of its entity's rows, so that every case can be computed under conditions of its own in one join."""

    def __init__(self, view: FeatureView, source: pl.DataFrame, cases: Sequence[Case], *, entity: str, time: str) -> None:
        keys = pl.DataFrame({_WORLD: range(len(cases)), entity: [case.entity for case in cases]}, schema={_WORLD: pl.Int64, entity: pl.String})
        mine = source.filter(pl.col(entity).is_in(keys[entity].unique().implode()))
        # When each row was known is written out, so that a hypothesis about event times does not move it along with them.
        known = pl.Series(_KNOWN_AT, check_source(mine, view).available).cast(pl.Datetime("us", "UTC"))
        placed = mine.with_columns(known).with_row_index("__place").join(keys, on=entity, maintain_order="left")
        self.rows = placed.sort(_WORLD, "__place")
        self._view = replace(view, entity=(_WORLD,), available_time=_KNOWN_AT, available_lag=None)
        self._cases = cases
        self._time = time
        self._spine = pl.DataFrame(
            [
                pl.Series(_WORLD, range(len(cases)), dtype=pl.Int64),
                pl.Series(time, [case.at_us for case in cases], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
                *request_columns(view, cases),
            ]
        )

    def explains(self, rows: pl.DataFrame) -> _Explains:
        """Whether a case's served value is what the batch path makes of ``rows``."""
        made = point_in_time(self._spine, rows, self._view, time=self._time)
        values = plain_times(made, self._view.features).select(list(self._view.features)).to_dict(as_series=False)
        return lambda name, i: same(self._cases[i].served[name], values[name][i])


_TYPES: Final[Mapping[str, Any]] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "bool": pl.Boolean,
    "text": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
    "date": pl.Date,
}


def request_columns(view: FeatureView, cases: Sequence[Any]) -> list[pl.Series]:
    """The logged request values of ``cases`` as columns; a value that was not logged (it was personal) is null."""
    return [
        pl.Series(name, [case.request_values.get(name) for case in cases], dtype=_TYPES.get(kind, pl.String))
        for name, kind in view.request_inputs.items()
    ]
