"""Who does the standing work: one server at a time, by a lease that lapses.

A duty may be done twice without harm, so the lease need not be a fence. It spares work, and it keeps several servers from all asking at once.
"""

from __future__ import annotations

from sqlalchemy import or_, select, update

from pilotage.review.tables import review_duty
from pilotage.store import Workspace, WriteTransaction, insert_missing

D = review_duty.c
_INSERT = insert_missing(review_duty)


def take_duty(workspace: Workspace, name: str, *, holder: str, for_us: int) -> bool:
    """Take the duty for ``for_us`` microseconds from now, or hold it longer; False while another holds it. Cost: a read where it is another's."""
    mine = (D.workspace_id == workspace.id, D.name == name)
    with workspace.read() as conn:
        held = conn.execute(select(D.holder, D.held_until).where(*mine)).first()
    if held is not None and held.holder != holder and held.held_until > workspace.clock.now_us():
        return False

    def job(tx: WriteTransaction) -> bool:
        now = tx.clock.now_us()
        if held is None:
            _INSERT.run(tx.conn, [{**tx.stamp(), "name": name, "holder": holder, "held_until": 0}])
        free = or_(D.holder == holder, D.held_until <= now)
        changed = update(review_duty).where(*mine, free).values(holder=holder, held_until=now + for_us)
        return tx.conn.execute(changed).rowcount == 1

    return workspace.write(job)


def leave_duty(workspace: Workspace, name: str, *, holder: str) -> None:
    """Give the duty back, if ``holder`` has it: another need not wait for the lease to lapse."""
    mine = (D.workspace_id == workspace.id, D.name == name, D.holder == holder)
    workspace.write(lambda tx: tx.conn.execute(update(review_duty).where(*mine).values(held_until=0)))
