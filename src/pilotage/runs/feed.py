"""Which samples are still to be done, page by page, so that a plan of a million takes no more memory than one of a thousand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select

from pilotage.models import Outcome
from pilotage.runs import tables
from pilotage.runs.plan import SampleSpec
from pilotage.store import Workspace

_PAGE = 512


@dataclass(frozen=True, slots=True)
class Todo:
    """A sample to be done. ``attempt`` is the one to make; ``replaces`` the outcome and attempt of the output it takes the place of."""

    sample: SampleSpec
    attempt: int = 1
    replaces: tuple[str, int] | None = None


class Feed:
    """Hands out each sample of the run that has no output, or one whose outcome is in ``again``, once, in the order of the plan."""

    def __init__(self, workspace: Workspace, run_id: str, *, again: Collection[Outcome] = ()) -> None:
        self._workspace = workspace
        self._run_id = run_id
        self._again = [outcome.value for outcome in again]
        self._after = -1
        self._page: deque[Todo] = deque()
        self._over = False
        self._turning = asyncio.Lock()

    async def next(self) -> Todo | None:
        """The next sample, or None when there is none left."""
        while not self._page:
            if self._over:
                return None
            async with self._turning:
                if not self._page and not self._over:
                    page, self._after = await asyncio.to_thread(self._fetch, self._after)
                    self._page.extend(page)
                    self._over = not page
        return self._page.popleft()

    def _fetch(self, after: int) -> tuple[list[Todo], int]:
        link, sample, output = tables.run_sample, tables.sample, tables.output
        wanted: Any = link.c.output_id.is_(None)
        query = (
            select(sample.c.id, sample.c.item_key, sample.c.repeat, sample.c.cluster, sample.c.slices, sample.c.spec, link.c.position)
            .join(sample, and_(sample.c.workspace_id == link.c.workspace_id, sample.c.id == link.c.sample_id))
            .where(link.c.workspace_id == self._workspace.id, link.c.run_id == self._run_id, link.c.position > after)
            .order_by(link.c.position)
            .limit(_PAGE)
        )
        if self._again:
            made = output.alias("made")
            last = (
                select(func.max(made.c.attempt))
                .where(made.c.workspace_id == link.c.workspace_id, made.c.sample_id == link.c.sample_id)
                .correlate(link)
                .scalar_subquery()
            )
            query = query.add_columns(output.c.outcome, output.c.attempt, last.label("last")).outerjoin(
                output, and_(output.c.workspace_id == link.c.workspace_id, output.c.id == link.c.output_id)
            )
            wanted = or_(wanted, output.c.outcome.in_(self._again))
        with self._workspace.read() as conn:
            rows = conn.execute(query.where(wanted)).all()
        todos = []
        for row in rows:
            spec = SampleSpec(row.id, row.item_key, row.repeat, row.cluster, row.slices, row.spec)
            if self._again and row.outcome is not None:
                todos.append(Todo(spec, row.last + 1, (row.outcome, row.attempt)))
            else:
                todos.append(Todo(spec))
        return todos, rows[-1].position if rows else after
