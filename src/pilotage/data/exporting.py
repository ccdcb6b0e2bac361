"""Letting rows out: a training file, and beside it a manifest that says what exactly it is and what it leaves out.

The files are written whole under temporary names, then the export is recorded in the ledger, then they get their names: nothing leaves unrecorded,
and no reader meets half a file. The same version in the same format to the same place gives the same bytes and the same record.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import desc, select

from pilotage.core import Conflict, InputError, canonical_json, content_id, digest
from pilotage.data.catalogue import family, load_version
from pilotage.data.formats import FORMATS, Inexpressible, TrainingFormat, require_format, to_format
from pilotage.data.licences import require_use
from pilotage.data.lineage import Edge, Node, record_edges
from pilotage.data.reading import rows
from pilotage.data.tables import dataset_export
from pilotage.data.version import Version
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

MANIFEST_SUFFIX = ".manifest.json"

PURPOSES = ("commercial", "research")


@dataclass(frozen=True)
class LeftOut:
    """A row the format could not express, and why."""

    row_id: str
    reason: str


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export. ``split`` is None where the rows were not split."""

    path: Path
    split: str | None
    sha256: str
    rows: int


@dataclass(frozen=True)
class Export:
    """What left. ``path`` and ``sha256`` are the first file's; ``left_out`` is the loss report."""

    id: str
    version_id: str
    format: str
    path: Path
    sha256: str
    rows: int
    files: tuple[ExportedFile, ...]
    left_out: tuple[LeftOut, ...]
    manifest: Path

    def __str__(self) -> str:
        lost = f", {len(self.left_out)} left out (see {self.manifest.name})" if self.left_out else ""
        return f"{self.path}: {self.rows} rows as {self.format}{lost}"


@dataclass(frozen=True)
class ExportRecord:
    """An export as the workspace remembers it."""

    id: str
    version_id: str
    format: str
    path: str
    sha256: str
    rows: int
    manifest: Mapping[str, Any]
    created_at: int
    created_by: str


