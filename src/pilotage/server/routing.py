"""The routers behind the HTTP API: one for each policy, made at its first request, closed with the server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.review.routing import RouteDecision, Router, RouteRequest


class Routing:
    """Routes over one workspace, from any thread. Nothing is loaded before the first request."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._routers: dict[str, Router] = {}

    def route(self, policy: str, request: RouteRequest) -> RouteDecision:
        """See :meth:`pilotage.review.routing.Router.route`."""
        router = self._routers.get(policy)
        if router is None:
            from pilotage.review.routing import Router

            with self._lock:
                router = self._routers.get(policy)
                if router is None:
                    router = self._routers[policy] = Router.load(self._workspace, policy)
        return router.route(request)

    def close(self) -> None:
        """Write what is pending."""
        with self._lock:
            for router in self._routers.values():
                router.close()
            self._routers.clear()
