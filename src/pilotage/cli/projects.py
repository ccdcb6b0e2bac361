"""Review projects from a terminal: make and change them, fill them, and take out what people said."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.people import Account
    from pilotage.review.projects import Project
    from pilotage.store import Workspace

app = typer.Typer(help="Review projects: queues with settings, a rubric and a guideline of their own.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="The project.")]
File = Annotated[Path, typer.Argument(help="The project.yaml.")]


@contextlib.contextmanager
def _acting(context: typer.Context, permission: str, *, create: bool = False) -> Iterator[tuple[Workspace, Account]]:
    """The workspace, written to in the name of whoever is at the terminal, who must have the permission."""
    from pilotage.cli.users import who_acts
    from pilotage.people import require

    with session(context).open(create=create) as workspace:
        who = who_acts(context, workspace)
        require(who, permission)
        yield workspace.acting_as(who.login), who


@app.command()
def create(context: typer.Context, file: File) -> None:
    """Make the project a project.yaml declares."""
    from pilotage.review.projects import create_project, load_project_file

    declared = load_project_file(file)
    with _acting(context, "run", create=True) as (workspace, _):
        made = create_project(workspace, declared.settings, rubric=declared.rubric, guideline=declared.guideline)
    typer.echo(f"project '{made.name}' made, version 1, guideline version 1")


@app.command()
def change(
    context: typer.Context,
    file: File,
    version: Annotated[int, typer.Option(help="The version this change was made from; see 'project show'.")],
) -> None:
    """Make a new version of the project from its project.yaml. Refused if somebody changed it since."""
    from pilotage.review.projects import change_project, load_project_file

    declared = load_project_file(file)
    with _acting(context, "run") as (workspace, _):
        made = change_project(
            workspace, declared.settings.name, number=version, settings=declared.settings, rubric=declared.rubric, guideline=declared.guideline
        )
    typer.echo(f"project '{made.name}' is at version {made.number}, guideline version {made.guideline.number}")


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """Show a project as it is now, every default written out, as JSON."""
    from pilotage.cli.render import as_json
    from pilotage.review import counts
    from pilotage.review.projects import load_project

    with session(context).open() as workspace:
        as_json({**load_project(workspace, name).to_dict(), "tasks": counts(workspace, name).to_dict()})


@app.command("list")
def list_(context: typer.Context, archived: Annotated[bool, typer.Option("--archived", help="Archived ones too.")] = False) -> None:
    """List the projects with what waits in them."""
    from pilotage.cli.render import table
    from pilotage.review import counts
    from pilotage.review.projects import projects

    with session(context).open() as workspace:
        rows = [(each, counts(workspace, each.name)) for each in projects(workspace, archived=archived)]
    if not rows:
        typer.echo("There are no projects. Make one: pilotage project create project.yaml")
        return
    table(("project", "title", "version", "state", "open", "done"), [(p.name, p.title, p.number, p.state, c.open, c.done) for p, c in rows])


@app.command()
def pause(context: typer.Context, name: Name) -> None:
    """Serve nothing new. What people hold they may finish."""
    from pilotage.review.projects import pause_project

    with _acting(context, "run") as (workspace, _):
        _say(pause_project(workspace, name))


@app.command()
def resume(context: typer.Context, name: Name) -> None:
    """Serve again."""
    from pilotage.review.projects import resume_project

    with _acting(context, "run") as (workspace, _):
        _say(resume_project(workspace, name))


@app.command()
def archive(context: typer.Context, name: Name) -> None:
    """Put the project away."""
    from pilotage.review.projects import archive_project

    with _acting(context, "run") as (workspace, _):
        _say(archive_project(workspace, name))


@app.command()
def guideline(
    context: typer.Context,
    name: Name,
    version: Annotated[int | None, typer.Option(help="Which version; the newest if left out.")] = None,
    since: Annotated[int | None, typer.Option(help="Show what changed since this version.")] = None,
) -> None:
    """Print the guideline, or what changed in it."""
    from pilotage.core import NotFound
    from pilotage.review.projects import guideline_diff, guideline_versions

    with session(context).open() as workspace:
        versions = {each.number: each for each in guideline_versions(workspace, name)}
    for wanted in (version, since):
        if wanted is not None and wanted not in versions:
            raise NotFound(f"The guideline of '{name}' has no version {wanted}.", mend=f"there are versions 1 to {max(versions)}")
    chosen = versions[version or max(versions)]
    typer.echo(chosen.text if since is None else str(guideline_diff(versions[since], chosen)))


@app.command()
def put(
    context: typer.Context, name: Name, file: Annotated[Path, typer.Argument(help="Items as JSON lines: source_id, payload, suggestions, …")]
) -> None:
    """Put items before people. Exit status 1 if a row was refused; the others stand."""
    from pilotage.review import put_tasks, read_items

    with _acting(context, "run") as (workspace, _):
        report = put_tasks(workspace, name, read_items(file))
    for refused in report.refused:
        typer.echo(str(refused), err=True)
    typer.echo(str(report))
    raise typer.Exit(1 if report.refused else 0)


@app.command()
def export(
    context: typer.Context,
    name: Name,
    purpose: Annotated[list[str] | None, typer.Option(help="work, adjudication, audit (these unless told), gold, qualification, …")] = None,
) -> None:
    """Write the judgements to standard output as JSON lines. That they were taken out is in the ledger."""
    import json

    from pilotage.judging import ABOUT_ITEMS
    from pilotage.review import export_judgements

    with _acting(context, "export") as (workspace, who):
        for judgement in export_judgements(workspace, name, purposes=tuple(purpose or ABOUT_ITEMS), actor=who.login):
            sys.stdout.write(json.dumps(judgement.__dict__, ensure_ascii=False, sort_keys=True) + "\n")


@app.command()
def skills(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="The person.")],
    grant: Annotated[str | None, typer.Option(help="Say that they have this skill.")] = None,
    revoke: Annotated[str | None, typer.Option(help="Take this skill away.")] = None,
) -> None:
    """Show what a person was found able to do; grant or revoke a skill."""
    from pilotage.cli.render import table
    from pilotage.core import NotFound, iso
    from pilotage.review import grant_skill, revoke_skill, skills_of

    if grant or revoke:
        with _acting(context, "run") as (workspace, _):
            if grant:
                grant_skill(workspace, login, grant)
            if revoke and not revoke_skill(workspace, login, revoke):
                raise NotFound(f"{login} does not have the skill '{revoke}'.", mend=f"see 'pilotage project skills {login}'")
    with session(context).open() as workspace:
        found = skills_of(workspace, login)
    if not found:
        typer.echo(f"{login} has no skills.")
        return
    table(("skill", "from", "by", "until"), [(s.skill, s.source, s.granted_by, iso(s.expires_at) if s.expires_at else "") for s in found])


@app.command()
def escalate(context: typer.Context, name: Annotated[str | None, typer.Argument(help="The project; all of them if left out.")] = None) -> None:
    """Raise what is overdue, as each project's sla says. Safe to run as often as you like, from a timer say."""
    from pilotage.review import escalate_overdue

    with _acting(context, "run") as (workspace, _):
        done = escalate_overdue(workspace, name)
    for each in done:
        typer.echo(f"{each.project}: {each.raised} raised, {each.handed_over} handed over")
    if not done:
        typer.echo("Nothing is overdue.")


def _say(project: Project) -> None:
    typer.echo(f"project '{project.name}' is {project.state}")
