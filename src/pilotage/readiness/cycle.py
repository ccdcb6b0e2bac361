"""A cycle: once round the loop for one pilot, one declaration and one target fingerprint.

A changed model or a changed declaration starts a new cycle; running again with neither changed goes on with the last one. Each step's state is kept
in the cycle's row, so that the overview page and ``pilotage status`` read one record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Row, desc, select, update

from pilotage.core import NotFound, new_id
from pilotage.ledger import record
from pilotage.readiness.pilot import Pilot
from pilotage.readiness.tables import pilot as pilot_table
from pilotage.readiness.tables import pilot_cycle
from pilotage.store import Workspace, WriteTransaction

STEPS = ("ingest", "evaluate", "attack", "judge", "review", "curate", "measure", "decide")
StepState = Literal["pending", "running", "waiting", "paused", "done", "failed"]


@dataclass(frozen=True)
class StepRecord:
    """Where one step of a cycle stands. Times are microseconds since the epoch; ``counts`` are named tallies; ``links`` are ids it produced."""

    state: StepState = "pending"
    detail: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    links: dict[str, Any] = field(default_factory=dict)
    started_at: int | None = None
    ended_at: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "detail": self.detail,
            "counts": self.counts,
            "links": self.links,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
        }


@dataclass(frozen=True)
class Cycle:
    """One time round the loop. ``verdict`` is None until it was decided. ``file_digest`` is the pilot's ``tried_digest``."""

    id: str
    pilot_id: str
    number: int
    fingerprint: str
    file_digest: str
    state: str
    steps: dict[str, StepRecord]
    verdict: str | None
    created_at: int
    updated_at: int


def put_pilot(tx: WriteTransaction, pilot: Pilot, *, declaration: dict[str, Any]) -> str:
    """Register the pilot, or bring its registration up to date with the file. Returns its id."""
    values = {
        "title": pilot.declaration.title,
        "folder": str(pilot.folder),
        "file_digest": pilot.digest,
        "declaration": declaration,
    }
    found = tx.conn.execute(
        select(pilot_table.c.id, pilot_table.c.file_digest, pilot_table.c.folder).where(
            pilot_table.c.workspace_id == tx.workspace_id, pilot_table.c.name == pilot.name
        )
    ).one_or_none()
    if found is None:
        made = new_id("pilot", clock=tx.clock)
        tx.insert(pilot_table, {"id": made, "name": pilot.name, "lock_version": 1, **values})
        record(tx, type="pilot.declared", subject=made, body={"name": pilot.name, "file_digest": pilot.digest})
        return made
    if (found.file_digest, found.folder) != (pilot.digest, str(pilot.folder)):
        tx.conn.execute(
            update(pilot_table)
            .where(pilot_table.c.workspace_id == tx.workspace_id, pilot_table.c.id == found.id)
            .values(**values, lock_version=pilot_table.c.lock_version + 1)
        )
        record(tx, type="pilot.changed", subject=found.id, body={"name": pilot.name, "file_digest": pilot.digest, "before": found.file_digest})
    return str(found.id)


def find_or_start_cycle(tx: WriteTransaction, pilot: Pilot, pilot_id: str, *, fingerprint: str) -> Cycle:
    """The newest cycle if it is of this declaration and fingerprint, else a new one.

    Going back to a model or a declaration of before is a cycle of its own too: the newest cycle is always about what is tried now.
    """
    newest = tx.conn.execute(
        select(pilot_cycle)
        .where(pilot_cycle.c.workspace_id == tx.workspace_id, pilot_cycle.c.pilot_id == pilot_id)
        .order_by(desc(pilot_cycle.c.number))
        .limit(1)
    ).one_or_none()
    if newest is not None and (newest.fingerprint, newest.file_digest) == (fingerprint, pilot.tried_digest):
        return _cycle(newest)
    made = new_id("cycle", clock=tx.clock)
    number = 1 if newest is None else newest.number + 1
    tx.insert(
        pilot_cycle,
        {
            "id": made,
            "pilot_id": pilot_id,
            "number": number,
            "fingerprint": fingerprint,
            "file_digest": pilot.tried_digest,
            "state": "running",
            "steps": {name: StepRecord().to_dict() for name in STEPS},
            "verdict": None,
            "updated_at": tx.clock.now_us(),
            "lock_version": 1,
        },
    )
    record(tx, type="cycle.started", subject=made, body={"pilot": pilot.name, "number": number, "fingerprint": fingerprint})
    return _read(tx, made)


