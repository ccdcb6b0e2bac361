"""The HTTP API of routing: a production system asks, before an output goes out, what is to be done with it.

POST /api/v1/route
{"policy": "refunds-live", "id": "msg-1842", "payload": {"question": "…", "reply": "…"}, "confidence": 0.93,
 "slices": {"language": "de"}, "model": "tgt_…", "prompt": "p1"}

{"id": "rte_…", "action": "review", "reasons": ["below_threshold"], "policy": "refunds-live", "policy_version": 3, …}

Whether an output was drawn for audit is not told here: who is watched must not know when.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from pilotage.review.routing import RouteDecision, RouteRequest, load_route, report_outcome
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.routing import Routing

router = APIRouter(prefix="/api/v1", tags=["routing"], dependencies=[require("run")])

Told = dict[int | str, dict[str, Any]]
_ERRORS: Told = {
    403: {"description": "Your roles do not allow it, or no version of the policy is active."},
    404: {"description": "There is no such policy, or no such decision."},
    409: {"description": "The id was used for another request."},
    422: {"description": "The request does not fit. `what`, `where`, `why` and `mend` say more."},
}
Short = Annotated[str, Field(max_length=200)]


class Asked(BaseModel):
    """One output, before it goes out.

    id
        Your own name for it: the same again is the same request and gets the same answer.
    payload
        What a person would be shown. Stored only where somebody will look at it.
    confidence
        As the model gave it, 0 to 1. Where it is missing or no such number, a person looks.
    context
        Facts for the policy's sensitive fields. Not stored.
    model, prompt
        Fingerprints of what made the output.
    text
        What is scanned; left out: every text in the payload.
    authors
        Logins of those whose own case it is.
    """

    model_config = ConfigDict(extra="forbid")

    policy: Annotated[str, Field(min_length=1, max_length=100)]
    id: Annotated[str, Field(min_length=1, max_length=200)]
    payload: dict[str, Any]
    confidence: float | bool | str | None = None
    slices: Annotated[dict[str, Short], Field(max_length=50)] = Field(default_factory=dict)
    context: Annotated[dict[str, Any], Field(max_length=100)] = Field(default_factory=dict)
    model: Short | None = None
    prompt: Short | None = None
    text: str | None = None
    embedding: Annotated[list[float], Field(max_length=8192)] | None = None
    authors: Annotated[list[Short], Field(max_length=20)] = Field(default_factory=list)


class Decided(BaseModel):
    """What is to be done: `accept`, `review`, `two_person`, `people_only` or `block`, and why. `recorded`: `before` (durable), `behind`, or `no`."""

    id: str
    request_id: str
    action: str
    reasons: list[str]
    policy: str
    policy_version: int
    slice: str
    level: str
    p: float | None
    threshold: float | None
    held: bool
    recorded: str
    repeated: bool


class BecameOf(BaseModel):
    """A decision and what became of it. `state`: `out`, `held`, `waiting`, `answered` or `withdrawn`; `answers`: question to what people said."""

    decision: Decided
    state: str
    answers: dict[str, list[Any]]
    outcomes: list[dict[str, Any]]
    created_at: int


class Reported(BaseModel):
    """What somebody found out later: `source` names who or what. It is kept and shown, and never counts as an audit."""

    model_config = ConfigDict(extra="forbid", strict=True)

    wrong: bool
    source: Annotated[str, Field(min_length=1, max_length=100)]


@router.post("/route", responses={**_ERRORS, 200: {"model": Decided}})
def route(request: Request, asked: Asked) -> Response:
    """What is to be done with this output. Sending it twice is harmless. Needs the permission ``run``."""
    import msgspec

    routing: Routing = request.app.state.routing
    confidence: Any = asked.confidence
    decision = routing.route(
        asked.policy,
        RouteRequest(
            id=asked.id,
            payload=asked.payload,
            confidence=confidence,
            slices=asked.slices,
            context=asked.context,
            model=asked.model,
            prompt=asked.prompt,
            text=asked.text,
            embedding=asked.embedding,
            authors=tuple(asked.authors),
        ),
    )
    return Response(msgspec.json.encode(_told(decision)), media_type="application/json", headers={"cache-control": "no-store"})


@router.get("/route/{route_id}", responses=_ERRORS)
def get_route(workspace: WorkspaceDep, route_id: str) -> BecameOf:
    """The decision and what became of it: whether people have answered, and what they said."""
    routed = load_route(workspace, route_id)
    told = [{"source": one.source, "wrong": one.wrong, "created_at": one.created_at} for one in routed.outcomes]
    return BecameOf(
        decision=Decided(**_told(routed.decision)), state=routed.state, answers=routed.answers, outcomes=told, created_at=routed.created_at
    )


@router.post("/route/{route_id}/outcome", responses=_ERRORS)
def post_outcome(workspace: WorkspaceDep, person: PersonDep, route_id: str, reported: Reported) -> dict[str, Any]:
    """Tell what came of an output. The same again changes nothing; the same source saying otherwise is refused (409)."""
    made = report_outcome(workspace.acting_as(person.login), route_id, wrong=reported.wrong, source=reported.source)
    return {"source": made.source, "wrong": made.wrong, "created_at": made.created_at}


def _told(decision: RouteDecision) -> dict[str, Any]:
    return {name: value for name, value in decision.to_dict().items() if name in Decided.model_fields}
