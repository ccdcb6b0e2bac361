"""Automation bias from a terminal: the board, how many seeds it takes, and planting them."""

from __future__ import annotations

from typing import Annotated

import typer

from pilotage.cli.session import session

app = typer.Typer(help="Automation bias: whether people still look, measured.", no_args_is_help=True, rich_markup_mode=None)

Project = Annotated[str, typer.Argument(help="The project's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def board(
    context: typer.Context,
    project: Project,
    slice_by: Annotated[str | None, typer.Option("--slice", help="Tell apart by this slice of the items.")] = None,
    before: Annotated[int | None, typer.Option(help="With --after: compare two versions of the project's settings.")] = None,
    after: Annotated[int | None, typer.Option(help="The later version.")] = None,
    json: Json = False,
) -> None:
    """Show what suggestions do to people's answers: team, persons, slices and hours of shift, each with its interval."""
    from pilotage.cli.render import as_json
    from pilotage.core import InputError
    from pilotage.review.bias import board as read_board
    from pilotage.review.bias import compare_settings

    if (before is None) != (after is None):
        raise InputError("Two versions are compared, and one is given.", mend="give --before and --after")
    with session(context).open() as workspace:
        if before is not None and after is not None:
            change = compare_settings(workspace, project, before=before, after=after)
            as_json(change.to_dict()) if json else typer.echo(str(change))
            return
        found = read_board(workspace, project, slice_by=slice_by)
    as_json(found.to_dict()) if json else typer.echo(str(found))


@app.command()
def plan(
    first: Annotated[float | None, typer.Option(help="Find this rate …", min=0, max=1)] = None,
    second: Annotated[float | None, typer.Option(help="… against this one.", min=0, max=1)] = None,
    at: Annotated[float, typer.Option(help="The miss rate you expect.", min=0, max=1)] = 0.2,
    half_width: Annotated[float, typer.Option(help="How exactly (±) it is to be known.")] = 0.08,
    rate: Annotated[float, typer.Option(help="The share of answers that are seeded.")] = 0.03,
    people: Annotated[int, typer.Option(help="How many people answer.")] = 10,
    per_day: Annotated[int, typer.Option(help="Answers of each a day.")] = 200,
    icc: Annotated[float, typer.Option(help="How alike one person's answers are, 0 to 1.")] = 0.0,
) -> None:
    """Say how many seeds a figure needs, and how long it takes to collect them."""
    from pilotage.core import InputError
    from pilotage.review.bias import for_width, per_arm, plan_collection

    if (first is None) != (second is None):
        raise InputError("Two rates are told apart, and one is given.", mend="give --first and --second")
    if first is not None and second is not None:
        seeds = per_arm(first, second)
        typer.echo(f"{seeds} answers in each arm find {first:.0%} against {second:.0%} with 80 % power")
    else:
        seeds = for_width(half_width, at=at)
        typer.echo(f"{seeds} seeds give ±{half_width:.0%} at a miss rate of {at:.0%}")
    typer.echo(str(plan_collection(seeds=seeds, rate=rate, people=people, per_day=per_day, icc=icc)))


@app.command()
def seed(
    context: typer.Context,
    project: Project,
    question: Annotated[str, typer.Option(help="The question whose suggestion is planted.")],
    rate: Annotated[float, typer.Option(help="The share of answers that are to be seeded, at most 5 %.")] = 0.03,
    at_most: Annotated[int | None, typer.Option(help="No more seeds than this.")] = None,
    draw: Annotated[int | None, typer.Option(help="The seed of the draw. Default: from the project's secret, so that nobody can foresee it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there would be.")] = False,
) -> None:
    """Plant believable wrong suggestions on a small share of the project's open tasks. Which ones is not said: who reads this may review."""
    from pilotage.review.bias import machine_confusion, plan_seeds, plant, secret_draw, seed_candidates
    from pilotage.review.projects import load_project

    with session(context).open() as workspace:
        dealt = load_project(workspace, project).settings.arms.seeded
        candidates = seed_candidates(workspace, project, question)
        confusion = machine_confusion(workspace, project, question)
        seed = secret_draw(workspace, project) if draw is None else draw
        seeding = plan_seeds(candidates, rate=rate, dealt=dealt, confusion=confusion, at_most=at_most, seed=seed)
        typer.echo(str(seeding))
        if not dry_run:
            typer.echo(f"{plant(workspace, project, seeding)} planted")
