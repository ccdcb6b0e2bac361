"""Exporting the ledger, so that somebody else can verify it without Pilotage."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from pilotage.core import Conflict, iso
from pilotage.ledger.checking import bodies, links
from pilotage.ledger.tables import ledger_anchor, ledger_checkpoint
from pilotage.ledger.verify import BUNDLE_FORMAT, GENESIS, KEY_ENTRY, bundle_line, origin_of, read_keys
from pilotage.store import Workspace

_VERIFIER = Path(__file__).with_name("verify.py")
_README = """The ledger of a Pilotage workspace.

  python verify.py .            needs Python 3.11 or newer and the package "cryptography"
    --key FILE                  the workspace's public key, as you got it from its keeper (not from this bundle)
    --anchor FILE               a file of signed heads that was kept elsewhere

  entries.jsonl      one entry a line: the bytes that were hashed, its Merkle leaf hash (RFC 6962) and the chain's hash after it
  checkpoints.jsonl  signed heads (C2SP tlog-checkpoint)
  anchors.jsonl      where heads were written to
  keys.txt           the public keys that the ledger names
  manifest.json      what this bundle holds

verify.py is a copy too: whoever gave you this bundle could have changed it. Take it from a Pilotage release if that matters.
Personal data is not in the bundle, only salted commitments to it.
"""


@dataclass(frozen=True)
class Bundle:
    """An export of the ledger."""

    path: Path
    entries: int
    checkpoints: int
    chain_hash: str

    def __str__(self) -> str:
        return f"{self.path}: {self.entries} entries, {self.checkpoints} checkpoints"


def export_bundle(workspace: Workspace, path: Path | str) -> Bundle:
    """Write the whole ledger with its verifier to ``path``: a zip if it ends in ``.zip``, else a folder. All or nothing; streams, whatever the size.

    A broken ledger is exported as it is: that is evidence too. Nothing is signed here; take a checkpoint first.

    Raises
    ------
    Conflict
        If ``path`` exists.
    """
    target = Path(path).expanduser()
    if target.exists():
        raise Conflict("There is something here already; it is not overwritten.", where=str(target), mend="name a new path")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".export-"))
    try:
        folder = temporary / "ledger"
        folder.mkdir()
        with workspace.read() as conn:
            made = _write(conn, workspace, folder, target=target)
        if target.suffix == ".zip":
            folder = _zip(folder, temporary / "ledger.zip")
        folder.rename(target)
    finally:
        shutil.rmtree(temporary)
    return made


def _write(conn: Connection, workspace: Workspace, folder: Path, *, target: Path) -> Bundle:
    size, chain = 0, GENESIS
    with (folder / "entries.jsonl").open("wb") as file:
        for _seq, _previous, leaf, leaf_hash, chain_hash in links(conn, workspace.id):
            file.write(bundle_line(leaf, leaf_hash, chain_hash))
            size, chain = size + 1, chain_hash
    checkpoint, anchor = ledger_checkpoint.c, ledger_anchor.c
    notes = conn.execute(select(checkpoint.note).where(checkpoint.workspace_id == workspace.id).order_by(checkpoint.size)).scalars().all()
    _lines(folder / "checkpoints.jsonl", ({"note": note} for note in notes))
    anchors = conn.execute(
        select(anchor.size, anchor.kind, anchor.place, anchor.created_at).where(anchor.workspace_id == workspace.id).order_by(anchor.size)
    )
    _lines(folder / "anchors.jsonl", ({"size": row.size, "kind": row.kind, "place": row.place, "time": iso(row.created_at)} for row in anchors))
    keys, _ = read_keys(origin_of(workspace.id), bodies(conn, workspace.id, type=KEY_ENTRY))
    (folder / "keys.txt").write_text("".join(f"{item.key}\n" for item in keys), encoding="utf-8")
    manifest = {
        "format": BUNDLE_FORMAT,
        "version": 1,
        "workspace": workspace.id,
        "name": workspace.name,
        "size": size,
        "chain_hash": chain.hex(),
        "exported_at": iso(workspace.clock.now_us()),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    shutil.copyfile(_VERIFIER, folder / "verify.py")
    return Bundle(path=target, entries=size, checkpoints=len(notes), chain_hash=chain.hex())


def _lines(file: Path, values: Iterable[dict[str, object]]) -> None:
    with file.open("w", encoding="utf-8") as out:
        for value in values:
            out.write(json.dumps(value, ensure_ascii=False) + "\n")


def _zip(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return target
