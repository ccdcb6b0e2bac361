"""The few requests that the review screen's script makes.

Every request that decides something carries an idempotency key, so that sending it again is harmless.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from pilotage import review
from pilotage.core import NotFound
from pilotage.judging import Rater, person
from pilotage.review.overview import find_progress
from pilotage.review.projects import load_project
from pilotage.server.answering import feedback_on, load_guideline, project_for, rubrics_of
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.store import json_text

router = APIRouter(dependencies=[require("review")])

Key = Annotated[str, Field(min_length=1, max_length=200)]
Identifier = Annotated[str, Field(min_length=1, max_length=200)]
Purpose = Literal["adjudication"]
LEFT_TOLD = 20  # what is left to who answers is counted so far with every claim
DAY_MS = 24 * 3600 * 1000
Milliseconds = Annotated[int | None, Field(ge=0), AfterValidator(lambda value: None if value is None else min(value, DAY_MS))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClaimBody(_Body):
    """Tasks wanted from a queue. ``holder`` names the page, ``having`` what it knows it holds; n = 0 only renews its leases.

    ``purpose``: only what needs an adjudicator.
    """

    queue: Identifier
    n: int = Field(default=3, ge=0, le=20)
    holder: str = Field(default="", max_length=200)
    having: list[Identifier] = Field(default_factory=list, max_length=200)
    take_over: bool = False
    skipped_too: bool = False
    purpose: Purpose | None = None


class TaskBody(_Body):
    """A task, and the key that makes the request repeatable."""

    task_id: Identifier
    idempotency_key: Key


class CommitBody(TaskBody):
    """What a person answers before they see what a machine proposes. Times in milliseconds; more than a day counts as a day."""

    answers: dict[str, Any] = Field(max_length=200)
    active_ms: Milliseconds = None
    first_key_ms: Milliseconds = None


class AnswerBody(CommitBody):
    """A decision. ``suggestion`` counts for nothing: the server knows what it showed. Pages sent it once, and some answers still wait to be sent."""

    suggestion: dict[str, Any] | None = None
    correction: str | None = Field(default=None, max_length=100_000)
    reason: str | None = Field(default=None, max_length=10_000)


class EscalateBody(TaskBody):
    """Why somebody else should decide, in the person's words."""

    reason: str = Field(min_length=1, max_length=10_000)


class ConsentBody(_Body):
    """The person agrees to the consent text of the queue's project. The key is the page's; agreeing twice is agreeing once."""

    queue: Identifier
    idempotency_key: Key


class FlagBody(TaskBody):
    flagged: bool = True
    reason: str | None = Field(default=None, max_length=10_000)


class ReleaseBody(_Body):
    task_ids: list[Identifier] = Field(max_length=50)


def _told(value: dict[str, Any]) -> Response:
    """``value``, records and all, as JSON, written once. To check and copy it first, as FastAPI does with a dict, takes longer than the writing."""
    return Response(json_text(value), media_type="application/json")


@router.post("/api/v1/review/claim", response_model=dict[str, Any])
def claim(body: ClaimBody, workspace: WorkspaceDep, who: PersonDep) -> Response:
    """Lease tasks to the person who asks. With nothing to lease, ``standing`` says why."""
    rater = person(who.login)
    purposes = None if body.purpose is None else {body.purpose}
    claimed = review.claim(
        workspace,
        body.queue,
        rater,
        n=body.n,
        roles=who.roles,
        holder=body.holder,
        having=body.having,
        take_over=body.take_over,
        skipped_too=body.skipped_too,
        purposes=purposes,
    )
    with workspace.read() as conn:
        progress = find_progress(conn, workspace, body.queue, rater, roles=who.roles, purposes=purposes, most=LEFT_TOLD)
        project = project_for(conn, workspace, body.queue, who.login)
        rubrics = rubrics_of(conn, workspace.id, {task.rubric_id for task in claimed})
    standing = None if claimed or body.n == 0 else review.standing(workspace, body.queue, rater, roles=who.roles, purposes=purposes)
    return _told({"project": project, "tasks": claimed, "rubrics": rubrics, **progress.to_dict(), "standing": standing})


