"""The records: a column, a check and the contract, and the laws a contract obeys before anything is read by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from pilotage.core import InputError, content_id, parse_duration
from pilotage.data.contracts.units import dimensions, unit_named

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal["text", "int", "float", "bool", "timestamp", "date", "binary", "list", "object"]
LevelPolicy = Literal["refuse", "review", "allow", "map"]
CheckKind = Literal["unique", "expression", "row_count", "null_share", "freshness", "sum", "distinct"]
COLUMN_TYPES: tuple[str, ...] = get_args(ColumnType)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LONGEST_COLUMN_NAME = 200
_LONGEST_PATTERN = 1_000
_KEY_TYPES = ("text", "int", "float", "bool", "timestamp", "date")


class Column(BaseModel):
    """What one column promises.

    type
        In Arrow: string, int64, float64, bool, timestamp (µs, UTC), date32, large_binary; ``list`` and ``object`` are canonical JSON text.
    unit, dimension
        What the number counts (:mod:`.units`); a unit implies its dimension. Only for ``int`` and ``float``.
    arrives_in
        The unit the source sends, where that is not ``unit``: values are converted on arrival, so that what is stored keeps its meaning.
    renamed_from
        Names the column also arrives under, the newest last.
    zone
        The IANA zone of timestamps that arrive without one. Without it such timestamps are refused.
    minimum, maximum
        Inclusive, in ``unit``.
    min_length, max_length
        Characters of text, bytes of binary, entries of lists.
    pattern
        A regular expression (RE2: no look-around, no back-references) the whole text must match.
    levels, level_policy, level_map, max_new_level_share
        The values a category may have, and what happens to others: ``refuse`` (the cell is bad), ``review`` and ``allow`` (kept and counted; review
        also asks a person), ``map`` (spellings of ``level_map`` become known levels, what is left is refused). ``level_map`` is applied under every
        policy. Where more than ``max_new_level_share`` of a batch (0 to 1) are new, their cells are bad whatever the policy.
    personal
        Personal data: its values are never echoed in quarantine, errors or the ledger.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ColumnType
    nullable: StrictBool = False
    description: str = ""
    tags: tuple[str, ...] = ()
    unit: str | None = None
    dimension: str | None = None
    arrives_in: str | None = None
    renamed_from: tuple[str, ...] = ()
    zone: str | None = None
    minimum: StrictInt | StrictFloat | None = None
    maximum: StrictInt | StrictFloat | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    pattern: str | None = Field(default=None, max_length=_LONGEST_PATTERN)
    levels: tuple[StrictBool | StrictInt | StrictStr, ...] | None = None
    level_policy: LevelPolicy = "refuse"
    level_map: Mapping[str, str] = Field(default_factory=dict)
    max_new_level_share: float | None = Field(default=None, ge=0, le=1)
    personal: StrictBool = False

    @field_validator("unit", "arrives_in")
    @classmethod
    def _known_unit(cls, value: str | None) -> str | None:
        return None if value is None else _or_value_error(lambda: unit_named(value).name)

    @field_validator("dimension")
    @classmethod
    def _known_dimension(cls, value: str | None) -> str | None:
        if value is not None and value not in dimensions():
            raise ValueError(f"unknown dimension {value!r}")
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError(f"{value!r} is not an IANA time zone, say 'Europe/Berlin'") from error
        return value

    @field_validator("pattern")
    @classmethod
    def _regular(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            if re.search(r"\(\?(?:[=!]|<[=!])|\\[1-9]", value):
                raise ValueError("look-around and back-references are not used here: they cost exponential time")
        return value

    @field_validator("minimum", "maximum")
    @classmethod
    def _no_bool(cls, value: float | None) -> float | None:
        if value is not None and (value != value or value in (float("inf"), float("-inf"))):
            raise ValueError("a bound is a finite number")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        number = self.type in ("int", "float")
        for name in ("unit", "dimension", "arrives_in", "minimum", "maximum"):
            if getattr(self, name) is not None and not number:
                raise ValueError(f"'{name}' belongs to numbers; this column is {self.type}")
        if self.unit is not None:
            dimension = unit_named(self.unit).dimension
            if self.dimension not in (None, dimension):
                raise ValueError(f"the unit {self.unit} is {dimension}, not {self.dimension}")
            object.__setattr__(self, "dimension", dimension)
        if self.arrives_in is not None:
            if self.unit is None:
                raise ValueError("'arrives_in' needs 'unit': what the values are converted into")
            if unit_named(self.arrives_in).dimension != self.dimension:
                raise ValueError(f"{self.arrives_in} cannot be converted into {self.unit}")
        if self.zone is not None and self.type != "timestamp":
            raise ValueError(f"'zone' belongs to timestamps; this column is {self.type}")
        if self.pattern is not None and self.type != "text":
            raise ValueError(f"'pattern' belongs to text; this column is {self.type}")
        if (self.min_length is not None or self.max_length is not None) and self.type not in ("text", "binary", "list"):
            raise ValueError(f"lengths belong to text, binary and lists; this column is {self.type}")
        for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
            if getattr(self, low) is not None and getattr(self, high) is not None and getattr(self, low) > getattr(self, high):
                raise ValueError(f"'{low}' is above '{high}'")
        self._check_levels()
        return self

    def _check_levels(self) -> None:
        if self.levels is None:
            if self.level_map or self.level_policy != "refuse" or self.max_new_level_share is not None:
                raise ValueError("a policy for levels needs 'levels'")
            return
        kind = {"text": str, "int": int, "bool": bool}.get(self.type)
        if kind is None:
            raise ValueError(f"levels belong to text, int and bool; this column is {self.type}")
        if not self.levels:
            raise ValueError("'levels' is empty: no value would be allowed")
        if any(type(level) is not kind for level in self.levels):
            raise ValueError(f"every level of a column of type {self.type} must be {self.type}")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("a level is there twice")
        if self.level_map and self.type != "text":
            raise ValueError("'level_map' belongs to text")
        for spelling, level in self.level_map.items():
            if level not in self.levels:
                raise ValueError(f"'level_map' leads to {level!r}, which is not a level")
            if spelling in self.levels:
                raise ValueError(f"'level_map' would rewrite the level {spelling!r}")
        if self.level_policy == "map" and not self.level_map:
            raise ValueError("the policy 'map' needs a 'level_map'")


class Check(BaseModel):
    """A check beyond what the columns imply; ``data.quality`` runs it.

    kind
        ``unique`` (of ``columns``), ``expression`` (a condition every row keeps), ``row_count``, ``null_share`` (of ``column``, 0 to 1),
        ``freshness`` (the newest ``column``, else availability or event time, is at most ``max_age`` old), ``sum`` and ``distinct`` (of ``column``).
    at_least, at_most
        Inclusive limits of the figure. For ``expression`` they bound the share of rows that keep it (default: all).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    kind: CheckKind
    column: str | None = None
    columns: tuple[str, ...] = ()
    expression: str | None = Field(default=None, min_length=1, max_length=2_000)
    max_age: str | None = None
    at_least: StrictInt | StrictFloat | None = None
    at_most: StrictInt | StrictFloat | None = None
    severity: Literal["error", "warning"] = "error"
    description: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind in ("null_share", "sum", "distinct") and self.column is None:
            raise ValueError(f"the check '{self.name}' ({self.kind}) needs 'column'")
        if self.kind == "unique" and not self.columns and self.column is None:
            raise ValueError(f"the check '{self.name}' (unique) needs 'columns'")
        if (self.kind == "expression") != (self.expression is not None):
            raise ValueError(f"'expression' belongs to checks of kind expression, and those need it: '{self.name}'")
        if (self.kind == "freshness") != (self.max_age is not None):
            raise ValueError(f"'max_age' belongs to checks of kind freshness, and those need it: '{self.name}'")
        if self.max_age is not None:
            _or_value_error(lambda: parse_duration(str(self.max_age)))
        if self.kind in ("row_count", "null_share", "sum", "distinct") and self.at_least is None and self.at_most is None:
            raise ValueError(f"the check '{self.name}' has no limit: give 'at_least' or 'at_most'")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"'at_least' is above 'at_most' in the check '{self.name}'")
        return self


class Contract(BaseModel):
    """What the source of a table promises. Immutable: another promise is another version.

    key, unique
        The columns that name a row; ``unique``: no two rows have the same.
    event_time
        The timestamp column that says when it happened.
    available_time, available_lag
        The timestamp column that says when it could be known, or, where there is none (or it may be null), how long after the event that is: ``2h``.
        Who has an event time declares one of them: without it nothing can keep training from seeing the future.
    forecasts
        Rows may be available before they happen (forecasts, plans). Otherwise that is refused.
    subject
        The column that names the person a row is about; withdrawal goes by it.
    odcs
        What an imported ODCS document says beyond all this, kept for its export (:mod:`.odcs`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int = Field(default=1, ge=1, strict=True)
    owner: str = Field(min_length=1)
    description: str = ""
    columns: Mapping[str, Column] = Field(min_length=1)
    key: tuple[str, ...] = ()
    unique: StrictBool = True
    event_time: str | None = None
    available_time: str | None = None
    available_lag: str | None = None
    forecasts: StrictBool = False
    subject: str | None = None
    checks: tuple[Check, ...] = ()
    odcs: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("a name has letters, digits, '.', '_' and '-', and begins with a letter or digit")
        return value

    @field_validator("columns")
    @classmethod
    def _column_names(cls, value: Mapping[str, Column]) -> Mapping[str, Column]:
        for name in value:
            if not name.strip() or not name.isprintable() or len(name) > _LONGEST_COLUMN_NAME:
                raise ValueError(f"a column's name is 1 to {_LONGEST_COLUMN_NAME} printable characters, not {name[:40]!r}")
        arrives_as: dict[str, str] = {}
        for name, column in value.items():
            for arrival in (name, *column.renamed_from):
                if arrival in arrives_as:
                    raise ValueError(f"two columns arrive as {arrival!r}: {arrives_as[arrival]!r} and {name!r}")
                arrives_as[arrival] = name
        return value

    @field_validator("available_lag")
    @classmethod
    def _duration(cls, value: str | None) -> str | None:
        if value is not None:
            _or_value_error(lambda: parse_duration(value))
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(set(self.key)) != len(self.key):
            raise ValueError("a column is in the key twice")
        for name in self.key:
            column = self._column(name, "key")
            if column.nullable:
                raise ValueError(f"the key column {name!r} may not be nullable")
            if column.type not in _KEY_TYPES:
                raise ValueError(f"the key column {name!r} is {column.type}, which names nothing")
        for role in ("event_time", "available_time"):
            name = getattr(self, role)
            if name is not None and self._column(name, role).type != "timestamp":
                raise ValueError(f"'{role}' names {name!r}, which is {self.columns[name].type}, not timestamp")
        if self.subject is not None:
            self._column(self.subject, "subject")
        self._check_times()
        names = [check.name for check in self.checks]
        if len(set(names)) != len(names):
            raise ValueError("two checks have the same name")
        for check in self.checks:
            for name in (*check.columns, *((check.column,) if check.column else ())):
                self._column(name, f"check '{check.name}'")
        return self

    def as_stored(self) -> Contract:
        """What the contract says of rows that are stored, without how values arrive: no ``arrives_in``, ``renamed_from``, ``zone`` or ``level_map``.

        Two versions with the same stored side differ only in how a source is read; rows taken in under the one keep the other as they are.
        """
        read = {"arrives_in": None, "renamed_from": (), "zone": None}
        columns = {
            name: column.model_copy(update=read | ({"level_map": {}, "level_policy": "refuse"} if column.level_policy == "map" else {}))
            for name, column in self.columns.items()
        }
        return self.model_copy(update={"columns": columns})

    def _column(self, name: str, role: str) -> Column:
        if name not in self.columns:
            raise ValueError(f"{role}: there is no column {name!r}")
        return self.columns[name]

    def _check_times(self) -> None:
        if self.event_time is None:
            if self.available_time is not None or self.available_lag is not None:
                raise ValueError("an availability needs an 'event_time'")
            return
        if self.columns[self.event_time].nullable:
            raise ValueError(f"the event time {self.event_time!r} may not be nullable")
        if self.available_time is None and self.available_lag is None:
            raise ValueError("say when a row could be known: 'available_time' (a column) or 'available_lag' (say '2h')")
        if self.available_time is not None and self.columns[self.available_time].nullable and self.available_lag is None:
            raise ValueError(f"{self.available_time!r} may be null: declare an 'available_lag' for such rows")

    @property
    def id(self) -> str:
        """The content id: the same promise under the same name and version has the same, the order of columns included."""
        content = self.to_dict(brief=True)
        content["columns"] = [[name, column] for name, column in content["columns"].items()]
        return content_id("ct", content)

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of a table that keeps the contract: its columns in order, nullable where declared."""
        import pyarrow as pa

        from pilotage.data.contracts.arrow import arrow_type

        return pa.schema([pa.field(name, arrow_type(column.type), nullable=column.nullable) for name, column in self.columns.items()])

    def to_dict(self, *, brief: bool = False) -> dict[str, Any]:
        """As plain data, every default written out unless ``brief``."""
        return self.model_dump(mode="json", exclude_defaults=brief)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Contract:
        """The inverse of :meth:`to_dict`."""
        return cls.model_validate(value)

    def __str__(self) -> str:
        grain = f", one row per {' + '.join(self.key)}" if self.key and self.unique else ""
        return f"{self.ref} ({self.id}): {len(self.columns)} columns{grain}, owner {self.owner}"

    def __hash__(self) -> int:
        return hash(self.id)


def _or_value_error(read: Any) -> Any:
    """What pydantic turns into a complaint about this field."""
    try:
        return read()
    except InputError as error:
        raise ValueError(" ".join(part for part in (error.what, error.mend) if part)) from error
