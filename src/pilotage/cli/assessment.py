"""Assessment from a terminal: four questions in a file, a level of oversight out, signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilotage.cli.render import as_json, table
from pilotage.cli.session import session
from pilotage.cli.users import who_acts

app = typer.Typer(help="How much oversight a kind of task needs: four questions, and who signed.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(help="The assessment, YAML: see docs/assessment.md.")]


@app.command()
def check(context: typer.Context, file: File) -> None:
    """Say which level the answers give, with every rule; nothing is kept. Exit code 0 whatever the level."""
    from pilotage.review.assessment import assess, profile_of, read_assessment, slice_key

    read = read_assessment(file)
    with session(context).open() as workspace:
        for named, answers in read.answers():
            outcome = assess(profile_of(workspace, answers, bands=read.bands, model=read.model))
            typer.echo(f"{read.category}{f' [{slice_key(named)}]' if named else ''}: {outcome}")


@app.command()
def record(context: typer.Context, file: File, role: Annotated[str, typer.Option(help="The role you sign in.")] = "owner") -> None:
    """Assess the category and its slices, and sign it. What was signed is never edited; assess again to change it."""
    from pilotage.review.assessment import read_assessment, record_assessment

    read = read_assessment(file)
    with session(context).open() as workspace:
        for made in record_assessment(workspace, read, person=who_acts(context, workspace), role=role):
            typer.echo(
                f"{made.category}{f' [{made.slice}]' if made.slice else ''} #{made.number}: {made.level} ({made.decided_by or 'no rule fired'})"
            )


@app.command("list")
def list_(
    context: typer.Context,
    category: Annotated[str | None, typer.Argument(help="Only this category.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Earlier ones too.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the assessments in force."""
    from pilotage.core import iso
    from pilotage.review.assessment import assessments

    with session(context).open() as workspace:
        found = assessments(workspace, category=category, all_versions=all_)
    if json_:
        as_json([one.to_dict() for one in found])
        return
    rows = [
        (one.category, one.slice or "-", one.number, one.level, one.decided_by, f"{one.signed_by} as {one.role}", iso(one.due_at)) for one in found
    ]
    table(["category", "slice", "number", "level", "decided by", "signed", "due"], rows)


@app.command()
def due(context: typer.Context) -> None:
    """List what must be assessed again, and why. Exit code 1 if something must."""
    from pilotage.review.assessment import due_assessments

    with session(context).open() as workspace:
        found = due_assessments(workspace)
    for one in found:
        typer.echo(f"{one.category}{f' [{one.slice}]' if one.slice else ''} #{one.number}: {one.cause} {one.subject}".rstrip())
    if found:
        raise typer.Exit(1)
    typer.echo("Nothing is due.")


@app.command()
def again(
    context: typer.Context,
    category: Annotated[str, typer.Argument(help="The task category.")],
    reason: Annotated[str, typer.Option(help="Why; kept where it can be erased.")],
    slice_: Annotated[str, typer.Option("--slice", help="The slice, language=de; left out: the category as a whole.")] = "",
) -> None:
    """Ask for a new assessment."""
    from pilotage.review.assessment import ask_again

    with session(context).open() as workspace:
        ask_again(workspace, category=category, slice=slice_, person=who_acts(context, workspace), reason=reason)
    typer.echo(f"{category} is to be assessed again")
