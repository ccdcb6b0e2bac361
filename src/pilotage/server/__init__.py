"""The HTTP API and the workbench: server-rendered pages over one workspace, a few small islands of script, nothing from elsewhere.

``create_app(workspace)`` makes the application; ``serve(workspace)`` runs it and prints the address to open. Handlers (``pages``, ``api``) are thin:
they ask ``queries``, which read the rooms' tables, and call the rooms' own functions to change anything. The guard stands in front of all of them:
host allow-list, origin and CSRF checks, sign-in, security headers. Review's own screen brings its routes in ``review_routes``.

Nothing listens beyond loopback unless told to. Importing this room loads FastAPI; only the verb that serves does so.
"""

from pilotage.server.app import create_app, new_local_token

__all__ = ["create_app", "new_local_token"]
