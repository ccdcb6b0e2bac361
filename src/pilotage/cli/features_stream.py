"""Features: the replay that a release needs, and the stream worker. Registered under ``pilotage features``."""

from __future__ import annotations

from typing import Annotated

import typer

from pilotage.cli.session import session

View = Annotated[str, typer.Argument(help="A registered view: name or name@version.")]


def replay(
    context: typer.Context,
    view: View,
    source: Annotated[str | None, typer.Option(help="The dataset version to replay (default: the newest of the view's source).")] = None,
    entities: Annotated[int, typer.Option(help="How many golden entities.")] = 20,
    moments: Annotated[int, typer.Option(help="How many moments.")] = 20,
    seed: Annotated[int, typer.Option(help="Which entities and moments are drawn.")] = 0,
    release: Annotated[bool, typer.Option("--release", help="Release the view if it passes.")] = False,
) -> None:
    """Compute golden entities through batch, stream and request: every feature must be equal to the bit. Exit code 1 if not."""
    from pilotage.features import registered_view
    from pilotage.features.replay import release_view
    from pilotage.features.replay import replay as run

    with session(context).open() as workspace:
        found = registered_view(workspace, view).view
        report = run(workspace, found, source=source, entities=entities, moments=moments, seed=seed)
        typer.echo(str(report))
        if release and report.passed:
            release_view(workspace, found)
            typer.echo(f"{found.ref} is released")
    if not report.passed:
        raise typer.Exit(1)


def stream(
    context: typer.Context,
    view: View,
    source: Annotated[str | None, typer.Option(help="The source of events (default: named like the view's source).")] = None,
    redis: Annotated[str | None, typer.Option(help="Also read events from this Redis: redis://host:port/0.")] = None,
    redis_stream: Annotated[str | None, typer.Option(help="The Redis stream's key (default: the source's name).")] = None,
    lateness: Annotated[str, typer.Option(help="How far behind an event may be before it counts as late.")] = "1h",
    batch: Annotated[int, typer.Option(help="Events a step.")] = 20_000,
    once: Annotated[bool, typer.Option("--once", help="Work off what waits, then stop.")] = False,
) -> None:
    """Work a view off the event log: tiles, late events and the online store, exactly once. Stop with Ctrl-C; another worker may take over."""
    import threading

    from pilotage.features import registered_view
    from pilotage.features.online import OnlineOutput
    from pilotage.features.streams import RedisStream, Step, StreamWorker, pump, stream_status

    with session(context).open() as workspace:
        found = registered_view(workspace, view).view
        name = source or found.source
        worker = StreamWorker(workspace, found, source=name, online=OnlineOutput(), lateness=lateness, batch=batch)
        broker = None if redis is None else RedisStream(redis, stream=redis_stream or name, consumer=worker.holder)
        stop = threading.Event()

        def told(step: Step) -> None:
            typer.echo(f"{step.events} events, {step.tiles} tiles, {step.late} late, {step.refused} refused, {step.waiting} waiting")

        try:
            while not stop.is_set():
                moved = pump(workspace, name, broker).delivered if broker is not None else 0
                step = worker.step()
                if step.events:
                    told(step)
                elif not moved:
                    if once:
                        break
                    stop.wait(0.2)
        except KeyboardInterrupt:
            typer.echo("stopped")
        finally:
            worker.close()
            if broker is not None:
                broker.close()
        status = stream_status(workspace, found.ref)
    typer.echo(
        f"{status.view}: {status.events} events, {status.late} late, {status.corrected} corrected, {status.refused} refused, {status.waiting} waiting"
    )


def register(app: typer.Typer) -> None:
    """Register the verbs with ``pilotage features``."""
    app.command("replay")(replay)
    app.command("stream")(stream)
