"""Unpacking ``.gz``, ``.zst`` and ``.zip`` files, with an end to how much they may unpack to.

A small file can hold more than any machine: so the unpacked bytes go to a file piece by piece, and the first piece over a limit (bytes, or times the
packed size) ends it. An archive has exactly one member, which lies in no other folder and is not packed again.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pilotage.core import InputError, Refused
from pilotage.data.ingest.allowed import require_no_code_name
from pilotage.data.ingest.source import Limits

PACKED = (".gz", ".zst", ".zip")
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".zip": b"PK\x03\x04"}
_OTHER_ARCHIVES = (b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
_PIECE = 1024 * 1024
_ALWAYS = 16 * 1024 * 1024  # a ratio says nothing about small files: so much may always be unpacked


def packing(head: bytes) -> str | None:
    """How a file that begins with ``head`` is packed: ``.gz``, ``.zst``, ``.zip``, or None."""
    return next((suffix for suffix, magic in _MAGIC.items() if head.startswith(magic)), None)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is packed in any way we know of."""
    return packing(head) is not None or head.startswith(_OTHER_ARCHIVES) or head[257:262] == b"ustar"


def unpack(path: Path, *, into: Path, limits: Limits, where: str) -> tuple[Path, str]:
    """The file's content in a file of its own, and the content's name.

    Raises
    ------
    InputError
        If it is damaged, or unpacks to more than the limits allow.
    Refused
        If an archive has another number of members than one, is encrypted, leads outside its folder or holds an archive.
    """
    head = _head(path)
    packed_as = packing(head)
    if packed_as is None:
        raise InputError("This file is not packed as its name says.", where=where, mend="use gzip, zstd or zip")
    unpacked = into / "unpacked"
    try:
        if packed_as == ".zip":
            name = _unzip(path, unpacked, limits=limits, where=where)
        else:
            name = Path(where).name.removesuffix(packed_as)
            opened: Any = gzip.GzipFile(path) if packed_as == ".gz" else _zstd(path)
            with opened as source:
                _copy(source, unpacked, packed=path.stat().st_size, limits=limits, where=where)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise InputError(f"This packed file is damaged: {error}", where=where, mend="pack and send it again") from error
    if is_archive(_head(unpacked)):
        raise Refused("This file holds a packed file again.", where=where, why="nested archives hide how large they are", mend="pack it once")
    require_no_code_name(name, where=f"{where} member {name}")
    return unpacked, name


def _unzip(path: Path, unpacked: Path, *, limits: Limits, where: str) -> str:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise Refused(f"This archive has {len(members)} members, not one.", where=where, mend="send one file an archive")
        member = members[0]
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
            raise Refused(f"The archive's member leads outside its folder: {member.filename!r}.", where=where, mend="pack it by its plain name")
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise Refused("The archive's member is a link.", where=where, mend="pack the file itself")
        if member.flag_bits & 1:
            raise Refused("This archive is encrypted.", where=where, mend="send it unencrypted over an encrypted way")
        if member.file_size > limits.bytes:
            raise _too_large(where, f"says itself that it unpacks to {member.file_size} bytes, at most {limits.bytes} allowed")
        with archive.open(member) as source:
            _copy(source, unpacked, packed=path.stat().st_size, limits=limits, where=where)
        return place.name


def _copy(source: IO[bytes], target: Path, *, packed: int, limits: Limits, where: str) -> None:
    size = 0
    with target.open("wb") as file:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > limits.bytes:
                raise _too_large(where, f"unpacks to more than {limits.bytes} bytes")
            if size > max(_ALWAYS, packed * limits.ratio):
                raise _too_large(where, f"unpacks to more than {limits.ratio:g} times its size")
            file.write(piece)


def _zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _too_large(where: str, what: str) -> InputError:
    return InputError(
        f"The file {what}.",
        where=where,
        why="a small file can unpack to more than this machine holds",
        mend="split it, or raise 'limits' of the source (bytes, ratio) for senders you trust",
    )
