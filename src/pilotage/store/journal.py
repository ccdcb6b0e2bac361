"""Room in SQLite's write-ahead log, so that a commit writes into a file that is there already.

Each commit is synced to disk before it is acknowledged. While the log grows, that sync must also write down the file's new size, which costs several
times what syncing the rows does (about 1 ms instead of 0.1 ms on ext4); once the log has its full size, SQLite writes it over from the start after
every checkpoint. So a server, and any process that goes on writing, lets it have that size at once.

Nothing but SQLite touches the file: a transaction too large for the page cache is spilled into the log and rolled back, and what it leaves there is
what any rolled back transaction leaves.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from pilotage.store.page_cache import NORMAL

PAGES = 8192  # after as many the log is copied back into the database, and begun again: see ``wal_autocheckpoint`` where connections are made
ROOM = PAGES * 4096
_SMALL_CACHE = -256  # KiB, as SQLite wants it


def make_room(engine: Engine) -> None:
    """Let the log of a SQLite database have :data:`ROOM` bytes. Where it has, or the disk has not, nothing is done. Some 50 ms."""
    if engine.dialect.name != "sqlite":
        return
    log = Path(f"{engine.url.database}-wal")
    if log.exists() and log.stat().st_size >= ROOM:
        return
    with contextlib.suppress(DBAPIError), engine.connect().execution_options(pilotage_write=True) as conn:
        conn.exec_driver_sql(f"PRAGMA cache_size={_SMALL_CACHE}")
        try:
            conn.exec_driver_sql("CREATE TABLE room_in_the_log (filler BLOB)")
            conn.exec_driver_sql("INSERT INTO room_in_the_log VALUES (zeroblob(?))", (ROOM,))
        finally:
            conn.rollback()
            conn.exec_driver_sql(f"PRAGMA cache_size={NORMAL}")
