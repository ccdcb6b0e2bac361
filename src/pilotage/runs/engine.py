"""The engine: a plan in, durable outputs out.

Workers, as many as requests may be in flight, take samples from the feed, let the solver ask, and hand outputs to the outbox, which alone writes.
Nothing is kept in memory that the database does not hold but the work of the moment, so killing the process at any time loses only replies not
yet acknowledged, and running the same plan again does exactly what is missing.

A run stops early, and resumably, when a budget is reached, when the target fails again and again, or when it is cancelled. Failures that lie with the
target are held back until an answer shows that it is there: an outage pauses the run, it does not become hundreds of recorded errors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import select, update

from pilotage.core import InputError, Progress, Refused, SilentProgress, Step, Unavailable
from pilotage.ledger import record
from pilotage.models import Account, BudgetReached, Client, Limits, Outcome, Reply, Request, Spent
from pilotage.runs import tables
from pilotage.runs.feed import Feed
from pilotage.runs.outbox import Made, Outbox
from pilotage.runs.output import Output, marked
from pilotage.runs.plan import Plan
from pilotage.runs.registration import register, settle_counts
from pilotage.runs.solve import Solve, single_turn
from pilotage.store import Workspace, WriteTransaction

# So many failures of the target in a row, with no answer between, and the run pauses.
PAUSE_AFTER = 5


@dataclass(frozen=True)
class RunReport:
    """How a run stands.

    state
        ``done`` or ``paused``; ``stop_reason`` says why it paused.
    counts
        Outcome to number of samples, over all samples that have an output. ``rerolled``: those of them that are not first attempts.
    usage
        What the run has spent, over all the times it was resumed.
    executed, reused
        Samples worked on this time, and samples whose output was there before.
    """

    run_id: str
    state: str
    stop_reason: str | None
    planned: int
    counts: dict[str, int]
    rerolled: dict[str, int]
    usage: Spent
    executed: int
    reused: int

    def __str__(self) -> str:
        tallies = ", ".join(f"{outcome} {n}" for outcome, n in sorted(self.counts.items()))
        why = f": {self.stop_reason}" if self.stop_reason else ""
        return f"{self.run_id} {self.state}{why}\n  {sum(self.counts.values())} / {self.planned} samples ({tallies})"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


async def run(
    workspace: Workspace,
    plan: Plan,
    *,
    client: Client,
    solve: Solve = single_turn,
    limits: Limits | None = None,
    progress: Progress | None = None,
    again: Collection[Outcome] = (),
    pause_after: int | None = PAUSE_AFTER,
    on_durable: Callable[[Sequence[Output]], None] | None = None,
) -> RunReport:
    """Do what is missing of ``plan``. The same plan is the same run: call again to resume.

    Parameters
    ----------
    client
        An open client of the target. Its fingerprint must be the plan's.
    solve
        Makes an output of a sample; must be a function of the sample and the replies alone.
    limits
        May only tighten the target's own.
    again
        Outcomes to try again, such as ``{Outcome.ERROR}``. A new attempt is counted apart, because choosing what to re-roll biases a score.
    pause_after
        Failures of the target in a row, with no answer between, after which the run pauses. None: record every failure and go on.
    on_durable
        Told of outputs once they are written for good.

    Raises
    ------
    InputError
        If the plan holds a sample twice.
    Refused
        If the client speaks to another model than the plan was made for.
    asyncio.CancelledError
        If cancelled; the run is then paused and consistent.

    Cost: under a millisecond of processor time a sample; memory does not grow with the plan.
    """
    limits = client.target.config.limits if limits is None else client.target.config.limits.tightened(limits)
    again = frozenset(again)
    standing = _standing(workspace, plan.run_id)
    if standing is not None and standing.state == "done" and not again & {Outcome(outcome) for outcome in standing.counts}:
        return _report(standing, executed=0)
    try:
        await register(workspace, plan)
        work = _Work(
            workspace,
            _stands(workspace, plan.run_id),
            client=client,
            solve=solve,
            limits=limits,
            progress=progress or SilentProgress(),
            again=again,
            pause_after=pause_after,
            told=on_durable,
        )
        try:
            if work.missing or again:
                await _check_model(client, plan)
                await work.do()
        except Unavailable as error:
            work.stop_reason = error.what
    except BaseException as error:
        await asyncio.shield(_finish(workspace, plan.run_id, _why(error)))
        raise
    await asyncio.shield(_finish(workspace, plan.run_id, work.stop_reason))
    report = _report(_stands(workspace, plan.run_id), executed=work.executed)
    work.progress.finish(work.step())
    return report


async def _check_model(client: Client, plan: Plan) -> None:
    if await client.fingerprint() != plan.fingerprint:
        raise Refused(
            "The target is not the model this plan was made for.",
            where=f"run {plan.run_id}",
            why="its outputs would be counted for another model",
            mend="make the plan with this client's fingerprint",
        )


def _why(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return "stopped by request"
    return f"stopped by an error: {getattr(error, 'what', None) or type(error).__name__}"


@dataclass(frozen=True)
class _Standing:
    run_id: str
    kind: str
    state: str
    stop_reason: str | None
    planned: int
    counts: dict[str, int]
    rerolled: dict[str, int]
    usage: Spent


def _standing(workspace: Workspace, run_id: str) -> _Standing | None:
    table = tables.run
    with workspace.read() as conn:
        row = conn.execute(select(table).where(table.c.workspace_id == workspace.id, table.c.id == run_id)).one_or_none()
    if row is None:
        return None
    return _Standing(row.id, row.kind, row.state, row.stop_reason, row.planned, row.counts, row.rerolled, spent_of(row.usage))


def _stands(workspace: Workspace, run_id: str) -> _Standing:
    standing = _standing(workspace, run_id)
    assert standing is not None, "it was registered a moment ago"  # noqa: S101
    return standing


def spent_of(usage: dict[str, int]) -> Spent:
    """What a run's ``usage`` column says was spent."""
    return Spent(**{field.name: int(usage.get(field.name, 0)) for field in fields(Spent)})


