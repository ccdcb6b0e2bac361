"""Content-addressed files: what is too large or too seldom read for a row.

A blob's name is the SHA-256 of its bytes, so it can never change under a reader, writing it twice is one file, and reading it checks it.
A write is a temporary file, a sync, a rename and a sync of the folder: after :meth:`Blobs.put` returns the blob survives a power cut, and a crash
leaves either the whole blob or none.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from pilotage.core import IntegrityError, NotFound

_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Blobs under one folder, spread over 256 sub-folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the blob ``name`` lies. Raises ``NotFound`` if it is no blob name (so it can never leave the folder)."""
        if not _NAME.fullmatch(name):
            raise NotFound(f"Not a blob's name: {name!r}.", why="a blob is named by its SHA-256, 64 hexadecimal characters")
        return self._folder / name[:2] / name[2:]

    def put(self, data: bytes) -> str:
        """Keep ``data`` and return its name. Durable on return."""
        name = hashlib.sha256(data).hexdigest()
        path = self.path(name)
        if path.exists():
            return name
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return name

    def get(self, name: str) -> bytes:
        """The blob's bytes, checked against its name.

        Raises
        ------
        NotFound
            If there is no such blob.
        IntegrityError
            If the file's bytes are not those it was named for.
        """
        path = self.path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"There is no blob {name}.", where=str(path)) from error
        if hashlib.sha256(data).hexdigest() != name:
            raise IntegrityError(
                "A stored file was changed after it was written.",
                where=str(path),
                why="its bytes no longer match its name",
                mend="restore it from a backup; nothing that depends on it can be trusted until then",
            )
        return data

    def has(self, name: str) -> bool:
        """Whether the blob is there (its bytes are not checked)."""
        return self.path(name).exists()

    def delete(self, name: str) -> None:
        """Remove the blob. For erasure on request only; removing what is not there is no error."""
        self.path(name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
