"""The flywheel from a terminal: corrections and preferences as data, models compared, batches chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.data import Card

app = typer.Typer(
    help="What people correct becomes data, and whether a model learnt from it is measured.", no_args_is_help=True, rich_markup_mode=None
)

Project = Annotated[str, typer.Argument(help="The project's name.")]
QuestionName = Annotated[str, typer.Argument(help="The question of its rubric.")]
CardFile = Annotated[Path, typer.Option("--card", help="YAML: licence, consent, purposes, contains_personal_data, source, …")]
Sources = Annotated[list[str], typer.Option("--source", help="A dataset version the items come from. May be given several times.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def corrections(
    context: typer.Context,
    project: Project,
    question: QuestionName,
    dataset: Annotated[str, typer.Option(help="The dataset whose next version this is.")],
    card: CardFile,
    source: Sources,
    form: Annotated[str, typer.Option(help="instruction or preference.")] = "instruction",
    take: Annotated[str, typer.Option(help="corrected, confirmed (shown, could be corrected, and was not) or both.")] = "corrected",
) -> None:
    """Publish what people corrected, or confirmed, as the next version of a training set. Again: nothing, unless there is something new."""
    from pilotage.review.flywheel import publish_corrections

    given: dict[str, Any] = {"form": form, "take": take}
    with session(context).open() as workspace:
        made = publish_corrections(workspace, project, question, dataset=dataset, card=_card(card), sources=source, **given)
    typer.echo(str(made))


@app.command()
def preferences(
    context: typer.Context,
    project: Project,
    question: QuestionName,
    card: CardFile,
    out: Annotated[Path, typer.Option(help="The file.")],
    format: Annotated[str, typer.Option(help="dpo, dpo-plain, kto or hh.")] = "dpo",
    floor: Annotated[float | None, typer.Option(help="What alpha's lower bound must reach. Default: the project's agreement_floor.")] = None,
    ties: Annotated[str, typer.Option(help="drop or refuse.")] = "drop",
    both_bad: Annotated[str, typer.Option(help="drop, refuse, or (kto) unpaired.")] = "drop",
    margin: Annotated[str, typer.Option(help="votes or strength.")] = "votes",
    source: Annotated[list[str] | None, typer.Option(help="A dataset version the pairs come from.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Where the rows are published. Default: made from project and question.")] = None,
    purpose: Annotated[str, typer.Option("--for", help="commercial or research: what the licence must allow.")] = "commercial",
) -> None:
    """Export the preferences of one pair question with votes, agreement and guideline. Refused below the declared floor."""
    from pilotage.review.flywheel import export_preferences

    rules: dict[str, Any] = {"ties": ties, "both_bad": both_bad, "margin": margin}
    with session(context).open() as workspace:
        made = export_preferences(
            workspace,
            project,
            question,
            format=format,
            path=out,
            card=_card(card),
            floor=floor,
            sources=source or (),
            dataset=dataset,
            purpose=purpose,
            **rules,
        )
    typer.echo(str(made))


@app.command()
def freeze(
    context: typer.Context,
    project: Project,
    name: Annotated[str, typer.Argument(help="The slice's name.")],
    n: Annotated[int, typer.Option(help="How many items.")],
    draw: Annotated[int, typer.Option(help="The seed of the draw.")] = 0,
) -> None:
    """Draw a random slice of the project's items on which models are compared, and from which none may learn."""
    from pilotage.review.flywheel import freeze_slice

    with session(context).open() as workspace:
        typer.echo(str(freeze_slice(workspace, project, name, n=n, seed=draw)))


@app.command("loop-report")
def loop_report(
    context: typer.Context,
    project: Project,
    question: QuestionName,
    slice: Annotated[str, typer.Option(help="The frozen slice's name.")],
    old: Annotated[str, typer.Option(help="model@version, as its suggestions name it.")],
    new: Annotated[str, typer.Option(help="model@version of the new one.")],
    trained_on: Annotated[list[str], typer.Option(help="A dataset version the new model learnt from. May be given several times.")],
    json: Json = False,
) -> None:
    """Compare the new model with the old one, pair by pair, on items that neither learnt from."""
    from pilotage.cli.render import as_json
    from pilotage.review.flywheel import loop_report as compare

    with session(context).open() as workspace:
        found = compare(workspace, project, question, slice=slice, old=_model(old), new=_model(new), trained_on=trained_on)
    as_json(found.to_dict()) if json else typer.echo(str(found))


@app.command()
def select(
    context: typer.Context,
    project: Project,
    question: QuestionName,
    n: Annotated[int, typer.Option(help="How many items. 0: only report what the batches so far say.")],
    by: Annotated[list[str] | None, typer.Option(help="strategy=share: uncertainty, disagreement, diversity or risk; together 1.")] = None,
    random_share: Annotated[float, typer.Option(help="How much is drawn at random, at least 0.2.")] = 0.2,
    draw: Annotated[int, typer.Option(help="The seed of the draw.")] = 0,
    json: Json = False,
) -> None:
    """Choose the next batch for people and put it before them, or say what the batches so far gained over chance."""
    from pilotage.cli.render import as_json
    from pilotage.review.selecting import select_batch, selection_report

    with session(context).open() as workspace:
        if n == 0:
            report = selection_report(workspace, project, question)
            as_json(report.to_dict()) if json else typer.echo(str(report))
            return
        made = select_batch(workspace, project, question, n=n, shares=_shares(by), random_share=random_share, seed=draw)
    as_json(made.batch.to_dict()) if json else typer.echo(str(made))


def _shares(given: list[str] | None) -> dict[str, float] | None:
    from pilotage.core import InputError

    if not given:
        return None
    shares: dict[str, float] = {}
    for each in given:
        name, _, share = each.partition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            raise InputError(f"'{each}' is no share of a strategy.", mend="write --by uncertainty=0.5 --by diversity=0.5") from None
    return shares


def _model(given: str) -> tuple[str, str]:
    from pilotage.core import InputError

    name, at, version = given.rpartition("@")
    if not at or not name:
        raise InputError(f"'{given}' names no model and version.", mend="write model@version")
    return name, version


def _card(path: Path) -> Card:
    from pilotage.core import fit, read_declared
    from pilotage.data import Card

    return fit(read_declared(path), Card)
