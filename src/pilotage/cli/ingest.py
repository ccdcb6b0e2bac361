"""Batches of tables: bring them in, list them, decide on what is held, look at what was set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilotage.cli.session import session

Reason = Annotated[str, typer.Option(help="Why; it goes to the ledger.")]
BatchId = Annotated[str, typer.Argument(help="The batch's id (ib_…).")]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``pilotage data``."""
    for verb, name in (
        (ingest, "ingest"),
        (batches, "batches"),
        (release, "release"),
        (discard, "discard"),
        (quarantine, "quarantine"),
        (retry, "retry"),
        (erase_quarantine, "erase-quarantine"),
    ):
        app.command(name)(verb)


def ingest(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="The source's YAML file.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Files to bring in instead of the source's own; each is a batch.")] = None,
    key: Annotated[str | None, typer.Option(help="Your name for this delivery: other rows under the same key are refused.")] = None,
) -> None:
    """Bring in what a source delivers: conform, set bad rows aside, gate, publish. The same delivery twice is one batch."""
    from pilotage.core import InputError
    from pilotage.data.ingest import ingest as bring_in
    from pilotage.data.ingest import load_source

    if key is not None and files and len(files) > 1:
        raise InputError("One key names one delivery, and here are several files.", mend="bring them in one by one")
    config = load_source(source)
    with session(context).open(create=True) as workspace:
        wanted: list[Path | None] = [*files] if files else [None]
        for file in wanted:
            batch = bring_in(workspace, config, file=None if file is None else file.absolute(), batch_key=key)
            typer.echo(str(batch))
            if batch.state == "held":
                typer.echo(f"  look: pilotage data quarantine {batch.id}; decide: pilotage data release (or discard) {batch.id} --reason …")


def batches(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="Only of this dataset.")] = None,
    state: Annotated[str | None, typer.Option(help="received, conformed, gated, published, held, refused, empty or discarded.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List the batches, newest first."""
    from pilotage.cli.render import table
    from pilotage.core import InputError
    from pilotage.core.clock import iso
    from pilotage.data.ingest import STATES
    from pilotage.data.ingest import batches as find

    if state is not None and state not in STATES:
        raise InputError(f"Unknown state: {state!r}.", mend=f"use one of: {', '.join(STATES)}")
    with session(context).open() as workspace:
        found = find(workspace, dataset=dataset, state=state, limit=limit)
    if not found:
        typer.echo("No batches. Bring one in: pilotage data ingest SOURCE.yaml")
        return
    table(
        ("batch", "source", "dataset", "state", "rows", "kept", "quarantined", "when", "reason"),
        [
            (each.id, each.source, each.dataset, each.state, each.rows_in, each.kept, each.quarantined, iso(each.created_at), each.reason or "")
            for each in found
        ],
    )


def release(context: typer.Context, batch: BatchId, reason: Reason) -> None:
    """Publish a held batch on your word."""
    from pilotage.data.ingest import release as let_go

    with session(context).open() as workspace:
        typer.echo(str(let_go(workspace, batch, reason=reason)))


def discard(context: typer.Context, batch: BatchId, reason: Reason) -> None:
    """Give up a held batch: its staged rows are deleted, its record stays."""
    from pilotage.data.ingest import discard as give_up

    with session(context).open() as workspace:
        typer.echo(str(give_up(workspace, batch, reason=reason)))


def quarantine(
    context: typer.Context,
    ref: Annotated[str, typer.Argument(help="A batch (ib_…), or a version: its id, a dataset's name (the latest) or name@number.")],
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """Show the rows that were set aside, and why."""
    from pilotage.cli.render import table

    with session(context).open() as workspace:
        if ref.startswith("ib_"):
            from pilotage.data.ingest import load_batch, quarantined, reason_counts

            name = load_batch(workspace, ref).id
            counts = reason_counts(workspace, batch_id=name)
            page = quarantined(workspace, batch_id=name, offset=offset, limit=limit)
            rows = [(row.source, row.line, row.field or "", row.reason) for row in page.rows]
            for count in counts:
                typer.echo(f"{count.rows} × {count.code}{f' in {count.field}' if count.field else ''}: {count.example}")
        else:
            from pilotage.data import load_version
            from pilotage.data import quarantine as set_aside

            version = load_version(workspace, ref)
            name = version.ref
            rows = [(row.source, row.line, row.field or "", row.reason) for row in set_aside(workspace, version.id, offset=offset, limit=limit)]
    if rows:
        table(("file", "line", "field", "reason"), rows)
    else:
        typer.echo(f"No row of {name} was set aside.")


def retry(context: typer.Context, batch: BatchId) -> None:
    """Conform a batch's quarantined rows again, under the contract as it is now; those that keep it go in as a batch."""
    from pilotage.data.ingest import retry as try_again

    with session(context).open() as workspace:
        typer.echo(str(try_again(workspace, batch)))


def erase_quarantine(
    context: typer.Context,
    reason: Reason,
    batch: Annotated[str | None, typer.Option(help="Erase what the rows of this batch said.")] = None,
    subject: Annotated[str | None, typer.Option(help="Erase what rows about this person said.")] = None,
) -> None:
    """Erase the text of quarantined rows. Place and kind of reason stay, so the counts still add up."""
    from pilotage.data.ingest import erase_quarantine as erase

    with session(context).open() as workspace:
        done = erase(workspace, reason=reason, batch_id=batch, subject=subject)
    typer.echo(f"{done.rows} rows erased (ledger entry {done.seq})")
    if done.held:
        typer.echo(f"held batches that are about the same person, left as they are: {', '.join(done.held)}")
