"""The API's own description (OpenAPI): whole, and the same in every part.

Routes say what is theirs; what holds for all of them is put in here: how one signs in, what every error looks like, and plain names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from pilotage.server.problems import SAID

METHODS = ("get", "put", "post", "delete", "patch")
TAGS = {
    "people": "Who you are.",
    "projects": "Labelling projects: made, changed, filled, let out.",
    "review": "The queue: claim, answer, skip, undo, escalate.",
    "routing": "What becomes of a live output.",
    "pilots": "Pilots, their cycles and verdicts.",
    "gates": "Gates and the evidence they rest on.",
    "runs": "Runs and their samples.",
    "findings": "Findings.",
    "data": "Datasets, versions, rows and what comes in.",
    "lineage": "Where things come from.",
    "features": "Features, online and off.",
    "pipelines": "Pipelines and their ticks.",
    "ledger": "The ledger.",
}
_PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def plain_name(route: BaseRoute) -> str:
    """An operation's name: its function's."""
    return str(getattr(route, "name", ""))


def describer(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What makes ``app``'s description, once."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = _completed(made)
        return app.openapi_schema

    return describe


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    found = [(path, told) for path, item in document["paths"].items() for method, told in item.items() if method in METHODS]
    names = Counter(told["operationId"] for _, told in found)
    for path, told in found:
        step = path.removeprefix("/api/v1/").partition("/")[0]
        told.setdefault("tags", [step])
        if names[told["operationId"]] > 1:
            told["operationId"] = f"{told['tags'][0]}_{told['operationId']}"
        told["security"] = [{"bearer": []}]
        answers = told["responses"]
        for code in ("400", "401", "403", "404", "422", "503"):
            answers.setdefault(code, {"description": SAID[int(code)]})
        if told.get("requestBody"):
            answers.setdefault("413", {"description": SAID[413]})
        for code, answer in answers.items():
            if code[0] in "45":
                answer["content"] = _PROBLEM
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "description": "An API token, from the People page."}}
    schemas = components.get("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    used = {tag for _, told in found for tag in told["tags"]}
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    document["tags"] += [{"name": name} for name in sorted(used - set(TAGS))]
    return document
