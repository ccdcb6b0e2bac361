"""Durable workflows: steps that run unattended, are safe to run again, and go on where a killed process left off.

A **run** is a row that one worker at a time holds by lease. A worker that dies stops renewing it; whoever comes next takes the run over with a higher
fence, and what the first one might still try to write is refused by that fence. A **step** is a function from what earlier steps said to a small JSON
result. Its result is written once, with the hash of what it was given; given the same again, it is not run again, in this run or a later one of the
same pipeline (unless the step says that it looks at the world outside). So a step may be begun more than once, and its effects must be idempotent:
ours are, because versions, models and reports are addressed by content.

Three ways to stop: a step **holds** (something outside must change: data that did not come, a gate that failed), **fails** (tried again by the next
call, up to ``max_tries``), or the process dies (the next call goes on).
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sqlalchemy import and_, desc, select, update

from pilotage.core import Conflict, InputError, NotFound, PilotageError, content_id, digest
from pilotage.ledger import record
from pilotage.pipelines.tables import workflow_run, workflow_step
from pilotage.store import Workspace, WriteTransaction

LEASE_US = 60_000_000
MAX_TRIES = 3

Result = Mapping[str, Any]


class Hold(Exception):
    """Raised by a step that cannot go on until something outside changes. The message says what."""


@dataclass(frozen=True)
class StepContext:
    """What a step is given: the workspace, the run's id, what earlier steps said, and the run's fence."""

    workspace: Workspace
    run_id: str
    results: Mapping[str, Result]
    fence: int

    def require_lease(self, tx: WriteTransaction) -> None:
        """Raise ``Conflict`` if another worker has taken the run over. Call it inside a transaction that must not happen twice."""
        _require_fence(tx, self.run_id, self.fence)


@dataclass(frozen=True)
class Step:
    """One step of a workflow.

    work
        The function. Its result must have a JSON form.
    given
        What its result depends on besides earlier steps' results; hashed. Two steps of one name given the same are one piece of work.
    needs
        The earlier steps whose results it reads; only these enter the hash. None: all of them.
    fresh
        It looks at something outside (a folder, the clock), so a result of an earlier run does not stand for this one's.
    """

    name: str
    work: Callable[[StepContext], Result]
    given: Any = None
    needs: tuple[str, ...] | None = None
    fresh: bool = False


@dataclass(frozen=True)
class StepRecord:
    """What became of a step: ``done``, ``held`` or ``failed``; its result or the reason; how often it was tried."""

    name: str
    state: str
    tries: int
    result: Result | None
    reason: str | None
    started_at: int
    ended_at: int


@dataclass(frozen=True)
class RunRecord:
    """A run: ``running``, ``held``, ``failed``, ``done`` or ``superseded``, with its steps in order. Times in µs UTC."""

    id: str
    pipeline: str
    key: str
    state: str
    reason: str | None
    created_at: int
    ended_at: int | None
    lease_until: int
    steps: tuple[StepRecord, ...] = field(default=())

    def result(self, step: str) -> Result | None:
        """The result of a step, or None if it is not done."""
        return next((each.result for each in self.steps if each.name == step and each.state == "done"), None)

    def __str__(self) -> str:
        lines = [f"{self.pipeline} {self.key}: {self.state}" + (f" ({self.reason})" if self.reason else "")]
        lines += [f"  {each.name:<12} {each.state}" + (f": {each.reason}" if each.reason else "") for each in self.steps]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The run as plain data."""
        return {
            "id": self.id,
            "pipeline": self.pipeline,
            "key": self.key,
            "state": self.state,
            "reason": self.reason,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "steps": [vars(each) | {"result": None if each.result is None else dict(each.result)} for each in self.steps],
        }


