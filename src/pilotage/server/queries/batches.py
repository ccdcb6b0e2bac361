"""Questions about batches: what was delivered, what became of it, what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select

from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.versions import VersionLine, name_versions
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.data.ingest import Batch, ReasonCount, SetAsidePage
    from pilotage.data.quality import GateReport

NAMES_OFFERED = 200
ROWS_A_PAGE = 50


@dataclass(frozen=True)
class BatchLine:
    """One delivery of a source and what became of it; ``rows_in`` = ``kept`` + ``quarantined``. ``again``: this request found it done already."""

    id: str
    source: str
    dataset: str
    state: str
    version: str | None
    rows_in: int
    kept: int
    quarantined: int
    contract_id: str
    digest: str
    batch_key: str | None
    label: str
    size: int
    gate_report_id: str | None
    reason: str | None
    created_at: int
    created_by: str
    changed_at: int
    again: bool = False


@dataclass(frozen=True)
class Batches:
    """A page of batches, the versions they became, and what the list can be narrowed to."""

    page: Page[BatchLine]
    versions: dict[str, VersionLine]
    counts: dict[str, int]
    sources: list[str]
    datasets: list[str]


@dataclass(frozen=True)
class BatchDetail:
    """A batch with its gate, the reasons for which rows were set aside, some of those rows, and what may be done now.

    ``notes`` is what conforming said, ``released`` who let it go and why; ``contract`` the ref of its contract, ``newer`` that of a later version;
    ``retriable`` counts the set-aside rows that a retry would try, ``erasable`` those whose text is kept.
    """

    line: BatchLine
    write: str
    kind: str
    notes: dict[str, Any]
    released: dict[str, Any] | None
    contract: str
    newer: str | None
    version: VersionLine | None
    gate: GateReport | None
    reasons: list[ReasonCount]
    rows: SetAsidePage
    retriable: int
    erasable: int


def list_batches(
    workspace: Workspace, *, source: str | None = None, dataset: str | None = None, state: str | None = None, turn: Turn | None = None
) -> Page[BatchLine]:
    """Batches, the newest first."""
    from pilotage.data.ingest.tables import ingest_batch

    of = ingest_batch.c
    query = select(*(column for column in of if column.name != "config")).where(of.workspace_id == workspace.id)
    for column, wanted in ((of.source, source), (of.dataset, dataset), (of.state, state)):
        if wanted:
            query = query.where(column == wanted)
    with workspace.read() as conn:
        found = turn_page(conn, query, keys=[of.created_at, of.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: [_line(row) for row in rows])


def show_batches(
    workspace: Workspace, *, source: str | None = None, dataset: str | None = None, state: str | None = None, turn: Turn | None = None
) -> Batches:
    """What the page of batches shows."""
    from pilotage.data.ingest import batch_counts

    page = list_batches(workspace, source=source, dataset=dataset, state=state, turn=turn)
    made = name_versions(workspace, sorted({one.version for one in page.rows if one.version}))
    return Batches(page, made, batch_counts(workspace), _names(workspace, "source"), _names(workspace, "dataset"))


def line_of(batch: Batch) -> BatchLine:
    """A batch of the data room as the pages and the API show it."""
    values = {name: value for name, value in batch.to_dict().items() if name != "origin"}
    return BatchLine(**values, label=str(batch.origin.get("label", "")), size=int(batch.origin.get("size") or 0), again=batch.again)


def find_line(workspace: Workspace, batch_id: str) -> BatchLine:
    """One batch. Raises ``NotFound``."""
    from pilotage.data.ingest import load_batch

    return line_of(load_batch(workspace, batch_id))


def find_batch(workspace: Workspace, batch_id: str, *, code: str | None = None, field: str | None = None, start: int = 0) -> BatchDetail:
    """One batch with everything its page shows; ``code`` and ``field`` narrow the rows that were set aside. Raises ``NotFound``."""
    from pilotage.core import NotFound
    from pilotage.data.contracts import contract_of
    from pilotage.data.ingest import load_batch, quarantined, reason_counts
    from pilotage.data.ingest.tables import ingest_batch, ingest_quarantine
    from pilotage.data.quality import load_report

    batch = load_batch(workspace, batch_id)
    contract = contract_of(workspace, batch.contract_id)
    latest = contract_of(workspace, contract.name)
    try:
        gate = load_report(workspace, batch.gate_report_id) if batch.gate_report_id else None
    except NotFound:
        gate = None
    of = ingest_quarantine.c
    mine = (of.workspace_id == workspace.id, of.batch_id == batch_id)
    with workspace.read() as conn:
        config = conn.execute(
            select(ingest_batch.c.config).where(ingest_batch.c.workspace_id == workspace.id, ingest_batch.c.id == batch_id)
        ).scalar()
        untried = (of.content.is_not(None), of.retried_as.is_(None))
        retriable = conn.execute(select(func.count()).select_from(ingest_quarantine).where(*mine, *untried)).scalar_one()
        erasable = conn.execute(select(func.count()).select_from(ingest_quarantine).where(*mine, of.erased_at.is_(None))).scalar_one()
    return BatchDetail(
        line=line_of(batch),
        write=str((config or {}).get("write", "")),
        kind=str((config or {}).get("kind", "")),
        notes=dict(batch.origin.get("notes") or {}),
        released=batch.origin.get("released"),
        contract=contract.ref,
        newer=latest.ref if latest.id != contract.id else None,
        version=name_versions(workspace, [batch.version]).get(batch.version) if batch.version else None,
        gate=gate,
        reasons=reason_counts(workspace, batch_id=batch_id),
        rows=quarantined(workspace, batch_id=batch_id, code=code, field=field, offset=start, limit=ROWS_A_PAGE),
        retriable=retriable,
        erasable=erasable,
    )


def _names(workspace: Workspace, column: str) -> list[str]:
    """The names in a column of the batches, in order. Each is one step in an index: the number of batches does not matter."""
    from pilotage.data.ingest.tables import ingest_batch

    of, found = ingest_batch.c[column], list[str]()
    query = select(func.min(of)).where(ingest_batch.c.workspace_id == workspace.id)
    with workspace.read() as conn:
        while len(found) < NAMES_OFFERED:
            name = conn.execute(query.where(of > found[-1]) if found else query).scalar()
            if name is None:
                break
            found.append(name)
    return found


def _line(row: Row[Any]) -> BatchLine:
    values = {**row._mapping, "version": row.version_id, "label": str(row.origin.get("label", "")), "size": int(row.origin.get("size") or 0)}
    return BatchLine(**{name: values[name] for name in BatchLine.__dataclass_fields__ if name != "again"})
