"""Work that a page begins and that takes longer than an answer may: one thread each, of the server's process, and how it ended.

What is done stands in the workspace; kept here, until the server ends, is who began what, and the result a page asked for. The same thing is never
under way twice. Ending the server waits for what goes on.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pilotage.core import Conflict, PilotageError
from pilotage.ledger import open_workspace
from pilotage.server.errors import unexpected
from pilotage.store import Workspace

KEPT = 200  # results; the oldest go
Work = Callable[[Workspace], Any]


@dataclass(frozen=True)
class Job:
    """One piece of work. ``result`` is what it returned; ``problem`` the error that ended it, as ``PilotageError.to_dict`` tells it."""

    key: tuple[str, ...]
    by: str
    started_at: int
    ended_at: int | None = None
    result: Any = None
    problem: dict[str, Any] | None = None

    @property
    def under_way(self) -> bool:
        """Whether it goes on now."""
        return self.ended_at is None


class Jobs:
    """What this process works on for its pages. Its methods may be called from any thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._jobs: OrderedDict[tuple[str, ...], Job] = OrderedDict()
        self._threads: dict[tuple[str, ...], threading.Thread] = {}
        self._closed = False

    def of(self, *key: str) -> Job | None:
        """The last work of this key."""
        return self._jobs.get(key)

    def start(self, key: tuple[str, ...], work: Work, *, by: str) -> None:
        """Begin; the ledger gets the name ``by``. Raises ``Conflict`` while the same is under way."""
        with self._lock:
            known = self._jobs.get(key)
            if known is not None and known.under_way:
                raise Conflict("This is under way already.", where=" ".join(key), why=f"{known.by} began it", mend="watch it on its page")
            if self._closed:
                raise Conflict("The server is stopping.", mend="start it again, then go on")
            self._jobs[key] = Job(key, by, self._workspace.clock.now_us())
            self._jobs.move_to_end(key)
            for old in [each for each, job in self._jobs.items() if not job.under_way][: max(0, len(self._jobs) - KEPT)]:
                del self._jobs[old]
                self._threads.pop(old, None)
            thread = threading.Thread(target=self._run, args=(key, work, by), name=f"work-{'-'.join(key)}", daemon=True)
            self._threads[key] = thread
            thread.start()

    def wait(self, *key: str, timeout_s: float) -> None:
        """Wait until it is not under way any more, or ``timeout_s`` have passed."""
        thread = self._threads.get(key)
        if thread is not None:
            thread.join(timeout_s)

    def close(self, *, timeout_s: float = 30.0) -> None:
        """Begin nothing more, and wait for what goes on, up to ``timeout_s`` for each."""
        with self._lock:
            self._closed = True
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout_s)

    def _run(self, key: tuple[str, ...], work: Work, by: str) -> None:
        problem: PilotageError | None = None
        result: Any = None
        try:
            with open_workspace(self._workspace.location, actor=by, clock=self._workspace.clock) as workspace:
                result = work(workspace)
        except PilotageError as error:
            problem = error
        except Exception as error:
            problem = unexpected(error)
        with self._lock:
            ended = self._workspace.clock.now_us()
            self._jobs[key] = replace(self._jobs[key], ended_at=ended, result=result, problem=problem.to_dict() if problem else None)