def advance(
    workspace: Workspace,
    *,
    pipeline: str,
    key: str,
    declared: str,
    steps: Sequence[Step],
    lease_us: int = LEASE_US,
    max_tries: int = MAX_TRIES,
) -> RunRecord:
    """Take the run of this key as far as it goes; begin it if there is none. A run that is done is returned as it is.

    Parameters
    ----------
    pipeline, key
        Which run. The same key is the same run, whoever asks and however often.
    declared
        The hash of the declaration; a run begun under another one is refused.
    lease_us
        How long a worker that says nothing keeps the run, in µs. It is renewed every third of it while steps work.
    max_tries
        How often a failing step is tried, over all calls, before the run stays ``failed``.

    Raises
    ------
    Conflict
        If another worker holds the run now, or took it over meanwhile; or the run was begun under another declaration.
    """
    if len({step.name for step in steps}) != len(steps):
        raise InputError(f"Two steps of the pipeline '{pipeline}' have one name.", why="a step's result is kept by its name")
    run_id = content_id("wfr", {"workspace": workspace.id, "pipeline": pipeline, "key": key})
    holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    fence = workspace.write(lambda tx: _claim(tx, run_id, pipeline=pipeline, key=key, declared=declared, holder=holder, lease_us=lease_us))
    if fence is None:
        return load_run(workspace, run_id)
    with _Lease(workspace, run_id, fence, lease_us=lease_us):
        results: dict[str, Result] = {}
        for position, step in enumerate(steps):
            made = _do(workspace, run_id, pipeline, step, position, results, fence, max_tries=max_tries)
            if made.state != "done":
                _end(workspace, run_id, fence, state=made.state, reason=f"{step.name}: {made.reason}")
                return load_run(workspace, run_id)
            results[step.name] = made.result or {}
        _end(workspace, run_id, fence, state="done", reason=None)
    return load_run(workspace, run_id)


def retry(workspace: Workspace, run_id: str, *, reason: str) -> RunRecord:
    """Let a failed run be tried again although a step has used up its tries. Who says so, and why, goes into the ledger.

    Raises ``Conflict`` if the run is not failed.
    """
    run = load_run(workspace, run_id)
    if run.state != "failed":
        raise Conflict(f"The run is {run.state}, not failed.", where=run_id, why="only a failed run has used up its tries")

    def write(tx: WriteTransaction) -> None:
        mine = (workflow_step.c.workspace_id == tx.workspace_id, workflow_step.c.run_id == run_id, workflow_step.c.state == "failed")
        tx.conn.execute(workflow_step.delete().where(*mine))
        record(tx, type="pipeline.retry", subject=run_id, body={"reason": reason})

    workspace.write(write)
    return load_run(workspace, run_id)


def load_run(workspace: Workspace, run_id: str) -> RunRecord:
    """The run with its steps. Raises ``NotFound`` if there is none."""
    with workspace.read() as conn:
        run = conn.execute(select(workflow_run).where(workflow_run.c.workspace_id == workspace.id, workflow_run.c.id == run_id)).first()
        steps = conn.execute(
            select(workflow_step)
            .where(workflow_step.c.workspace_id == workspace.id, workflow_step.c.run_id == run_id)
            .order_by(workflow_step.c.position)
        ).all()
    if run is None:
        raise NotFound(f"There is no pipeline run {run_id}.", mend="see 'pilotage pipeline runs'")
    return _run_record(run, tuple(_step_record(row) for row in steps))


def pipeline_names(workspace: Workspace) -> list[str]:
    """The pipelines that have run, by name."""
    query = select(workflow_run.c.pipeline).where(workflow_run.c.workspace_id == workspace.id).distinct().order_by(workflow_run.c.pipeline)
    with workspace.read() as conn:
        return list(conn.execute(query).scalars())


def runs(workspace: Workspace, pipeline: str | None = None, *, limit: int = 50) -> list[RunRecord]:
    """The newest runs first, without their steps."""
    query = select(workflow_run).where(workflow_run.c.workspace_id == workspace.id)
    if pipeline is not None:
        query = query.where(workflow_run.c.pipeline == pipeline)
    with workspace.read() as conn:
        found = conn.execute(query.order_by(desc(workflow_run.c.created_at), workflow_run.c.id).limit(limit)).all()
    return [_run_record(row, ()) for row in found]


