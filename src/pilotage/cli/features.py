"""``pilotage features``: register views, build training sets, look into a value, probe for leaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilotage.features import FeatureView

app = typer.Typer(help="Features: defined once, joined as they were known, built again to the same bytes.", no_args_is_help=True)


@app.command("register")
def register(context: typer.Context, path: Annotated[Path, typer.Argument(help="YAML file of feature views")]) -> None:
    """Register the views of a file. A released view is never edited in place: change its version."""
    from pilotage.features import load_views, register_view

    with session(context).open() as workspace:
        for view in load_views(path):
            typer.echo(str(register_view(workspace, view)))


@app.command("list")
def list_views(context: typer.Context) -> None:
    """List the registered views."""
    from pilotage.features import views

    with session(context).open() as workspace:
        found = views(workspace)
    for each in found:
        typer.echo(str(each))
    if not found:
        typer.echo("No feature view is registered yet: write one as YAML and run 'pilotage features register views.yaml'.")


@app.command("show")
def show(context: typer.Context, view: Annotated[str, typer.Argument(help="name or name@version")]) -> None:
    """Show a view: its features, what each is, and the columns it comes from."""
    from pilotage.features import registered_view

    with session(context).open() as workspace:
        found = registered_view(workspace, view)
    definition, lineage = found.view, found.view.lineage()
    typer.echo(str(found))
    typer.echo(f"known: {definition.available_time or ''} {f'lag {definition.available_lag}' if definition.available_lag else ''}".rstrip())
    typer.echo(f"closed {definition.closed}, ttl {definition.ttl or 'none'}, tile {definition.tile}")
    for name, kind in found.kinds.items():
        typer.echo(f"  {name}: {kind}, {_how(definition, name)}  from {', '.join(lineage[name]) or 'the rows'}")


def _how(view: FeatureView, name: str) -> str:
    if name in view.columns:
        return f"latest {view.columns[name]}"
    if name in view.request:
        return f"on request {view.request[name]}"
    made = next(each for each in view.aggregates if each.name == name)
    condition = f" where {made.where}" if made.where is not None else ""
    return f"{made.function} of {made.of if made.of is not None else 'rows'} over {made.window}{condition}"


@app.command("train")
def train(context: typer.Context, path: Annotated[Path, typer.Argument(help="YAML file of a training set")]) -> None:
    """Build a training set as its file declares, and publish it as a dataset version."""
    from pilotage.features.training_plan import build_from_plan, load_training_plan

    with session(context).open() as workspace:
        typer.echo(str(build_from_plan(workspace, load_training_plan(path))))


@app.command("rebuild")
def rebuild(context: typer.Context, ref: Annotated[str, typer.Argument(help="name@number of a training set")]) -> None:
    """Build a training set again from its record and compare the bytes."""
    from pilotage.features import rebuild_training_set

    with session(context).open() as workspace:
        found = rebuild_training_set(workspace, ref)
    typer.echo(f"{'the same' if found.same else 'DIFFERENT'}: {found.version.ref}, digest {found.digest}")
    if not found.same:
        typer.echo(f"expected {found.expected}")
        raise typer.Exit(1)


@app.command("inspect")
def inspect(
    context: typer.Context,
    view: Annotated[str, typer.Argument(help="name or name@version")],
    entity: Annotated[list[str], typer.Option("--entity", "-e", help="key=value; once for each key")],
    at: Annotated[str, typer.Option(help="the moment, ISO 8601 with a zone")],
    source: Annotated[str | None, typer.Option(help="version of the source. Default: the latest")] = None,
    limit: Annotated[int, typer.Option(help="how many rows at most")] = 20,
) -> None:
    """Say why an entity's features had their values at a moment: which rows were known, not yet known, expired, superseded."""
    import datetime as dt

    from pilotage.core import InputError
    from pilotage.features import explain_value, registered_view

    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError as error:
        raise InputError(f"Not a moment: {at!r}.", mend="write 2026-03-01T12:00:00Z") from error
    with session(context).open() as workspace:
        kinds = registered_view(workspace, view).source_kinds
        values = dict(_pair(each, kinds) for each in entity)
        typer.echo(str(explain_value(workspace, view, values, moment, source=source, limit=limit)))


def _pair(text: str, kinds: Mapping[str, str]) -> tuple[str, object]:
    from pilotage.core import InputError

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"Not key=value: {text!r}.", mend="write --entity card=c17")
    kind = kinds.get(name, "text")
    if kind == "int":
        try:
            return name, int(value)
        except ValueError as error:
            raise InputError(f"'{name}' is a whole number, not {value!r}.") from error
    return name, (value.lower() == "true") if kind == "bool" else value


@app.command("leaks")
def leaks(
    context: typer.Context,
    ref: Annotated[str, typer.Argument(help="name or name@number of a training set")],
    seed: Annotated[int, typer.Option(help="of the model and the bootstrap")] = 0,
) -> None:
    """Probe a training set: are its features those that would have been served? Kept in the ledger. Leaves with 1 where they are not."""
    from pilotage.features.leaks import probe_training_set

    with session(context).open() as workspace:
        report = probe_training_set(workspace, ref, seed=seed, keep=True)
    typer.echo(str(report))
    if report.verdict != "pass":
        raise typer.Exit(1)
