"""SQLite's page cache: large while rows come by the thousand, and small again afterwards.

Keys are hashes, so each row of a large import touches pages all over its indexes. Pages that do not fit the cache are written to the log before the
commit and read back, at a fifth of the import's time on a workspace of a million items. Every connection of the pool may come to have a large cache,
so it is given back once the last import is over and the connection has been used once more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, event

NORMAL, LARGE = -65_536, -262_144  # KiB, as SQLite wants it


class PageCache:
    """The page caches of an engine's connections. Other databases have none of ours."""

    def __init__(self, engine: Engine) -> None:
        self._imports: set[object] = set()
        if engine.dialect.name == "sqlite":
            event.listen(engine, "checkin", self._shrink)

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """While this is open, caches that have grown stay large."""
        mine = object()
        self._imports.add(mine)
        try:
            yield
        finally:
            self._imports.discard(mine)

    @staticmethod
    def grow(conn: Connection) -> None:
        """Let this connection's cache be large."""
        if conn.dialect.name == "sqlite" and "large_cache" not in conn.info:
            conn.exec_driver_sql(f"PRAGMA cache_size={LARGE}")
            conn.info["large_cache"] = True

    def _shrink(self, connection: Any, record: Any) -> None:
        if not self._imports and connection is not None and record.info.pop("large_cache", False):
            connection.execute(f"PRAGMA cache_size={NORMAL}")
