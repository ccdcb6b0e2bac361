"""``pilotage features materialize | get | skew``: fill the online store, look features up, and hold what was served against the batch path."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pilotage.cli.session import session
from pilotage.core import InputError, parse_duration

View = Annotated[str, typer.Argument(help="A registered view: its name (the latest version) or name@version.")]


def register(app: typer.Typer) -> None:
    """Add these verbs to ``pilotage features``."""
    app.command("materialize")(materialize)
    app.command("get")(get)
    app.command("skew")(skew)


def materialize(
    context: typer.Context,
    view: View,
    source: Annotated[str | None, typer.Option(help="A version of the view's source. Default: the latest.")] = None,
    as_of: Annotated[str | None, typer.Option(help="The moment to compute for, ISO 8601 with a zone. Default: now.")] = None,
) -> None:
    """Compute a view for every entity of its source and write it to the online store."""
    from pilotage.features import view_of
    from pilotage.features.online import materialize as fill
    from pilotage.features.online import open_store

    name, version = _ref(view)
    with session(context).open() as workspace:
        store = open_store(workspace)
        try:
            typer.echo(str(fill(workspace, view_of(workspace, name, version), source, as_of_us=_moment(as_of), store=store)))
        finally:
            store.close()


def get(
    context: typer.Context,
    view: View,
    entity: Annotated[list[str], typer.Option(help="An entity: column=value, several columns with commas; may be given again.")],
    request: Annotated[list[str] | None, typer.Option(help="A request value: name=value, where value is JSON or plain text.")] = None,
    at: Annotated[str | None, typer.Option(help="The moment, ISO 8601 with a zone. Default: now.")] = None,
) -> None:
    """Look up the features of entities, with their age and what is to be said about them."""
    from pilotage.cli.render import as_json
    from pilotage.features import registered_view
    from pilotage.features.online import open_store
    from pilotage.features.serving import serve_vector

    with session(context).open() as workspace:
        found = registered_view(workspace, view)
        kinds = {**found.source_kinds, **found.view.request_inputs}
        entities = [dict(_value(part, kinds) for part in each.split(",")) for each in entity]
        values = dict(_value(each, kinds) for each in request or [])
        store = open_store(workspace)
        try:
            served = serve_vector(
                workspace, [found.view], entities, values, now_us=_moment(at), kinds={found.view.ref: found.source_kinds}, store=store
            )
        finally:
            store.close()
    for asked, row in zip(entities, served.to_dict()["entities"], strict=True):
        as_json({"entity": asked, "features": row["features"], "ages_us": row["ages_us"], "flags": row["flags"]})


def skew(
    context: typer.Context,
    view: View,
    max_rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share of differing values a feature may have.")],
    last: Annotated[str, typer.Option(help="How far back to look, say 24h or 7d.")] = "24h",
    source: Annotated[str | None, typer.Option(help="A version of the view's source to compute from. Default: the latest.")] = None,
) -> None:
    """Hold logged served vectors against the batch path; leaves with 0 on pass, 1 on fail, 2 inconclusive, 3 not assessable."""
    from pilotage.evidence import Verdict, exit_code
    from pilotage.features import view_of
    from pilotage.features.skew import measure_skew

    name, version = _ref(view)
    with session(context).open() as workspace:
        now = workspace.clock.now_us()
        report = measure_skew(
            workspace, view_of(workspace, name, version), from_us=now - parse_duration(last), to_us=now + 1, max_rate=max_rate, source=source
        )
    typer.echo(str(report))
    raise typer.Exit(exit_code(Verdict(report.verdict)))


def _ref(view: str) -> tuple[str, int | None]:
    name, at, version = view.partition("@")
    if at and not version.isdecimal():
        raise InputError(f"Not a view: {view!r}.", mend="write name@version, say 'card_activity@1', or 'card_activity' for the latest")
    return name, int(version) if at else None


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    from pilotage.features.expression import timestamp_us

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"Not a moment: {text!r}.", mend="write it as 2026-03-01T12:00:00+00:00") from error
    return timestamp_us(moment)


def _value(text: str, kinds: dict[str, str]) -> tuple[str, object]:
    """``name=value`` with the value in the kind of its column."""
    import json

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"Not a value: {text!r}.", mend="write name=value")
    if kinds.get(name) == "text":
        return name, None if value == "null" else value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
