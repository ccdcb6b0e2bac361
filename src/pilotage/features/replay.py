"""The release test of a feature view: the same history through the batch, the micro-batch and the request path, equal bit for bit.

Golden entities and moments are chosen by a seed from the source itself, with the moments where paths come apart: at an event, at the microsecond it
becomes available, just after, at the edge of a tile. Each feature at each (entity, moment) is computed three times:

* **batch**: the point-in-time join that makes training sets, over the whole source;
* **stream**: the stream loop over a log of the golden entities' rows in the order they became available, cut at random, stopped at each moment;
* **request**: the scalar algebra and the expressions' Python functions over the raw rows.

One differing bit fails the replay. A view is released (:func:`release_view`) only with a replay of exactly its definition that passed.

A replay is a test, never a way to fill tiles: history is filled in through the batch path, which has no watermark to lose events behind.

Cost: a batch join of the source, a stream step for each moment, and entities x moments x rows of an entity for requests.
"""

from __future__ import annotations

import datetime as dt
import random
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import select

from pilotage.core import InputError, Refused, new_id
from pilotage.core.clock import ManualClock
from pilotage.features.algebra import Order, aggregator_for
from pilotage.features.definition import FeatureView
from pilotage.features.expression import Expression
from pilotage.features.point_in_time import point_in_time
from pilotage.features.rows import SourceRows, check_source
from pilotage.features.streams import EventSource, StreamWorker, append, declare_source, entity_keys, features_at
from pilotage.features.tables import feature_release, feature_replay
from pilotage.ledger import create_workspace, record
from pilotage.store import Workspace, WriteTransaction

_AT, _ID, _KNOWN = "replay_at", "replay_id", "replay_known"
_EXAMPLES = 5
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Mismatch:
    """One place where the paths disagree: the entity, the moment (µs) and the three values as text with all their digits."""

    entity: str
    at_us: int
    batch: str
    stream: str
    request: str


@dataclass(frozen=True)
class FeatureReplay:
    """One feature: how many (entity, moment) were compared, how many of them had a value, how many differed, and the first that did."""

    feature: str
    compared: int
    valued: int
    mismatches: int
    examples: tuple[Mismatch, ...]


@dataclass(frozen=True)
class Replay:
    """The report of a replay. ``verdict``: pass, fail, or not_assessable where some feature never had a value to compare."""

    id: str
    view: str
    view_hash: str
    source: str
    rows: int
    entities: int
    moments: int
    seed: int
    verdict: str
    reason: str
    features: tuple[FeatureReplay, ...]

    @property
    def passed(self) -> bool:
        """Whether the view may be released."""
        return self.verdict == "pass"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Replay:
        """The inverse of :meth:`to_dict`."""
        features = tuple(FeatureReplay(**{**each, "examples": tuple(Mismatch(**one) for one in each["examples"])}) for each in value["features"])
        return cls(**{**value, "features": features})

    def __str__(self) -> str:
        lines = [f"replay of {self.view}: {self.verdict}" + (f" ({self.reason})" if self.reason else "")]
        lines.append(f"  {self.entities} entities x {self.moments} moments, {self.rows} rows of {self.source}, three paths")
        for each in self.features:
            lines.append(f"  {each.feature:<24} {each.compared} compared, {each.valued} with a value, {each.mismatches} differ")
            lines += [f"    {one.entity} at {one.at_us}: batch {one.batch}, stream {one.stream}, request {one.request}" for one in each.examples]
        return "\n".join(lines)


