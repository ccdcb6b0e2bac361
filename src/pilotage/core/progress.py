"""Progress that the same work can show on a terminal, in a log and on a page.

Work reports to a :class:`Progress`; where it is shown is the caller's choice. Reports are facts (counts), never formatted text.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Step:
    """Where a piece of work stands.

    ``done`` of ``total`` units; ``total`` is None when it is not known. ``counts`` holds named tallies such as ``errors``.
    """

    name: str
    done: int = 0
    total: int | None = None
    unit: str = ""
    counts: dict[str, int] = field(default_factory=dict)


class Progress(Protocol):
    """Told where work stands. Called often, so an implementation limits how often it draws."""

    def update(self, step: Step) -> None:
        """The work stands here now."""
        ...

    def finish(self, step: Step) -> None:
        """The named step ended, complete or not."""
        ...


class SilentProgress:
    """Shows nothing."""

    def update(self, step: Step) -> None:
        pass

    def finish(self, step: Step) -> None:
        pass


class LogProgress:
    """One log line when a step starts, at most one every ``every_s`` seconds, and one when it ends."""

    def __init__(self, *, every_s: float = 5.0, logger: logging.Logger | None = None) -> None:
        self._every_s = every_s
        self._logger = logger or logging.getLogger("pilotage.progress")
        self._last: dict[str, float] = {}

    def update(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._last.get(step.name, float("-inf")) >= self._every_s:
            self._last[step.name] = now
            self._logger.info(describe(step))

    def finish(self, step: Step) -> None:
        self._last.pop(step.name, None)
        self._logger.info("%s: ended", describe(step))


class TeeProgress:
    """Reports to several places at once, say a terminal and the run's page."""

    def __init__(self, *targets: Progress) -> None:
        self._targets = targets

    def update(self, step: Step) -> None:
        for target in self._targets:
            target.update(step)

    def finish(self, step: Step) -> None:
        for target in self._targets:
            target.finish(step)


def describe(step: Step) -> str:
    """One plain line: ``evaluate: 40 / 60 samples (errors 1)``."""
    of = f" / {step.total}" if step.total is not None else ""
    unit = f" {step.unit}" if step.unit else ""
    tallies = ", ".join(f"{name} {count}" for name, count in sorted(step.counts.items()) if count)
    return f"{step.name}: {step.done}{of}{unit}" + (f" ({tallies})" if tallies else "")