def _claim(tx: WriteTransaction, run_id: str, *, pipeline: str, key: str, declared: str, holder: str, lease_us: int) -> int | None:
    """Take the run's lease and return the new fence; None if the run is done."""
    now = tx.clock.now_us()
    mine = and_(workflow_run.c.workspace_id == tx.workspace_id, workflow_run.c.id == run_id)
    found = tx.conn.execute(select(workflow_run).where(mine)).first()
    if found is None:
        values = {"pipeline": pipeline, "key": key, "declared": declared, "state": "running", "holder": holder, "fence": 1}
        tx.insert(workflow_run, {"id": run_id, **values, "lease_until": now + lease_us})
        record(tx, type="pipeline.run", subject=run_id, body={"pipeline": pipeline, "key": key, "declared": declared})
        return 1
    if found.state == "done":
        return None
    if found.declared != declared:
        raise Conflict(
            f"The run '{key}' of the pipeline '{pipeline}' was begun under another declaration.",
            why="half of it would follow one declaration and half another",
            mend="start a new run: give it another key",
        )
    if found.state == "running" and found.holder not in (None, holder) and found.lease_until > now:
        raise Conflict(
            f"Another worker is at the run '{key}' of the pipeline '{pipeline}'.",
            where=found.holder,
            mend=f"wait: if it died, its lease ends in {(found.lease_until - now) / 1e6:.0f} s and the same command takes over",
        )
    values = {"holder": holder, "fence": found.fence + 1, "state": "running", "reason": None, "ended_at": None, "lease_until": now + lease_us}
    taken = tx.conn.execute(update(workflow_run).where(mine, workflow_run.c.fence == found.fence).values(**values))
    if taken.rowcount != 1:
        raise Conflict(f"Another worker took the run '{key}' of the pipeline '{pipeline}' at this very moment.", mend="try again")
    return int(found.fence) + 1


def _do(
    workspace: Workspace,
    run_id: str,
    pipeline: str,
    step: Step,
    position: int,
    results: Mapping[str, Result],
    fence: int,
    *,
    max_tries: int,
) -> StepRecord:
    """The step's record: the one that stands, or the one this call makes."""
    read = tuple(results) if step.needs is None else step.needs
    inputs = digest({"step": step.name, "given": step.given, "results": {name: results[name] for name in read}})
    own = _own_step(workspace, run_id, step, inputs)
    if own is not None and (own.state == "done" or (own.state == "failed" and own.tries >= max_tries)):
        return own
    earlier = None if step.fresh else _earlier_step(workspace, pipeline, step, inputs)
    if earlier is not None:
        _write_step(workspace, run_id, fence, position, inputs, earlier)
        return earlier
    tries = own.tries if own is not None and own.state == "failed" else 0
    started = workspace.clock.now_us()
    state, result, reason = "done", None, None
    try:
        result = dict(step.work(StepContext(workspace, run_id, dict(results), fence)))
    except Hold as hold:
        state, reason = "held", str(hold)
    except Conflict as error:
        if _taken_over(workspace, run_id, fence):
            raise
        state, reason = "failed", str(error)
    except (PilotageError, OSError) as error:
        state, reason = "failed", str(error)
    made = StepRecord(step.name, state, tries + 1, result, reason, started, workspace.clock.now_us())
    _write_step(workspace, run_id, fence, position, inputs, made)
    return made


def _write_step(workspace: Workspace, run_id: str, fence: int, position: int, inputs: str, step: StepRecord) -> None:
    def write(tx: WriteTransaction) -> None:
        _require_fence(tx, run_id, fence)
        mine = (workflow_step.c.workspace_id == tx.workspace_id, workflow_step.c.run_id == run_id, workflow_step.c.name == step.name)
        tx.conn.execute(workflow_step.delete().where(*mine))
        tx.insert(workflow_step, {**vars(step), "run_id": run_id, "position": position, "inputs": inputs})
        record(tx, type=f"pipeline.step.{step.state}", subject=run_id, body={"step": step.name, "inputs": inputs, "reason": step.reason})

    workspace.write(write)


