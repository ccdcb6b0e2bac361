"""Bringing a file in: every row is kept or quarantined with its reason, and the counts say so.

Reading never stops at the first bad row and never drops one silently. What cannot be a dataset at all (a missing file, a wrong extension, a file in
which every row fails) is refused whole.

Cost: one pass to hash the file and one to read it, about 25 µs a short row; memory: one row group and the ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotage.core import InputError, NotFound, Progress, Refused, SilentProgress, Step
from pilotage.data.card import Card
from pilotage.data.contract import FieldRule, Problem, make_contract
from pilotage.data.formats import TrainingFormat, from_format, require_format
from pilotage.data.preparing import ReadyRow, ready_row
from pilotage.data.publishing import Draft, publish, require_destination
from pilotage.data.quarantine import QuarantinedRow, shorten
from pilotage.data.rowfile import RowFileWriter
from pilotage.data.sources import Found, ImportLimits, read_csv, read_jsonl, read_parquet
from pilotage.data.version import Operation, Version
from pilotage.store import Workspace

EXTENSIONS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}

_SHOWN = 5
_REPORT_EVERY = 1000


@dataclass(frozen=True)
class ImportResult:
    """What became of a file. ``rows_in == kept + quarantined``, always. ``bad`` are the first rows set aside (all: :func:`quarantine`)."""

    version: Version
    rows_in: int
    kept: int
    quarantined: int
    bad: tuple[QuarantinedRow, ...]
    created: bool

    def __str__(self) -> str:
        again = "" if self.created else " (already there)"
        lines = [f"{self.version.ref}: {self.kept} of {self.rows_in} rows kept, {self.quarantined} quarantined{again}"]
        lines += [f"  {bad}" for bad in self.bad]
        if self.quarantined > len(self.bad):
            lines.append(f"  … and {self.quarantined - len(self.bad)} more")
        return "\n".join(lines)


def import_file(
    workspace: Workspace,
    path: str | Path,
    *,
    dataset: str,
    kind: str,
    card: Card,
    key: str = "id",
    fields: Mapping[str, FieldRule | Mapping[str, Any]] | None = None,
    on_bad_rows: str = "quarantine",
    format: str | None = None,
    within: Path | None = None,
    limits: ImportLimits | None = None,
    progress: Progress | None = None,
) -> ImportResult:
    """Import a JSONL, CSV or Parquet file as a new version of ``dataset``.

    Parameters
    ----------
    key
        The field that names a row. If it is not ``id``, its value becomes the row's ``id`` as well.
    fields
        The contract: field -> rule.
    on_bad_rows
        ``quarantine`` sets bad rows aside and keeps the rest; ``refuse`` keeps nothing if one is bad.
    format
        For kind ``training``: the file's rows are in this training format rather than in the canonical form.
    within
        A folder the file must lie in, links resolved.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        If it is no file of a known kind, is over the limits, changes while it is read, or every row of it fails.
    Refused
        If it lies outside ``within``, or training data has no licence, consent or purpose.
    """
    path, limits = Path(path), limits or ImportLimits()
    require_destination(dataset=dataset, kind=kind, card=card)
    training_format = None if format is None else require_format(format)
    if format is not None and kind != "training":
        raise InputError(f"Only training rows come in the format {format}, not rows of kind {kind}.", where=str(path))
    if on_bad_rows not in ("quarantine", "refuse"):
        raise InputError(f"Unknown policy for bad rows: {on_bad_rows!r}.", mend="use 'quarantine' or 'refuse'")
    contract = make_contract(fields)
    file_kind = _require_file(path, within=within, limits=limits)
    before = path.stat()
    sha256 = _sha256(path)
    sieve = _Sieve(path.name, kind=kind, contract=contract, key=key, format=training_format, limits=limits)
    with RowFileWriter() as writer:
        tell = progress or SilentProgress()
        for found in _read(path, file_kind, contract=contract, limits=limits):
            row = sieve.take(found)
            if row is not None:
                writer.add(row.id, row.canonical)
            if sieve.rows_in % _REPORT_EVERY == 0:
                tell.update(_step(dataset, sieve))
        tell.finish(_step(dataset, sieve))
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError("The file was changed while it was read.", where=str(path), mend="import it again once it is at rest")
        _require_usable(sieve, path, kept=writer.digest.count, on_bad_rows=on_bad_rows)
        operation = Operation(
            name="import",
            params={"file": path.name, "sha256": sha256, "format": format or file_kind, "key": key},
            counts={"in": sieve.rows_in, "kept": writer.digest.count, "quarantined": len(sieve.bad)},
        )
        draft = Draft(dataset=dataset, kind=kind, card=card, fields=contract, operation=operation, parents=(), quarantined=tuple(sieve.bad))
        published = publish(workspace, writer, draft)
    return ImportResult(
        version=published.version,
        rows_in=sieve.rows_in,
        kept=published.version.rows,
        quarantined=len(sieve.bad),
        bad=tuple(sieve.bad[:_SHOWN]),
        created=published.created,
    )


class _Sieve:
    """Takes rows one by one; keeps count of them and of what was wrong with those it held back."""

    def __init__(
        self, source: str, *, kind: str, contract: dict[str, FieldRule], key: str, format: TrainingFormat | None, limits: ImportLimits
    ) -> None:
        self._source = source
        self._kind = kind
        self._contract = contract
        self._key = key
        self._format = format
        self._limits = limits
        self._seen: dict[str, int] = {}
        self.rows_in = 0
        self.bad: list[QuarantinedRow] = []

    def take(self, found: Found) -> ReadyRow | None:
        """The row made ready, or None if it went to quarantine."""
        self.rows_in += 1
        if self.rows_in > self._limits.rows:
            raise InputError(f"The file has more than {self._limits.rows} rows.", where=self._source, mend="split it, or raise the limit")
        row = found.row if isinstance(found.row, Problem) else self._ready(found.row)
        if isinstance(row, ReadyRow):
            self._seen[row.id] = found.line
            return row
        field = None if row.field is None else shorten(row.field)
        self.bad.append(QuarantinedRow(self._source, found.line, field, shorten(row.reason), shorten(found.raw)))
        if len(self.bad) > self._limits.bad_rows:
            raise _refused(self, f"More than {self._limits.bad_rows} rows of this file are bad.")
        return None

    def _ready(self, given: dict[str, Any]) -> ReadyRow | Problem:
        converted = dict(given) if self._format is None else from_format(given, self._format)
        if isinstance(converted, Problem):
            return converted
        row = converted
        if self._key != "id":
            if "id" in row and row["id"] != row.get(self._key):
                return Problem("id", f"the row has an 'id' of its own beside the key '{self._key}'")
            row["id"] = row.get(self._key)
        ready = ready_row(row, kind=self._kind, contract=self._contract)
        if isinstance(ready, Problem):
            return Problem(self._key, ready.reason) if ready.field == "id" else ready
        if len(ready.canonical) > self._limits.line_bytes:
            return Problem(None, f"the row is {len(ready.canonical)} bytes long, at most {self._limits.line_bytes} allowed")
        if ready.id in self._seen:
            return Problem(self._key, f"the id {ready.id!r} stands already on line {self._seen[ready.id]}")
        return ready


def _read(path: Path, file_kind: str, *, contract: dict[str, FieldRule], limits: ImportLimits) -> Iterator[Found]:
    if file_kind == "parquet":
        yield from read_parquet(path, limits=limits)
        return
    with path.open("rb") as file:
        if file_kind == "csv":
            yield from read_csv(file, limits=limits, contract=contract, where=str(path))
        else:
            yield from read_jsonl(file, limits=limits)


def _require_file(path: Path, *, within: Path | None, limits: ImportLimits) -> str:
    if not path.is_file():
        raise NotFound("There is no such file." if not path.exists() else "This is no file.", where=str(path), mend="check the path")
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise Refused("The file lies outside the folder it must be in.", where=str(path), why=f"only files under {within} may be read here")
    file_kind = EXTENSIONS.get(path.suffix.lower())
    if file_kind is None:
        raise InputError(
            f"No dataset is read from a file that ends with '{path.suffix}'.",
            where=str(path),
            mend=f"use one of: {', '.join(EXTENSIONS)}",
        )
    if path.stat().st_size > limits.bytes:
        raise InputError(f"The file is larger than {limits.bytes} bytes.", where=str(path), mend="split it, or raise the limit")
    return file_kind


def _require_usable(sieve: _Sieve, path: Path, *, kept: int, on_bad_rows: str) -> None:
    if sieve.rows_in == 0:
        raise InputError("The file has no rows.", where=str(path), mend="check that it is the right one")
    if kept == 0:
        raise _refused(sieve, f"Every row of this file is bad ({sieve.rows_in} of {sieve.rows_in}).")
    if sieve.bad and on_bad_rows == "refuse":
        raise _refused(sieve, f"{len(sieve.bad)} of {sieve.rows_in} rows of this file are bad.")


def _refused(sieve: _Sieve, what: str) -> InputError:
    return InputError(
        what,
        where="; ".join(str(bad) for bad in sieve.bad[:_SHOWN]),
        why="nothing was imported",
        mend="mend these rows; if all fail alike, check the file's encoding (UTF-8), its fields and the contract",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _step(dataset: str, sieve: _Sieve) -> Step:
    return Step(name=f"import {dataset}", done=sieve.rows_in, unit="rows", counts={"quarantined": len(sieve.bad)})
