"""Calling settled items in question: what stands by vote, but should be decided by somebody, as where methods of inference differ about it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from pilotage.core import InputError
from pilotage.ledger import record
from pilotage.review.measuring.known import CHUNK, in_force
from pilotage.review.measuring.tables import review_settlement
from pilotage.store import Workspace, WriteTransaction

S = review_settlement.c


def dispute(workspace: Workspace, project: str, question: str, items: Collection[str], *, reason: str) -> list[str]:
    """Have these items wait for adjudication although they are settled; the ids of those that do now. Open them with :func:`open_adjudications`.

    What was settled stands until an adjudicator decides. Items that are not settled, or that an adjudicator decided already, are left as they are.
    Raises ``NotFound`` if there is no such project and ``InputError`` without a reason.
    """
    if not reason.strip():
        raise InputError("Calling what is settled in question needs a reason.", mend="say what speaks against it")
    with workspace.read() as conn:
        in_force(conn, workspace.id, project)
    wanted = sorted(set(items))

    def job(tx: WriteTransaction) -> list[str]:
        changed: list[str] = []
        for start in range(0, len(wanted), CHUNK):
            part = wanted[start : start + CHUNK]
            mine = (S.workspace_id == tx.workspace_id, S.project == project, S.question == question, S.item_id.in_(part))
            stands = (*mine, S.state == "settled", S.method != "adjudicated")
            found = list(tx.conn.execute(select(S.item_id).where(*stands).order_by(S.item_id)).scalars())
            tx.conn.execute(update(review_settlement).where(*stands).values(state="adjudicate"))
            changed += found
        if changed:
            body = {"question": question, "items": changed}
            record(tx, type="settlement.disputed", subject=project, body=body, personal={"reason": reason})
        return changed

    return workspace.write(job)
