"""Looking features up: values, their ages and what is to be said about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pilotage.core import InputError
from pilotage.features.algebra import aggregator_for
from pilotage.features.definition import FeatureView
from pilotage.features.online.database import DatabaseStore
from pilotage.features.online.entity import entity_key
from pilotage.features.online.state import Layout, read_state
from pilotage.features.online.store import OnlineStore, Stored
from pilotage.store import Workspace

OK: Final = "ok"
STALE: Final = "stale"
MISSING: Final = "missing"
VERSION: Final = "version"


def layout_of(view: FeatureView) -> Layout:
    """What ``view`` says about its stored states."""
    return Layout(
        rows=tuple(view.columns),
        aggregators={aggregate.name: aggregator_for(aggregate) for aggregate in view.aggregates},
        windows=tuple(aggregate.window_us for aggregate in view.aggregates),
        tile_us=view.tile_us,
        closed_right=view.closed == "right",
        ttl_us=view.ttl_us,
    )


class OnlineVector(msgspec.Struct, frozen=True):
    """One view's stored features for one entity.

    flag
        ``ok``; ``stale``: the latest row is older than the view's ttl, so its features are null; ``missing``: nothing is stored, so every feature is
        what it is over nothing (null, a count 0), as in training; ``version``: what is stored was made by another definition and is not served:
        all null.
    as_of_us
        The moment the values hold for: now, or the stored state's own moment where this clock is behind the writer's.
    row_event_us
        When the latest known row happened.
    made_us
        The moment the stored state was made for: what was available by then is in it.
    event_us, available_us, written_us
        The times the stored state is compared by, and when it was written.
    """

    entity: str
    values: tuple[Any, ...]
    flag: str
    as_of_us: int
    row_event_us: int | None
    made_us: int | None
    event_us: int | None
    available_us: int | None
    written_us: int | None


def feature_name(view: FeatureView, name: str) -> str:
    """What the feature ``name`` of ``view`` is called beside those of other views: as in a training set."""
    return f"{view.name}__{name}"


@dataclass(frozen=True)
class OnlineRows:
    """The stored features of several entities and views.

    ``vectors[i][j]`` is entity ``i``'s vector of ``views[j]``; ``features`` names the values of one row of :attr:`values`, views in order, as
    in a training set: ``<view>__<feature>``.
    """

    views: tuple[str, ...]
    features: tuple[str, ...]
    row_features: tuple[int, ...]
    vectors: tuple[tuple[OnlineVector, ...], ...]

    @property
    def values(self) -> list[tuple[Any, ...]]:
        """One tuple of values an entity, as :attr:`features` names them."""
        if len(self.views) == 1:
            return [row[0].values for row in self.vectors]
        return [tuple(value for vector in row for value in vector.values) for row in self.vectors]

    @property
    def flags(self) -> list[tuple[str, ...]]:
        """One flag a view, for each entity."""
        return [tuple(vector.flag for vector in row) for row in self.vectors]

    @property
    def ages_us(self) -> list[tuple[int | None, ...]]:
        """The age of each value in µs, for each entity: of a row feature since its row's event, of an aggregate since its state was made."""
        return [tuple(age for vector, rows in zip(row, self.row_features, strict=True) for age in _ages(vector, rows)) for row in self.vectors]

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One dict of feature to value an entity."""
        return (dict(zip(self.features, values, strict=True)) for values in self.values)

    def __str__(self) -> str:
        flags = [flag for row in self.flags for flag in row]
        counts = ", ".join(f"{flags.count(flag)} {flag}" for flag in (OK, STALE, MISSING, VERSION) if flag in flags)
        return f"{len(self)} entities of {', '.join(self.views)}: {counts or 'none asked for'}"


def _ages(vector: OnlineVector, rows: int) -> list[int | None]:
    def age(since: int | None) -> int | None:
        return None if since is None or vector.flag == VERSION else max(0, vector.as_of_us - since)

    return [age(vector.row_event_us)] * rows + [age(vector.made_us)] * (len(vector.values) - rows)


@dataclass(frozen=True)
class _Prepared:
    ref: str
    definition: str
    entity: tuple[str, ...]
    layout: Layout
    nothing: tuple[Any, ...]
    unknown: tuple[None, ...]


class OnlineReader:
    """Looks up stored features of the same views again and again; made once, used from any thread.

    Parameters
    ----------
    views
        The views to look up, in the order of their values.
    store
        Where they lie; default: the workspace's own database.
    """

    def __init__(self, workspace: Workspace, views: Sequence[FeatureView], *, store: OnlineStore | None = None) -> None:
        if not views:
            raise InputError("Name at least one feature view.")
        self._clock = workspace.clock
        self._store: OnlineStore = store or DatabaseStore(workspace)
        self._views = [_prepare(view) for view in views]
        names = [view.name for view in views]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise InputError(f"The view '{doubled[0]}' is asked for twice.", mend="look two versions of a view up one at a time")
        self.features = tuple(
            feature_name(view, name) for view in views for name in (*view.columns, *(aggregate.name for aggregate in view.aggregates))
        )

    def get(self, entities: Sequence[Mapping[str, Any]], *, now_us: int | None = None) -> OnlineRows:
        """The features of ``entities`` (mappings that hold the views' entity columns) at ``now_us`` (default: the workspace's clock).

        Cost: one statement a view, then some 2 µs an entity for row features and 10 µs a window for aggregates.

        Raises
        ------
        InputError
            If a key is missing, null, or not text, a whole number, a truth value or a date.
        IntegrityError
            If a stored state cannot be read.
        """
        now = self._clock.now_us() if now_us is None else now_us
        columns = [self._of_view(view, entities, now) for view in self._views]
        return OnlineRows(
            views=tuple(view.ref for view in self._views),
            features=self.features,
            row_features=tuple(len(view.layout.rows) for view in self._views),
            vectors=tuple(zip(*columns, strict=True)),
        )

    def _of_view(self, view: _Prepared, entities: Sequence[Mapping[str, Any]], now: int) -> list[OnlineVector]:
        keys = [entity_key(view.entity, entity) for entity in entities]
        return [_vector(view, key, stored, now) for key, stored in zip(keys, self._store.fetch(view.ref, keys), strict=True)]


def get_online(
    workspace: Workspace,
    views: Sequence[FeatureView],
    entities: Sequence[Mapping[str, Any]],
    *,
    now_us: int | None = None,
    store: OnlineStore | None = None,
) -> OnlineRows:
    """:meth:`OnlineReader.get` for a single call."""
    return OnlineReader(workspace, views, store=store).get(entities, now_us=now_us)


def _prepare(view: FeatureView) -> _Prepared:
    layout = layout_of(view)
    nothing = (*(None for _ in layout.rows), *(aggregator.finalize(aggregator.init()) for aggregator in layout.aggregators.values()))
    return _Prepared(view.ref, view.hash, view.entity, layout, nothing, (None,) * len(nothing))


def _vector(view: _Prepared, key: str, stored: Stored | None, now: int) -> OnlineVector:
    if stored is None:
        return OnlineVector(key, view.nothing, MISSING, now, None, None, None, None, None)
    times = (stored.event_us, stored.available_us, stored.written_us)
    if stored.definition != view.definition:
        return OnlineVector(key, view.unknown, VERSION, now, None, None, *times)
    read = read_state(view.layout, stored.blob, now)
    return OnlineVector(key, tuple(read.values), STALE if read.stale else OK, read.as_of_us, read.row_event_us, read.made_us, *times)