def _own_step(workspace: Workspace, run_id: str, step: Step, inputs: str) -> StepRecord | None:
    """What this run has of the step for these very inputs."""
    mine = (workflow_step.c.workspace_id == workspace.id, workflow_step.c.run_id == run_id, workflow_step.c.name == step.name)
    with workspace.read() as conn:
        found = conn.execute(select(workflow_step).where(*mine, workflow_step.c.inputs == inputs)).first()
    return None if found is None else _step_record(found)


def _earlier_step(workspace: Workspace, pipeline: str, step: Step, inputs: str) -> StepRecord | None:
    """The same piece of work, done in an earlier run of the pipeline."""
    joined = and_(workflow_run.c.workspace_id == workflow_step.c.workspace_id, workflow_run.c.id == workflow_step.c.run_id)
    mine = (workflow_step.c.workspace_id == workspace.id, workflow_step.c.name == step.name, workflow_step.c.inputs == inputs)
    with workspace.read() as conn:
        found = conn.execute(
            select(workflow_step)
            .join(workflow_run, joined)
            .where(*mine, workflow_step.c.state == "done", workflow_run.c.pipeline == pipeline)
            .order_by(workflow_step.c.ended_at)
            .limit(1)
        ).first()
    return None if found is None else _step_record(found)


def _end(workspace: Workspace, run_id: str, fence: int, *, state: str, reason: str | None) -> None:
    def write(tx: WriteTransaction) -> None:
        _require_fence(tx, run_id, fence)
        mine = (workflow_run.c.workspace_id == tx.workspace_id, workflow_run.c.id == run_id)
        tx.conn.execute(
            update(workflow_run)
            .where(*mine)
            .values(state=state, reason=reason, holder=None, lease_until=tx.clock.now_us(), ended_at=tx.clock.now_us())
        )
        record(tx, type=f"pipeline.{state}", subject=run_id, body={"reason": reason})

    workspace.write(write)


def _require_fence(tx: WriteTransaction, run_id: str, fence: int) -> None:
    mine = (workflow_run.c.workspace_id == tx.workspace_id, workflow_run.c.id == run_id)
    if tx.conn.execute(select(workflow_run.c.fence).where(*mine)).scalar() != fence:
        raise Conflict("Another worker has taken this run over.", where=run_id, why="this one was silent for longer than its lease")


def _taken_over(workspace: Workspace, run_id: str, fence: int) -> bool:
    with workspace.read() as conn:
        mine = (workflow_run.c.workspace_id == workspace.id, workflow_run.c.id == run_id)
        return bool(conn.execute(select(workflow_run.c.fence).where(*mine)).scalar() != fence)


class _Lease:
    """Keeps the lease while steps work, from a thread of its own, and gives it back when they end in whatever way a process can still act on."""

    def __init__(self, workspace: Workspace, run_id: str, fence: int, *, lease_us: int) -> None:
        self._workspace, self._run_id, self._fence, self._lease_us = workspace, run_id, fence, lease_us
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pipeline-lease", daemon=True)

    def _beat(self) -> None:
        while not self._stop.wait(self._lease_us / 3e6):
            self._workspace.write(lambda tx: self._set(tx, lease_until=tx.clock.now_us() + self._lease_us))

    def _set(self, tx: WriteTransaction, **values: Any) -> None:
        mine = (workflow_run.c.workspace_id == tx.workspace_id, workflow_run.c.id == self._run_id, workflow_run.c.fence == self._fence)
        tx.conn.execute(update(workflow_run).where(*mine).values(**values))

    def __enter__(self) -> _Lease:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if error is not None:
            self._workspace.write(lambda tx: self._set(tx, holder=None, lease_until=tx.clock.now_us()))


def _run_record(row: Any, steps: tuple[StepRecord, ...]) -> RunRecord:
    return RunRecord(
        id=row.id,
        pipeline=row.pipeline,
        key=row._mapping["key"],
        state=row.state,
        reason=row.reason,
        created_at=row.created_at,
        ended_at=row.ended_at,
        lease_until=row.lease_until,
        steps=steps,
    )


def _step_record(row: Any) -> StepRecord:
    return StepRecord(
        name=row.name,
        state=row.state,
        tries=row.tries,
        result=row.result,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
