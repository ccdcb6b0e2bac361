"""What the steps share while one cycle is brought forward."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pilotage.core import Progress
from pilotage.readiness.cycle import Cycle, StepRecord, load_cycle, put_back, set_step
from pilotage.readiness.pilot import Pilot
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.readiness.judging import RuledOutput


@dataclass
class Voyage:
    """One cycle under way: the pilot as declared, the workspace, and where each step stands.

    ``ruled`` remembers what the rules said of a cycle's outputs: every step after the runs looks at all of them.
    """

    workspace: Workspace
    pilot: Pilot
    cycle: Cycle
    progress: Progress
    retry_errors: bool = False
    ruled: dict[str, list[RuledOutput]] = field(default_factory=dict)

    def note(self, step: str, record: StepRecord, *, cycle_state: str | None = None) -> None:
        """Write where a step stands."""
        now = self.workspace.clock.now_us()
        before = self.cycle.steps[step]
        started = before.started_at if before.started_at is not None and record.state != "running" else now
        ended = now if record.state in ("done", "failed", "paused") else None
        full = replace(record, started_at=started, ended_at=ended)
        self.workspace.write(lambda tx: set_step(tx, self.cycle.id, step, full, cycle_state=cycle_state))
        self.cycle = load_cycle(self.workspace, self.cycle.id)

    def stop(self, step: str, record: StepRecord, *, cycle_state: str | None = None) -> None:
        """Write where a step stands that the cycle cannot go past now: what followed it before no longer stands."""
        self.note(step, record, cycle_state=cycle_state)
        self.workspace.write(lambda tx: put_back(tx, self.cycle.id, after=step))
        self.cycle = load_cycle(self.workspace, self.cycle.id)