def _report(standing: _Standing, *, executed: int) -> RunReport:
    return RunReport(
        standing.run_id,
        standing.state,
        standing.stop_reason,
        standing.planned,
        standing.counts,
        standing.rerolled,
        standing.usage,
        executed,
        sum(standing.counts.values()) - executed,
    )


async def _finish(workspace: Workspace, run_id: str, stop_reason: str | None) -> None:
    def job(tx: WriteTransaction) -> None:
        table = tables.run
        mine = (table.c.workspace_id == tx.workspace_id, table.c.id == run_id)
        if tx.conn.execute(select(table.c.id).where(*mine)).first() is None:
            return  # stopped before it was begun
        missing = settle_counts(tx, run_id)
        state = "done" if missing == 0 and stop_reason is None else "paused"
        reason = stop_reason or (f"{missing} samples have no output yet" if missing else None)
        tx.conn.execute(update(table).where(*mine).values(state=state, stop_reason=reason, updated_at=tx.clock.now_us()))
        row = tx.conn.execute(select(table.c.counts, table.c.rerolled, table.c.usage).where(*mine)).one()
        record(
            tx,
            type=f"run.{state}",
            subject=run_id,
            body={"run": run_id, "stop_reason": reason, "counts": row.counts, "rerolled": row.rerolled, "usage": row.usage},
        )

    await workspace.write_async(job)


class _Asker:
    """What a solver gets as ``ask``: bound to one sample, it knows the repeat and books what is spent."""

    __slots__ = ("_asked", "_repeat", "_work", "answered", "over", "target_down")

    def __init__(self, work: _Work, repeat: int) -> None:
        self._work = work
        self._repeat = repeat
        self._asked: list[Request] = []
        self.answered = False  # by the target itself, not by the cache
        self.over: BudgetReached | None = None
        self.target_down = False

    async def __call__(self, request: Request) -> Reply:
        draw = self._asked.count(request)
        self._asked.append(request)
        work = self._work
        try:
            reply = await work.client.ask(request, repeat=self._repeat, draw=draw, account=work.account, keep=work.outbox.keep)
        except BudgetReached as error:
            self.over = error
            raise
        self.target_down = reply.target_down
        if not reply.cached and not reply.target_down:
            self.answered = True
        return reply


