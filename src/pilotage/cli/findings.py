"""Findings: list and show."""

from __future__ import annotations

from typing import Annotated

import typer

from pilotage.cli.session import session
from pilotage.core import iso

app = typer.Typer(help="Findings: clusters of failures with a life.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(context: typer.Context, pilot: Annotated[str, typer.Argument(help="The pilot's name.")]) -> None:
    """List a pilot's findings, the open ones first."""
    from pilotage.cli.render import table
    from pilotage.readiness import find_pilot_id
    from pilotage.redteam import findings

    with session(context).open() as workspace:
        found = findings(workspace, find_pilot_id(workspace, pilot))
    if found:
        table(("finding", "state", "severity", "title"), [(f.id, f.state, f.severity, f.title) for f in found])
    else:
        typer.echo("No findings. They come from failures that people confirmed in the review queue.")


@app.command()
def show(context: typer.Context, finding_id: Annotated[str, typer.Argument(help="The finding's id.")]) -> None:
    """Show a finding's life and the attempts it rests on."""
    from pilotage.cli.render import table
    from pilotage.redteam import attempts_of, load_finding

    with session(context).open() as workspace:
        finding = load_finding(workspace, finding_id)
        attempts = attempts_of(workspace, finding_id)
    typer.echo(f"{finding.title} ({finding.severity}): {finding.state}")
    table(("when", "state", "who", "why"), [(iso(event["at"]), event["to"], event["by"], event["why"]) for event in finding.history])
    table(
        ("objective", "target", "verdict", "judged by", "sample"),
        [(a.objective_key, a.fingerprint[:12], a.verdict, a.judged_by, a.sample_id) for a in attempts],
    )
