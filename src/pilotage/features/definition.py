"""What a feature view is: features of an entity, declared once, for training sets, streams and requests alike.

A view reads one source (a dataset), and computes from it

* **columns**: row expressions of the latest row known at a moment ``T`` (as-of join, see :mod:`pilotage.features.point_in_time`), and
* **aggregates** over windows ``[floor(T - window, tile), T)`` of event time, of what was available at ``T`` (:mod:`pilotage.features.windows`), and
* **request** expressions, of values that only the request (or the row of the training set) knows and of the view's other features.

Every definition is data: two views with the same :attr:`FeatureView.hash` compute the same, and a registered one never changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, get_args

from pilotage.core import Declared, InputError, content_id, parse_duration, read_declared
from pilotage.data.lineage import ColumnOrigin
from pilotage.features.expression import KINDS, Expression, expression_from_json, parse_expression
from pilotage.features.expression import Column as SourceColumn

AggregateFunction = Literal["count", "sum", "mean", "var", "min", "max", "first", "last", "last_k", "distinct", "quantile"]
AGGREGATE_FUNCTIONS: Final[tuple[str, ...]] = get_args(AggregateFunction)
ON_NUMBERS: Final = frozenset({"sum", "mean", "var", "quantile"})

DEFAULT_RESOLUTION: Final = 2.0**-20
DEFAULT_TILE: Final = "5m"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DAY: Final = 86_400_000_000
T = TypeVar("T")


@dataclass(frozen=True)
class Aggregate:
    """One aggregate over a window of event time.

    function
        ``count`` (of rows, or of values where ``of`` is given), ``sum``, ``mean``, ``var``, ``min``, ``max``, ``first``, ``last``, ``last_k``,
        ``distinct`` (a sketch), ``quantile`` (a sketch). Null values are left out of all of them.
    window
        Its length, say ``"7d"``.
    where
        Only rows for which this is true.
    k
        For ``last_k``: how many values, 1 to 1000.
    q
        For ``quantile``: which, above 0 and below 1.
    resolution
        For ``sum``, ``mean`` and ``var``: the grid each value is rounded to, once, before it is added as a whole number.
    """

    name: str
    function: AggregateFunction
    of: Expression | None = None
    window: str = "1h"
    where: Expression | None = None
    k: int | None = None
    q: float | None = None
    resolution: float = DEFAULT_RESOLUTION

    def __post_init__(self) -> None:
        require_name(self.name, what="aggregate")
        where = f"aggregate '{self.name}'"
        if self.function not in AGGREGATE_FUNCTIONS:
            raise InputError(
                f"Unknown aggregate '{self.function}'.",
                where=where,
                why="only aggregates that merge can be kept up to date by a stream",
                mend=f"use one of: {', '.join(AGGREGATE_FUNCTIONS)}",
            )
        if self.of is None and self.function != "count":
            raise InputError(f"'{self.function}' needs 'of': what to aggregate.", where=where, mend="add of: <expression>")
        if self.window_us <= 0:
            raise InputError("A window must be longer than nothing.", where=where)
        if (self.k is not None) != (self.function == "last_k") or (self.k is not None and not _whole(self.k, 1, 1000)):
            raise InputError("'k' (1 to 1000) belongs to last_k, which needs it.", where=where)
        if (self.q is not None) != (self.function == "quantile") or (self.q is not None and not 0.0 < self.q < 1.0):
            raise InputError("'q' (above 0, below 1) belongs to quantile, which needs it.", where=where)
        if not isinstance(self.resolution, int | float) or isinstance(self.resolution, bool) or not 2.0**-60 <= self.resolution <= 2.0**60:
            raise InputError(
                f"The resolution {self.resolution!r} is not a number from 2**-60 to 2**60.", where=where, mend="leave it out: it is 2**-20"
            )

    @property
    def window_us(self) -> int:
        """The window's length in microseconds."""
        return parse_duration(self.window, where=f"aggregate '{self.name}' field 'window'")

    def columns(self) -> tuple[str, ...]:
        """The source columns it reads."""
        return _distinct(column for part in (self.of, self.where) if part is not None for column in part.columns())

    def kind(self, kinds: Mapping[str, str]) -> str:
        """The kind of its value (``list`` for last_k), after checking its expressions against the columns' kinds."""
        where = f"aggregate '{self.name}'"
        of = _kind_at(self.of, kinds, where) if self.of is not None else None
        if self.where is not None and _kind_at(self.where, kinds, where) != "bool":
            raise InputError("'where' must be true or false.", where=where)
        if self.function in ON_NUMBERS and of not in ("int", "float", "bool"):
            raise InputError(f"'{self.function}' takes numbers, not {of}.", where=where)
        if self.function in ("min", "max") and of not in ("int", "float", "bool", "timestamp"):
            raise InputError(f"'{self.function}' takes numbers and timestamps, not {of}.", where=where)
        if self.function in ("first", "last", "last_k", "distinct") and of not in ("int", "float", "bool", "text", "timestamp"):
            raise InputError(f"'{self.function}' does not take {of}.", where=where)
        if self.function in ("count", "distinct"):
            return "int"
        if self.function in ON_NUMBERS or self.function in ("min", "max"):
            return "float"
        if self.function == "last_k":
            return "list"
        return "int" if of == "timestamp" else str(of)  # the algebra counts timestamps in microseconds

    def to_dict(self) -> dict[str, Any]:
        """The aggregate as plain data, canonical: what does not apply is left out."""
        return {
            "name": self.name,
            "function": self.function,
            "window_us": self.window_us,
            **({"of": self.of.to_json()} if self.of is not None else {}),
            **({"where": self.where.to_json()} if self.where is not None else {}),
            **({"k": self.k} if self.k is not None else {}),
            **({"q": self.q} if self.q is not None else {}),
            **({"resolution": self.resolution} if self.function in ("sum", "mean", "var") else {}),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Aggregate:
        """The inverse of :meth:`to_dict`."""
        from pilotage.core import format_duration

        return cls(
            name=value["name"],
            function=value["function"],
            window=format_duration(value["window_us"]),
            of=expression_from_json(value["of"]) if "of" in value else None,
            where=expression_from_json(value["where"]) if "where" in value else None,
            k=value.get("k"),
            q=value.get("q"),
            resolution=float(value.get("resolution", DEFAULT_RESOLUTION)),
        )


@dataclass(frozen=True)
class FeatureView:
    """Features of one entity from one source.

    source
        The dataset's name.
    entity
        The columns that name the entity, in source and spine alike.
    event_time
        The column that says when the row's event happened (timestamp, UTC).
    available_time, available_lag
        The column that says when the row could be known, or the declared lag after the event ("2h"). At least one is
        required; with both, the lag is used where the column is null.
    sequence
        A column (int) that orders rows of one entity with equal times; the larger wins. Without it the source's own order decides: the later row.
    columns, aggregates, request
        The features; see the module.
    request_inputs
        The names and kinds of the values that ``request`` expressions take from the request.
    ttl
        How old the latest row may be at ``T``; older is null. None: any age.
    tile
        The grid of window starts.
    closed
        ``left`` (default): only events strictly before ``T``, so a row never sees itself; ``right``: the event at ``T`` too.
    """

    name: str
    version: int
    source: str
    entity: tuple[str, ...]
    event_time: str
    available_time: str | None = None
    available_lag: str | None = None
    columns: Mapping[str, Expression] = field(default_factory=dict)
    aggregates: tuple[Aggregate, ...] = ()
    ttl: str | None = None
    tile: str = DEFAULT_TILE
    closed: Literal["left", "right"] = "left"
    request: Mapping[str, Expression] = field(default_factory=dict)
    request_inputs: Mapping[str, str] = field(default_factory=dict)
    sequence: str | None = None
    description: str = ""
    owner: str = ""

    def __post_init__(self) -> None:
        for name in ("columns", "request", "request_inputs"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        for name in ("entity", "aggregates"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_view(self)

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def hash(self) -> str:
        """The content id of what the view computes: not of its description or owner."""
        return content_id("fv", self.to_dict())

    @property
    def features(self) -> tuple[str, ...]:
        """The names of all features: columns, aggregates, request."""
        return (*self.columns, *(aggregate.name for aggregate in self.aggregates), *self.request)

    @property
    def ttl_us(self) -> int | None:
        """The time to live in microseconds."""
        return None if self.ttl is None else parse_duration(self.ttl, where=f"view '{self.name}' field 'ttl'")

    @property
    def tile_us(self) -> int:
        """The tile's length in microseconds."""
        return parse_duration(self.tile, where=f"view '{self.name}' field 'tile'")

    @property
    def lag_us(self) -> int | None:
        """The declared lag of availability in microseconds."""
        return None if self.available_lag is None else parse_duration(self.available_lag, where=f"view '{self.name}' field 'available_lag'")

    @property
    def longest_window_us(self) -> int:
        """The longest window, 0 without aggregates."""
        return max((aggregate.window_us for aggregate in self.aggregates), default=0)

    def source_columns(self) -> tuple[str, ...]:
        """Every column of the source that the view reads, keys and times first."""
        times = [name for name in (self.event_time, self.available_time, self.sequence) if name is not None]
        read = [column for expression in self.columns.values() for column in expression.columns()]
        return _distinct([*self.entity, *times, *read, *(column for aggregate in self.aggregates for column in aggregate.columns())])

    def lineage(self) -> Mapping[str, tuple[str, ...]]:
        """Feature -> the source columns its value is computed from (the keys and times that choose the rows are not repeated)."""
        found = {name: expression.columns() for name, expression in self.columns.items()}
        found.update({aggregate.name: aggregate.columns() for aggregate in self.aggregates})
        for name, expression in self.request.items():
            found[name] = _distinct(column for part in expression.columns() for column in found.get(part, ()))
        return found

    def origins(self) -> tuple[ColumnOrigin, ...]:
        """Lineage column by column: what each feature's value is computed from (DIRECT), and what chooses the rows it sees (INDIRECT)."""
        found: list[ColumnOrigin] = []
        for name, expression in self.columns.items():
            how = "IDENTITY" if isinstance(expression, SourceColumn) else "TRANSFORMATION"
            found += [ColumnOrigin(name, column, subtype=how, text=str(expression)) for column in expression.columns()]
        for aggregate in self.aggregates:
            of = "" if aggregate.of is None else str(aggregate.of)
            text = f"{aggregate.function}({of}) over {aggregate.window}" + ("" if aggregate.where is None else f" where {aggregate.where}")
            valued = aggregate.of.columns() if aggregate.of is not None else ()
            found += [ColumnOrigin(aggregate.name, column, subtype="AGGREGATION", text=text) for column in valued]
            chosen = aggregate.where.columns() if aggregate.where is not None else ()
            found += [ColumnOrigin(aggregate.name, column, "INDIRECT", "FILTER", text) for column in chosen]
            found += [ColumnOrigin(aggregate.name, key, "INDIRECT", "GROUP_BY", text) for key in self.entity]
            found.append(ColumnOrigin(aggregate.name, self.event_time, "INDIRECT", "WINDOW", text))
        known = self.lineage()
        for name, expression in self.request.items():
            found += [ColumnOrigin(name, column, subtype="TRANSFORMATION", text=str(expression)) for column in known[name]]
        for name in (*self.columns, *(name for name in self.request if known[name])):
            found += [ColumnOrigin(name, key, "INDIRECT", "JOIN") for key in self.entity]
            found.append(ColumnOrigin(name, self.event_time, "INDIRECT", "JOIN"))
        return tuple(found)

    def kinds(self, source: Mapping[str, str]) -> dict[str, str]:
        """Feature -> kind, after checking every expression against the kinds of the source's columns.

        Raises
        ------
        InputError
            If a column is missing or an expression does not fit.
        """
        where = f"view '{self.name}'"
        for name in self.source_columns():
            if name not in source:
                raise InputError(f"The source '{self.source}' has no column '{name}'.", where=where, mend=f"its columns are: {', '.join(source)}")
        for time in (self.event_time, self.available_time):
            if time is not None and source[time] != "timestamp":
                raise InputError(f"'{time}' is {source[time]}, not a timestamp.", where=where)
        for name in self.entity:
            if source[name] not in ("text", "int", "bool", "date"):
                raise InputError(
                    f"'{name}' is {source[name]}: it cannot name an entity.", where=where, mend="use a column of text, int, bool or date"
                )
        if self.sequence is not None and source[self.sequence] not in ("int", "timestamp"):
            raise InputError(f"'{self.sequence}' is {source[self.sequence]}: a sequence is int or timestamp.", where=where)
        found: dict[str, str] = {name: _kind_at(expression, source, f"{where}, column '{name}'") for name, expression in self.columns.items()}
        found.update({aggregate.name: aggregate.kind(source) for aggregate in self.aggregates})
        known: dict[str, str] = {**found, **self.request_inputs}
        for name, expression in self.request.items():
            known[name] = found[name] = _kind_at(expression, known, f"{where}, request '{name}'")
        return found

    def to_dict(self) -> dict[str, Any]:
        """What the view computes, as plain canonical data."""
        return {
            "name": self.name,
            "version": self.version,
            "source": self.source,
            "entity": list(self.entity),
            "event_time": self.event_time,
            "available_time": self.available_time,
            "lag_us": self.lag_us,
            "sequence": self.sequence,
            # In lists: the order of features is part of the definition, and JSON objects have none.
            "columns": [[name, expression.to_json()] for name, expression in self.columns.items()],
            "aggregates": [aggregate.to_dict() for aggregate in self.aggregates],
            "request": [[name, expression.to_json()] for name, expression in self.request.items()],
            "request_inputs": dict(self.request_inputs),
            "ttl_us": self.ttl_us,
            "tile_us": self.tile_us,
            "closed": self.closed,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, description: str = "", owner: str = "") -> FeatureView:
        """The inverse of :meth:`to_dict`."""
        from pilotage.core import format_duration

        return cls(
            name=value["name"],
            version=value["version"],
            source=value["source"],
            entity=tuple(value["entity"]),
            event_time=value["event_time"],
            available_time=value["available_time"],
            available_lag=None if value["lag_us"] is None else format_duration(value["lag_us"]),
            sequence=value["sequence"],
            columns={name: expression_from_json(tree) for name, tree in value["columns"]},
            aggregates=tuple(Aggregate.from_dict(each) for each in value["aggregates"]),
            request={name: expression_from_json(tree) for name, tree in value["request"]},
            request_inputs=value["request_inputs"],
            ttl=None if value["ttl_us"] is None else format_duration(value["ttl_us"]),
            tile=format_duration(value["tile_us"]),
            closed=value["closed"],
            description=description,
            owner=owner,
        )


def require_name(name: str, *, what: str) -> None:
    """Raise ``InputError`` unless ``name`` can name a view or a feature."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"Not a name of a {what}: {name!r}.",
            why="names are columns of tables and parts of addresses",
            mend="use lower-case letters, digits and underscore, at most 63, starting with a letter",
        )


def _check_view(view: FeatureView) -> None:
    require_name(view.name, what="view")
    where = f"view '{view.name}'"
    if not _whole(view.version, 1, 1_000_000):
        raise InputError(f"A view's version is a whole number from 1: got {view.version!r}.", where=where)
    if not view.entity or len(set(view.entity)) != len(view.entity):
        raise InputError("A view needs the columns that name its entity, each once.", where=where, mend="entity: [customer]")
    if view.available_time is None and view.available_lag is None:
        raise InputError(
            "A view says when its rows could be known: by a column, or by a lag.",
            where=where,
            why="without it a training set would see rows before anybody could have",
            mend="add available_time: <column>, or available_lag: '2h'",
        )
    if view.closed not in ("left", "right"):
        raise InputError(f"closed is left or right, not {view.closed!r}.", where=where)
    if not view.features:
        raise InputError("A view needs at least one feature.", where=where, mend="add columns:, aggregates: or request:")
    for name in view.features:
        require_name(name, what="feature")
    taken = [*view.features, *view.entity, view.event_time, *view.request_inputs]
    doubled = sorted({name for name in taken if taken.count(name) > 1})
    if doubled:
        raise InputError(f"The name '{doubled[0]}' is used twice.", where=where, mend="give each feature, key, time and request input its own name")
    _ = view.ttl_us, view.lag_us  # refused here if they cannot be read
    if not 0 < view.tile_us <= 7 * _DAY:
        raise InputError(f"A tile is longer than nothing and at most 7d, not '{view.tile}'.", where=where)
    for aggregate in view.aggregates:
        if aggregate.window_us < view.tile_us:
            raise InputError(
                f"The window '{aggregate.window}' of '{aggregate.name}' is shorter than the tile '{view.tile}'.",
                where=where,
                mend="use a smaller tile",
            )
    for name, kind in view.request_inputs.items():
        if kind not in KINDS:
            raise InputError(f"The request input '{name}' has the unknown kind '{kind}'.", where=where, mend=f"use one of: {', '.join(KINDS)}")
    known = {*view.request_inputs, *view.columns, *(aggregate.name for aggregate in view.aggregates)}
    for name, expression in view.request.items():
        for column in expression.columns():
            if column not in known:
                raise InputError(
                    f"The request feature '{name}' reads '{column}', which is neither a request input nor a feature before it.",
                    where=where,
                    mend=f"declare it: request_inputs: {{{column}: float}}",
                )
        known.add(name)


def _kind_at(expression: Expression, kinds: Mapping[str, str], where: str) -> str:
    try:
        return expression.kind(kinds)
    except InputError as error:
        raise InputError(error.what, where=f"{where}{', ' + error.where if error.where else ''}", why=error.why, mend=error.mend) from error


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


_VIEW_FIELDS = tuple(each.name for each in fields(FeatureView))
_AGGREGATE_FIELDS = tuple(each.name for each in fields(Aggregate))


def load_views(path: str | Path) -> tuple[FeatureView, ...]:
    """The views of a YAML file: one view, or a list under ``views:``.

    Example::

        views:
          - name: card_activity
            version: 1
            source: transactions
            entity: [card]
            event_time: at
            available_time: known_at
            columns: {last_amount: amount / 100}
            aggregates:
              - {name: spent_1d, function: sum, of: amount, window: 1d}
            ttl: 7d

    Raises
    ------
    InputError
        Naming file, line and field.
    """
    declared = read_declared(path)
    if isinstance(declared.value, dict) and "views" in declared.value:
        found = tuple(view_from_declared(each) for each in declared.mapping(known=("views",))["views"].entries())
        refs = [view.ref for view in found]
        for each, view in zip(declared.value["views"].entries(), found, strict=True):
            if refs.count(view.ref) > 1:
                each.refuse(f"The view {view.ref} is declared twice.")
        return found
    return (view_from_declared(declared),)


def view_from_declared(declared: Declared) -> FeatureView:
    """One view, from the mapping that declares it."""
    given = declared.mapping(known=_VIEW_FIELDS, required=("name", "version", "source", "entity", "event_time"))
    plain: dict[str, Any] = {}
    for name, value in given.items():
        match name:
            case "version":
                plain[name] = value.whole(at_least=1)
            case "entity":
                plain[name] = tuple(each.text() for each in value.entries()) if isinstance(value.value, list) else (value.text(),)
            case "columns" | "request":
                plain[name] = {feature: _expression(each) for feature, each in _named(value).items()}
            case "request_inputs":
                plain[name] = {each: kind.text(one_of=KINDS) for each, kind in _named(value).items()}
            case "aggregates":
                plain[name] = tuple(_aggregate(each) for each in value.entries())
            case _:
                plain[name] = value.text(one_of=("left", "right") if name == "closed" else ())
    return _at(declared, FeatureView, plain)


def _aggregate(declared: Declared) -> Aggregate:
    given = declared.mapping(known=_AGGREGATE_FIELDS, required=("name", "function", "window"))
    plain: dict[str, Any] = {}
    for name, value in given.items():
        match name:
            case "of" | "where":
                plain[name] = _expression(value)
            case "k":
                plain[name] = value.whole(at_least=1)
            case "q" | "resolution":
                plain[name] = value.number()
            case _:
                plain[name] = value.text(one_of=AGGREGATE_FUNCTIONS if name == "function" else ())
    return _at(declared, Aggregate, plain)


def _named(declared: Declared) -> dict[str, Declared]:
    if not isinstance(declared.value, dict):
        declared.refuse("This must be a mapping from names.", mend="write name: value")
    return dict(declared.value)


def _expression(declared: Declared) -> Expression:
    value = declared.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str):
        declared.refuse("This must be an expression, as text.", mend="write one, say: amount / 100")
    return parse_expression(value, where=declared.where)


def _at(declared: Declared, make: type[T], plain: dict[str, Any]) -> T:
    try:
        return make(**plain)
    except InputError as error:
        raise InputError(error.what, where=f"{declared.where}{': ' + error.where if error.where else ''}", why=error.why, mend=error.mend) from error