class _Work:
    """One invocation of a run."""

    def __init__(
        self,
        workspace: Workspace,
        standing: _Standing,
        *,
        client: Client,
        solve: Solve,
        limits: Limits,
        progress: Progress,
        again: frozenset[Outcome],
        pause_after: int | None,
        told: Callable[[Sequence[Output]], None] | None,
    ) -> None:
        self.client = client
        self.progress = progress
        self.stop_reason: str | None = None
        self.executed = 0
        self.missing = standing.planned - sum(standing.counts.values())
        self.account = Account(limits, client.target.config.prices, already=standing.usage, monotonic=time.monotonic)
        self.outbox: Outbox
        self._workspace = workspace
        self._standing = standing
        self._solve = solve
        self._told = told
        self._feed = Feed(workspace, standing.run_id, again=again)
        self._counts = dict(standing.counts)
        self._suspects: list[Made] = []
        self._pause_after = pause_after
        self._workers: list[asyncio.Task[None]] = []

    async def do(self) -> None:
        """Work until everything is done or something stops it; then write what was made."""
        self.outbox = Outbox(self._workspace, self._standing.run_id, drain_spent=self.account.drain, on_durable=self._durable)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self.account.limits.in_flight)]
        working = asyncio.create_task(asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION))
        try:
            await asyncio.wait({working, self.outbox.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            self._cancel_workers()
            ends = await asyncio.gather(*self._workers, return_exceptions=True)
            cut_short = self.stop_reason is not None or any(isinstance(end, BaseException) for end in ends)
            await self._settle_suspects(cut_short=cut_short)
            await self.outbox.close()
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end

    async def _work(self) -> None:
        while self.stop_reason is None:
            todo = await self._feed.next()
            if todo is None:
                return
            ask = _Asker(self, todo.sample.repeat)
            try:
                self.account.check_time()
                output = await self._solve(todo.sample, ask)
            except BudgetReached as error:
                self._stop(error.what)
                return
            if ask.over is not None:  # the solver went on as if it had an answer
                self._stop(ask.over.what)
                return
            if output.sample_id != todo.sample.id:
                raise InputError("The solver returned the output of another sample.", where=f"sample {todo.sample.id}")
            await self._take(Made(marked(output, attempt=todo.attempt), todo.replaces), ask)

    async def _take(self, made: Made, ask: _Asker) -> None:
        """Hand an output on; hold it back while it may be only one of an outage's many failures."""
        if self._pause_after is not None and made.output.outcome is Outcome.ERROR and ask.target_down:
            self._suspects.append(made)
            if len(self._suspects) >= self._pause_after:
                self._stop(f"the target failed {len(self._suspects)} times in a row, the last time with: {made.output.error}")
                self._cancel_workers()
            return
        if ask.answered:
            await self._release_suspects()
        await self.outbox.put(made)

    async def _release_suspects(self) -> None:
        suspects, self._suspects = self._suspects, []
        for made in suspects:
            await self.outbox.put(made)

    async def _settle_suspects(self, *, cut_short: bool) -> None:
        """At the end: failures that nothing followed are recorded if the target is there, and otherwise left to be done again."""
        if not self._suspects or cut_short:
            return
        try:
            await self.client.probe()
        except Unavailable as error:
            self._stop(error.what)
        else:
            await self._release_suspects()

    def _stop(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = reason

    def _cancel_workers(self) -> None:
        current = asyncio.current_task()
        for worker in self._workers:
            if worker is not current:
                worker.cancel()

    def _durable(self, batch: Sequence[Made]) -> None:
        for made in batch:
            outcome = made.output.outcome.value
            self._counts[outcome] = self._counts.get(outcome, 0) + 1
            if made.replaces is not None:
                self._counts[made.replaces[0]] -= 1
        self.executed += len(batch)
        if self._told is not None and batch:
            self._told([made.output for made in batch])
        self.progress.update(self.step())

    def step(self) -> Step:
        """Where the run stands, for the progress display."""
        return Step(self._standing.kind, done=sum(self._counts.values()), total=self._standing.planned, unit="samples", counts=dict(self._counts))
