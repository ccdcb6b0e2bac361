"""Reading runs back: whole outputs in order, or light pages of rows for a screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, and_, select, type_coerce

from pilotage.core import NotFound
from pilotage.ledger import entries
from pilotage.models import Outcome, Spent
from pilotage.runs import tables
from pilotage.runs.engine import spent_of
from pilotage.runs.outbox import batch_digest
from pilotage.runs.output import Output, output_digest, read_output
from pilotage.runs.plan import SampleSpec
from pilotage.store import Workspace

_PAGE = 500


@dataclass(frozen=True)
class RunSummary:
    """A run as the tables hold it. ``done`` of ``planned`` samples have an output; times are microseconds since the epoch."""

    id: str
    kind: str
    pilot_id: str
    target_id: str
    fingerprint: str
    versions: tuple[str, ...]
    state: str
    stop_reason: str | None
    planned: int
    counts: dict[str, int]
    rerolled: dict[str, int]
    usage: Spent
    cached: int
    created_by: str
    created_at: int
    updated_at: int

    @property
    def done(self) -> int:
        """Samples that have an output."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class SampleRow:
    """A sample in a list: everything but what was said. ``outcome`` and what follows are None while it has no output."""

    position: int
    sample_id: str
    item_key: str
    repeat: int
    cluster: str
    slices: dict[str, str]
    output_id: str | None
    outcome: Outcome | None
    attempt: int | None
    latency_us: int | None
    cached: bool | None


@dataclass(frozen=True)
class SamplesPage:
    """Rows in the order of the plan. ``after`` goes into the next call; None: this was the last page."""

    rows: tuple[SampleRow, ...]
    after: int | None


