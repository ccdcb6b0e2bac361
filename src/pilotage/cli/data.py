"""Datasets: import, list, show, diff, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli import tables
from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.data import Version
    from pilotage.store import Workspace

app = typer.Typer(help="Datasets and their immutable versions.", no_args_is_help=True, rich_markup_mode=None)

Ref = Annotated[str, typer.Argument(help="A version: its id, a dataset's name (the latest), name@number or name@tag.")]


@app.command("import")
def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A .jsonl, .csv or .parquet file.")],
    dataset: Annotated[str, typer.Option(help="The dataset's name.")],
    kind: Annotated[str, typer.Option(help="evaluation, objectives, training or documents.")],
    licence: Annotated[str, typer.Option(help="SPDX identifier, 'custom' or 'unknown'.")],
    consent: Annotated[str, typer.Option(help="On what footing the people behind the data agreed.")],
    purpose: Annotated[list[str], typer.Option(help="What the rows may be used for; may be given again.")],
    source: Annotated[str, typer.Option(help="Where the rows come from.")],
    personal_data: Annotated[bool, typer.Option("--personal-data/--no-personal-data", help="Whether the rows hold personal data.")] = False,
    on_bad_rows: Annotated[str, typer.Option(help="quarantine (default) or refuse.")] = "quarantine",
) -> None:
    """Import a file as a new version; bad rows are set aside with line, field and reason."""
    from pilotage.data import Card, import_file

    card = Card(licence=licence, consent=consent, purposes=tuple(purpose), source=source, contains_personal_data=personal_data)
    with session(context).open(create=True) as workspace:
        result = import_file(workspace, path, dataset=dataset, kind=kind, card=card, on_bad_rows=on_bad_rows)
    typer.echo(str(result))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the datasets and their latest versions."""
    from pilotage.cli.render import table
    from pilotage.data import datasets, versions

    with session(context).open() as workspace:
        rows = [
            (each.name, each.kind, version.number, version.rows, version.id)
            for each in datasets(workspace)
            for version in versions(workspace, each.name)[:1]
        ]
    if not rows:
        typer.echo("No datasets yet. Bring one in: pilotage data import FILE --dataset NAME …")
        return
    table(("dataset", "kind", "latest", "rows", "version id"), rows)


@app.command()
def show(context: typer.Context, ref: Ref, rows: Annotated[int, typer.Option(min=0, help="How many rows to print.")] = 3) -> None:
    """Show a version: card, operation, lineage and its first rows."""
    from itertools import islice

    from pilotage.cli.render import as_json
    from pilotage.data import TABLE, family, load_version
    from pilotage.data import rows as read_rows

    with session(context).open() as workspace:
        version = load_version(workspace, ref)
        line = family(workspace, version.id)
        first = _first(workspace, version, rows) if version.kind == TABLE else list(islice(read_rows(workspace, version.id), rows))
    typer.echo(str(version))
    as_json({**version.to_dict(), "made_from": [each.ref for each in line.ancestors], "used_in": [each.ref for each in line.descendants]})
    for row in first:
        as_json(row)


def _first(workspace: Workspace, version: Version, rows: int) -> list[dict[str, Any]]:
    from pilotage.data.tabular import table_page

    if not rows or version.withdrawn is not None:
        return []
    shown: list[dict[str, Any]] = table_page(workspace, version.id, limit=rows).to_dict()["rows"]
    return shown


@app.command()
def row(context: typer.Context, ref: Ref, row_id: Annotated[str, typer.Argument(help="The row's id.")]) -> None:
    """Show one row of a version; of a table by its key."""
    from pilotage.cli.render import as_json
    from pilotage.data import TABLE, find_row, load_version

    with session(context).open() as workspace:
        if load_version(workspace, ref).kind != TABLE:
            as_json(find_row(workspace, ref, row_id=row_id))
            return
        from pilotage.data.tabular import plain_row, row_by_key

        as_json(plain_row(row_by_key(workspace, ref, key=row_id)))


@app.command()
def diff(context: typer.Context, before: Ref, after: Ref) -> None:
    """Show which rows were added, removed and changed between two versions."""
    from pilotage.data import TABLE, load_version
    from pilotage.data import diff as difference

    with session(context).open() as workspace:
        old, new = load_version(workspace, before), load_version(workspace, after)
        if old.kind == new.kind == TABLE:
            tables.show_difference(workspace, old.id, new.id)
        else:
            typer.echo(str(difference(workspace, old.id, new.id)))


@app.command()
def export(
    context: typer.Context,
    ref: Ref,
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    format: Annotated[str, typer.Option(help="chat-sft, dpo, dpo-plain or kto, as TRL reads them, or hh.")] = "chat-sft",
) -> None:
    """Export a version's rows with a manifest and a loss report beside them."""
    from pilotage.data import export as write_export
    from pilotage.data import load_version

    with session(context).open() as workspace:
        made = write_export(workspace, load_version(workspace, ref).id, format=format, path=path)
    typer.echo(str(made))


tables.register(app)
