"""What records stand in: a JSON array, an object of objects, lines, a table of text or Arrow, a folder of Arrow files.

Each reads with bounded memory and writes one record at a time. What belongs to the file as a whole (its columns, its schema, its dataset card) is the
``header``: kept at import, and given back to the writer.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pilotage.core import InputError, as_text_cell
from pilotage.data.contract import Problem
from pilotage.data.sources import CsvLines, csv_header, csv_reader, csv_records
from pilotage.review.exchange.json_stream import Row, read_array, read_lines, read_object, write_json
from pilotage.review.exchange.lewidi import KEY
from pilotage.review.exchange.record import ExchangeLimits, Misfit

Header = dict[str, Any]
BATCH = 1024  # table rows at a time


class Container(Protocol):
    """How rows stand in a file."""

    folder: bool

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        """The rows, numbered; fills ``header`` before the first."""
        ...

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        """Write the rows to ``path`` (a folder's name, for those that are folders)."""
        ...


class JsonArray:
    folder = False

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        with path.open("rb") as file:
            yield from read_array(file, limits, where=path.name)

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        with path.open("wb") as file:
            file.write(b"[")
            for index, row in enumerate(rows):
                file.write((b",\n" if index else b"\n") + write_json(row))
            file.write(b"\n]\n")


class JsonObject:
    folder = False

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        with path.open("rb") as file:
            for number, name, row in read_object(file, limits, where=path.name):
                yield number, row if isinstance(row, Misfit) else {KEY: name, **row}

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        with path.open("wb") as file:
            file.write(b"{")
            taken: set[str] = set()
            for index, row in enumerate(rows):
                name = str(row.pop(KEY, "") or index + 1)
                while name in taken:
                    name += "_"
                taken.add(name)
                file.write((b",\n" if index else b"\n") + write_json(name) + b":" + write_json(row))
            file.write(b"\n}\n")


class Lines:
    folder = False

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        with path.open("rb") as file:
            yield from read_lines(file, limits)

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        with path.open("wb") as file:
            for row in rows:
                file.write(write_json(row) + b"\n")


class Delimited:
    """CSV (RFC 4180) and its sibling with tabs. Cells are text; an empty one is an empty text.

    ``for_spreadsheets``: what is written is for a person to open, so no cell is left that a spreadsheet takes for a formula. That changes cells, so
    such a file is not read back.
    """

    folder = False

    def __init__(self, delimiter: str, *, for_spreadsheets: bool = False) -> None:
        self._delimiter = delimiter
        self._for_spreadsheets = for_spreadsheets
        self.changed = 0  # cells written that were given an apostrophe

    def for_spreadsheets(self) -> Delimited:
        return Delimited(self._delimiter, for_spreadsheets=True)

    def _of(self, cell: Any) -> Any:
        if not self._for_spreadsheets:
            return cell
        shown = as_text_cell(cell)
        self.changed += shown is not cell
        return shown

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        with path.open("rb") as file:
            lines = CsvLines(file, limits.record_bytes)
            reader = csv_reader(lines, delimiter=self._delimiter)
            names = csv_header(lines, reader, where=str(path))
            header["columns"] = list(names)
            for first, cells, _ in csv_records(lines, reader, width=len(names)):
                yield first, Misfit(cells.field, cells.reason) if isinstance(cells, Problem) else dict(zip(names, cells, strict=True))

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        names, rows = _columns(rows, header)
        with path.open("wb") as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            writer = csv.writer(text, delimiter=self._delimiter, lineterminator="\n")
            writer.writerow([self._of(name) for name in names])
            for row in rows:
                _require_columns(row, names)
                writer.writerow([self._of(_cell(row.get(name))) for name in names])


class Parquet:
    folder = False

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                header["schema"] = _kept(file.schema_arrow)
                yield from _rows_of(file.iter_batches(batch_size=BATCH), 0, limits, where=str(path))
        except pa.ArrowException as error:
            raise InputError(f"The Parquet file cannot be read: {str(error).splitlines()[0]}", where=str(path), mend="write it again") from error

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        import pyarrow.parquet as pq

        schema, rows = _schema(rows, header)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in _batches(rows, schema):
                writer.write_batch(batch)


class HfFolder:
    """A folder as Hugging Face ``datasets`` saves one (Arrow streams and ``state.json``), or Parquet files as its hub holds them."""

    folder = True
    _TOLD = ("state.json", "dataset_info.json")

    def read(self, path: Path, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if (path / "dataset_dict.json").exists():
            raise InputError("This folder holds several splits.", where=str(path), mend="name the folder of one split")
        header["told"] = {name: self._json(path / name) for name in self._TOLD if (path / name).exists()}
        files = self._files(path, header["told"])
        before = 0
        for file in files:
            try:
                if file.suffix == ".parquet":
                    with pq.ParquetFile(file) as found:
                        header.setdefault("schema", _kept(found.schema_arrow))
                        for number, row in _rows_of(found.iter_batches(batch_size=BATCH), before, limits, where=str(file)):
                            before = number
                            yield number, row
                else:
                    with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as stream:
                        header.setdefault("schema", _kept(stream.schema))
                        for number, row in _rows_of(stream, before, limits, where=str(file)):
                            before = number
                            yield number, row
            except pa.ArrowException as error:
                raise InputError(f"This file cannot be read: {str(error).splitlines()[0]}", where=str(file), mend="write it again") from error

    def write(self, path: Path, rows: Iterator[dict[str, Any]], header: Header) -> None:
        import pyarrow as pa

        schema, rows = _schema(rows, header)
        path.mkdir()
        name = "data-00000-of-00001.arrow"
        with pa.OSFile(str(path / name), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in _batches(rows, schema):
                writer.write_batch(batch)
        told = dict(header.get("told", {}))
        told["state.json"] = {**told.get("state.json", {}), "_data_files": [{"filename": name}]}
        told.setdefault("dataset_info.json", {"description": "", "citation": "", "homepage": "", "license": ""})
        told["state.json"].setdefault("_split", None)
        for file, content in told.items():
            (path / file).write_bytes(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")

    def _files(self, path: Path, told: dict[str, Any]) -> list[Path]:
        named = told.get("state.json", {}).get("_data_files") if isinstance(told.get("state.json"), dict) else None
        if isinstance(named, list):
            found = [path / str(entry.get("filename", "")) for entry in named if isinstance(entry, dict)]
            if any(file.parent.resolve() != path.resolve() for file in found):
                raise InputError("state.json names a file outside the folder.", where=str(path), mend="name files beside it")
        else:
            found = sorted([*path.glob("*.arrow"), *path.glob("*.parquet"), *path.glob("data/*.parquet")])
        missing = next((file for file in found if not file.is_file()), None)
        if missing is not None or not found:
            raise InputError("This is no folder of a dataset.", where=str(missing or path), mend="name a folder with *.arrow or *.parquet files")
        return found

    @staticmethod
    def _json(path: Path) -> Any:
        try:
            return json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise InputError(f"This file is no JSON: {error}.", where=str(path), mend="save the dataset again") from error


def _rows_of(batches: Any, before: int, limits: ExchangeLimits, *, where: str) -> Iterator[Row]:
    import pyarrow as pa

    number, size = before, 0
    for batch in batches:
        names = batch.schema.names
        if len(set(names)) != len(names):
            raise InputError("A column stands twice in this table.", where=where, mend="rename one")
        size += batch.nbytes
        if size > limits.bytes:
            raise InputError(f"The table unpacks to more than {limits.bytes} bytes.", where=where, mend="take it in parts")
        try:
            rows = batch.to_pylist()
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise InputError(
                f"A value of this table cannot be read: {error}", where=f"{where} after row {number}", mend="use text or numbers"
            ) from error
        for row in rows:
            number += 1
            yield number, row


def _kept(schema: Any) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def _schema(rows: Iterator[dict[str, Any]], header: Header) -> tuple[Any, Iterator[dict[str, Any]]]:
    """The schema of the file the rows came from, or the one of all of them."""
    import pyarrow as pa

    if "schema" in header:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(header["schema"])))
        return schema, _checked(rows, schema.names)
    # No schema yet: what the rows hold decides, and an empty list in the first batch says nothing, so all rows are looked at.
    held = list(rows)
    names = list(dict.fromkeys(name for row in held for name in row))
    try:
        schema = pa.Table.from_pylist(held, schema=None if held else pa.schema([])).schema
        if set(schema.names) != set(names):
            schema = pa.Table.from_pydict({name: [row.get(name) for row in held] for name in names}).schema
    except (pa.ArrowException, TypeError) as error:
        raise InputError(
            f"These records do not fit in one table: {str(error).splitlines()[0]}", why="a column has one type", mend="export them as JSON lines"
        ) from error
    return schema, iter(held)


def _checked(rows: Iterator[dict[str, Any]], names: list[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        _require_columns(row, names)
        yield row


def _require_columns(row: dict[str, Any], names: list[str]) -> None:
    unknown = next((name for name in row if name not in names), None)
    if unknown is not None:
        raise InputError(
            f"The table has no column '{unknown}'.",
            why="what stands there would be lost",
            mend="export to a format of JSON lines, or import it with it",
        )


def _batches(rows: Iterator[dict[str, Any]], schema: Any) -> Iterator[Any]:
    import pyarrow as pa

    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == BATCH:
            yield _batch(pa, part, schema)
            part = []
    if part:
        yield _batch(pa, part, schema)


def _batch(pa: Any, part: list[dict[str, Any]], schema: Any) -> Any:
    try:
        return pa.RecordBatch.from_pylist(part, schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"A value does not fit the table's columns: {error}", mend="export to a format of JSON lines") from error


def _columns(rows: Iterator[dict[str, Any]], header: Header) -> tuple[list[str], Iterator[dict[str, Any]]]:
    if "columns" in header:
        return list(header["columns"]), rows
    held = list(rows)
    return list(dict.fromkeys(name for row in held for name in row)) or ["task", "worker", "label"], iter(held)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value


Opener = Callable[[Path], BinaryIO]