def replay(
    workspace: Workspace,
    view: FeatureView,
    rows: pl.DataFrame | None = None,
    *,
    source: str | None = None,
    entities: int = 20,
    moments: int = 20,
    seed: int = 0,
) -> Replay:
    """Put ``view`` to the test and keep the report, with an entry in the ledger.

    Parameters
    ----------
    rows
        The source's rows; by default those of the version ``source`` names, else of the newest version of the view's source.
    entities, moments
        How many golden entities and moments: each feature is compared entities x moments times.

    Raises
    ------
    InputError
        If the source has no rows, or they do not fit the view.
    """
    if entities < 1 or moments < 1:
        raise InputError("A replay needs at least one entity and one moment.")
    name = source or view.source
    if rows is None:
        name, rows = _rows_of(workspace, view, name)
    held = check_source(rows, view)
    if not held.frame.height:
        raise InputError("The source has no rows to replay.", where=name, mend="replay a version that has rows")
    chance = random.Random(seed)  # noqa: S311 - a sample that can be drawn again, not a secret
    keys = entity_keys(held.frame, view.entity)
    golden = _golden(keys, chance, entities)
    mine = np.asarray(keys.is_in(golden).to_numpy())
    times = _moments(held, mine, view, chance, moments)
    spine = _spine(held.frame, keys, golden, times, view, chance)

    by_batch = _batch(spine, rows, view)
    by_stream = _stream(spine, held, keys, mine, view, chance)
    by_request = _request(spine, held, keys, view)
    features = tuple(_compare(name, spine, by_batch[name], by_stream[name], by_request[name]) for name in view.features)
    differing = [each.feature for each in features if each.mismatches]
    empty = [each.feature for each in features if not each.valued]
    verdict = "fail" if differing else "not_assessable" if empty else "pass"
    reason = f"differ: {', '.join(differing)}" if differing else f"never had a value: {', '.join(empty)}" if empty else ""
    report = Replay(
        id=new_id("replay", clock=workspace.clock),
        view=view.ref,
        view_hash=view.hash,
        source=name,
        rows=int(mine.sum()),
        entities=len(golden),
        moments=len(times),
        seed=seed,
        verdict=verdict,
        reason=reason,
        features=features,
    )

    def job(tx: WriteTransaction) -> None:
        tx.insert(feature_replay, {"id": report.id, "view": view.ref, "view_hash": view.hash, "passed": report.passed, "report": report.to_dict()})
        compared = sum(each.compared for each in features)
        record(
            tx,
            type="features.replayed",
            subject=view.ref,
            body={"replay": report.id, "view_hash": view.hash, "verdict": verdict, "compared": compared, "differ": differing, "seed": seed},
        )

    workspace.write(job)
    return report


def last_replay(workspace: Workspace, view: FeatureView) -> Replay | None:
    """The newest replay of exactly this definition, if there is one."""
    c = feature_replay.c
    with workspace.read() as conn:
        found = conn.execute(
            select(c.report).where(c.workspace_id == workspace.id, c.view == view.ref, c.view_hash == view.hash).order_by(c.id.desc()).limit(1)
        ).scalar()
    return None if found is None else Replay.from_dict(found)


def release_view(workspace: Workspace, view: FeatureView, *, by: str | None = None) -> Replay:
    """Release ``view``: models may be served with it. Returns the replay it rests on; doing it again is a no-op.

    ``by`` is who releases, where that is not the workspace's own actor.

    Raises
    ------
    Refused
        If the newest replay of exactly this definition did not pass, or there is none.
    """
    found = last_replay(workspace, view)
    if found is None or not found.passed:
        raise Refused(
            f"{view.ref} cannot be released: " + ("it was never replayed." if found is None else f"its replay says {found.verdict}."),
            where=view.hash if found is None else found.id,
            why="batch, stream and request would serve different values under one name" if found is None or found.verdict == "fail" else found.reason,
            mend=f"pilotage features replay {view.ref}" if found is None else "look at the features that differ in the report, then replay again",
        )
    report = found

    def job(tx: WriteTransaction) -> None:
        c = feature_release.c
        if tx.conn.execute(select(c.view).where(c.workspace_id == tx.workspace_id, c.view == view.ref)).first() is None:
            tx.insert(feature_release, {"view": view.ref, "view_hash": view.hash, "replay_id": report.id}, actor=by)
            record(tx, type="features.released", subject=view.ref, body={"view_hash": view.hash, "replay": report.id}, actor=by)

    workspace.write(job)
    return report


def is_released(workspace: Workspace, view: FeatureView) -> bool:
    """Whether exactly this definition was released."""
    c = feature_release.c
    with workspace.read() as conn:
        found = conn.execute(select(c.view_hash).where(c.workspace_id == workspace.id, c.view == view.ref)).scalar()
    return bool(found == view.hash)


def _rows_of(workspace: Workspace, view: FeatureView, ref: str) -> tuple[str, pl.DataFrame]:
    from pilotage.data import load_version
    from pilotage.data.tabular import scan

    version = load_version(workspace, ref)
    return version.id, scan(workspace, version.id, columns=list(view.source_columns())).collect()


