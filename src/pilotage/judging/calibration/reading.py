"""Read a labelled sample from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from pilotage.core import InputError
from pilotage.judging.calibration.sample import Sample

_SAID = {"true": 1.0, "yes": 1.0, "right": 1.0, "false": 0.0, "no": 0.0, "wrong": 0.0}


def read_sample(file: Path, *, model: str, labelled_by: Iterable[str] = (), slices: Iterable[str] = ()) -> Sample:
    """The sample in ``file``: UTF-8 CSV with a heading, ``confidence`` and ``correct``; ``id``, ``inclusion`` and ``labelled_by`` if there.

    Parameters
    ----------
    labelled_by
        Who labelled, if the file has no such column.
    slices
        Columns that are slices.

    Raises
    ------
    InputError
        With file and line, on a value that is missing or no number, or a column that is not there.
    """
    wanted = list(slices)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        names = reader.fieldnames or []
        missing = [name for name in ("confidence", "correct", *wanted) if name not in names]
        if missing:
            raise InputError(f"There is no column '{missing[0]}'.", where=f"{file}:1", mend=f"the columns are: {', '.join(names) or 'none'}")
        confidence, correct, inclusion = [], [], []
        ids: list[str] = []
        by = set(labelled_by)
        values: dict[str, list[str]] = {name: [] for name in wanted}
        for row in reader:
            place = f"{file}:{reader.line_num}"
            confidence.append(_number(row["confidence"], place, "confidence"))
            correct.append(_number(row["correct"], place, "correct"))
            if "inclusion" in names:
                inclusion.append(_number(row["inclusion"], place, "inclusion"))
            if "id" in names:
                ids.append(_text(row["id"], place, "id"))
            if "labelled_by" in names:
                by.add(_text(row["labelled_by"], place, "labelled_by"))
            for name in wanted:
                values[name].append(_text(row[name], place, name))
    return Sample.of(
        confidence,
        correct,
        model=model,
        labelled_by=sorted(by),
        ids=ids if "id" in names else None,
        inclusion=inclusion if "inclusion" in names else None,
        slices=values,
    )


def _number(text: str | None, place: str, field: str) -> float:
    said = (text or "").strip()
    if field == "correct" and said.lower() in _SAID:
        return _SAID[said.lower()]
    try:
        return float(said)
    except ValueError as error:
        raise InputError(f"'{said}' is no number." if said else "The value is missing.", where=f"{place} field '{field}'") from error


def _text(text: str | None, place: str, field: str) -> str:
    if not text or not text.strip():
        raise InputError("The value is missing.", where=f"{place} field '{field}'")
    return text.strip()
