"""Read a labelled sample from a CSV or Parquet file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pilotage.core import InputError
from pilotage.judging.calibration.sample import Sample

FIELDS = ("confidence", "correct", "id", "inclusion", "labelled_by")
_SAID = {"true": 1.0, "yes": 1.0, "right": 1.0, "false": 0.0, "no": 0.0, "wrong": 0.0}


def read_sample(
    file: Path, *, model: str, labelled_by: Iterable[str] = (), slices: Iterable[str] = (), columns: Mapping[str, str] | None = None
) -> Sample:
    """The sample in ``file``: Parquet, or UTF-8 CSV with a heading: ``confidence``, ``correct``; ``id``, ``inclusion``, ``labelled_by`` if there.

    Parameters
    ----------
    labelled_by
        Who labelled, if the file has no such column.
    slices
        Columns that are slices.
    columns
        Which column of the file holds which of these, where it has another name; one that is named must be there.

    Raises
    ------
    InputError
        With file and line (or row), on a value that is missing or no number, or a column that is not there.
    """
    wanted, given = list(slices), dict(columns or {})
    names = {field: given.get(field, field) for field in FIELDS}
    there, rows = _parquet(file) if file.suffix.lower() in (".parquet", ".pq") else _csv(file)
    needed = [names["confidence"], names["correct"], *(names[field] for field in given), *wanted]
    missing = [name for name in needed if name not in there]
    if missing:
        raise InputError(f"There is no column '{missing[0]}'.", where=f"{file}:1", mend=f"the columns are: {', '.join(there) or 'none'}")
    held = {field for field in FIELDS if names[field] in there}
    confidence, correct, inclusion = [], [], []
    ids: list[str] = []
    by = set(labelled_by)
    values: dict[str, list[str]] = {name: [] for name in wanted}
    for place, row in rows:
        confidence.append(_number(row[names["confidence"]], place, names["confidence"]))
        correct.append(_number(row[names["correct"]], place, names["correct"], said=_SAID))
        if "inclusion" in held:
            inclusion.append(_number(row[names["inclusion"]], place, names["inclusion"]))
        if "id" in held:
            ids.append(_text(row[names["id"]], place, names["id"]))
        if "labelled_by" in held:
            by.add(_text(row[names["labelled_by"]], place, names["labelled_by"]))
        for name in wanted:
            values[name].append(_text(row[name], place, name))
    return Sample.of(
        confidence,
        correct,
        model=model,
        labelled_by=sorted(by),
        ids=ids if "id" in held else None,
        inclusion=inclusion if "inclusion" in held else None,
        slices=values,
    )


_Rows = Iterator[tuple[str, Mapping[str, str | None]]]


def _csv(file: Path) -> tuple[list[str], _Rows]:
    try:
        lines = io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise InputError("This file is not valid UTF-8.", where=str(file), mend="save it as UTF-8 text, or as Parquet") from error
    reader = csv.DictReader(lines)
    return list(reader.fieldnames or []), ((f"{file}:{reader.line_num}", row) for row in reader)


def _parquet(file: Path) -> tuple[list[str], _Rows]:
    from pyarrow import ArrowInvalid, parquet

    try:
        held = parquet.read_table(file)
    except (ArrowInvalid, OSError) as error:
        raise InputError("This is no Parquet file.", where=str(file), why=str(error)[:200]) from error
    rows = ({name: None if value is None else str(value) for name, value in row.items()} for batch in held.to_batches() for row in batch.to_pylist())
    return list(held.column_names), ((f"{file} row {number}", row) for number, row in enumerate(rows, start=1))


def _number(text: str | None, place: str, field: str, *, said: Mapping[str, float] | None = None) -> float:
    told = (text or "").strip()
    if said is not None and told.lower() in said:
        return said[told.lower()]
    try:
        return float(told)
    except ValueError as error:
        raise InputError(f"'{told[:100]}' is no number." if told else "The value is missing.", where=f"{place} field '{field}'") from error


def _text(text: str | None, place: str, field: str) -> str:
    if not text or not text.strip():
        raise InputError("The value is missing.", where=f"{place} field '{field}'")
    return text.strip()
