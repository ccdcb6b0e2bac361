"""Tables: pages, keys, tags, what became of a row, withdrawal and upkeep. The verbs join those of ``pilotage data``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from pilotage.cli.session import session

Ref = Annotated[str, typer.Argument(help="A version: its id, a dataset's name (the latest), name@number or name@tag.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``pilotage data``."""
    for name, verb in (("page", page), ("why-not", why_not), ("tag", tag), ("withdraw", withdraw), ("maintain", maintain)):
        app.command(name)(verb)


def page(
    context: typer.Context,
    ref: Ref,
    offset: Annotated[int, typer.Option(min=0, help="Rows to pass over.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows to show.")] = 20,
    order_by: Annotated[str | None, typer.Option(help="Put them in the order of this column.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    where: Annotated[str | None, typer.Option(help="column op value, joined by AND: \"amount >= 10 AND country in ('DE', 'FR')\".")] = None,
) -> None:
    """Show rows of a table. Binary cells are shown by size and hash."""
    from pilotage.cli.render import table
    from pilotage.data.tabular import table_page

    with session(context).open() as workspace:
        shown = table_page(workspace, ref, offset=offset, limit=limit, order_by=order_by, descending=descending, where=where).to_dict()
    table(shown["columns"], [[_cell(row[name]) for name in shown["columns"]] for row in shown["rows"]])
    typer.echo(f"rows {offset} to {offset + len(shown['rows'])} of {shown['total']}")


def why_not(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="The dataset's name.")],
    key: Annotated[str, typer.Argument(help="The row's key; of several columns as JSON: '[\"a\", 1]'.")],
) -> None:
    """Say what became of a row: present, removed (when, by which rule, why), erased, set aside, or never seen."""
    from pilotage.data.tabular import why_not_here

    with session(context).open() as workspace:
        found = why_not_here(workspace, dataset, key)
    typer.echo(str(found))
    for each in found.history[1 if found.state == "removed" else 0 :]:
        typer.echo(f"before that: {each}")


def tag(
    context: typer.Context,
    ref: Ref,
    name: Annotated[str, typer.Argument(help="The tag: dataset@TAG then names this version.")],
) -> None:
    """Give a version a name; a tag that is there is moved, which the ledger keeps."""
    from pilotage.data import tag as set_tag

    with session(context).open() as workspace:
        version = set_tag(workspace, ref, name)
    typer.echo(f"{version.dataset}@{name} is {version.ref} ({version.id})")


def withdraw(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Who asked, and on what footing. It stays on record: nothing personal.")],
    subject: Annotated[str | None, typer.Option(help="The person, as the tables' subject columns name them.")] = None,
    source: Annotated[str | None, typer.Option(help="A dataset's name, or the source its card names.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person or a source from tables, quarantine and online features, physically. It cannot be undone."""
    from pilotage.pipelines import withdraw as take_out

    if not yes:
        typer.confirm("Rows will be erased from every version and every file, for good. Go on?", abort=True)
    with session(context).open() as workspace:
        done = take_out(workspace, subject=subject, source=source, reason=reason)
    typer.echo(str(done))


def maintain(context: typer.Context, dataset: Annotated[str | None, typer.Option(help="Only this one.")] = None) -> None:
    """Join small fragments of tables and clean up what crashes left behind."""
    from pilotage.data.tabular import maintain as put_in_order

    with session(context).open() as workspace:
        for done in put_in_order(workspace, dataset=dataset):
            typer.echo(str(done))


def show_difference(workspace: Any, before: str, after: str) -> None:
    """Print what changed between two versions of a table, and the first rows of each kind."""
    from pilotage.data.tabular import diff_tables

    found = diff_tables(workspace, before, after)
    typer.echo(str(found))
    for row in found.added_rows(limit=5):
        typer.echo(f"added: {json.dumps(row, default=str, ensure_ascii=False)}")
    for gone in found.removed_rows(limit=5):
        why = f" (version {gone.removed_in}, {gone.rule}: {gone.reason})" if gone.rule else ""
        typer.echo(f"removed: {gone.key}{why}")
    for changed in found.changed_rows(limit=5):
        cells = ", ".join(f"{cell.column} {_cell(cell.before)} -> {_cell(cell.after)}" for cell in changed.cells)
        typer.echo(f"changed: {changed.key}: {cells}")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"{value['size']} bytes {value['blake2b'][:12]}"
    return str(value)
