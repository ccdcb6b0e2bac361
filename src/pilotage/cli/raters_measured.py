"""A project's raters from a terminal: gold, exams, accuracy, and what their answers come to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.store import Workspace

Project = Annotated[str, typer.Argument(help="The review project.")]
Known = Annotated[Path | None, typer.Option(help="Items with known answers: JSON lines with item, values and explanation.")]
Json = Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")]


@contextmanager
def _leading(context: typer.Context) -> Iterator[Workspace]:
    """The workspace, for who leads a project: gold that those who answer could list would be none."""
    from pilotage.cli.users import who_acts
    from pilotage.people import require

    with session(context).open() as workspace:
        who = who_acts(context, workspace)
        require(who, "run")
        yield workspace.acting_as(who.login)


def accuracy(
    context: typer.Context,
    project: Project,
    login: Annotated[str | None, typer.Option(help="One person only.")] = None,
    by: Annotated[str | None, typer.Option(help="A slice's name: a figure for each of its values too.")] = None,
    last: Annotated[int, typer.Option(min=1, help="Each person's last so many known items.")] = 100,
    floor: Annotated[float | None, typer.Option(help="Say who surely lies below this accuracy. Default: the project's gold.floor.")] = None,
    json: Json = False,
) -> None:
    """How often people are right on known items, with bounds."""
    from pilotage.cli.render import as_json
    from pilotage.review.measuring import alerts, team_accuracy
    from pilotage.review.projects import load_project

    with _leading(context) as workspace:
        found = team_accuracy(workspace, project, last=last, by=by, login=login)
        limit = floor if floor is not None else load_project(workspace, project).settings.gold.floor
        warned = alerts(workspace, project, floor=limit, last=last) if limit is not None else []
    if json:
        as_json([each.to_dict() for each in found])
        return
    typer.echo("\n".join(map(str, found)) or "Nobody has answered a known item yet.")
    for alert in warned:
        typer.echo(f"look at {alert.login}: {alert.says}")


def gold(
    context: typer.Context,
    project: Project,
    add: Known = None,
    retire: Annotated[list[str] | None, typer.Option(help="Ids of gold tasks to take out of service.")] = None,
    reason: Annotated[str, typer.Option(help="Why they are retired.")] = "",
    leaks: Annotated[bool, typer.Option("--leaks", help="Test whether word of the gold goes round.")] = False,
) -> None:
    """Items whose answers are known, hidden among the work: list, add, retire, test for leaking."""
    from pilotage.cli.render import table
    from pilotage.review.measuring import add_gold, gold_items, leak_test, load_known_file, retire_gold

    with _leading(context) as workspace:
        if add is not None:
            typer.echo(f"{len(add_gold(workspace, project, load_known_file(add)).task_ids)} gold items are hidden among the work.")
        elif retire:
            typer.echo(f"{retire_gold(workspace, project, retire, reason=reason)} retired.")
        elif leaks:
            typer.echo(str(leak_test(workspace, project)))
        else:
            rows = [
                [each.task_id, ", ".join(each.questions), f"{each.exposures} of {each.most}", each.state] for each in gold_items(workspace, project)
            ]
            if rows:
                table(["task", "questions", "seen by", "state"], rows, title="Gold, least seen first")
            else:
                typer.echo("There is no gold. Add some with --add FILE.")


def qualify(
    context: typer.Context,
    project: Project,
    exam: Known = None,
    calibration: Known = None,
) -> None:
    """The exam and the calibration round of the guideline in force: show them, or open one with a file of known items."""
    from pilotage.core import NotFound
    from pilotage.review.measuring import current_exam, load_known_file, open_exam, open_round, round_report

    with _leading(context) as workspace:
        if exam is not None:
            made = open_exam(workspace, project, load_known_file(exam))
            typer.echo(f"The exam for '{made.skill}' draws {made.terms['items']} of {made.pool} items.")
        if calibration is not None:
            opened = open_round(workspace, project, load_known_file(calibration))
            typer.echo(f"Everybody answers {opened.needed} of {opened.tasks} items before they are served work.")
        if exam is None and calibration is None:
            for show in (lambda: current_exam(workspace, project), lambda: round_report(workspace, project)):
                try:
                    typer.echo(str(show()))
                except NotFound as missing:
                    typer.echo(missing.what)


def settle(
    context: typer.Context,
    project: Project,
    method: Annotated[str, typer.Option(help="policy (each item by itself), auto, or a method of truth inference.")] = "policy",
    sure: Annotated[float, typer.Option(min=0.5, max=1.0, help="The posterior at which a fact stands without adjudication.")] = 0.95,
    whole: Annotated[bool, typer.Option("--whole", help="Look at every item again, not only at those answered since.")] = False,
    json: Json = False,
) -> None:
    """Make the answers about each item one, by the policy its question declared."""
    from pilotage.cli.render import as_json
    from pilotage.review.measuring import settle as run

    with _leading(context) as workspace:
        found = run(workspace, project, method=method, sure=sure, whole=whole)
    if json:
        as_json(found.to_dict())
        return
    typer.echo(str(found))
    if any(each.adjudicate for each in found.questions):
        typer.echo(f"Put what is open before somebody who took no part: pilotage raters adjudicate {project}")


def adjudicate(
    context: typer.Context,
    project: Project,
    limit: Annotated[int, typer.Option(min=1, help="At most so many items.")] = 1000,
    machines: Annotated[bool, typer.Option("--machines", help="Show model raters' answers too, under aliases like the others.")] = False,
) -> None:
    """Put what could not be settled before adjudicators, and say how often they overturn the majority."""
    from pilotage.review.measuring import open_adjudications, overturns

    with _leading(context) as workspace:
        made = open_adjudications(workspace, project, limit=limit, machines=machines)
        found = overturns(workspace, project)
    typer.echo(f"{len(made)} items wait for an adjudicator.")
    for each in found:
        typer.echo(str(each))


def triage(
    context: typer.Context,
    project: Project,
    question: Annotated[str, typer.Argument(help="The question people disagree about.")],
    top: Annotated[int, typer.Option(min=0, help="Show so many of the most divided items, and of the answers mixed up.")] = 10,
) -> None:
    """Say why people disagree: a slip, an ambiguous item, an unclear guideline, or a real plurality."""
    from pilotage.cli.render import table
    from pilotage.review.measuring import confusion_between, explore
    from pilotage.review.measuring import triage as run

    with _leading(context) as workspace:
        typer.echo(str(run(workspace, project, question)))
        pairs = confusion_between(workspace, project, question, top=top)
        rows = explore(workspace, project, question, limit=top).rows if top else ()
    for pair in pairs:
        typer.echo(str(pair))
    if rows:
        shown = [[row.item_id, row.n, f"{row.disagreement:.2f}", row.pair, row.cause or "not looked into", row.state] for row in rows]
        table(["item", "answers", "disagreement", "between", "cause", "state"], shown, title="Most divided first")


def register(app: typer.Typer) -> None:
    """Add the verbs to the group ``raters``."""
    for verb in (accuracy, gold, qualify, settle, adjudicate, triage):
        app.command()(verb)