def _golden(keys: pl.Series, chance: random.Random, count: int) -> list[str]:
    """Half of them the busiest, half by chance: hot keys have the interesting tiles, rare ones the empty windows."""
    counted = pl.DataFrame({"key": keys}).group_by("key").len().sort("len", "key", descending=[True, False])["key"].to_list()
    busy = counted[: (count + 1) // 2]
    rest = counted[len(busy) :]
    return busy + chance.sample(rest, min(count - len(busy), len(rest)))


def _moments(rows: SourceRows, mine: Any, view: FeatureView, chance: random.Random, count: int) -> list[int]:
    event, available = rows.event[mine], rows.available[mine]
    found: set[int] = set()
    low, high = int(event.min()), int(max(event.max(), available.max())) + 2 * view.tile_us
    for _ in range(20 * count):
        if len(found) >= count:
            break
        at = chance.randrange(len(event))
        happened, known = int(event[at]), int(available[at])
        edge = known - known % view.tile_us
        found.add(chance.choice([happened, happened + 1, known, known - 1, known + 1, edge, edge + view.tile_us, chance.randint(low, high)]))
    return sorted(found)


def _spine(
    frame: pl.DataFrame, keys: pl.Series, golden: Sequence[str], times: Sequence[int], view: FeatureView, chance: random.Random
) -> pl.DataFrame:
    """Golden entities x moments, in order of time, with values for what only a request knows."""
    who = (
        frame.select(view.entity)
        .with_columns(keys.alias("__key"))
        .unique("__key", keep="first")
        .filter(pl.col("__key").is_in(list(golden)))
        .sort("__key")
    )
    when = pl.DataFrame({_AT: pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))})
    spine = when.join(who, how="cross", maintain_order="left_right")
    sample: dict[str, tuple[Any, list[Any]]] = {
        "int": (pl.Int64(), [None, 0, 3, -7]),
        "float": (pl.Float64(), [None, 0.0, 0.1, -2.5e6]),
        "bool": (pl.Boolean(), [None, True, False]),
        "text": (pl.String(), [None, "", "a", "ü"]),
        "timestamp": (pl.Datetime("us", "UTC"), [None, _EPOCH, _EPOCH + dt.timedelta(days=19_000, hours=7)]),
        "date": (pl.Date(), [None, dt.date(2024, 2, 29)]),
    }
    inputs = []
    for name, kind in view.request_inputs.items():
        dtype, values = sample.get(kind, (pl.String(), [None]))
        inputs.append(pl.Series(name, [chance.choice(values) for _ in range(spine.height)], dtype=dtype))
    return spine.with_columns(inputs)


def _plain(series: pl.Series) -> list[Any]:
    if series.dtype.is_temporal():
        series = (series.cast(pl.Datetime("us", "UTC")) if isinstance(series.dtype, pl.Datetime) else series).to_physical()
    return series.to_list()


def _batch(spine: pl.DataFrame, rows: pl.DataFrame, view: FeatureView) -> dict[str, list[Any]]:
    joined = point_in_time(spine.drop("__key"), rows, view, time=_AT)
    return {name: _plain(joined[name]) for name in view.features}


