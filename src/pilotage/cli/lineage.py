"""Lineage: walk up and down, ask what an incident touched, exchange OpenLineage events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.data.lineage import Node, Trace
    from pilotage.store import Workspace

app = typer.Typer(help="What was made of what, from the source to the prediction.", no_args_is_help=True, rich_markup_mode=None)

Kind = Annotated[str, typer.Argument(help="source, batch, version, view, model, predictions, export, run or external.")]
Id = Annotated[str, typer.Argument(help="Its id; for a version also name or name@number.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, edges included.")]


@app.command()
def up(context: typer.Context, kind: Kind, id: Id, json: Json = False) -> None:
    """Show what this was made from, up to the sources."""
    _walk(context, kind, id, upward=True, json=json)


@app.command()
def down(context: typer.Context, kind: Kind, id: Id, json: Json = False) -> None:
    """Show what was made of this, down to the predictions."""
    _walk(context, kind, id, upward=False, json=json)


@app.command()
def impact(
    context: typer.Context,
    kind: Kind,
    id: Id,
    since: Annotated[str, typer.Option(help="First moment that was wrong, with its zone: 2026-05-03T00:00:00Z")],
    until: Annotated[str, typer.Option(help="Last moment that was wrong.")],
    json: Json = False,
) -> None:
    """This was wrong on these days: which versions, models and predictions did it reach?"""
    from pilotage.core import parse_moment
    from pilotage.data.lineage import impact as reached

    with session(context).open() as workspace:
        node = _node(workspace, kind, id)
        trace = reached(workspace, node, from_us=parse_moment(since, where="--since"), until_us=parse_moment(until, where="--until"))
    _print(trace, json=json)


@app.command()
def column(context: typer.Context, kind: Kind, id: Id, name: Annotated[str, typer.Argument(help="The column.")]) -> None:
    """Show where one column comes from."""
    from pilotage.cli.render import table
    from pilotage.data.lineage import column_origins

    with session(context).open() as workspace:
        origins = column_origins(workspace, _node(workspace, kind, id), name)
    if not origins:
        typer.echo(f"Nothing is recorded of where the column '{name}' of this {kind} comes from.")
        return
    table(
        ("column", "made from", "of", "how", "expression"),
        [(origin.child, origin.parent, str(node), f"{origin.how} {origin.subtype}", origin.text) for node, origin in origins],
    )


@app.command()
def events(
    context: typer.Context, refs: Annotated[list[str] | None, typer.Argument(help="Versions. Default: all of them, oldest first.")] = None
) -> None:
    """Print OpenLineage run events, one JSON object a line: START and COMPLETE of every version."""
    import json

    from pilotage.data.lineage.openlineage import events as made

    with session(context).open() as workspace:
        for event in made(workspace, *(refs or ())):
            typer.echo(json.dumps(event, ensure_ascii=False))


@app.command()
def accept(context: typer.Context, path: Annotated[Path, typer.Argument(help="A file of OpenLineage events, one JSON object a line.")]) -> None:
    """Take in OpenLineage events of other systems; stops at the first line that is none and says which."""
    from pilotage.core import InputError
    from pilotage.data.lineage.openlineage import accept_event
    from pilotage.data.strict_json import parse_json

    new = known = 0
    with session(context).open(create=True) as workspace, path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            try:
                accepted = accept_event(workspace, parse_json(line))
            except InputError as error:
                raise InputError(
                    error.what, where=f"{path}:{number}", why=f"the {new + known} events before it were taken in", mend=error.mend
                ) from error
            new, known = new + accepted.created, known + (not accepted.created)
    typer.echo(f"{new} new events, {known} known already")


@app.command()
def rebuild(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Record edges that are missing: of versions, exports, batches and runs made before edges were recorded. Again, it changes nothing."""
    from pilotage.cli.render import as_json
    from pilotage.data.lineage.rebuilding import rebuild_edges
    from pilotage.runs.registration import recorded_run_edges

    with session(context).open() as workspace:
        done = rebuild_edges(workspace, recorded_run_edges(workspace))
    if json:
        as_json({"added": done.added, "by_kind": done.by_kind})
    else:
        typer.echo(str(done))


def _walk(context: typer.Context, kind: str, id: str, *, upward: bool, json: bool) -> None:
    from pilotage.data.lineage import made_from, made_of

    with session(context).open() as workspace:
        node = _node(workspace, kind, id)
        trace = made_from(workspace, node) if upward else made_of(workspace, node)
    _print(trace, json=json)


def _node(workspace: Workspace, kind: str, id: str) -> Node:
    from pilotage.data import load_version
    from pilotage.data.lineage import Node

    return Node(kind, load_version(workspace, id).id if kind == "version" else id)


def _print(trace: Trace, *, json: bool) -> None:
    from pilotage.cli.render import as_json, table

    if json:
        as_json(trace.to_dict())
        return
    typer.echo(str(trace))
    if trace.nodes:
        table(("kind", "id"), [(node.kind, node.id) for node in trace.nodes])
    if not trace.complete:
        typer.echo("Only the first of each kind are listed; --json lists as many, with their edges.")
