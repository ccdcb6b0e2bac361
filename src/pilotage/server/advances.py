"""Bringing pilots forward from the workbench: the same work as ``pilotage run``, in one thread a pilot of the server's process.

What is done stands in the workspace as it is done; kept here is only who began it and how it ended. Ending the server pauses the work, and the next
start, from here or from the command line, goes on from there.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pilotage.core import MICROSECONDS, Conflict, PilotageError
from pilotage.ledger import open_workspace
from pilotage.readiness import Cycle, Pilot, advance_async, load_pilot
from pilotage.server.errors import unexpected
from pilotage.store import Workspace

# The fields of a target that `pilotage run --target` replaces.
REPLACED = ("url", "model", "allow_hosts", "authorisation", "api_key_env")
# A cycle that says nothing for so long was cut off, as by a machine that went down. Every batch of outputs and of judgements says something.
SILENT_S = 120


@dataclass(frozen=True)
class Advance:
    """One time a pilot was brought forward from a page. ``problem`` is the error that ended it, as ``PilotageError.to_dict`` tells it."""

    pilot: str
    by: str
    started_at: int
    ended_at: int | None = None
    problem: dict[str, Any] | None = None

    @property
    def under_way(self) -> bool:
        """Whether it goes on now."""
        return self.ended_at is None


def under_way_elsewhere(cycle: Cycle, *, last_word_at: int, now_us: int) -> bool:
    """Whether another process seems to be at work on ``cycle``: nothing has halted it, and something was written a short while ago.

    ``last_word_at`` is when a run or the ledger last changed. Between two steps none of them runs, and the cycle is under way all the same.
    """
    halted = any(step.state in ("paused", "failed") for step in cycle.steps.values())
    return cycle.state == "running" and not halted and now_us - max(cycle.updated_at, last_word_at) < SILENT_S * MICROSECONDS


def load_as_last_run(folder: Path, stored: dict[str, Any]) -> Pilot:
    """The pilot file that the last run read in ``folder``, aimed at the target of the last run where that was another than the file's.

    ``stored`` is the declaration as it was run. Raises ``NotFound`` or ``InputError`` where the file is gone or does not fit.
    """
    path = folder / stored["resolved"]["file"]
    pilot = load_pilot(path)
    declared, ran = pilot.to_dict()["target"], stored.get("target") or {}
    replaced = {name: ran[name] for name in REPLACED if name in ran and ran[name] != declared.get(name)}
    return load_pilot(path, target=replaced) if replaced else pilot


class Advances:
    """The pilots that this process brings forward. Its methods may be called from any thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._known: dict[str, Advance] = {}
        self._work: dict[str, _Work] = {}
        self._closed = False

    def of(self, name: str) -> Advance | None:
        """The last time this pilot was brought forward from here."""
        return self._known.get(name)

    def start(self, pilot: Pilot, *, by: str) -> None:
        """Begin in the background; ``by`` is who asked, and whose name the ledger gets. Raises ``Conflict`` while it is under way."""
        with self._lock:
            known = self._known.get(pilot.name)
            if known is not None and known.under_way:
                raise already(pilot.name, known.by)
            if self._closed:
                raise Conflict("The server is stopping.", mend="start it again, then go on")
            self._known[pilot.name] = Advance(pilot.name, by, self._workspace.clock.now_us())
            work = _Work(self, pilot, by)
            self._work[pilot.name] = work
        work.thread.start()

    def wait(self, name: str, *, timeout_s: float) -> None:
        """Wait until it is not under way any more, or ``timeout_s`` have passed."""
        work = self._work.get(name)
        if work is not None:
            work.thread.join(timeout_s)

    def close(self, *, timeout_s: float = 15.0) -> None:
        """Ask all to pause, and wait for it. What computes without giving way is waited for, up to ``timeout_s`` in all for each."""
        with self._lock:
            self._closed = True
            work = list(self._work.values())
        for each in work:
            each.stop()
        for each in work:
            each.thread.join(timeout_s)

    def run(self, work: _Work) -> None:
        """The thread's work, to its end."""
        problem: PilotageError | None = None
        try:
            with open_workspace(self._workspace.location, actor=work.by, clock=self._workspace.clock) as workspace:
                asyncio.run(work.advance(workspace))
        except asyncio.CancelledError:
            pass  # asked to stop: the steps say that they are paused
        except PilotageError as error:
            problem = error
        except Exception as error:
            problem = unexpected(error)
        with self._lock:
            ended = replace(self._known[work.pilot.name], ended_at=self._workspace.clock.now_us(), problem=problem.to_dict() if problem else None)
            self._known[work.pilot.name] = ended


def already(name: str, by: str | None = None) -> Conflict:
    """The refusal to bring forward what is being brought forward."""
    return Conflict(
        "This pilot is under way already.",
        where=name,
        why=f"{by} began it from the workbench" if by else "another process, such as 'pilotage run', is at work on it",
        mend="watch it on its page; it stops by itself where people are needed",
    )


class _Work:
    """One thread, and the handle to stop what runs in it."""

    def __init__(self, advances: Advances, pilot: Pilot, by: str) -> None:
        self.pilot = pilot
        self.by = by
        self.thread = threading.Thread(target=advances.run, args=(self,), name=f"advance-{pilot.name}", daemon=True)
        self._lock = threading.Lock()
        self._stopped = False
        self._task: asyncio.Task[Any] | None = None

    async def advance(self, workspace: Workspace) -> None:
        with self._lock:
            if self._stopped:
                return
            self._task = asyncio.current_task()
        try:
            await advance_async(workspace, self.pilot)
        finally:
            with self._lock:
                self._task = None

    def stop(self) -> None:
        """Have it pause at the next moment at which it gives way."""
        with self._lock:
            self._stopped = True
            if self._task is not None:
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
