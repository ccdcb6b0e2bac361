"""Where files may be read, and what is never read: places outside the allowed roots, and files that would run code when they are opened.

A pickle runs whatever its writer chose, so no such file is read, whatever its name: they are known by name (``.pkl``, ``.joblib``, ``.npy``, ``.pt``
and the like) and by their first bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pilotage.core import InputError, NotFound, Refused

_CODE = (".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle", ".npy", ".npz", ".pt", ".pth", ".ckpt", ".mar", ".rdata", ".rds")
_NUMPY = b"\x93NUMPY"
_PICKLE = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def require_allowed(path: Path, *, within: Sequence[str], folder: bool = False) -> Path:
    """``path`` with its links resolved, if it is a file (or ``folder``) under one of the roots.

    Raises
    ------
    Refused
        If it lies outside of them, or its name is that of a file which runs code.
    NotFound
        If it is not there.
    """
    real = path.resolve()
    roots = [Path(root).resolve() for root in within]
    if not any(real.is_relative_to(root) for root in roots):
        raise Refused(
            "This path lies outside the folders that this source may be read from.",
            where=str(path),
            why=f"links resolved, it is {real}; allowed: {', '.join(map(str, roots)) or 'nothing'}",
            mend="move the file there, or add its folder to 'within' of the source",
        )
    require_no_code_name(path.name, where=str(path))
    require_no_code_name(real.name, where=str(path))
    if not (real.is_dir() if folder else real.is_file()):
        wanted = "folder" if folder else "file"
        raise NotFound(f"There is no such {wanted}." if not real.exists() else f"This is no {wanted}.", where=str(path), mend="check the path")
    return real


def require_no_code_name(name: str, *, where: str) -> None:
    """Raise ``Refused`` if a file of this name would run code when it is opened."""
    if any(suffix.lower() in _CODE for suffix in Path(name).suffixes):
        raise _runs_code(where)


def require_no_code(head: bytes, *, where: str) -> None:
    """Raise ``Refused`` if a file that begins with ``head`` would run code when it is opened."""
    if head.startswith((_NUMPY, *_PICKLE)):
        raise _runs_code(where)


def require_kind(head: bytes, *, kind: str, where: str) -> None:
    """Raise ``InputError`` if a file that begins with ``head`` is plainly not of this kind."""
    require_no_code(head, where=where)
    parquet = head.startswith(b"PAR1")
    if kind in ("csv", "jsonl") and (parquet or head.startswith((b"ARROW1", b"\xff\xff\xff\xff", b"SQLite format 3"))):
        raise InputError(f"This file is not {kind}: it is binary.", where=where, mend="declare the kind that it is")
    if kind in ("csv", "jsonl") and head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("This file is UTF-16, not UTF-8.", where=where, mend="save it as UTF-8: iconv -f UTF-16 -t UTF-8")
    if kind == "parquet" and not parquet:
        raise InputError("This file is not Parquet.", where=where, why="its first bytes are not PAR1", mend="declare the kind that it is")


def _runs_code(where: str) -> Refused:
    return Refused(
        "Files that run code when they are opened are not read.",
        where=where,
        why="a pickle (also inside .npy, .joblib and .pt files) may do anything to the machine that loads it",
        mend="write the rows as Parquet, Arrow, JSONL or CSV",
    )
