"""Bringing pilots forward from the workbench: the same work as ``pilotage run``, as a job of the server's process.

Ending the server pauses it, and the next start, from here or from the command line, goes on from there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pilotage.core import MICROSECONDS, Conflict
from pilotage.readiness import Cycle, Pilot, advance_async, load_pilot
from pilotage.server.jobs import Handle, Job, Jobs
from pilotage.store import Workspace

# The fields of a target that `pilotage run --target` replaces.
REPLACED = ("url", "model", "allow_hosts", "authorisation", "api_key_env")
# A cycle that says nothing for so long was cut off, as by a machine that went down. Every batch of outputs and of judgements says something.
SILENT_S = 120
_PILOT = "pilot"


def under_way_elsewhere(cycle: Cycle, *, last_word_at: int, now_us: int) -> bool:
    """Whether another process seems to be at work on ``cycle``: nothing has halted it, and something was written a short while ago.

    ``last_word_at`` is when a run or the ledger last changed. Between two steps none of them runs, and the cycle is under way all the same.
    """
    halted = any(step.state in ("paused", "failed") for step in cycle.steps.values())
    return cycle.state == "running" and not halted and now_us - max(cycle.updated_at, last_word_at) < SILENT_S * MICROSECONDS


def load_as_last_run(folder: Path, stored: dict[str, Any]) -> Pilot:
    """The pilot file that the last run read in ``folder``, aimed at the target of the last run where that was another than the file's.

    ``stored`` is the declaration as it was run. Raises ``NotFound`` or ``InputError`` where the file is gone or does not fit.
    """
    path = folder / stored["resolved"]["file"]
    pilot = load_pilot(path)
    declared, ran = pilot.to_dict()["target"], stored.get("target") or {}
    replaced = {name: ran[name] for name in REPLACED if name in ran and ran[name] != declared.get(name)}
    return load_pilot(path, target=replaced) if replaced else pilot


def bring_forward(jobs: Jobs, pilot: Pilot, *, by: str) -> None:
    """Begin in the background; ``by`` is who asked, and whose name the ledger gets. Raises ``Conflict`` while it is under way."""
    going = last_advance(jobs, pilot.name)
    if going is not None and going.under_way:
        raise already(pilot.name, going.by)
    jobs.start((_PILOT, pilot.name), lambda workspace, handle: asyncio.run(_advance(workspace, pilot, handle)), by=by)


def last_advance(jobs: Jobs, name: str) -> Job | None:
    """The last time this pilot was brought forward from here."""
    return jobs.of(_PILOT, name)


async def _advance(workspace: Workspace, pilot: Pilot, handle: Handle) -> None:
    """Until people are needed, or the server ends: then it pauses at the next moment at which it gives way."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(advance_async(workspace, pilot))
    handle.on_stop(lambda: loop.call_soon_threadsafe(task.cancel))
    try:
        await task
    except asyncio.CancelledError:
        pass  # the steps say that they are paused
    finally:
        handle.on_stop(None)


def already(name: str, by: str | None = None) -> Conflict:
    """The refusal to bring forward what is being brought forward."""
    return Conflict(
        "This pilot is under way already.",
        where=name,
        why=f"{by} began it from the workbench" if by else "another process, such as 'pilotage run', is at work on it",
        mend="watch it on its page; it stops by itself where people are needed",
    )
