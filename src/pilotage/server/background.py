"""What the server does by itself while it runs: telling webhooks, raising what is overdue, and watching the audits of routing policies.

One thread, a round every ``every_s`` seconds. Of several servers over one workspace one does it, by a lease; the others look whether it still does.
A duty that fails is logged, kept for who asks (:meth:`Background.standing`), and tried again in the next round; the others are done all the same.
The same work from outside: ``pilotage webhooks send``, ``pilotage project escalate``, ``pilotage routing monitor``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pilotage.core import MICROSECONDS, PilotageError, new_id, parse_duration
from pilotage.review.duties import leave_duty, take_duty
from pilotage.store import Workspace

logger = logging.getLogger("pilotage.server")

ACTOR = "workbench"  # in the ledger: nobody asked for it
DUTY = "background"
DELIVERIES_A_ROUND = 200
SHORTEST_LEASE_S = 60.0  # a delivery takes up to 10 s
OFF = "off"


@dataclass(frozen=True)
class Done:
    """How a duty went last. ``problem`` is what went wrong, without anything of the rows it was about; None if nothing did. Time in µs, UTC."""

    duty: str
    at: int
    problem: str | None = None


Duty = Callable[[Workspace], object]


def duties(key_dir: Path) -> dict[str, Duty]:
    """The standing work by name. ``key_dir`` is where the secrets of webhooks are."""

    def overdue(workspace: Workspace) -> object:
        from pilotage.review import escalate_overdue

        return escalate_overdue(workspace)

    def audits(workspace: Workspace) -> object:
        from pilotage.review.routing import watch_all

        return watch_all(workspace)

    def deliveries(workspace: Workspace) -> object:
        from pilotage.review.webhooks import Secrets, send_due

        return send_due(workspace, secrets=Secrets(key_dir), most=DELIVERIES_A_ROUND)

    # What the first two find is told in the same round.
    return {"overdue": overdue, "audits": audits, "deliveries": deliveries}


def interval_s(text: str) -> float | None:
    """Seconds between two rounds, from the setting ``background``: a duration, or ``off`` (None). Raises ``InputError``."""
    return None if text.strip().lower() == OFF else max(1.0, parse_duration(text, where="the setting 'background'") / MICROSECONDS)


class Background:
    """The thread. :meth:`start` it, :meth:`close` it; :meth:`round` is what it does each time."""

    def __init__(self, workspace: Workspace, work: Mapping[str, Duty], *, every_s: float) -> None:
        self._workspace = workspace.acting_as(ACTOR)
        self._work, self._every_s = dict(work), every_s
        self._holder = new_id("srv", clock=workspace.clock)
        self._lease_us = round(max(SHORTEST_LEASE_S, 4 * every_s) * MICROSECONDS)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._standing: dict[str, Done] = {}

    def start(self) -> None:
        """Begin; the first round comes at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pilotage-background", daemon=True)
            self._thread.start()

    def close(self, *, timeout_s: float = 15.0) -> None:
        """Finish the duty that is being done, up to ``timeout_s``, and let another server have the rest."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._attempt("lease", lambda: leave_duty(self._workspace, DUTY, holder=self._holder))

    def standing(self) -> tuple[Done, ...]:
        """How each duty went last, by name. Empty on a server that leaves it to another."""
        return tuple(self._standing[name] for name in sorted(self._standing))

    def round(self) -> bool:
        """Do everything once; False where another server does it."""
        for name, duty in self._work.items():
            if self._stop.is_set() or not self._attempt("lease", self._take):
                return False
            self._attempt(name, lambda duty=duty: duty(self._workspace))  # type: ignore[misc]
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self.round()
            self._stop.wait(self._every_s)

    def _take(self) -> bool:
        return take_duty(self._workspace, DUTY, holder=self._holder, for_us=self._lease_us)

    def _attempt(self, name: str, act: Callable[[], object]) -> object:
        """What ``act`` returns; None if it failed, which is logged when it is news."""
        problem: str | None = None
        result: object = None
        try:
            result = act()
        except PilotageError as error:
            problem = error.what
        except Exception as error:
            problem = type(error).__name__  # a driver's message may hold the values of the row
        before = self._standing.get(name)
        was = before.problem if before is not None else None
        if problem is not None and problem != was:
            logger.warning("Background work '%s' failed: %s. It is tried again every %g s.", name, problem, self._every_s)
        elif problem is None and was is not None:
            logger.warning("Background work '%s' goes on again.", name)
        self._standing[name] = Done(name, self._workspace.clock.now_us(), problem)
        return result
