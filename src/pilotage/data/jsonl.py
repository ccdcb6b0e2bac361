"""JSONL files that are used whole or not at all: suites, objectives and the like, which people write and mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilotage.core import InputError
from pilotage.data.contract import Problem
from pilotage.data.sources import ImportLimits, read_jsonl


def read_jsonl_rows(path: str | Path, *, what: str) -> list[tuple[str, dict[str, Any]]]:
    """Every object of the file with its place (``file:line``). ``what`` names its rows in complaints: ``item``, ``objective``.

    Raises
    ------
    InputError
        If the file cannot be read, has no row, or a line is not UTF-8, not a JSON object, holds a key twice, or NaN.
    """
    path = Path(path)
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        with path.open("rb") as file:
            for each in read_jsonl(file, limits=ImportLimits()):
                where = f"{path}:{each.line}"
                if isinstance(each.row, Problem):
                    place = where if each.row.field is None else f"{where} field '{each.row.field}'"
                    mend = "save the file as UTF-8" if "UTF-8" in each.row.reason else "write one JSON object a line"
                    raise InputError(f"This line is no {what}: {each.row.reason}.", where=place, mend=mend)
                found.append((where, each.row))
    except OSError as error:
        raise InputError(f"The file of {what}s cannot be read: {error.strerror}.", where=str(path), mend="check the path") from error
    if not found:
        raise InputError(f"The file holds no {what}.", where=str(path), mend="give at least one row")
    return found
