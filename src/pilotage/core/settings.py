"""Settings from a file and the environment.

``pilotage.toml`` in the current folder (or the file named by ``PILOTAGE_CONFIG``), then environment variables ``PILOTAGE_<NAME>``, which win.
An unknown key in the file is refused: a misspelt setting that is silently ignored is worse than none. Secrets are never settings: they are read
from the environment where they are used.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from pilotage.core.errors import InputError


@dataclass(frozen=True)
class Settings:
    """What a user may set for a whole installation.

    workspace
        A folder, or a database URL ``postgresql+psycopg://…?workspace=<name>&blobs=<folder>``.
    key_dir
        Where signing keys live; never inside the workspace.
    actor
        Who acts when nobody is signed in, as written in the ledger.
    host, port
        Where ``pilotage serve`` listens. Loopback unless told otherwise.
    engine
        What computes features over tables: ``polars``, or a Spark master: ``local[2]``, ``spark://host:7077``.
    online
        Where features are served from: ``workspace`` (its own database), or the URL of a Redis: ``redis://host:6379/0``.
    background
        How often ``pilotage serve`` does the standing work (webhooks, what is overdue, audits): ``15s``, or ``off``.
    served_share
        Of which share of entities the server logs what it served, to be compared with the batch path: 0 to 1.
    """

    workspace: str = ".pilotage"
    key_dir: str = ""
    actor: str = ""
    host: str = "127.0.0.1"
    port: int = 8321
    engine: str = "polars"
    online: str = "workspace"
    background: str = "15s"
    served_share: str = "0.1"


def _default_key_dir(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local" / "share")
    return str(Path(base) / "pilotage" / "keys")


def load_settings(folder: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. ``folder`` is where ``pilotage.toml`` is looked for (default: the current one).

    Raises
    ------
    InputError
        On an unreadable file, an unknown key or a value of the wrong type.
    """
    environ = os.environ if environ is None else environ
    path = Path(environ["PILOTAGE_CONFIG"]) if environ.get("PILOTAGE_CONFIG") else (folder or Path()) / "pilotage.toml"
    values: dict[str, object] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"The settings file cannot be read: {error}", where=str(path), mend="mend the TOML") from error
    elif environ.get("PILOTAGE_CONFIG"):
        raise InputError(
            "The settings file named by PILOTAGE_CONFIG does not exist.",
            where=str(path),
            mend="unset it or create the file",
        )
    known = {field.name: field for field in fields(Settings)}
    for name in values:
        if name not in known:
            raise InputError(f"Unknown setting '{name}'.", where=str(path), mend=f"use one of: {', '.join(sorted(known))}")
    for name in known:
        text = environ.get(f"PILOTAGE_{name.upper()}")
        if text is not None:
            values[name] = text
    settled: dict[str, object] = {}
    for name, value in values.items():
        if name == "port":
            try:
                settled[name] = int(str(value))
            except ValueError as error:
                raise InputError(f"The setting 'port' is not a number: {value!r}.", where=str(path)) from error
        elif isinstance(value, str):
            settled[name] = value
        else:
            raise InputError(f"The setting '{name}' must be text, not {type(value).__name__}.", where=str(path))
    settled.setdefault("key_dir", _default_key_dir(environ))
    settled.setdefault("actor", environ.get("USER") or environ.get("LOGNAME") or "local")
    return Settings(**settled)  # type: ignore[arg-type]
