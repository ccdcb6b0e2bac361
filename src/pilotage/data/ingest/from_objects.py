"""One object of an object store (S3, Google Cloud Storage, or a folder as ``file://``), through pyarrow.fs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pilotage.core import InputError, NotFound, Unavailable
from pilotage.data.ingest.allowed import require_allowed, require_no_code_name
from pilotage.data.ingest.chunk import Expected
from pilotage.data.ingest.delivery import Delivery, deliver_body
from pilotage.data.ingest.source import FORMATS, ObjectSource
from pilotage.data.ingest.unpacking import PACKED

_PIECE = 4 * 1024 * 1024


def deliver_object(source: ObjectSource, *, expected: Expected, folder: Path) -> Delivery:
    """The object as it is now, copied to ``folder``.

    Raises
    ------
    NotFound
        If there is no such object.
    Unavailable
        If the store cannot be reached, or does not let us in.
    InputError
        If the object is larger than the limit, or its format cannot be told.
    """
    parts = urlsplit(source.uri)
    if parts.username or parts.password:
        raise InputError("The URI holds a key or password.", where=f"source '{source.name}'", mend="leave credentials to the environment")
    name = Path(unquote(parts.path)).name
    require_no_code_name(name, where=source.uri)
    kind = source.format or _format(name, where=source.uri)
    if parts.scheme == "file":
        real = require_allowed(Path(unquote(parts.path)), within=source.within)
        return deliver_body(real, label=name, where=source.uri, kind=kind, source=source, expected=expected, folder=folder)
    body = folder / "body"
    _copy(source, body)
    return deliver_body(body, label=name, where=source.uri, kind=kind, source=source, expected=expected, folder=folder)


def _copy(source: ObjectSource, body: Path) -> None:
    import pyarrow.fs as fs

    try:
        store, path = fs.FileSystem.from_uri(source.uri)
        found: Any = store.get_file_info(path)
        if found.type != fs.FileType.File:
            raise NotFound("There is no such object.", where=source.uri, mend="check bucket and key")
        if found.size is not None and found.size > source.limits.bytes:
            raise InputError(f"The object is larger than {source.limits.bytes} bytes.", where=source.uri, mend="raise 'limits.bytes' of the source")
        size = 0
        with store.open_input_stream(path) as stream, body.open("wb") as file:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > source.limits.bytes:
                    raise InputError(
                        f"The object is larger than {source.limits.bytes} bytes.", where=source.uri, mend="raise 'limits.bytes' of the source"
                    )
                file.write(piece)
    except OSError as error:
        raise Unavailable(
            f"The object store did not give it: {str(error).splitlines()[0][:300]}", where=source.uri, mend="check credentials"
        ) from error


def _format(name: str, *, where: str) -> str:
    bare = Path(name)
    if bare.suffix.lower() in PACKED:
        bare = bare.with_suffix("")
    found = FORMATS.get(bare.suffix.lower())
    if found is None:
        raise InputError(f"What this object holds cannot be told from its name: {name!r}.", where=where, mend="say it with 'format'")
    return found
