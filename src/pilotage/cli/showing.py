"""Showing a workspace in the workbench from a demonstration: serve it, open it, or fetch its pages once and leave."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pilotage.store import Workspace


@contextlib.contextmanager
def workbench(workspace: Workspace, *, port: int) -> Iterator[str]:
    """The workbench, served on loopback from a thread; gives the address to open. Port 0 takes a free one."""
    from pilotage.cli.server import web_server
    from pilotage.core import Unavailable

    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    server = web_server(workspace, host="127.0.0.1", port=port, allowed_hosts=[], ready=addresses.put)
    thread = threading.Thread(target=server.run, name="workbench", daemon=True)
    thread.start()
    while thread.is_alive() and addresses.empty():
        time.sleep(0.02)
    if addresses.empty():
        raise Unavailable("The workbench could not start.", where=f"port {port}", mend="the port may be taken; name another: make demo PORT=8400")
    address = addresses.get()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join()


def open_browser(address: str) -> None:
    """Open the address where there is a screen."""
    import os
    import webbrowser

    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


def fetch_pages(address: str, pages: Sequence[str]) -> None:
    """Fetch the start page and each of ``pages`` once, as a browser that opened the printed address would.

    Raises ``PilotageError`` at the first that does not answer 200.
    """
    import asyncio

    from pilotage.core import PilotageError

    async def fetch() -> int:
        import aiohttp

        base = address.partition("?")[0].rstrip("/")
        jar: Any = aiohttp.CookieJar(unsafe=True)  # 'unsafe' means: cookies for an IP address
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            for number, page in enumerate(["", *pages]):
                async with client.get(address if number == 0 else f"{base}{page}") as response:
                    body = await response.text()
                    if response.status != 200:
                        raise PilotageError(f"The page {page or '/'} answered {response.status}.", where=page or "/", why=body[:300])
        return len(pages) + 1

    typer.echo(f"fetched {asyncio.run(fetch())} pages, all answered 200")
