"""Long tables of labels: one row a judgement, columns task, worker and label. CSV, TSV or Parquet."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotage.core import InputError, NotFound, as_text_cell
from pilotage.judging.aggregation.truth import Truth

# The names such tables use in the wild, so that most files read as they are.
NAMES = {
    "task": ("task", "item", "unit", "item_id", "task_id"),
    "worker": ("worker", "rater", "annotator", "worker_id", "rater_id"),
    "label": ("label", "value", "answer", "response"),
}


@dataclass(frozen=True)
class LongTable:
    """Columns of equal length; ``worker`` is () where it was not asked for."""

    task: Sequence[Any]
    label: Sequence[Any]
    worker: Sequence[Any] = ()


def read_long(path: Path, *, workers: bool = True, columns: dict[str, str] | None = None) -> LongTable:
    """The table at ``path``; by ending ``.csv``, ``.tsv`` or ``.parquet``. In CSV and TSV every entry is text.

    Parameters
    ----------
    workers
        Whether there must be a worker column (gold has none).
    columns
        task / worker / label → the column's name, where it is none of those in :data:`NAMES`.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        If a column is missing or a row has an empty entry, with file and line.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    wanted = ["task", "worker", "label"] if workers else ["task", "label"]
    header, rows = _parquet(path) if path.suffix == ".parquet" else _text(path)
    places = [_place(header, name, columns or {}, path) for name in wanted]
    found: list[list[Any]] = [[] for _ in wanted]
    for line, row in rows:
        for column, place in zip(found, places, strict=True):
            entry = row[place] if place < len(row) else None
            if entry is None or entry == "":
                raise InputError(
                    "A row has an empty entry.", where=f"{path}:{line} column '{header[place]}'", mend="leave the row out, or fill it in"
                )
            column.append(entry)
    given = dict(zip(wanted, found, strict=True))
    return LongTable(given["task"], given["label"], given.get("worker", ()))


def gold_of(table: LongTable) -> dict[Any, Any]:
    """Task → label. Raises ``InputError`` where a task has two."""
    gold: dict[Any, Any] = {}
    for task, label in zip(table.task, table.label, strict=True):
        if gold.setdefault(task, label) != label:
            raise InputError(f"The gold has two labels for one task: {gold[task]!r} and {label!r}.", where=f"task {task!r}")
    return gold


def write_labels(path: Path, truth: Truth, *, for_spreadsheets: bool = False) -> None:
    """Write task, label (empty at a tie), probability and tied to ``path`` as CSV: the whole file or nothing.

    ``for_spreadsheets``: text that a spreadsheet would take for a formula gets an apostrophe before it. What is written so is not to be read back.
    """
    of = as_text_cell if for_spreadsheets else lambda value: value
    tied = set(truth.tied)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["task", "label", "probability", "tied"])
            for unit, label, sure in zip(truth.units, truth.labels, truth.confidence().tolist(), strict=True):
                writer.writerow([of(unit), "" if label is None else of(label), f"{sure:.6f}", int(unit in tied)])
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _place(header: Sequence[str], name: str, columns: dict[str, str], path: Path) -> int:
    accepted = (columns[name],) if name in columns else NAMES[name]
    found = [index for index, column in enumerate(header) if column in accepted]
    if len(found) == 1:
        return found[0]
    what = f"There is no column for the {name}" if not found else f"Several columns could be the {name}"
    raise InputError(
        f"{what}: the columns are {', '.join(header[:12])}.", where=f"{path}:1", mend=f"name one {' or '.join(accepted)}, or say which it is"
    )


def _text(path: Path) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        try:
            header = next(reader, [])
            return header, [(reader.line_num, row) for row in reader if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"The file cannot be read: {error}.", where=f"{path}:{reader.line_num}", mend="save it as UTF-8 text") from error


def _parquet(path: Path) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"The file is no Parquet: {error}.", where=str(path)) from error
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return table.column_names, [(number, list(row)) for number, row in enumerate(zip(*columns, strict=True), start=1)]
