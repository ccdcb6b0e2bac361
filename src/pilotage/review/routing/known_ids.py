"""Whether an id was decided before, asked of the database for every new output: so by the shortest way there is.

A read through the engine costs some 300 µs (a connection out of the pool, a transaction begun and ended); over a connection that stays open and has
no transaction of its own the same row is found in some 10. What is found is read the usual way.
"""

from __future__ import annotations

import contextlib
from typing import Any

from pilotage.store import Workspace

_KEPT = 8  # connections that wait for the next question; more are made when more threads ask at once
_MARK = {"postgresql": "%s"}


class KnownIds:
    """Asks which decisions stand. From any thread; :meth:`close` it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        mark = _MARK.get(workspace.engine.dialect.name, "?")
        self._statement = f"SELECT 1 FROM route_decision WHERE workspace_id = {mark} AND id = {mark}"  # noqa: S608 - the mark is ours
        self._idle: list[Any] = []
        self._closed = False

    def __contains__(self, route_id: str) -> bool:
        """Whether a decision with this id stands in the database now. Raises what the driver raises."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            cursor = connection.cursor()
            found = cursor.execute(self._statement, (self._workspace.id, route_id)).fetchall()
            cursor.close()
        except BaseException:
            with contextlib.suppress(Exception):
                connection.close()
            raise
        if self._closed or len(self._idle) >= _KEPT:
            connection.close()
        else:
            self._idle.append(connection)
        return bool(found)

    def close(self) -> None:
        """Let go of the connections."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> Any:
        pooled = self._workspace.engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()  # ours from here on: the pool makes itself another
        if self._workspace.engine.dialect.name == "postgresql":
            connection.autocommit = True  # SQLite's are opened so
        return connection
