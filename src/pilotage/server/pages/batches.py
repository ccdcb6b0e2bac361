"""Batches: what was delivered, what became of it, and what a person decides about what is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, NotFound
from pilotage.server.context import PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import batches
from pilotage.server.render import page

if TYPE_CHECKING:
    from pilotage.data.ingest import ErasedRows

router = APIRouter(include_in_schema=False, prefix="/data/batches")

Reason = Annotated[str, Form(max_length=2000)]
Name = Annotated[str | None, Query(max_length=200)]
# As pilotage.data.ingest.STATES, which must not be imported before it is needed; a test compares them.
STATES = ("held", "refused", "published", "discarded", "empty", "received", "conformed", "gated")


@router.get("")
def show_batches(request: Request, workspace: WorkspaceDep, turn: TurnDep, source: Name = None, dataset: Name = None, state: Name = None) -> Response:
    """Deliveries, the newest first."""
    found = batches.show_batches(workspace, source=source or None, dataset=dataset or None, state=state or None, turn=turn)
    wanted = {"source": source, "dataset": dataset, "state": state}
    return page(request, "batches.html", batches=found, wanted=wanted, states=STATES, with_query=with_query)


@router.post("/erase", dependencies=[require("erase")])
def erase_subject(
    request: Request, workspace: WorkspaceDep, person: PersonDep, subject: Annotated[str, Form(max_length=1000)], reason: Reason
) -> Response:
    """Erase what quarantined rows of every batch say about one person."""
    from pilotage.data.ingest import erase_quarantine

    if not subject:
        raise InputError("Say whom to erase.", where="subject", mend="give the value of the contract's subject column")
    done = erase_quarantine(workspace.acting_as(person.login), subject=subject, reason=reason)
    return _erased(request, done, back="/data/batches")


@router.get("/{batch_id}")
def show_batch(
    request: Request,
    workspace: WorkspaceDep,
    batch_id: str,
    code: Name = None,
    field: Name = None,
    start: Annotated[int, Query(ge=0, le=2**40)] = 0,
) -> Response:
    """One batch: what came, what was kept, the gate's word, and the rows that were set aside."""
    if not batch_id.startswith("ib_"):
        raise NotFound(f"There is no batch {batch_id!r}.", mend="open it from the list of batches")
    found = batches.find_batch(workspace, batch_id, code=code or None, field=field or None, start=start)
    last = start + batches.ROWS_A_PAGE
    return page(
        request,
        "batch.html",
        batch=found,
        code=code,
        field=field,
        start=start,
        next_start=last if last < found.rows.total else None,
        previous_start=max(0, start - batches.ROWS_A_PAGE) if start else None,
        with_query=with_query,
    )


@router.post("/{batch_id}/release", dependencies=[require("waive")])
def release(workspace: WorkspaceDep, person: PresentDep, batch_id: str, reason: Reason) -> Response:
    """Publish a held batch on the person's word."""
    from pilotage.data.ingest import release as let_go

    let_go(workspace.acting_as(person.login), batch_id, reason=reason, by=person.login)
    return RedirectResponse(f"/data/batches/{batch_id}", 303)


@router.post("/{batch_id}/discard", dependencies=[require("run")])
def discard(workspace: WorkspaceDep, person: PresentDep, batch_id: str, reason: Reason) -> Response:
    """Give up a held batch."""
    from pilotage.data.ingest import discard as give_up

    give_up(workspace.acting_as(person.login), batch_id, reason=reason, by=person.login)
    return RedirectResponse(f"/data/batches/{batch_id}", 303)


@router.post("/{batch_id}/retry", dependencies=[require("run")])
def retry(request: Request, workspace: WorkspaceDep, person: PersonDep, batch_id: str) -> Response:
    """Conform the rows that were set aside again, under the contract as it is now."""
    from pilotage.data.ingest import retry as try_again

    done = try_again(workspace.acting_as(person.login), batch_id)
    links = [(f"/data/batches/{batch_id}", "Back to the batch")]
    if done.batch is not None:
        links.insert(0, (f"/data/batches/{done.batch.id}", f"The batch that took them in ({done.batch.state})"))
    lines = [f"{done.kept} of {done.tried} rows keep the contract now."]
    return page(request, "act_done.html", title="Tried again", lines=lines, links=links)


@router.post("/{batch_id}/erase", dependencies=[require("erase")])
def erase(request: Request, workspace: WorkspaceDep, person: PersonDep, batch_id: str, reason: Reason) -> Response:
    """Erase what the rows that a batch set aside said."""
    from pilotage.data.ingest import erase_quarantine

    done = erase_quarantine(workspace.acting_as(person.login), batch_id=batch_id, reason=reason)
    return _erased(request, done, back=f"/data/batches/{batch_id}")


def _erased(request: Request, done: ErasedRows, *, back: str) -> Response:
    lines = [f"The text of {done.rows} quarantined rows is gone (entry {done.seq} of the ledger)."]
    if done.held:
        lines.append("These held batches are about the same person and were left as they are: discard them, or release and withdraw.")
    links = [(f"/data/batches/{one}", f"Held: {one}") for one in done.held] + [(back, "Back")]
    return page(request, "act_done.html", title="Erased", lines=lines, links=links)
