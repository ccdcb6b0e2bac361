"""A source as people declare it: where rows come from, what they must keep, and where they go.

One YAML file a source, read strictly: every complaint names file, line and field. Secrets never stand in it; it names the variable of the
environment that holds one. Paths are relative to the file's folder and must lie, links resolved, under one of ``within`` (by default that folder).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from pilotage.core import Declared, InputError, fit, parse_duration, read_declared
from pilotage.data.card import Card
from pilotage.data.version import require_dataset_name

Format = Literal["csv", "jsonl", "parquet", "arrow"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("this must be the name of a variable of the environment, not its value")
    return name


Variable = Annotated[str, AfterValidator(_variable)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Strict):
    """How much is taken, and how much may be bad.

    ``bad_share``: with a larger share of bad rows (0 to 1) the batch is held. ``bad_rows``: with more, it is refused whole. ``bytes``: of a delivery,
    unpacked. ``ratio``: how many times its size a compressed file may unpack to. ``line_bytes``: of one line or record. ``clock_skew``: how far ahead
    of our clock a row's available time may be.
    """

    bad_share: float = Field(default=0.05, ge=0, le=1)
    bad_rows: int = Field(default=100_000, ge=0)
    rows: int = Field(default=200_000_000, ge=1)
    bytes: int = Field(default=16 * 1024**3, ge=1)
    ratio: float = Field(default=200, ge=1)
    line_bytes: int = Field(default=1024 * 1024, ge=16, le=64 * 1024 * 1024)
    clock_skew: str = "5m"

    @field_validator("clock_skew")
    @classmethod
    def _duration(cls, value: str) -> str:
        try:
            parse_duration(value)
        except InputError as error:
            raise ValueError(error.what) from error
        return value


class Dialect(_Strict):
    """How a CSV file is written. Always UTF-8, with or without a byte order mark.

    ``header``: true for names on the first line, or the names where there is no such line. ``missing``: cells that stand for a missing value (an
    empty cell of a text column stays an empty text unless ``""`` is listed). ``decimal``: the decimal mark of numbers. ``skip``: how many lines
    stand before the header.
    """

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    header: Literal[True] | tuple[str, ...] = True
    missing: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."
    skip: int = Field(default=0, ge=0, le=1000)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.delimiter == self.quote or self.delimiter in "\r\n\0" or self.quote in "\r\n\0":
            raise ValueError("delimiter and quote must be two different characters, and no ends of lines")
        if not (self.delimiter.isascii() and self.quote.isascii()):
            raise ValueError("delimiter and quote must be ASCII")
        if self.header is not True and (not self.header or len(set(self.header)) != len(self.header) or not all(map(str.strip, self.header))):
            raise ValueError("'header' must be true, or name every column once")
        return self


class SourceConfig(_Strict):
    """What every source says, whatever its kind.

    contract
        The file of a contract, or the name (``name``, ``name@3``) of one that the workspace has.
    write
        ``append`` adds the batch's rows, ``upsert`` replaces rows of the same key, ``replace`` makes the batch the whole next version.
    on_bad_rows
        ``quarantine`` sets bad rows aside and goes on; ``refuse`` refuses the delivery whole if one row is bad.
    extra_columns
        ``refuse`` (a column the contract does not know is a complaint) or ``ignore`` (it is left out, and the batch says so).
    """

    name: str
    kind: str
    contract: str = Field(min_length=1)
    dataset: str
    card: Card
    write: Literal["append", "upsert", "replace"] = "append"
    on_bad_rows: Literal["quarantine", "refuse"] = "quarantine"
    extra_columns: Literal["refuse", "ignore"] = "refuse"
    within: tuple[str, ...] = ()
    limits: Limits = Limits()

    @field_validator("name", "dataset")
    @classmethod
    def _plain(cls, value: str) -> str:
        try:
            require_dataset_name(value)
        except InputError as error:
            raise ValueError(f"{value!r} is not a name: {error.mend}") from error
        return value

    def to_dict(self) -> dict[str, Any]:
        """The source as plain data."""
        return self.model_dump(mode="json")


class FileSource(SourceConfig):
    """A file (plain, ``.gz``, ``.zst`` or ``.zip`` with one member). Without ``path`` the file is named at each call."""

    kind: Literal["csv", "jsonl", "parquet", "arrow"]
    path: str | None = None
    dialect: Dialect = Dialect()


class LanceSource(SourceConfig):
    """A Lance dataset (its latest version when it is read)."""

    kind: Literal["lance"]
    path: str


class SqlSource(SourceConfig):
    """A query of a database. ``url_env`` names the variable that holds the SQLAlchemy URL.

    ``watermark``: a column that only grows (a sequence, a time of insertion): only rows beyond the last one taken are read; where ``write`` is
    ``upsert``, rows equal to it are read again, so that ties are not lost.
    """

    kind: Literal["sql"]
    url_env: Variable
    query: str | None = None
    table: str | None = None
    watermark: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.query is None) == (self.table is None):
            raise ValueError("give either 'query' or 'table'")
        if self.query is not None:
            bare = self.query.strip().rstrip(";").strip()
            if ";" in bare or not re.match(r"(?i)(select|with)\b", bare):
                raise ValueError("'query' must be one SELECT (or WITH … SELECT) statement")
        return self


class ObjectSource(SourceConfig):
    """One object: ``s3://bucket/key``, ``gs://bucket/key`` or ``file:///path``. Credentials come from the environment, as pyarrow.fs reads them."""

    kind: Literal["object"]
    uri: str = Field(pattern=r"^(s3|gs|gcs|file)://")
    format: Format | None = None
    dialect: Dialect = Dialect()


