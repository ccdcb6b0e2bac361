"""The HTTP application: the workbench's pages and the API over one workspace."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from pilotage import __version__
from pilotage.server import api, api_pushing, errors, features_api, lineage_api, projects_api, review_routes, route_api
from pilotage.server.background import Background, duties
from pilotage.server.description import describer, plain_name
from pilotage.server.guard import Guard
from pilotage.server.jobs import Jobs
from pilotage.server.kept import Kept
from pilotage.server.pages import (
    adjudication,
    answering,
    assessments,
    batches,
    bias,
    contracts,
    data,
    disagreement,
    features,
    findings,
    gate_reports,
    gates,
    judges,
    known_items,
    lab,
    ledger,
    lineage,
    login,
    mine,
    monitoring,
    overview,
    people,
    pipelines,
    policies,
    preferences,
    project_files,
    project_items,
    project_settings,
    projects,
    queues,
    revealing,
    routed,
    runs,
    skew,
    streams,
    team,
    trail,
    training,
    training_sets,
    truth,
)
from pilotage.server.problems import EVERYWHERE
from pilotage.server.queries.agreeing import Agreements
from pilotage.server.render import STATIC
from pilotage.server.routing import Routing
from pilotage.server.serving import Serving
from pilotage.server.sessions import Sessions
from pilotage.server.throttle import Throttle
from pilotage.store import Workspace

# Whose routes are tried first stands first.
ROUTED = (
    # What is asked most often: each route that stands before it is tried with every request
    review_routes,
    route_api,
    login,
    overview,
    # Review: what has a name of its own before /review/{queue}, the making of a project before /review/projects/{name}
    mine,
    team,
    bias,
    known_items,
    judges,
    queues,
    adjudication,
    disagreement,
    truth,
    preferences,
    training,
    trail,
    project_settings,
    project_items,
    project_files,
    projects,
    # Review: the fixed addresses before /review/{queue}
    adjudication,
    disagreement,
    truth,
    preferences,
    training,
    answering,
    projects_api,
    # Routing
    assessments,
    lab,
    policies,
    routed,
    gates,
    runs,
    revealing,
    findings,
    # Data
    batches,
    gate_reports,
    contracts,
    data,
    lineage,
    lineage_api,
    # Features: the fixed addresses before /features/{ref}
    training_sets,
    skew,
    streams,
    features,
    features_api,
    # Monitoring
    monitoring,
    pipelines,
    # What is kept of all
    ledger,
    people,
    api,
    api_pushing,
)


class _Files(StaticFiles):
    """Our own files. Browsers ask each time whether theirs is current, and are told in a few bytes."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("cache-control", "no-cache")
        return response


def new_local_token() -> str:
    """A fresh random token for the printed address."""
    return secrets.token_urlsafe(24)


def create_app(
    workspace: Workspace,
    *,
    local_token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    background_every_s: float | None = None,
    key_dir: str | Path = "",
) -> FastAPI:
    """The application over ``workspace``, which stays the caller's to close.

    Parameters
    ----------
    local_token
        Signs in whoever opens ``/?token=<local_token>``, as long as the workspace has no accounts. None: only accounts may sign in.
    allowed_hosts
        Host names besides the loopback ones that requests may address.
    background_every_s, key_dir
        How often to do the standing work (:mod:`pilotage.server.background`), and where webhooks' secrets are. None: it is left to others.
    """
    sessions = Sessions(workspace, local_token=local_token)
    serving = Serving(workspace)
    routing = Routing(workspace)
    background = None if background_every_s is None else Background(workspace, duties(Path(key_dir)), every_s=background_every_s)
    jobs = Jobs(workspace)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(workspace.expect_writing)
        if background is not None:
            background.start()
        yield
        if background is not None:
            await run_in_threadpool(background.close)
        await run_in_threadpool(serving.close)
        await run_in_threadpool(routing.close)
        await run_in_threadpool(jobs.close)  # what is under way pauses, before the workspace is closed

    app = FastAPI(
        title="Pilotage",
        version=__version__,
        description="The same nouns as the workbench's pages. Sign in with 'Authorization: Bearer <token>'.",
        openapi_url="/api/openapi.json",
        responses=EVERYWHERE,
        generate_unique_id_function=plain_name,
        docs_url=None,  # FastAPI's own page loads its code from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        # FastAPI can send what it sees to wherever the environment says. We send nothing.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False},
        middleware=[Middleware(Guard, sessions=sessions, allowed_hosts=frozenset(host.lower() for host in allowed_hosts))],
    )
    app.openapi = describer(app)  # type: ignore[method-assign]
    app.state.workspace = workspace
    app.state.sessions = sessions
    app.state.serving = serving
    app.state.routing = routing
    app.state.background = background
    app.state.kept = Kept(workspace)
    app.state.agreements = Agreements()
    app.state.jobs = jobs
    app.state.throttle = Throttle(workspace.clock)
    errors.install(app)
    app.mount("/static", _Files(directory=STATIC), name="static")
    for module in ROUTED:
        app.include_router(module.router)

    @app.get("/healthz", include_in_schema=False)
    def healthy() -> JSONResponse:
        return JSONResponse({"ok": True})

    return app