def export(
    workspace: Workspace,
    ref: str,
    *,
    format: str,
    path: str | Path,
    purpose: str = "commercial",
    split: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Export:
    """Write the version's training rows as JSONL in ``format``, with a manifest beside them (``<path>.manifest.json``).

    ``split`` (say ``{"train": 0.9, "holdout": 0.1}``, shares of 1) writes one file a name, ``<stem>-<name>.jsonl``. Rows of one finding stay
    together, so that a holdout never holds the sibling of a training row; ``seed`` decides which go where.

    Raises
    ------
    Refused
        If the licence of the version or of any ancestor does not allow ``purpose``.
    InputError
        If the version holds no training rows, none can be expressed in ``format``, or a split would be empty.
    Conflict
        If a file that is no export of ours stands at ``path``.
    """
    training_format = require_format(format)
    if purpose not in PURPOSES:
        raise InputError(f"Unknown purpose: {purpose!r}.", mend="use 'commercial' or 'research'")
    version = load_version(workspace, ref)
    if version.kind != "training":
        raise InputError(f"{version.ref} holds rows of kind {version.kind}; only training rows are exported as {format}.", where=version.id)
    relatives = family(workspace, version.id)
    use = require_use({member.ref: member.card for member in (version, *relatives.ancestors)}, purpose=purpose)

    target = Path(path).parent.resolve() / Path(path).name  # a link in its place is not followed, but refused
    parts = _divide(workspace, version, format=training_format, split=split, seed=seed)
    places = {name: target if name is None else target.with_name(f"{target.stem}-{name}{target.suffix or '.jsonl'}") for name in parts.names}
    manifest_path = target.with_name(target.name + MANIFEST_SUFFIX)
    for place in places.values():
        _require_ours(place, manifest_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        manifest_draft = stack.enter_context(_DraftFile(manifest_path))
        drafts = {name: stack.enter_context(_DraftFile(place)) for name, place in places.items()}
        left_out = _write(workspace, version, format=training_format, parts=parts, drafts=drafts)
        files = tuple(ExportedFile(path=draft.place, split=name, sha256=draft.finish(), rows=draft.rows) for name, draft in drafts.items())
        _require_rows(files, version, format=format, left_out=left_out)
        manifest = _manifest(version, files, left_out, format=format, purpose=purpose, use=str(use), split=split, seed=seed)
        manifest_draft.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
        manifest_draft.finish()
        made = _record(workspace, version, target, files, manifest)
        # The manifest first: a file with a manifest beside it is known as ours if we are killed in between and run again.
        for draft in (manifest_draft, *drafts.values()):
            draft.publish()
    return Export(
        id=made,
        version_id=version.id,
        format=format,
        path=files[0].path,
        sha256=files[0].sha256,
        rows=sum(file.rows for file in files),
        files=files,
        left_out=tuple(left_out),
        manifest=manifest_path,
    )


def exports(workspace: Workspace, ref: str | None = None) -> list[ExportRecord]:
    """What left, newest first: of one version, or of the whole workspace."""
    query = select(dataset_export).where(dataset_export.c.workspace_id == workspace.id)
    if ref is not None:
        query = query.where(dataset_export.c.version_id == load_version(workspace, ref).id)
    with workspace.read() as conn:
        found = conn.execute(query.order_by(desc(dataset_export.c.created_at), dataset_export.c.id)).all()
    return [ExportRecord(**{name: row._mapping[name] for name in ExportRecord.__dataclass_fields__}) for row in found]


class _DraftFile:
    """A file under a temporary name in the folder it will stand in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.rows = 0
        _remove_drafts_of_the_dead(place)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.{os.getpid()}.", suffix=".new")
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.rows += 1

    def finish(self) -> str:
        """Sync the file to disk; its SHA-256."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def publish(self) -> None:
        self._temporary.replace(self.place)

    def __enter__(self) -> _DraftFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _remove_drafts_of_the_dead(place: Path) -> None:
    """Take away what an export that was killed left beside ``place``; the drafts of processes that still run are theirs."""
    for draft in place.parent.glob(f".{place.name}.*.new"):
        process = draft.name.removeprefix(f".{place.name}.").partition(".")[0]
        if process.isdigit() and not _runs(int(process)):
            draft.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class _Parts:
    """Which split each group of rows goes to; without splits, everything to None."""

    names: tuple[str | None, ...]
    of_group: Mapping[str, str]

    def of(self, row: Mapping[str, Any]) -> str | None:
        return self.of_group[_group(row)] if self.of_group else None


def _group(row: Mapping[str, Any]) -> str:
    """Rows that must not be torn apart: those of one finding, else the row alone."""
    finding = row["lineage"].get("finding")
    return f"finding {finding}" if finding else f"row {row['id']}"


def _divide(workspace: Workspace, version: Version, *, format: TrainingFormat, split: Mapping[str, float] | None, seed: int) -> _Parts:
    if split is None:
        return _Parts((None,), {})
    shares = dict(split)
    names_ok = all(name and name.replace("-", "").replace("_", "").isalnum() for name in shares)
    if not shares or not names_ok or any(share <= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        raise InputError(f"Not a split: {shares}.", mend="give each part a plain name and a share above 0; the shares add up to 1")
    groups = {_group(row) for row in rows(workspace, version.id) if row["kind"] == FORMATS[format]}
    order = sorted(groups, key=lambda group: digest([seed, group]))
    of_group: dict[str, str] = {}
    before, reached = 0, 0.0
    for name, share in shares.items():
        reached += share
        upto = round(reached * len(order))
        if upto <= before:
            raise InputError(
                f"The part '{name}' would be empty.",
                where=version.ref,
                why=f"there are {len(order)} groups of rows (those of one finding stay together)",
                mend="give it a larger share, or export without a split",
            )
        of_group.update(dict.fromkeys(order[before:upto], name))
        before = upto
    return _Parts(tuple(shares), of_group)


def _write(
    workspace: Workspace, version: Version, *, format: TrainingFormat, parts: _Parts, drafts: Mapping[str | None, _DraftFile]
) -> list[LeftOut]:
    left_out: list[LeftOut] = []
    for row in rows(workspace, version.id):
        made = to_format(row, format)
        if isinstance(made, Inexpressible):
            left_out.append(LeftOut(row["id"], made.reason))
        else:
            drafts[parts.of(row)].write(canonical_json(made) + b"\n")
    return left_out


def _require_ours(place: Path, manifest: Path) -> None:
    for file in (place, manifest):
        if file.is_symlink():
            raise Conflict("A link stands at the place of the export.", where=str(file), why="it would be written elsewhere", mend="remove the link")
    if place.is_dir():
        raise InputError("There is a folder at the place of the export.", where=str(place), mend="name a file")
    if place.exists() and not manifest.exists():
        raise Conflict(
            "A file that Pilotage did not export stands at this place.",
            where=str(place),
            why=f"there is no {manifest.name} beside it, so it would be lost",
            mend="move it away or export to another path",
        )


def _require_rows(files: tuple[ExportedFile, ...], version: Version, *, format: str, left_out: list[LeftOut]) -> None:
    if not any(file.rows for file in files):
        raise InputError(
            f"No row of {version.ref} can be expressed as {format}.",
            where=f"{left_out[0].row_id}: {left_out[0].reason}",
            mend="choose the format that fits the rows' kind",
        )


def _manifest(
    version: Version,
    files: tuple[ExportedFile, ...],
    left_out: list[LeftOut],
    *,
    format: str,
    purpose: str,
    use: str,
    split: Mapping[str, float] | None,
    seed: int,
) -> dict[str, Any]:
    return {
        "format": format,
        "version": {"id": version.id, "dataset": version.dataset, "number": version.number, "digest": version.digest, "rows": version.rows},
        "files": [{"name": file.path.name, "split": file.split, "sha256": file.sha256, "rows": file.rows} for file in files],
        "counts": {"in": version.rows, "exported": sum(file.rows for file in files), "left_out": len(left_out)},
        "left_out": [{"id": row.row_id, "reason": row.reason} for row in left_out],
        "split": None if split is None else {"shares": dict(split), "seed": seed, "by": "finding"},
        "licence": {"declared": version.card.licence, "effective_use": use, "purpose": purpose},
    }


def _record(workspace: Workspace, version: Version, target: Path, files: tuple[ExportedFile, ...], manifest: dict[str, Any]) -> str:
    made = content_id("exp", {"path": str(target), "manifest": manifest})
    total = sum(file.rows for file in files)

    def job(tx: WriteTransaction) -> None:
        known = select(dataset_export.c.id).where(dataset_export.c.workspace_id == tx.workspace_id, dataset_export.c.id == made)
        if tx.conn.execute(known).first() is not None:
            return
        row = {
            "id": made,
            "version_id": version.id,
            "format": manifest["format"],
            "path": str(target),
            "sha256": files[0].sha256,
            "rows": total,
            "manifest": manifest,
        }
        tx.insert(dataset_export, row)
        record_edges(tx, [Edge(Node("version", version.id), Node("export", made), via=manifest["format"])])
        record(
            tx,
            type="dataset.exported",
            subject=version.id,
            body={
                "export": made,
                "dataset": version.dataset,
                "number": version.number,
                "digest": version.digest,
                "format": manifest["format"],
                "purpose": manifest["licence"]["purpose"],
                "counts": manifest["counts"],
                "files": manifest["files"],
            },
        )

    workspace.write(job)
    return made
