"""Serving the workbench, and a real language model on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli import demo
from pilotage.cli.session import session

if TYPE_CHECKING:
    import socket

    import uvicorn

    from pilotage.store import Workspace


def register(app: typer.Typer) -> None:
    """Add ``serve``, ``demo`` and ``local`` to the command."""
    app.command()(serve)
    app.command()(demo.demo)
    app.command()(local)


def web_server(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    allowed_hosts: list[str],
    ready: Callable[[str], None],
    background_every_s: float | None = None,
    key_dir: str = "",
) -> uvicorn.Server:
    """A server over the workspace, not yet running. ``ready`` is told the address to open once it listens; port 0 takes a free one."""
    import uvicorn

    from pilotage.people import has_accounts
    from pilotage.server import create_app, new_local_token

    token = None if has_accounts(workspace) else new_local_token()
    app = create_app(workspace, local_token=token, allowed_hosts=allowed_hosts, background_every_s=background_every_s, key_dir=key_dir)

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                taken = self.servers[0].sockets[0].getsockname()[1]
                shown = f"[{host}]" if ":" in host else host
                ready(f"http://{shown}:{taken}/" + (f"?token={token}" if token else ""))

    # No access log: the printed address and what people look at are in its lines. h11 bounds the size of a request's head.
    # A proxy's word on who asks is taken only where there is one, which needs a name of its own: else anybody here could evade the throttle.
    behind_proxy = bool(allowed_hosts)
    config = uvicorn.Config(
        app, host=host, port=port, http="h11", proxy_headers=behind_proxy, log_level="warning", access_log=False, server_header=False
    )
    return Announcing(config)


def is_loopback(host: str) -> bool:
    """Whether listening there reaches this machine only. A name is none, save ``localhost``: it may lead anywhere tomorrow."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Where to listen; loopback unless told otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A host name requests may address besides loopback; may be given again.")] = None,
) -> None:
    """Serve the workbench over the workspace."""
    from pilotage.core import Refused
    from pilotage.people import has_accounts
    from pilotage.server.background import interval_s

    here = session(context)
    settings = here.settings
    listen = host or settings.host
    every_s = interval_s(settings.background)
    with here.open(create=True) as workspace:
        if not is_loopback(listen) and not has_accounts(workspace):
            raise Refused(
                "The workbench will not listen beyond this machine without accounts.",
                where=f"--host {listen}",
                why="whoever reached it would act with every role",
                mend="add an account first: pilotage user add NAME --role admin",
            )
        server = web_server(
            workspace,
            host=listen,
            port=settings.port if port is None else port,
            allowed_hosts=allow_host or [],
            background_every_s=every_s,
            key_dir=settings.key_dir,
            ready=lambda address: typer.echo(f"workbench: {address}\nstop with Ctrl+C"),
        )
        server.run()


def local(
    port: Annotated[int, typer.Option(help="Loopback port.")] = 8323,
) -> None:
    """Serve a small real language model on this machine (needs the extra 'local')."""
    from pilotage.models.local import serve_local

    serve_local(port)
