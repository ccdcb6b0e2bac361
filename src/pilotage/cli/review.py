"""Review from a terminal: what waits, and answering it one by one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.review import Claimed

app = typer.Typer(help="The review queue. The workbench has the comfortable screen for it.", no_args_is_help=True, rich_markup_mode=None)

Queue = Annotated[str, typer.Argument(help="The queue; a pilot's is named after the pilot.")]


@app.command("list")
def list_(context: typer.Context) -> None:
    """List what waits, for whom, and for how long."""
    from pilotage.review import waiting

    with session(context).open() as workspace:
        lines = [str(each) for each in waiting(workspace)]
    typer.echo("\n".join(lines) or "Nothing waits for people.")


@app.command()
def answer(context: typer.Context, queue: Queue) -> None:
    """Answer items one after another: y it failed, n it held, c unclear, a agree with the machine, s skip, f flag, u undo, q leave."""
    from pilotage.cli.users import who_acts
    from pilotage.core import new_id
    from pilotage.judging import person as person_rater
    from pilotage.review import answer as give
    from pilotage.review import claim, flag, release, skip, undo

    with session(context).open() as workspace:
        who = who_acts(context, workspace)
        rater = person_rater(who.login)
        last: str | None = None
        while True:
            # Under a name, so that what was taken back, or left when the terminal went away, comes first.
            claimed = claim(workspace, queue, rater, 1, roles=who.roles, holder="terminal")
            if not claimed:
                typer.echo("Nothing more waits for you in this queue.")
                return
            task = claimed[0]
            show(task)
            since = time.monotonic()
            key = typer.prompt("[y] failed [n] held [c] unclear [a]gree [s]kip [f]lag [u]ndo [q]uit").strip().lower()
            active_ms = round((time.monotonic() - since) * 1000)
            if key == "q":
                release(workspace, [task.task_id], rater)
                return
            if key == "f":
                flag(workspace, task.task_id, rater)
            elif key == "s":
                skip(workspace, task.task_id, rater)
                last = task.task_id
            elif key == "u":
                release(workspace, [task.task_id], rater)
                if last:
                    undo(workspace, last, rater)
            elif key in ("y", "n", "c", "a"):
                value = proposed(task) if key == "a" else {"y": "yes", "n": "no", "c": "unclear"}[key]
                correction = task.payload.get("proposed_correction") if value == "yes" else None
                give(
                    workspace,
                    task.task_id,
                    rater,
                    {"failure": value},
                    idempotency_key=new_id("answer"),
                    active_ms=active_ms,
                    correction=correction,
                )
                last = task.task_id
            else:
                typer.echo("That key does nothing here.")


def proposed(task: Claimed) -> str:
    """What the machine says of the item."""
    return str((task.suggestion or {}).get("failure", "unclear"))


def show(task: Claimed) -> None:
    """Print the item as plain text."""
    typer.echo("\n" + "─" * 78)
    for turn in task.payload.get("conversation", []):
        typer.echo(f"{turn['role']}: {printable(turn.get('content') or '')}")
    for call in task.payload.get("tool_calls", []):
        typer.echo(f"tool call: {printable(str(call))}")
    typer.echo(f"\nmachine: failure = {proposed(task)} ({printable(str((task.payload.get('verdict') or {}).get('reason', '')))})")
    if task.payload.get("proposed_correction"):
        typer.echo(f"correct response: {printable(task.payload['proposed_correction'])}")


def printable(text: str) -> str:
    """Text that cannot move the cursor or colour the terminal: what models write is data."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
