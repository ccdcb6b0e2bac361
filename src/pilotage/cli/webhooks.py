"""``pilotage webhooks``: telling other programs what happened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.review.webhooks import Secrets

app = typer.Typer(help="Webhooks: tell other programs what happened, signed, in order, at least once.", no_args_is_help=True)


@app.command("add")
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="http(s)://host/path")],
    event: Annotated[list[str], typer.Option("--event", "-e", help="what to tell of; once for each. See 'pilotage webhooks events'")],
    project: Annotated[str, typer.Option(help="of this project only")] = "",
    secret_env: Annotated[
        str, typer.Option(help="the environment variable that holds the signing secret. Default: a new one in the key folder")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="the address may be this machine or a private network")] = False,
) -> None:
    """Subscribe an address. A secret that is made is shown this once."""
    from pilotage.review.webhooks import add_webhook

    with session(context).open() as workspace:
        made = add_webhook(workspace, url, event, secrets=_secrets(context), project=project, secret_env=secret_env, private=private)
    typer.echo(f"{made.id}: {', '.join(made.events)}")
    if made.secret:
        typer.echo(f"secret (shown once): {made.secret}")


@app.command("events")
def list_events() -> None:
    """List what can be subscribed to."""
    from pilotage.review.webhooks import EVENTS

    for name, text in EVENTS.items():
        typer.echo(f"{name:18} {text}")


@app.command("list")
def list_webhooks(context: typer.Context, dead: Annotated[bool, typer.Option("--dead", help="what was given up, and why")] = False) -> None:
    """List the subscriptions with what waits, or what was given up."""
    from pilotage.review.webhooks import dead_letters, webhooks

    with session(context).open() as workspace:
        found, letters = webhooks(workspace), dead_letters(workspace) if dead else []
    for letter in letters:
        typer.echo(f"{letter.id}  {letter.webhook_id}  {letter.event}  after {letter.tries} tries: {letter.reason}")
    if dead:
        return
    for each in found:
        scope = f" of {each.project}" if each.project else ""
        typer.echo(f"{each.id}  {each.url}  {', '.join(each.events)}{scope}  {each.waiting} waiting, {each.dead} given up")
    if not found:
        typer.echo("No webhook is set: add one with 'pilotage webhooks add URL --event task.done'.")


@app.command("remove")
def remove(context: typer.Context, webhook: Annotated[str, typer.Argument(help="its id")]) -> None:
    """End a subscription. What waits for it is given up."""
    from pilotage.review.webhooks import remove_webhook

    with session(context).open() as workspace:
        remove_webhook(workspace, webhook, secrets=_secrets(context))


@app.command("send")
def send(
    context: typer.Context, every: Annotated[float | None, typer.Option(help="go on, looking again every so many seconds, until stopped")] = None
) -> None:
    """Send what is due, once or again and again. Several senders may run."""
    from pilotage.review.webhooks import send_due

    with session(context).open() as workspace:
        while True:
            sent = send_due(workspace, secrets=_secrets(context))
            if every is None or sent.delivered or sent.failed or sent.dead:
                typer.echo(str(sent))
            if every is None:
                return
            time.sleep(max(every, 0.1))


def _secrets(context: typer.Context) -> Secrets:
    from pilotage.review.webhooks import Secrets

    return Secrets(Path(session(context).settings.key_dir))
