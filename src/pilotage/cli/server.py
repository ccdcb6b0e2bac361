"""Serving the workbench, and a real language model on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli import demo
from pilotage.cli.session import session

if TYPE_CHECKING:
    import uvicorn

    from pilotage.store import Workspace


def register(app: typer.Typer) -> None:
    """Add ``serve``, ``demo`` and ``local`` to the command."""
    app.command()(serve)
    app.command()(demo.demo)
    app.command()(local)


def web_server(workspace: Workspace, *, host: str, port: int, allowed_hosts: list[str]) -> tuple[uvicorn.Server, str]:
    """A server over the workspace, not yet running, and the address to open."""
    import uvicorn

    from pilotage.people import has_accounts
    from pilotage.server import create_app, new_local_token

    token = None if has_accounts(workspace) else new_local_token()
    app = create_app(workspace, local_token=token, allowed_hosts=allowed_hosts)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", server_header=False)
    shown = f"[{host}]" if ":" in host else host
    return uvicorn.Server(config), f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Where to listen; loopback unless told otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A host name requests may address besides loopback; may be given again.")] = None,
) -> None:
    """Serve the workbench over the workspace."""
    import ipaddress

    from pilotage.core import Refused
    from pilotage.people import has_accounts

    here = session(context)
    settings = here.settings
    listen = host or settings.host
    with here.open(create=True) as workspace:
        loopback = listen == "localhost" or (listen[:1].isdigit() and ipaddress.ip_address(listen).is_loopback) or listen == "::1"
        if not loopback and not has_accounts(workspace):
            raise Refused(
                "The workbench will not listen beyond this machine without accounts.",
                where=f"--host {listen}",
                why="whoever reached it would act with every role",
                mend="add an account first: pilotage user add NAME --role admin",
            )
        chosen = settings.port if port is None else port or free_port()
        server, address = web_server(workspace, host=listen, port=chosen, allowed_hosts=allow_host or [])
        typer.echo(f"workbench: {address}\nstop with Ctrl+C")
        server.run()


def local(
    port: Annotated[int, typer.Option(help="Loopback port.")] = 8323,
) -> None:
    """Serve a small real language model on this machine (needs the extra 'local')."""
    from pilotage.models.local import serve_local

    serve_local(port)
