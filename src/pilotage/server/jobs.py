"""Work that a page begins and that takes longer than an answer may: one thread each, of the server's process, how far it is and how it ended.

What is done stands in the workspace as it is done; kept here, until the server ends, is who began what, and what it returned. The same thing is never
under way twice. Ending the server asks what goes on to stop, and waits for it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pilotage.core import Conflict, PilotageError, Step
from pilotage.server.errors import unexpected
from pilotage.store import Workspace

KEPT = 200  # results; the oldest go
Key = tuple[str, ...]
Work = Callable[[Workspace, "Handle"], Any]


@dataclass(frozen=True)
class Job:
    """One piece of work.

    about
        What the page that began it wants to tell of it.
    done
        How far it is, in whatever it counts.
    result, problem
        What it returned, or the error that ended it, as ``PilotageError.to_dict`` tells it.
    """

    key: Key
    by: str
    started_at: int
    about: Any = None
    done: int = 0
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
        self._jobs: OrderedDict[Key, Job] = OrderedDict()
        self._going: dict[Key, tuple[threading.Thread, Handle]] = {}
        self._closed = False

    def of(self, *key: str) -> Job | None:
        """The last work of this key, None also once it is forgotten."""
        return self._jobs.get(key)

    def start(self, key: Key, work: Work, *, by: str, about: Any = None, at_once: int | None = None) -> None:
        """Begin ``work``, which gets the workspace, acting as ``by``, and a :class:`Handle`.

        Raises ``Conflict`` while the same is under way, while ``at_once`` others are whose key begins with the same word, and once the server stops.
        """
        with self._lock:
            known = self._jobs.get(key)
            if known is not None and known.under_way:
                raise Conflict("This is under way already.", where=" ".join(key), why=f"{known.by} began it", mend="watch it on its page")
            if self._closed:
                raise Conflict("The server is stopping.", mend="start it again, then go on")
            if at_once is not None and sum(each[0] == key[0] for each in self._going) >= at_once:
                raise Conflict(f"{at_once} of these are under way now.", where=key[0], mend="wait until one is done, then begin again")
            self._jobs[key] = Job(key, by, self._workspace.clock.now_us(), about)
            self._jobs.move_to_end(key)
            for old in [each for each, job in self._jobs.items() if not job.under_way][: max(0, len(self._jobs) - KEPT)]:
                del self._jobs[old]
            handle = Handle(self, key)
            thread = threading.Thread(target=self._run, args=(key, work, by, handle), name=f"work-{'-'.join(key)}", daemon=True)
            self._going[key] = (thread, handle)
            thread.start()

    def wait(self, *key: str, timeout_s: float) -> None:
        """Wait until it is not under way any more, or ``timeout_s`` have passed."""
        with self._lock:
            going = self._going.get(key)
        if going is not None:
            going[0].join(timeout_s)

    def close(self, *, timeout_s: float = 30.0) -> None:
        """Begin nothing more, ask what goes on to stop, and wait for it, up to ``timeout_s`` for each."""
        with self._lock:
            self._closed = True
            going = list(self._going.values())
        for _, handle in going:
            handle.stop()
        for thread, _ in going:
            thread.join(timeout_s)

    def _run(self, key: Key, work: Work, by: str, handle: Handle) -> None:
        problem: PilotageError | None = None
        result: Any = None
        try:
            result = work(self._workspace.acting_as(by), handle)
        except PilotageError as error:
            problem = error
        except Exception as error:
            problem = unexpected(error)
        with self._lock:
            ended = self._workspace.clock.now_us()
            self._jobs[key] = replace(self._jobs[key], ended_at=ended, result=result, problem=problem.to_dict() if problem else None)
            del self._going[key]

    def _tell(self, key: Key, done: int) -> None:
        with self._lock:
            self._jobs[key] = replace(self._jobs[key], done=done)


class Handle:
    """What work holds of the job it is: it tells how far it is (as a ``core.Progress`` too), and hears that it should stop."""

    def __init__(self, jobs: Jobs, key: Key) -> None:
        self._jobs = jobs
        self._key = key
        self._lock = threading.Lock()
        self._stopped = False
        self._stop: Callable[[], object] | None = None

    def update(self, step: Step) -> None:
        """How far it is."""
        self._jobs._tell(self._key, step.done)

    def finish(self, step: Step) -> None:
        """How far it came."""
        self.update(step)

    def on_stop(self, stop: Callable[[], object] | None) -> None:
        """Call ``stop``, from another thread, when the server ends; now, where it ends already. None: there is nothing to stop any more."""
        with self._lock:
            self._stop = stop
            now = self._stopped
        if now and stop is not None:
            stop()

    def stop(self) -> None:
        """Ask for it."""
        with self._lock:
            self._stopped = True
            if self._stop is not None:
                self._stop()