@router.post("/api/v1/review/answer", response_model=dict[str, Any])
def answer(body: AnswerBody, workspace: WorkspaceDep, who: PersonDep) -> Response:
    """Record answers. 409 where the place was taken or the answer cannot stand; it is then kept in the person's history.

    ``feedback`` says what was expected, where the project tells people (a calibration round, say); null otherwise.
    """
    rater = person(who.login)
    done = review.answer(
        workspace,
        body.task_id,
        rater,
        body.answers,
        idempotency_key=body.idempotency_key,
        active_ms=body.active_ms,
        first_key_ms=body.first_key_ms,
        correction=body.correction,
        reason=body.reason,
        roles=who.roles,
    )
    return _told({**done.to_dict(), "feedback": feedback_on(workspace, body.task_id, rater)})


@router.post("/api/v1/review/commit")
def commit(body: CommitBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Keep a first answer and show what a machine proposes; the answer for good comes after it."""
    suggestion = review.commit(
        workspace,
        body.task_id,
        person(who.login),
        body.answers,
        idempotency_key=body.idempotency_key,
        active_ms=body.active_ms,
        first_key_ms=body.first_key_ms,
        roles=who.roles,
    )
    return {"task_id": body.task_id, "suggestion": suggestion}


@router.post("/api/v1/review/skip")
def skip(body: TaskBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Leave a task to others."""
    return review.skip(workspace, body.task_id, person(who.login), idempotency_key=body.idempotency_key).to_dict()


@router.post("/api/v1/review/escalate")
def escalate(body: EscalateBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Hand a task to the people the project names for hard cases."""
    return review.escalate(workspace, body.task_id, person(who.login), body.reason, idempotency_key=body.idempotency_key).to_dict()


@router.post("/api/v1/review/undo")
def undo(body: TaskBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Take back one's own answer or skip; the task is in the person's hands again."""
    return review.undo(workspace, body.task_id, person(who.login), idempotency_key=body.idempotency_key).to_dict()


@router.post("/api/v1/review/flag")
def flag(body: FlagBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Mark a task as one somebody should look into, or lift the mark."""
    rater = person(who.login)
    done = review.flag(workspace, body.task_id, rater, flagged=body.flagged, reason=body.reason, idempotency_key=body.idempotency_key)
    return done.to_dict()


@router.post("/api/v1/review/reveal")
def reveal(body: TaskBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Record that the person uncovered blurred content."""
    return {"task_id": body.task_id, "first": review.reveal(workspace, body.task_id, person(who.login))}


@router.post("/api/v1/review/viewed")
def viewed(body: TaskBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Record that the person has the item before them, the first time they do."""
    return {"task_id": body.task_id, "first": review.view(workspace, body.task_id, person(who.login))}


@router.post("/api/v1/review/consent")
def consent(body: ConsentBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Record that the person agrees to the project's consent text."""
    text = load_project(workspace, body.queue).settings.consent
    return {"queue": body.queue, "first": review.consent(workspace, body.queue, person(who.login), text=text)}


@router.get("/api/v1/review/guidelines/{guideline_id}")
def guideline(guideline_id: str, workspace: WorkspaceDep, since: Annotated[str | None, Query(max_length=200)] = None) -> dict[str, Any]:
    """A guideline's text, and that of the one the person saw last (``since``), so that the page can mark what changed."""
    found = load_guideline(workspace, guideline_id)
    try:
        before = load_guideline(workspace, since) if since else None
    except NotFound:
        before = None
    earlier = None if before is None else {"number": before.number, "text": before.text}
    return {"id": found.id, "number": found.number, "text": found.text, "before": earlier}


@router.post("/api/v1/review/release")
def release(body: ReleaseBody, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """Give tasks back unanswered."""
    return {"released": review.release(workspace, body.task_ids, person(who.login))}


@router.get("/api/v1/review/history")
def history(
    workspace: WorkspaceDep,
    who: PersonDep,
    queue: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    before: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """The person's last decisions, newest first, without what was judged."""
    found = review.history(workspace, person(who.login), queue=queue, limit=limit, before=before)
    return {"decisions": [decision.to_dict() for decision in found]}


@router.get("/api/v1/review/tasks/{task_id}")
def look(task_id: str, workspace: WorkspaceDep, who: PersonDep) -> dict[str, Any]:
    """A task the person was served, to look at again."""
    rater: Rater = person(who.login)
    task = review.look(workspace, task_id, rater, roles=who.roles)
    with workspace.read() as conn:
        return {"task": task.to_dict(), "rubrics": rubrics_of(conn, workspace.id, {task.rubric_id})}
