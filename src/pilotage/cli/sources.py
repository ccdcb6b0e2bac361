"""Sources that the workspace knows by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilotage.cli.session import session

app = typer.Typer(help="Sources that the workspace knows by name, to push rows to.", no_args_is_help=True, rich_markup_mode=None)


@app.command("put")
def put(context: typer.Context, path: Annotated[Path, typer.Argument(help="The source's YAML file.")]) -> None:
    """Register the source; its contract's file goes into the workspace too. The same declaration again changes nothing."""
    from pilotage.data.ingest import load_source, register_source

    with session(context).open(create=True) as workspace:
        made = register_source(workspace, load_source(path))
    typer.echo(f"{made.ref} of kind {made.config.kind}, contract {made.config.contract}, to dataset {made.config.dataset}")
    if made.config.kind == "push":
        typer.echo(f"  push rows: POST /api/v1/ingest/{made.name}")


@app.command("list")
def list_sources(context: typer.Context) -> None:
    """List the sources, each as declared last."""
    from pilotage.cli.render import table
    from pilotage.core import iso
    from pilotage.data.ingest import registered_sources

    with session(context).open() as workspace:
        found = registered_sources(workspace)
    if not found:
        typer.echo("No sources. Register one: pilotage data source put SOURCE.yaml")
        return
    table(
        ("source", "kind", "contract", "dataset", "by", "since"),
        [(each.ref, each.config.kind, each.config.contract, each.config.dataset, each.registered_by, iso(each.registered_at)) for each in found],
    )