def set_step(tx: WriteTransaction, cycle_id: str, name: str, step: StepRecord, *, cycle_state: str | None = None) -> None:
    """Write where a step stands (and, if given, the cycle's own state)."""
    cycle = _read(tx, cycle_id)
    steps = {key: value.to_dict() for key, value in cycle.steps.items()}
    steps[name] = step.to_dict()
    values: dict[str, Any] = {"steps": steps, "updated_at": tx.clock.now_us(), "lock_version": pilot_cycle.c.lock_version + 1}
    if cycle_state is not None:
        values["state"] = cycle_state
    tx.conn.execute(update(pilot_cycle).where(pilot_cycle.c.workspace_id == tx.workspace_id, pilot_cycle.c.id == cycle_id).values(**values))


def put_back(tx: WriteTransaction, cycle_id: str, *, after: str) -> None:
    """The steps that follow ``after`` are to be done again, and there is no verdict until they are. What they made is kept."""
    cycle = _read(tx, cycle_id)
    later = STEPS[STEPS.index(after) + 1 :]
    steps = {name: (StepRecord(links=step.links) if name in later else step).to_dict() for name, step in cycle.steps.items()}
    tx.conn.execute(
        update(pilot_cycle)
        .where(pilot_cycle.c.workspace_id == tx.workspace_id, pilot_cycle.c.id == cycle_id)
        .values(steps=steps, verdict=None, updated_at=tx.clock.now_us(), lock_version=pilot_cycle.c.lock_version + 1)
    )


def set_verdict(tx: WriteTransaction, cycle_id: str, verdict: str) -> None:
    """Write the cycle's verdict."""
    tx.conn.execute(
        update(pilot_cycle)
        .where(pilot_cycle.c.workspace_id == tx.workspace_id, pilot_cycle.c.id == cycle_id)
        .values(verdict=verdict, state="decided", updated_at=tx.clock.now_us(), lock_version=pilot_cycle.c.lock_version + 1)
    )


def cycles(workspace: Workspace, pilot_id: str) -> list[Cycle]:
    """All cycles of a pilot, newest first."""
    with workspace.read() as conn:
        rows = conn.execute(
            select(pilot_cycle)
            .where(pilot_cycle.c.workspace_id == workspace.id, pilot_cycle.c.pilot_id == pilot_id)
            .order_by(desc(pilot_cycle.c.number))
        ).all()
    return [_cycle(row) for row in rows]


def load_cycle(workspace: Workspace, cycle_id: str) -> Cycle:
    """The cycle with this id. Raises ``NotFound``."""
    with workspace.read() as conn:
        row = conn.execute(select(pilot_cycle).where(pilot_cycle.c.workspace_id == workspace.id, pilot_cycle.c.id == cycle_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no cycle {cycle_id}.")
    return _cycle(row)


def latest_cycle(workspace: Workspace, name: str) -> Cycle:
    """The newest cycle of the pilot called ``name``. Raises ``NotFound``."""
    found = cycles(workspace, find_pilot_id(workspace, name))
    if not found:
        raise NotFound(f"The pilot '{name}' has not been run yet.", mend="run 'pilotage run <pilot.yaml>'")
    return found[0]


def pilot_ids(workspace: Workspace) -> dict[str, str]:
    """The ids of all pilots by name."""
    with workspace.read() as conn:
        rows = conn.execute(
            select(pilot_table.c.name, pilot_table.c.id).where(pilot_table.c.workspace_id == workspace.id).order_by(pilot_table.c.name)
        )
        return {row.name: row.id for row in rows}


def model_number(workspace: Workspace, cycle: Cycle) -> int:
    """Which model of the pilot this cycle tries: 1 for the first fingerprint, 2 for the second. The same wherever the model listens."""
    tried: list[str] = []
    for each in sorted(cycles(workspace, cycle.pilot_id), key=lambda one: one.number):
        if each.fingerprint not in tried:
            tried.append(each.fingerprint)
    return tried.index(cycle.fingerprint) + 1


def find_pilot_id(workspace: Workspace, name: str) -> str:
    """The id of the pilot called ``name``. Raises ``NotFound``."""
    with workspace.read() as conn:
        found = conn.execute(select(pilot_table.c.id).where(pilot_table.c.workspace_id == workspace.id, pilot_table.c.name == name)).scalar()
    if found is None:
        raise NotFound(f"This workspace has no pilot named '{name}'.", mend="run 'pilotage run <pilot.yaml>' first")
    return str(found)


def _read(tx: WriteTransaction, cycle_id: str) -> Cycle:
    row = tx.conn.execute(select(pilot_cycle).where(pilot_cycle.c.workspace_id == tx.workspace_id, pilot_cycle.c.id == cycle_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no cycle {cycle_id}.")
    return _cycle(row)


def _cycle(row: Row[Any]) -> Cycle:
    return Cycle(
        id=row.id,
        pilot_id=row.pilot_id,
        number=row.number,
        fingerprint=row.fingerprint,
        file_digest=row.file_digest,
        state=row.state,
        steps={name: StepRecord(**row.steps[name]) for name in STEPS},
        verdict=row.verdict,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
