"""Unattended pipelines: run a tick, watch for the next, see what it did, and let a person step in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilotage.cli.session import session

app = typer.Typer(help="From deliveries to a better model, held where a gate fails.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(help="The pipeline's YAML file.")]
Name = Annotated[str, typer.Argument(help="The pipeline's name.")]
At = Annotated[
    str | None, typer.Option(help="The tick's moment, with its zone: everything is taken as known then. Default: the last tick before now.")
]


@app.command()
def show(path: File) -> None:
    """Show the pipeline with every default filled in."""
    import yaml

    from pilotage.pipelines import load_pipeline

    pipeline = load_pipeline(path)
    typer.echo(yaml.safe_dump(pipeline.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)
    typer.echo(f"# declaration {pipeline.hash[:12]}")


@app.command()
def run(
    context: typer.Context,
    path: File,
    at: At = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with the next tick when it is due, until stopped.")] = False,
) -> None:
    """Run the tick: deliver, watch, decide, train, challenge, score. Goes on where a killed one left off; exits 3 if it holds, 1 if it failed."""
    import time

    from pilotage.core import parse_duration, parse_moment
    from pilotage.pipelines import load_pipeline, run_pipeline

    pipeline = load_pipeline(path)
    with session(context).open(create=True) as workspace:
        while True:
            made = run_pipeline(workspace, pipeline, at_us=None if at is None else parse_moment(at, where="--at"))
            typer.echo(str(made))
            if not watch:
                break
            rhythm = parse_duration(pipeline.config.every)
            time.sleep(min((rhythm - workspace.clock.now_us() % rhythm) / 1e6, 60))
    if made.state != "done":
        raise typer.Exit(3 if made.state == "held" else 1)


@app.command()
def plan(context: typer.Context, path: File, at: At = None) -> None:
    """Say whether the pipeline would train now, and why. Nothing is taken in, trained or written."""
    from pilotage.core import parse_moment
    from pilotage.pipelines import load_pipeline
    from pilotage.pipelines import plan as planned

    with session(context).open() as workspace:
        decision = planned(workspace, load_pipeline(path), at_us=None if at is None else parse_moment(at, where="--at"))
    typer.echo(str(decision))
    for trigger in decision.triggers:
        typer.echo(f"  {'fires' if trigger.fired else 'quiet'}  {trigger.name}: {trigger.why}")


@app.command()
def runs(context: typer.Context, name: Annotated[str | None, typer.Argument(help="Only this pipeline's.")] = None) -> None:
    """List the newest runs and where they stand."""
    from pilotage.cli.render import table
    from pilotage.core import iso
    from pilotage.pipelines import runs as listed

    with session(context).open() as workspace:
        rows = [(each.id, each.pipeline, each.key, each.state, each.reason or "", iso(each.created_at)) for each in listed(workspace, name)]
    if rows:
        table(("run", "pipeline", "tick", "state", "reason", "begun"), rows)
    else:
        typer.echo("No pipeline has run yet: pilotage pipeline run FILE")


@app.command()
def deliveries(context: typer.Context, name: Name) -> None:
    """List what was delivered and what became of it: done, held, failing, poisoned, discarded."""
    from pilotage.cli.render import table
    from pilotage.core import iso
    from pilotage.pipelines import deliveries as listed

    with session(context).open() as workspace:
        rows = [
            (each["source"], each["name"], each["state"], each["tries"], (each["reason"] or "").partition("\n")[0], iso(each["taken_at"]))
            for each in listed(workspace, name)
        ]
    table(("source", "delivery", "state", "tries", "reason", "at"), rows)


@app.command()
def models(context: typer.Context, name: Name) -> None:
    """List the trained models, which one serves, and how every challenge ended."""
    from pilotage.cli.render import table
    from pilotage.core import iso
    from pilotage.pipelines import champion, decisions
    from pilotage.pipelines import models as listed

    with session(context).open() as workspace:
        serving = champion(workspace, name)
        rows = [
            (each.id, each.kind, each.rows, iso(each.created_at), "serves" if serving and each.id == serving.id else "")
            for each in listed(workspace, name)
        ]
        ended = [
            (each.number, each.challenger, "promoted" if each.promoted else "kept", each.reason, each.decided_by)
            for each in decisions(workspace, name)
        ]
    table(("model", "kind", "rows", "trained", ""), rows)
    table(("nr", "challenger", "ended", "why", "by"), ended)


@app.command()
def promote(
    context: typer.Context,
    name: Name,
    model: Annotated[str, typer.Argument(help="The model's id.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Let a model serve, whatever its challenge said. Goes into the ledger with your name and reason."""
    from pilotage.pipelines import promote as promoted

    with session(context).open() as workspace:
        promoted(workspace, name, model, reason=reason)
    typer.echo(f"{model} serves.")


@app.command()
def retry(
    context: typer.Context, run: Annotated[str, typer.Argument(help="The run's id.")], reason: Annotated[str, typer.Option(help="What was mended.")]
) -> None:
    """Let a failed run be tried again although a step has used up its tries."""
    from pilotage.pipelines import retry as again

    with session(context).open() as workspace:
        made = again(workspace, run, reason=reason)
    typer.echo(f"{made.pipeline} {made.key} will be tried again: pilotage pipeline run FILE --at {made.key}")