def _stream(spine: pl.DataFrame, rows: SourceRows, keys: pl.Series, mine: Any, view: FeatureView, chance: random.Random) -> dict[str, list[Any]]:
    column = view.available_time or _KNOWN
    columns = {**{name: rows.kinds[name] for name in rows.frame.columns}, _ID: "text", column: "timestamp"}
    declared = EventSource("replay", columns, event_id=_ID, event_time=view.event_time, available_time=column, lag=view.available_lag, backlog=2**40)
    known = pl.Series(column, rows.available)
    frame = rows.frame.with_columns(known.cast(pl.Datetime("us", "UTC")), pl.int_range(pl.len()).cast(pl.String).alias(_ID))
    frame = frame.filter(pl.Series(mine)).sort(column, maintain_order=True)
    available = frame[column].to_physical().to_list()
    latest = max(available[-1], int(spine[_AT].to_physical().max())) + 1  # type: ignore[arg-type]
    found: dict[str, list[Any]] = {name: [] for name in view.features}
    with (
        tempfile.TemporaryDirectory(prefix="pilotage-replay-") as folder,
        create_workspace(str(Path(folder) / "workspace"), actor="replay", clock=ManualClock(latest)) as scratch,
    ):
        declare_source(scratch, declared)
        worker = StreamWorker(scratch, view, source="replay", batch=max(1, len(available) // 7))
        done = 0
        for (moment,), asked in spine.group_by(_AT, maintain_order=True):
            at_us = (moment - _EPOCH) // _MICROSECOND
            until = int(np.searchsorted(available, at_us, side="right"))
            while done < until:  # in pieces of any size: the answer must not depend on how the log was cut
                size = chance.randint(1, until - done)
                append(scratch, "replay", frame.slice(done, size))
                done += size
                if chance.random() < 0.5:
                    worker.step()
            worker.catch_up()
            for values in features_at(scratch, worker.plan, asked["__key"].to_list(), at_us=at_us):
                for name, value in values.items():
                    found[name].append(value)
    return _with_requests(spine, found, view, rows.kinds)


def _request(spine: pl.DataFrame, rows: SourceRows, keys: pl.Series, view: FeatureView) -> dict[str, list[Any]]:
    ordered = sorted(zip(rows.event.tolist(), rows.available.tolist(), rows.sequence.tolist(), range(rows.frame.height), strict=True))
    names = set(spine["__key"].to_list())
    of_entity: dict[str, list[tuple[int, int, int, int]]] = {name: [] for name in names}
    every = keys.to_list()
    for row in ordered:
        if every[row[3]] in names:
            of_entity[every[row[3]]].append(row)
    columns = {name: expression.to_python(rows.kinds) for name, expression in view.columns.items()}
    aggregates = [(each, aggregator_for(each), _function(each.of, rows.kinds), _function(each.where, rows.kinds)) for each in view.aggregates]
    records: dict[int, dict[str, Any]] = {}
    found: dict[str, list[Any]] = {name: [] for name in view.features}
    for key, at_us in zip(spine["__key"].to_list(), spine[_AT].to_physical().to_list(), strict=True):
        seen = [row for row in of_entity[key] if row[1] <= at_us and (row[0] <= at_us if view.closed == "right" else row[0] < at_us)]
        for row in seen:
            if row[3] not in records:
                records[row[3]] = rows.frame.row(row[3], named=True)
        latest = seen[-1] if seen and (view.ttl_us is None or at_us - seen[-1][0] <= view.ttl_us) else None
        for name, function in columns.items():
            found[name].append(None if latest is None else _scalar(function(records[latest[3]])))
        for each, algebra, of, where in aggregates:
            start = at_us - each.window_us
            start -= start % view.tile_us
            state = algebra.init()
            for event, available, sequence, index in seen:
                if event >= start and (where is None or where(records[index]) is True):
                    value = True if of is None else _scalar(of(records[index]))
                    state = algebra.update(state, value, Order(event, available, sequence))
            found[each.name].append(algebra.finalize(state))
    return _with_requests(spine, found, view, rows.kinds)


def _function(expression: Expression | None, kinds: Mapping[str, str]) -> Callable[[Mapping[str, Any]], Any] | None:
    return None if expression is None else expression.to_python(kinds)


def _with_requests(spine: pl.DataFrame, found: dict[str, list[Any]], view: FeatureView, source: Mapping[str, str]) -> dict[str, list[Any]]:
    """The request features too, by their Python functions, from what the path found."""
    kinds = {**view.kinds(source), **view.request_inputs}
    for name, expression in view.request.items():
        function = expression.to_python(kinds)
        read = expression.columns()
        given = {column: spine[column].to_list() if column in view.request_inputs else _typed(found[column], kinds[column]) for column in read}
        found[name] = [_scalar(function({column: values[index] for column, values in given.items()})) for index in range(spine.height)]
    return found


def _typed(values: list[Any], kind: str) -> list[Any]:
    if kind == "timestamp":
        return [None if value is None else _EPOCH + value * _MICROSECOND for value in values]
    if kind == "date":
        return [None if value is None else dt.date(1970, 1, 1) + dt.timedelta(days=value) for value in values]
    return values


def _scalar(value: Any) -> Any:
    """A value as the paths keep it: moments as µs, dates as days."""
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days
    return value


def _compare(name: str, spine: pl.DataFrame, batch: list[Any], stream: list[Any], request: list[Any]) -> FeatureReplay:
    differing = [index for index, values in enumerate(zip(batch, stream, request, strict=True)) if len({bits(value) for value in values}) > 1]
    keys, times = spine["__key"].to_list(), spine[_AT].to_physical().to_list()
    examples = tuple(Mismatch(keys[i], times[i], repr(batch[i]), repr(stream[i]), repr(request[i])) for i in differing[:_EXAMPLES])
    return FeatureReplay(name, len(batch), sum(value is not None for value in batch), len(differing), examples)


def bits(value: Any) -> Any:
    """What two values must share to count as the same: type and every bit."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, list | tuple):
        return ("list", tuple(bits(part) for part in value))
    return (type(value).__name__, value)
