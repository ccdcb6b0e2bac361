"""Runs: list and show."""

from __future__ import annotations

from typing import Annotated

import typer

from pilotage.cli.session import session
from pilotage.core import iso

app = typer.Typer(help="Runs of the engine: what was asked, what came back.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the runs, newest first."""
    from pilotage.cli.render import table
    from pilotage.runs import runs

    with session(context).open() as workspace:
        rows = [
            (
                run.id,
                run.kind,
                run.state,
                f"{run.done} / {run.planned}",
                ", ".join(f"{name} {n}" for name, n in sorted(run.counts.items())),
                iso(run.created_at),
            )
            for run in runs(workspace)
        ]
    if rows:
        table(("run", "kind", "state", "samples", "outcomes", "started"), rows)
    else:
        typer.echo("No runs yet. Start one: pilotage run pilot.yaml")


@app.command()
def show(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="The run's id.")],
    outcome: Annotated[str | None, typer.Option(help="Only samples that ended so: answered, refused, blocked, truncated, unparsable, error.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many samples to list.")] = 50,
) -> None:
    """Show a run and its samples."""
    from pilotage.cli.render import table
    from pilotage.runs import run_summary, samples_page

    with session(context).open() as workspace:
        run = run_summary(workspace, run_id)
        page = samples_page(workspace, run_id, limit=limit, outcome=outcome)
    typer.echo(str(run))
    table(("sample", "item", "outcome", "ms"), [(row.sample_id, row.item_key, row.outcome or "", (row.latency_us or 0) // 1000) for row in page.rows])
