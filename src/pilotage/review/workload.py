"""What each person did in a project: the numbers a fair payment or a rota starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select

from pilotage.judging.tables import rater as rater_table
from pilotage.review.rows import A, D
from pilotage.review.tables import review_assignment, review_decision
from pilotage.store import Workspace


@dataclass(frozen=True)
class Workload:
    """One person's part.

    ``answered`` counts every answer that stands, whatever it was asked for: who answers a test works too. ``refused`` are answers that came when the
    place was gone: work that was done and should be paid. ``active_ms`` is the time of those that said one; ``timed`` says how many did.
    ``first_at`` and ``last_at`` in µs, UTC.
    """

    login: str
    answered: int = 0
    skipped: int = 0
    escalated: int = 0
    refused: int = 0
    undone: int = 0
    held: int = 0
    active_ms: int = 0
    timed: int = 0
    first_at: int = 0
    last_at: int = 0

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def workload(workspace: Workspace, project: str, *, since_us: int = 0, until_us: int | None = None) -> list[Workload]:
    """Each person's part in the project between two moments (µs, UTC), by login. Cost grows with the decisions of the project."""
    r = rater_table.c
    until = until_us if until_us is not None else workspace.clock.now_us() + 1

    def tally(kind: str) -> Any:
        return func.sum(case(((D.kind == kind) & (D.undone == 0), 1), else_=0)).label(kind)

    stands = (D.kind == "answered") & (D.undone == 0)
    parts = (
        select(
            r.name,
            *(tally(kind) for kind in ("answered", "skipped", "escalated", "refused")),
            func.sum(case((D.undone != 0, 1), else_=0)).label("undone"),
            func.sum(case((stands, func.coalesce(D.active_ms, 0)), else_=0)).label("active_ms"),
            func.sum(case((stands & D.active_ms.is_not(None), 1), else_=0)).label("timed"),
            func.min(D.created_at).label("first_at"),
            func.max(D.created_at).label("last_at"),
        )
        .join(rater_table, (r.workspace_id == D.workspace_id) & (r.id == D.rater_id))
        .where(D.workspace_id == workspace.id, D.queue == project, D.created_at >= since_us, D.created_at < until)
        .group_by(r.name)
    )
    holding = (
        select(r.name, func.count().label("held"))
        .select_from(review_assignment)
        .join(rater_table, (r.workspace_id == A.workspace_id) & (r.id == A.rater_id))
        .where(A.workspace_id == workspace.id, A.queue == project, A.state == "claimed")
        .group_by(r.name)
    )
    with workspace.read() as conn:
        done = {row["name"]: dict(row) for row in conn.execute(parts.select_from(review_decision)).mappings()}
        held = {row.name: int(row.held) for row in conn.execute(holding)}
    found = []
    for login in sorted({*done, *held}):
        numbers = {name: int(value) for name, value in done.get(login, {}).items() if name != "name"}
        found.append(Workload(login, held=held.get(login, 0), **numbers))
    return found
