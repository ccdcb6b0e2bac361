"""Uncovering what may hurt: blurred until somebody asks for it, and who asked is in the ledger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from pilotage.core import NotFound
from pilotage.ledger import entries, record
from pilotage.runs.tables import output
from pilotage.server.context import Person, PersonDep, WorkspaceDep
from pilotage.server.guard import safe_next
from pilotage.store import Workspace, WriteTransaction

router = APIRouter(include_in_schema=False)

REVEALED = "output.revealed"


def is_revealed(workspace: Workspace, output_id: str, person: Person) -> bool:
    """Whether this person has uncovered this output before."""
    return any(entry.actor == person.login for entry in entries(workspace, subject=output_id, type=REVEALED))


@router.post("/outputs/{output_id}/reveal")
def reveal(workspace: WorkspaceDep, person: PersonDep, output_id: str, next: Annotated[str, Form(max_length=2000)] = "/") -> Response:
    """Record that the person uncovers the output, and go back to the page that showed it."""
    with workspace.read() as conn:
        sample_id = conn.execute(select(output.c.sample_id).where(output.c.workspace_id == workspace.id, output.c.id == output_id)).scalar()
    if sample_id is None:
        raise NotFound("There is no such output.", where=output_id, mend="open it from its run")

    def job(tx: WriteTransaction) -> None:
        record(tx, type=REVEALED, subject=output_id, body={"sample": sample_id}, actor=person.login)

    if not is_revealed(workspace, output_id, person):
        workspace.write(job)
    return RedirectResponse(safe_next(next), 303)