@dataclass(frozen=True)
class OutputCheck:
    """Whether stored outputs are what was recorded when they were made.

    changed
        Outputs whose text does not match their digest.
    missing_batches
        Batches the ledger tells of whose outputs are not as it says: some missing, added or changed.
    """

    checked: int
    changed: tuple[str, ...]
    missing_batches: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Nothing was changed, lost or added."""
        return not self.changed and not self.missing_batches


def outputs(workspace: Workspace, run_id: str) -> Iterator[Output]:
    """The outputs the run counts, with their samples, in the order of the plan. Reads page by page, so a large run takes little memory."""
    link, sample, output = tables.run_sample, tables.sample, tables.output
    after = -1
    while True:
        query = (
            select(
                link.c.position,
                sample.c.item_key,
                sample.c.repeat,
                sample.c.cluster,
                sample.c.slices,
                sample.c.spec,
                *_light_columns(),
                type_coerce(output.c.body, Text).label("body_text"),
                type_coerce(output.c.usage, Text).label("usage_text"),
            )
            .join(sample, and_(sample.c.workspace_id == link.c.workspace_id, sample.c.id == link.c.sample_id))
            .join(output, and_(output.c.workspace_id == link.c.workspace_id, output.c.id == link.c.output_id))
            .where(link.c.workspace_id == workspace.id, link.c.run_id == run_id, link.c.position > after)
            .order_by(link.c.position)
            .limit(_PAGE)
        )
        with workspace.read() as conn:
            rows = conn.execute(query).all()
        for row in rows:
            spec = SampleSpec(row.sample_id, row.item_key, row.repeat, row.cluster, row.slices, row.spec)
            yield read_output(row, body=row.body_text, usage=row.usage_text, sample=spec)
        if len(rows) < _PAGE:
            return
        after = rows[-1].position


def load_output(workspace: Workspace, output_id: str) -> Output:
    """One output with its sample. Raises ``NotFound``."""
    sample, output = tables.sample, tables.output
    query = (
        select(
            sample.c.item_key,
            sample.c.repeat,
            sample.c.cluster,
            sample.c.slices,
            sample.c.spec,
            *_light_columns(),
            type_coerce(output.c.body, Text).label("body_text"),
            type_coerce(output.c.usage, Text).label("usage_text"),
        )
        .join(sample, and_(sample.c.workspace_id == output.c.workspace_id, sample.c.id == output.c.sample_id))
        .where(output.c.workspace_id == workspace.id, output.c.id == output_id)
    )
    with workspace.read() as conn:
        row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no output {output_id}.")
    spec = SampleSpec(row.sample_id, row.item_key, row.repeat, row.cluster, row.slices, row.spec)
    return read_output(row, body=row.body_text, usage=row.usage_text, sample=spec)


def run_summary(workspace: Workspace, run_id: str) -> RunSummary:
    """One run. Raises ``NotFound``."""
    table = tables.run
    with workspace.read() as conn:
        row = conn.execute(select(table).where(table.c.workspace_id == workspace.id, table.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return _summary(row)


def runs(workspace: Workspace, *, pilot_id: str | None = None, limit: int = 100) -> list[RunSummary]:
    """The latest ``limit`` runs, newest first; of one pilot if named."""
    table = tables.run
    query = select(table).where(table.c.workspace_id == workspace.id).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
    if pilot_id is not None:
        query = query.where(table.c.pilot_id == pilot_id)
    with workspace.read() as conn:
        return [_summary(row) for row in conn.execute(query)]


def samples_page(workspace: Workspace, run_id: str, *, after: int | None = None, limit: int = 50, outcome: str | None = None) -> SamplesPage:
    """A page of the run's samples, without what was said.

    Parameters
    ----------
    after
        The ``after`` of the page before; None for the first.
    outcome
        Only samples with this outcome, or ``waiting`` for those without an output.

    Cost: the page's rows, whatever the size of the run, unless ``outcome`` is rare: then the rows between.
    """
    link, sample, output = tables.run_sample, tables.sample, tables.output
    query = (
        select(
            link.c.position,
            sample.c.id.label("of_sample"),
            sample.c.item_key,
            sample.c.repeat,
            sample.c.cluster,
            sample.c.slices,
            *_light_columns(),
        )
        .join(sample, and_(sample.c.workspace_id == link.c.workspace_id, sample.c.id == link.c.sample_id))
        .outerjoin(output, and_(output.c.workspace_id == link.c.workspace_id, output.c.id == link.c.output_id))
        .where(link.c.workspace_id == workspace.id, link.c.run_id == run_id, link.c.position > (-1 if after is None else after))
        .order_by(link.c.position)
        .limit(limit + 1)
    )
    if outcome == "waiting":
        query = query.where(link.c.output_id.is_(None))
    elif outcome is not None:
        query = query.where(output.c.outcome == outcome)
    with workspace.read() as conn:
        found = conn.execute(query).all()
    rows = tuple(_sample_row(row) for row in found[:limit])
    return SamplesPage(rows, rows[-1].position if len(found) > limit else None)


def check_outputs(workspace: Workspace, run_id: str) -> OutputCheck:
    """Work out the digests of all outputs this run made, and compare them with the outputs' own and with the ledger's record of each batch."""
    output = tables.output
    changed: list[str] = []
    batches: dict[str, list[str]] = {}
    checked, after = 0, ""
    while True:
        query = (
            select(
                *_light_columns(),
                output.c.batch,
                type_coerce(output.c.body, Text).label("body_text"),
                type_coerce(output.c.usage, Text).label("usage_text"),
            )
            .where(output.c.workspace_id == workspace.id, output.c.run_id == run_id, output.c.id > after)
            .order_by(output.c.id)
            .limit(_PAGE)
        )
        with workspace.read() as conn:
            rows = conn.execute(query).all()
        for row in rows:
            checked += 1
            batches.setdefault(row.batch, []).append(row.digest)
            if output_digest(read_output(row, body=row.body_text, usage=row.usage_text)) != row.digest:
                changed.append(row.id)
        if len(rows) < _PAGE:
            break
        after = rows[-1].id
    astray: list[str] = []
    seen = 0
    while found := entries(workspace, after=seen, limit=_PAGE, subject=run_id, type="run.outputs"):
        for entry in found:
            batch = str(entry.body["batch"])
            if batch_digest(batches.pop(batch, [])) != entry.body["digest"]:
                astray.append(batch)
        seen = found[-1].seq
    return OutputCheck(checked, tuple(changed), (*astray, *batches))


def _light_columns() -> tuple[Any, ...]:
    output = tables.output
    return (
        output.c.id,
        output.c.sample_id,
        output.c.attempt,
        output.c.outcome,
        output.c.latency_us,
        output.c.cached,
        output.c.digest,
    )


def _sample_row(row: Any) -> SampleRow:
    return SampleRow(
        row.position,
        row.of_sample,
        row.item_key,
        row.repeat,
        row.cluster,
        row.slices,
        row.id,
        None if row.outcome is None else Outcome(row.outcome),
        row.attempt,
        row.latency_us,
        None if row.cached is None else bool(row.cached),
    )


def _summary(row: Any) -> RunSummary:
    return RunSummary(
        row.id,
        row.kind,
        row.pilot_id,
        row.target_id,
        row.fingerprint,
        tuple(row.versions),
        row.state,
        row.stop_reason,
        row.planned,
        row.counts,
        row.rerolled,
        spent_of(row.usage),
        int(row.usage.get("cached", 0)),
        row.created_by,
        row.created_at,
        row.updated_at,
    )
