"""A source of events: what its events look like, and how they become columns.

An event is a row with an id, an event time and the declared columns. It becomes *available* when the log takes it: availability in a log never runs
backwards, so "what was known at T" is a prefix of the log. A producer may give an available time of its own for history that is filled in; it is
refused if it lies in the future, and never counts as earlier than what the log already holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import polars as pl
import pyarrow as pa

from pilotage.core import InputError, IntegrityError, parse_duration

KINDS: dict[str, Any] = {
    "text": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "timestamp": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
POSITION, EVENT_ID, EVENT_US, AVAILABLE_US, REPLACES, DELETED = "__position", "__id", "__event", "__available", "__replaces", "__deleted"

_ARROW: dict[str, Any] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class EventSource:
    """What a source's events look like.

    Parameters
    ----------
    columns
        Column → kind: text, int, float, bool, timestamp or date.
    event_id, event_time
        The columns that name an event (text) and say when it happened (timestamp).
    available_time
        The column with the time from which an event was known. Live producers leave it null: the log fills in when it took the event. With history
        it is given. A view over this source uses the same column, so that training sets made from the log see what the stream saw.
    lag
        That ``available_time`` was made from a view's declared lag: for history of sources that never noted when a row was known.
    revision
        The column (int) that counts corrections: a higher revision of an event replaces the lower one. Without it an event never changes.
    deleted
        The column (bool) that says an event was taken back: a revision that leaves nothing in its place.
    remember
        How long, in event time, ids are kept in their index. Older events are still recognised, by reading the log, which is slower.
    backlog
        How many events may wait for the slowest stream before producers are told to wait.
    """

    name: str
    columns: Mapping[str, str]
    event_id: str
    event_time: str
    available_time: str | None = None
    lag: str | None = None
    revision: str | None = None
    deleted: str | None = None
    remember: str = "7d"
    backlog: int = 200_000
    _schema: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        where = f"source '{self.name}'"
        roles: tuple[tuple[str, str | None, str], ...] = (
            ("event_id", self.event_id, "text"),
            ("event_time", self.event_time, "timestamp"),
            ("available_time", self.available_time, "timestamp"),
            ("revision", self.revision, "int"),
            ("deleted", self.deleted, "bool"),
        )
        for column, kind in self.columns.items():
            if kind not in KINDS:
                raise InputError(f"'{column}' has the unknown kind '{kind}'.", where=where, mend=f"use one of {', '.join(KINDS)}")
        for role, named, wanted in roles:
            if named is not None and self.columns.get(named) != wanted:
                raise InputError(
                    f"'{role}' must name a column of kind {wanted}; '{named}' is {self.columns.get(named, 'not declared')}.", where=where
                )
        if self.backlog < 1 or self.remember_us < 1:
            raise InputError("'backlog' and 'remember' are more than nothing.", where=where)
        self._schema.update({column: KINDS[kind] for column, kind in self.columns.items()})

    @property
    def remember_us(self) -> int:
        """:attr:`remember` in microseconds."""
        return parse_duration(self.remember, where=f"source '{self.name}' field 'remember'")

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain data."""
        found = asdict(self)
        del found["_schema"]
        return {**found, "columns": dict(self.columns)}

    def frame(self, rows: Sequence[Mapping[str, Any]] | pl.DataFrame) -> pl.DataFrame:
        """``rows`` as a frame of the declared columns, checked.

        Timestamps may be aware datetimes, ISO 8601 texts with a zone or µs since the epoch; a missing optional column is null.

        Raises
        ------
        InputError
            Naming the first row and field that does not fit: nothing of the batch is taken.
        """
        given = rows if isinstance(rows, pl.DataFrame) else self._from_rows(rows)
        unknown = [name for name in given.columns if name not in self.columns]
        if unknown:
            raise self._refusal(
                f"The column '{unknown[0]}' is not declared.", mend=f"declare it, or leave it out; declared are {', '.join(self.columns)}"
            )
        given = given.with_columns([pl.lit(None, dtype=self._schema[name]).alias(name) for name in self.columns if name not in given.columns])
        try:
            frame = given.select([pl.col(name).cast(dtype, strict=True) for name, dtype in self._schema.items()])
        except pl.exceptions.PolarsError as error:
            raise self._refusal(f"A column does not fit its declared kind: {error}") from error
        for name in self.columns:
            if self.columns[name] == "timestamp" and given.schema[name] == pl.Datetime and getattr(given.schema[name], "time_zone", None) is None:
                raise self._refusal(f"'{name}' holds times without a zone.", mend="give them in UTC, or with their zone")
        for name, kind in self.columns.items():
            if kind == "float" and (odd := frame.select((~pl.col(name).is_finite()).arg_true()).to_series()).len():
                raise self._refusal(f"'{name}' is {frame[name][int(odd[0])]}.", row=int(odd[0]), mend="send null where there is no number")
        for name in (self.event_id, self.event_time):
            if frame[name].null_count():
                raise self._refusal(f"'{name}' is missing.", row=int(frame[name].is_null().arg_true()[0]))
        return frame

    def require_known(self, frame: pl.DataFrame, *, now_us: int) -> None:
        """Raise ``InputError`` if an event of ``frame`` says it was available after ``now_us``."""
        if self.available_time is None:
            return
        ahead = (frame[self.available_time].to_physical() > now_us).arg_true()
        if len(ahead):
            raise InputError(
                "An event says it was available in the future.",
                where=f"source '{self.name}', event {int(ahead[0]) + 1} of the batch, column '{self.available_time}'",
                why="nothing can be known before it is known: a training set would use it too early",
                mend="check the clock of the producer",
            )

    def _from_rows(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        series = []
        names = {name for row in rows for name in row}
        for name in [*self.columns, *sorted(names - set(self.columns))]:
            kind = self.columns.get(name)
            if kind is None:
                raise self._refusal(
                    f"The column '{name}' is not declared.",
                    row=next(index for index, row in enumerate(rows) if name in row),
                    mend=f"declare it, or leave it out; declared are {', '.join(self.columns)}",
                )
            values = [self._value(row.get(name), kind, name, index) for index, row in enumerate(rows)]
            try:
                series.append(pl.Series(name, values, dtype=pl.Int64() if kind == "timestamp" else KINDS[kind], strict=True))
            except (OverflowError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
                raise self._refusal(f"'{name}' holds a value that cannot be kept: {type(error).__name__}.", mend="mend the producer") from error
        return pl.DataFrame(series)

    def _value(self, value: Any, kind: str, name: str, row: int) -> Any:
        if value is None:
            return None
        match kind:
            case "text" if isinstance(value, str):
                return value
            case "bool" if isinstance(value, bool):
                return value
            case "int" if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
                return value
            case "float" if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
            case "date" if isinstance(value, date) and not isinstance(value, datetime):
                return value
            case "date" if isinstance(value, str):
                try:
                    return date.fromisoformat(value)
                except ValueError as error:
                    raise self._refusal(f"'{name}' is no date: {value[:40]!r}.", row=row, mend="use ISO 8601: 2025-12-31") from error
            case "timestamp":
                return self._time(value, name, row)
        raise self._refusal(f"'{name}' must be {kind}, not {type(value).__name__}.", row=row)

    def _time(self, value: Any, name: str, row: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            if not isinstance(moment, datetime):
                raise ValueError("not a time")
        except ValueError as error:
            raise self._refusal(f"'{name}' is no time: {value!r}.", row=row, mend="use ISO 8601 with a zone") from error
        if moment.tzinfo is None:
            raise self._refusal(f"'{name}' has no time zone: {value!r}.", row=row, mend="add 'Z' or an offset")
        delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

    def _refusal(self, what: str, *, row: int | None = None, mend: str | None = None) -> InputError:
        return InputError(
            what,
            where=f"source '{self.name}'" + ("" if row is None else f", event {row + 1} of the batch"),
            why="nothing of this batch was taken",
            mend=mend,
        )

    def pack(self, frame: pl.DataFrame) -> bytes:
        """Events of the log as bytes: the message of one Arrow record batch, without its schema, which the declaration gives."""
        if self.revision is not None and REPLACES not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.Int64).alias(REPLACES))
        stored = frame.select(self._stored.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._stored)
        return bytes(stored.combine_chunks().to_batches()[0].serialize())

    def unpack(self, data: bytes) -> pl.DataFrame:
        """What :meth:`pack` wrote. Raises ``IntegrityError`` if the bytes are no events of this source."""
        try:
            batch = pa.ipc.read_record_batch(pa.py_buffer(data), self._stored)
            batch.validate(full=True)
        except (pa.ArrowException, OSError, EOFError) as error:
            raise IntegrityError(
                f"Events of the log of '{self.name}' cannot be read.", why=str(error), mend="restore the workspace from a backup"
            ) from error
        events = pl.DataFrame(batch)
        times = [pl.col(self.event_time).to_physical().alias(EVENT_US)]
        if self.available_time is not None:
            times.append(pl.col(self.available_time).to_physical().alias(AVAILABLE_US))
        return events.with_columns(times)

    @cached_property
    def _stored(self) -> pa.Schema:
        """What is kept of an event; what follows from other columns is not."""
        fields = [pa.field(name, _ARROW[kind]) for name, kind in self.columns.items()]
        named = [POSITION, *([AVAILABLE_US] if self.available_time is None else []), *([] if self.revision is None else [REPLACES])]
        return pa.schema([*fields, *(pa.field(name, pa.int64()) for name in named)])
