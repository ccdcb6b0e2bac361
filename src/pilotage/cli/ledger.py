"""The ledger: show, verify, checkpoint, anchor, export, erase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session
from pilotage.core import iso

if TYPE_CHECKING:
    from pilotage.store import Workspace

app = typer.Typer(help="The tamper-evident ledger of who did what.", no_args_is_help=True, rich_markup_mode=None)


def register(root: typer.Typer) -> None:
    """``pilotage verify`` is short for what people do with a ledger most."""
    root.command()(verify)


def verify(
    context: typer.Context,
    bundle: Annotated[Path | None, typer.Argument(help="An exported bundle; the workspace's ledger if left out.")] = None,
    anchor: Annotated[list[Path] | None, typer.Option(help="A file of heads kept elsewhere; may be given again.")] = None,
) -> None:
    """Check every entry, signature and anchor, and every output of a run against its entry. Exits 0 if nothing is broken, else 3."""
    if bundle is not None:
        from pilotage.ledger.verify import main as verify_bundle

        broken = verify_bundle([str(bundle), *(f"--anchor={path}" for path in anchor or ())])
        raise typer.Exit(3 if broken else 0)
    from pilotage.ledger import verify as verify_workspace

    here = session(context)
    with here.open() as workspace:
        result = verify_workspace(workspace, anchors=anchor or (), key_dir=here.settings.key_dir)
        typer.echo(str(result))
        held = _outputs_hold(workspace)
    raise typer.Exit(0 if result.ok and held else 3)


def _outputs_hold(workspace: Workspace) -> bool:
    """Whether what models said is still what the ledger recorded, batch by batch; says where it is not."""
    from pilotage.runs import check_outputs, runs

    checked, bad = 0, 0
    for each in runs(workspace, limit=1_000_000):
        found = check_outputs(workspace, each.id)
        checked += found.checked
        for output in found.changed:
            bad += 1
            typer.echo(f"outputs         CHANGED: {output} of {each.id} is not what was recorded")
        for batch in found.missing_batches:
            bad += 1
            typer.echo(f"outputs         NOT AS RECORDED: batch {batch} of {each.id}")
    if not bad:
        typer.echo(f"outputs         ok ({checked} as recorded)")
    return not bad


@app.command("list")
def list_(
    context: typer.Context,
    after: Annotated[int, typer.Option(help="Entries after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    subject: Annotated[str | None, typer.Option(help="Only of this subject.")] = None,
    type: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
) -> None:
    """List entries."""
    from pilotage.cli.render import table
    from pilotage.ledger import entries

    with session(context).open() as workspace:
        rows = [
            (e.seq, iso(e.created_at), e.actor, e.type, e.subject) for e in entries(workspace, after=after, limit=limit, subject=subject, type=type)
        ]
    table(("seq", "when", "who", "what", "subject"), rows)


@app.command()
def checkpoint(context: typer.Context) -> None:
    """Sign the ledger's head with the key outside the workspace."""
    from pilotage.ledger import checkpoint as sign_head

    here = session(context)
    with here.open() as workspace:
        typer.echo(str(sign_head(workspace, key_dir=Path(here.settings.key_dir))))


@app.command()
def anchor(
    context: typer.Context, path: Annotated[Path, typer.Argument(help="An append-only file somewhere else: another disk, a repository.")]
) -> None:
    """Write the signed head to another place, so that cutting the ledger's end can be seen."""
    from pilotage.ledger import anchor as write_anchor

    here = session(context)
    with here.open() as workspace:
        typer.echo(str(write_anchor(workspace, path=path, key_dir=Path(here.settings.key_dir))))


@app.command("rotate-key")
def rotate_key(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    old_key_lost: Annotated[bool, typer.Option("--old-key-lost", help="Go on without the old key; the ledger then shows the break.")] = False,
) -> None:
    """Put a new signing key in force."""
    from pilotage.ledger import rotate_key as rotate

    here = session(context)
    with here.open() as workspace:
        typer.echo(str(rotate(workspace, reason=reason, old_key_lost=old_key_lost, key_dir=Path(here.settings.key_dir))))


@app.command()
def reopen(context: typer.Context, reason: Annotated[str, typer.Option(help="What was found, and why writing may go on.")]) -> None:
    """Open a sealed workspace again, once somebody has looked and the ledger verifies."""
    from pilotage.ledger import reopen as open_again

    with session(context).open() as workspace:
        open_again(workspace, reason=reason)
    typer.echo("open again; the ledger records that, by whom and why")


@app.command()
def export(context: typer.Context, path: Annotated[Path, typer.Argument(help="The bundle to write.")]) -> None:
    """Export the ledger with a verifier that needs nothing of Pilotage."""
    from pilotage.ledger import export_bundle

    here = session(context)
    with here.open() as workspace:
        typer.echo(str(export_bundle(workspace, path)))


@app.command()
def erase(
    context: typer.Context,
    commitment: Annotated[str, typer.Argument(help="The commitment of the personal data.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
) -> None:
    """Erase personal data behind an entry; the chain still verifies."""
    from pilotage.ledger import erase_payload

    with session(context).open() as workspace:
        erase_payload(workspace, commitment, reason=reason)
    typer.echo("erased; the ledger records that, by whom and why")
