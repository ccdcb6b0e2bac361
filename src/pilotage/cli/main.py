"""The ``pilotage`` command: parse, call, render. Nothing heavy is imported until a verb needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pilotage import __version__
from pilotage.cli import (
    contracts,
    data,
    features,
    features_online,
    features_stream,
    findings,
    ingest,
    ledger,
    lineage,
    monitoring,
    pilot,
    pipelines,
    practice,
    projects,
    quality,
    raters,
    raters_measured,
    review,
    runs,
    server,
    sources,
    users,
)
from pilotage.cli.session import Session
from pilotage.core import PilotageError

app = typer.Typer(
    name="pilotage",
    help="Brings AI pilots into production with people at the helm.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pilotage {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Folder or database URL. Default: the settings', else .pilotage")] = None,
    actor: Annotated[str | None, typer.Option("--as", help="Who acts, as the ledger writes it. Default: the settings', else your login")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")] = False,
) -> None:
    context.obj = Session(workspace=workspace, actor=actor)


pilot.register(app)
ingest.register(data.app)
data.app.add_typer(sources.app, name="source")
data.app.add_typer(contracts.app, name="contract")
data.app.add_typer(quality.app, name="gate")
app.add_typer(data.app, name="data")
app.add_typer(lineage.app, name="lineage")
app.add_typer(pipelines.app, name="pipeline")
app.add_typer(runs.app, name="runs")
app.add_typer(review.app, name="review")
app.add_typer(projects.app, name="project")
raters_measured.register(raters.app)
app.add_typer(raters.app, name="raters")
app.add_typer(findings.app, name="findings")
features_stream.register(features.app)
features_online.register(features.app)
app.add_typer(features.app, name="features")
app.add_typer(practice.app, name="practice")
app.add_typer(monitoring.app, name="monitor")
app.add_typer(ledger.app, name="ledger")
app.add_typer(users.app, name="user")
ledger.register(app)
server.register(app)


def main() -> None:
    """Run the command; a :class:`PilotageError` becomes its four lines on standard error and its exit code."""
    try:
        app(prog_name="pilotage")
    except PilotageError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.exit(141)  # the reader of our output left, as in `pilotage … | head`
        place = f"\n  where: {error.filename}" if error.filename else ""
        typer.echo(f"error: The system refused: {error.strerror or error}{place}\n  mend: check that path, its permissions and the disk", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to go on", err=True)
        sys.exit(130)
