"""Quality gates of tables: run, show, accept as normal, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.data.quality import GateReport

# As `pilotage gate` exits: nobody has to look at the words to know whether the data may be used.
EXIT = {"pass": 0, "fail": 1, "inconclusive": 2, "not_assessable": 3}


class _RunByDefault(TyperGroup):
    """``data gate REF`` is ``data gate run REF``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Quality gates of tables. 'gate REF' runs one: exit status 0 pass, 1 fail, 2 inconclusive, 3 not assessable.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


@app.command()
def run(
    context: typer.Context,
    ref: Annotated[str, typer.Argument(help="A version of a table: its id, a dataset's name (the latest) or name@number.")],
    times: Annotated[float, typer.Option(help="How many times the largest natural change is still normal.")] = 2.0,
    declared_only: Annotated[bool, typer.Option("--declared-only", help="Check what the contract declares; learn nothing from history.")] = False,
    json: Json = False,
) -> None:
    """Check a version against its contract and its dataset's accepted history, and keep the report."""
    from pilotage.data.quality import Limits, gate_version

    with session(context).open() as workspace:
        report = gate_version(workspace, ref, limits=Limits(times=times), learn=not declared_only)
    _print(report, json=json, whole=False)
    raise typer.Exit(0 if report.passed else EXIT[report.verdict])


@app.command()
def show(
    context: typer.Context,
    report: Annotated[str, typer.Argument(help="A report's id, or a version: then its newest report.")],
    json: Json = False,
) -> None:
    """Show a report: every check with its figure, limit and n, and the first failing rows."""
    from pilotage.core import NotFound
    from pilotage.data import load_version
    from pilotage.data.quality import gate_of, load_report

    with session(context).open() as workspace:
        if report.startswith("qr_"):
            found = load_report(workspace, report)
        else:
            version = load_version(workspace, report)
            newest = gate_of(workspace, version.id)
            if newest is None:
                raise NotFound(f"{version.ref} has not been through its gate.", mend=f"run 'pilotage data gate {version.ref}'")
            found = newest
    _print(found, json=json, whole=True)


@app.command()
def accept(
    context: typer.Context,
    report: Annotated[str, typer.Argument(help="The report's id.")],
    reason: Annotated[str, typer.Option(help="Why this is how the data is from now on.")],
) -> None:
    """Accept what a report shows as the new normal. Only a person who is owner may; it is in the ledger."""
    from pilotage.cli.users import who_acts
    from pilotage.data.quality import accept_as_normal

    with session(context).open() as workspace:
        accepted = accept_as_normal(workspace, report, person=who_acts(context, workspace), reason=reason, via="terminal")
    typer.echo(accepted.headline)


@app.command()
def history(context: typer.Context, dataset: Annotated[str, typer.Argument(help="The dataset's name.")]) -> None:
    """List the gates of a dataset, newest first."""
    from pilotage.cli.render import table
    from pilotage.core import iso
    from pilotage.data.quality import history as reports

    with session(context).open() as workspace:
        found = reports(workspace, dataset)
    if not found:
        typer.echo(f"No gate has looked at '{dataset}'. Run one: pilotage data gate {dataset}")
        return
    rows = [(each.report_id, each.subject, each.verdict, each.rows, iso(each.at), each.accepted.person if each.accepted else "") for each in found]
    table(("report", "of", "verdict", "rows", "at", "accepted by"), rows)


def _print(report: GateReport, *, json: bool, whole: bool) -> None:
    from pilotage.cli.render import as_json

    if json:
        as_json(report.to_dict())
        return
    typer.echo(f"{report.id} {report.headline}")
    for each in report.results if whole else (*report.failed, *report.undecided):
        typer.echo(f"  {each}")
        for row in each.examples:
            key = "" if row.key is None else " " + ", ".join(f"{name}={value!r}" for name, value in row.key.items())
            typer.echo(f"      row {row.row}{key}" + ("" if row.value is None else f": {row.value!r}"))
