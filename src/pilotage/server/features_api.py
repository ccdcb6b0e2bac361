"""The HTTP API of features: what a model asks for when it is to decide.

POST /api/v1/features/get
{"views": ["habits@1"], "entities": [{"card": "c17"}, {"card": "c18"}], "request": {"amount": 12.5}}

{"features": ["habits__payments_7d", …], "views": ["habits@1"], "rows": [
    {"entity": {"card": "c17"}, "values": {…}, "ages_us": {…}, "flags": {"habits@1": "ok"}}, …]}
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from pilotage.server.context import WorkspaceDep, require
from pilotage.server.queries import views
from pilotage.server.serving import MOST_KEYS, MOST_VIEWS, Serving

router = APIRouter(prefix="/api/v1/features", tags=["features"])

Key = str | int | bool | None
Value = str | int | float | bool | None
Ref = Annotated[str, Field(max_length=100)]


class Asked(BaseModel):
    """What is asked for.

    views
        ``name@version``, or ``name`` for the latest version: released ones, in the order of the answer's features.
    entities
        Column to value, one for each row of the answer.
    request
        What only the request knows: one mapping for all entities, or one for each. Dates and moments as ISO 8601.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    views: Annotated[list[Ref], Field(min_length=1, max_length=MOST_VIEWS)]
    entities: Annotated[list[dict[str, Key]], Field(min_length=1, max_length=MOST_KEYS)]
    request: dict[str, Value] | Annotated[list[dict[str, Value]], Field(max_length=MOST_KEYS)] | None = None


@router.post("/get", dependencies=[require("export")])
def get_features(request: Request, asked: Asked) -> Response:
    """The features of at most 100 entities now, each value with its age (µs) and each view with a flag.

    The flag is ``ok``; ``stale`` (the latest row is older than the view's ttl: column features are null); ``missing`` (nothing is stored: every
    feature is what it is over nothing, as in training); or ``version`` (what is stored was made by another definition and is not served: all null).
    Ages are those of stored features: a feature computed from the request has none. A sample of what is served is logged, to be compared with the
    batch path; the answer never waits for that. Needs the permission ``export``: the values leave the workspace.
    """
    import msgspec

    serving: Serving = request.app.state.serving
    served = serving.get(asked.views, asked.entities, asked.request)
    told = served.to_dict()["entities"]
    body = {
        "views": served.online.views,
        "features": served.features,
        "rows": [
            {"entity": entity, "values": row["features"], "ages_us": row["ages_us"], "flags": row["flags"]}
            for entity, row in zip(asked.entities, told, strict=True)
        ],
    }
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"cache-control": "no-store"})


@router.get("/views", dependencies=[require("view")])
def list_views(workspace: WorkspaceDep) -> list[dict[str, Any]]:
    """Every registered view with its definition, its features' kinds and columns, and whether it is released."""
    views.require_features()
    from pilotage.features import views as registered

    found = registered(workspace)
    released = views.releases(workspace, [one.view for one in found])
    return [{**one.to_dict(), "released": released[one.view.ref].state == "released", "replay": released[one.view.ref].state} for one in found]
