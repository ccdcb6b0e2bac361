"""Reading a small file as it is, to draft a contract from it or to check it: cells of CSV stay text, so that nothing is guessed twice.

Bringing data in, with quarantine and gates, is what ``data.ingest`` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pilotage.core import InputError, NotFound

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_FILE = 1 << 30


def read_file(path: Path) -> pa.Table:
    """The table in a ``.csv``, ``.jsonl``, ``.parquet``, ``.arrow`` or ``.feather`` file of at most 1 GiB.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        If it is of another kind, too large or malformed. Nothing is skipped: this is no import.
    """
    import pyarrow as pa

    if not path.is_file():
        raise NotFound(f"The file {path.name} does not exist.", where=str(path), mend="check the name")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"This file is larger than {LARGEST_FILE >> 30} GiB.", where=str(path), mend="draft from a part of it, or ingest it")
    readers = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet, ".arrow": _arrow, ".feather": _arrow}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"Files of kind '{path.suffix}' are not read here.", where=str(path), mend=f"use one of: {', '.join(readers)}")
    try:
        return reader(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError) as error:
        raise InputError(f"This file cannot be read: {str(error).splitlines()[0][:300]}", where=str(path), mend="mend it at that place") from error


def _csv(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as reader

    with reader.open_csv(path) as opened:
        names = opened.schema.names
    options = reader.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=False
    )
    return reader.read_csv(path, convert_options=options)


def _jsonl(path: Path) -> pa.Table:
    import pyarrow.json as reader

    return reader.read_json(path)


def _parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as reader

    return reader.read_table(path)


def _arrow(path: Path) -> pa.Table:
    import pyarrow.feather as reader

    return reader.read_table(path)