class HttpSource(SourceConfig):
    """A GET of a body from one of ``hosts``; ``token_env`` names the variable that holds a bearer token. The ETag is remembered."""

    kind: Literal["http"]
    url: str = Field(pattern=r"^https?://")
    hosts: tuple[str, ...] = Field(min_length=1)
    format: Format
    token_env: Variable | None = None
    timeout_s: float = Field(default=60, gt=0, le=3600)
    dialect: Dialect = Dialect()


class LogSource(SourceConfig):
    """A folder of JSONL segments that are only ever appended to, read in the order of their names from where the last batch ended."""

    kind: Literal["log"]
    path: str
    pattern: str = "*.jsonl"

    @field_validator("pattern")
    @classmethod
    def _one_folder(cls, value: str) -> str:
        if "/" in value or ".." in value:
            raise ValueError("the pattern names files of the one folder")
        return value


class PushSource(SourceConfig):
    """Rows that are handed over as JSON objects: :func:`pilotage.data.ingest.ingest_rows`."""

    kind: Literal["push"]


KINDS: dict[str, type[SourceConfig]] = {
    **dict.fromkeys(("csv", "jsonl", "parquet", "arrow"), FileSource),
    "lance": LanceSource,
    "sql": SqlSource,
    "object": ObjectSource,
    "http": HttpSource,
    "log": LogSource,
    "push": PushSource,
}


def load_source(path: str | Path) -> SourceConfig:
    """Read a source's YAML file. Its relative paths become absolute, from the file's folder.

    Raises
    ------
    InputError
        With file, line and field, if anything in it is unknown, missing or does not fit.
    NotFound
        If there is no such file.
    """
    path = Path(path)
    return parse_source(read_declared(path), folder=path.resolve().parent)


def parse_source(declared: Declared, *, folder: Path) -> SourceConfig:
    """As :func:`load_source`, from a part of a file that was read."""
    if not isinstance(declared.value, dict) or "kind" not in declared.value:
        declared.refuse("A source needs a 'kind'.", mend=f"add 'kind:' with one of: {', '.join(KINDS)}")
    kind = declared.value["kind"].text(one_of=tuple(KINDS))
    source = fit(declared, KINDS[kind])
    return anchored(source, folder=folder)


def anchored(source: SourceConfig, *, folder: Path) -> SourceConfig:
    """The source with its relative paths made absolute from ``folder``, and with ``folder`` as the allowed root where none is declared."""
    changed: dict[str, Any] = {"within": tuple(str(folder / root) for root in source.within) or (str(folder),)}
    place = getattr(source, "path", None)
    if place is not None:
        changed["path"] = str(folder / place)
    if source.contract.endswith((".yaml", ".yml")):
        changed["contract"] = str(folder / source.contract)
    return source.model_copy(update=changed)


def source_from_dict(value: dict[str, Any]) -> SourceConfig:
    """The inverse of :meth:`SourceConfig.to_dict`."""
    return KINDS[value["kind"]].model_validate(value)
