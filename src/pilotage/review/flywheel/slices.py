"""Frozen slices: a random part of a project's items on which every model is compared, and from which none may learn.

A slice is drawn once. Its items' digest is in the ledger, so that it cannot be drawn again until it flatters. Corrections leave its items out by
themselves, and a loop report over a slice that training rows reach is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from pilotage.core import Conflict, InputError, NotFound, content_id, digest
from pilotage.ledger import record
from pilotage.review.flywheel.tables import review_slice, review_slice_item
from pilotage.review.tables import review_gold, review_task
from pilotage.store import Workspace, WriteTransaction

S, I = review_slice.c, review_slice_item.c  # noqa: E741
_TESTS = ("gold", "qualification", "calibration")


@dataclass(frozen=True)
class FrozenSlice:
    """A slice: ``items`` of the ``pool`` there was, drawn with ``seed``. ``digest`` is that of its item ids."""

    id: str
    project: str
    name: str
    items: tuple[str, ...]
    pool: int
    seed: int
    digest: str

    def __str__(self) -> str:
        return f"'{self.name}' of {self.project}: {len(self.items)} of {self.pool} items, digest {self.digest[:12]}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def freeze_slice(workspace: Workspace, project: str, name: str, *, n: int, seed: int = 0, unless: Collection[str] = ()) -> FrozenSlice:
    """Draw ``n`` of the project's items at random, and keep them from training for good.

    Parameters
    ----------
    unless
        Items that must not be in it, because a model learnt from them already.

    The same draw again returns the slice that is there.

    Raises
    ------
    InputError
        If the project has not so many items to draw from.
    Conflict
        If there is another slice of that name: a slice is never drawn anew.
    """
    if n < 1:
        raise InputError(f"A slice of {n} items is none.")

    def job(tx: WriteTransaction) -> FrozenSlice:
        standing = _find(tx.conn, tx.workspace_id, project, name)
        if standing is not None:
            if (len(standing.items), standing.seed) != (n, seed):
                raise Conflict(
                    f"There is a slice '{name}' already: {len(standing.items)} items, seed {standing.seed}.",
                    why="a slice that is drawn again until it looks good shows nothing",
                    mend="use it as it is, or take another name",
                )
            return standing
        t = review_task.c
        mine = (t.workspace_id == tx.workspace_id, t.queue == project)
        tests = set(tx.conn.execute(select(t.item_id).where(*mine, t.purpose.in_(_TESTS))).scalars())
        pool = sorted(set(tx.conn.execute(select(t.item_id).where(*mine)).scalars()) - tests - set(unless))
        if n > len(pool):
            raise InputError(f"{n} items cannot be drawn from {len(pool)}.", where=f"project '{project}'", mend="draw fewer")
        items = tuple(sorted(pool[int(index)] for index in np.random.default_rng(seed).choice(len(pool), size=n, replace=False)))
        made = content_id("slice", {"project": project, "name": name, "items": list(items)})
        row = {"id": made, "project": project, "name": name, "items": n, "pool": len(pool), "seed": seed, "digest": digest(list(items))}
        tx.insert(review_slice, row)
        tx.insert(review_slice_item, *({"slice_id": made, "item_id": each} for each in items))
        body = {"project": project, "name": name, "items": n, "pool": len(pool), "seed": seed, "digest": row["digest"]}
        record(tx, type="review.slice_frozen", subject=made, body=body)
        return FrozenSlice(made, project, name, items, len(pool), seed, str(row["digest"]))

    return workspace.write(job)


def load_slice(workspace: Workspace, project: str, name: str) -> FrozenSlice:
    """The slice of this name. Raises ``NotFound``."""
    with workspace.read() as conn:
        found = _find(conn, workspace.id, project, name)
    if found is None:
        raise NotFound(f"The project '{project}' has no slice '{name}'.", mend="draw one: pilotage flywheel freeze")
    return found


def kept_out(conn: Connection, workspace_id: str, project: str) -> dict[str, str]:
    """Items nothing may learn from, and why: those of the project's frozen slices, and those that measure people."""
    t, g = review_task.c, review_gold.c
    frozen = select(I.item_id).join(review_slice, (S.workspace_id == I.workspace_id) & (S.id == I.slice_id))
    found = dict.fromkeys(conn.execute(frozen.where(I.workspace_id == workspace_id, S.project == project)).scalars(), "in a frozen slice")
    tests = select(t.item_id).where(t.workspace_id == workspace_id, t.queue == project, t.purpose.in_(_TESTS))
    known = select(t.item_id).join(review_gold, (g.workspace_id == t.workspace_id) & (g.task_id == t.id)).where(t.workspace_id == workspace_id)
    for query in (tests, known):
        found |= dict.fromkeys(conn.execute(query).scalars(), "measures people")
    return found


def _find(conn: Connection, workspace_id: str, project: str, name: str) -> FrozenSlice | None:
    row = conn.execute(select(review_slice).where(S.workspace_id == workspace_id, S.project == project, S.name == name)).first()
    if row is None:
        return None
    members: Iterable[str] = conn.execute(select(I.item_id).where(I.workspace_id == workspace_id, I.slice_id == row.id).order_by(I.item_id)).scalars()
    return FrozenSlice(row.id, project, name, tuple(members), row.pool, row.seed, row.digest)
