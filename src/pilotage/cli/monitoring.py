"""Monitoring: drift, estimates before labels, and the diagnosis that tells causes apart. On versions only, never on a path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.session import session
from pilotage.core import iso

if TYPE_CHECKING:
    import pyarrow as pa

    from pilotage.data import Version
    from pilotage.monitoring import Window
    from pilotage.store import Workspace

app = typer.Typer(help="Drift of data and of the model, told apart.", no_args_is_help=True, rich_markup_mode=None)

Reference = Annotated[str, typer.Argument(help="The version to compare with: id, dataset (the latest), name@number or name@tag.")]
Production = Annotated[str, typer.Argument(help="The version that came in since.")]
Score = Annotated[str | None, typer.Option(help="Column: the model's probability of the positive class.")]
Decision = Annotated[str | None, typer.Option(help="Column: what was decided. Default: score >= threshold.")]
Label = Annotated[str | None, typer.Option(help="Column: what was true (0 or 1); null while it is not known.")]
Threshold = Annotated[float, typer.Option(min=0, max=1, help="From which score on the decision is positive.")]
LeaveOut = Annotated[list[str] | None, typer.Option("--leave-out", help="A column the model does not read (a key); may be given again.")]
TrainedOn = Annotated[str | None, typer.Option(help="The version the model was trained on: refused as the reference.")]
Seed = Annotated[int, typer.Option(help="Of every random draw.")]
Keep = Annotated[bool, typer.Option("--keep/--no-keep", help="Keep the report, its figures and a ledger entry.")]
Json = Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")]


@app.command()
def drift(
    context: typer.Context,
    reference: Reference,
    production: Production,
    leave_out: LeaveOut = None,
    seed: Seed = 0,
    keep: Keep = True,
    json: Json = False,
) -> None:
    """How far each column moved: PSI, Jensen-Shannon, W1, KS, total variation, missing values."""
    from pilotage.monitoring import measure_drift, put_report

    with session(context).open() as workspace:
        versions, tables = zip(*(_table(workspace, ref) for ref in (reference, production)), strict=True)
        subject = {"versions": [version.id for version in versions]}
        dropped = [table.drop_columns([name for name in leave_out or [] if name in table.column_names]) for table in tables]
        found = measure_drift(dropped[0], dropped[1], seed=seed, subject=subject, personal=_personal(versions))
        kept = put_report(workspace, found, reference=versions[0].id, production=versions[1].id) if keep else None
    _show(found, kept, json)


@app.command()
def estimate(
    context: typer.Context,
    reference: Reference,
    production: Production,
    score: Annotated[str, typer.Option(help="Column: the model's probability of the positive class.")],
    label: Annotated[str, typer.Option(help="Column: what was true; used of the reference only.")],
    decision: Decision = None,
    threshold: Threshold = 0.5,
    leave_out: LeaveOut = None,
    trained_on: TrainedOn = None,
    weighted: Annotated[bool, typer.Option("--weighted/--plain", help="Weight the calibration by where production's rows lie.")] = True,
    seed: Seed = 0,
    keep: Keep = True,
    json: Json = False,
) -> None:
    """Performance before labels, with intervals. Blind to concept drift, and says so."""
    from pilotage.monitoring import domain_test, estimate_performance, put_report

    with session(context).open() as workspace:
        versions, (before, now) = _windows(workspace, (reference, production), (score, decision, label), threshold, leave_out)
        domain = domain_test(before, now, explain=False, seed=seed) if weighted else None
        found = estimate_performance(
            before,
            now,
            domain=domain,
            training_digest=_digest(workspace, trained_on),
            seed=seed,
            subject={"versions": [version.id for version in versions]},
        )
        kept = put_report(workspace, found, reference=versions[0].id, production=versions[1].id) if keep else None
    _show(found, kept, json)
    if found.refusals:
        raise typer.Exit(1)


@app.command()
def explain(
    context: typer.Context,
    reference: Reference,
    production: Production,
    score: Score = None,
    decision: Decision = None,
    label: Label = None,
    threshold: Threshold = 0.5,
    metric: Annotated[str, typer.Option(help="What harm is measured in: accuracy, precision, recall, f1, specificity or auc.")] = "accuracy",
    harm: Annotated[float, typer.Option(min=0, max=1, help="A fall of the metric that hurts.")] = 0.02,
    unit: Annotated[list[str] | None, typer.Option(help="column=unit or column=dimension; may be given again. Default: the contract's.")] = None,
    leave_out: LeaveOut = None,
    trained_on: TrainedOn = None,
    seed: Seed = 0,
    keep: Keep = True,
    json: Json = False,
) -> None:
    """Why production differs: nothing, data bug, covariate shift harmless or harmful, concept drift, label shift, undecided."""
    from pilotage.core import InputError
    from pilotage.monitoring import Thresholds, diagnose, put_report

    units = {}
    for given in unit or []:
        name, equals, said = given.partition("=")
        if not equals or not name or not said:
            raise InputError(f"'{given}' is not column=unit.", where="--unit", mend="for example --unit distance=km")
        units[name] = said
    with session(context).open() as workspace:
        versions, (before, now) = _windows(workspace, (reference, production), (score, decision, label), threshold, leave_out)
        found = diagnose(
            before,
            now,
            units={**_declared(versions[0]), **units},
            thresholds=Thresholds(metric=metric, harm=harm),
            training_digest=_digest(workspace, trained_on),
            personal=_personal(versions),
            seed=seed,
            subject={"versions": [version.id for version in versions]},
        )
        kept = put_report(workspace, found, reference=versions[0].id, production=versions[1].id) if keep else None
    _show(found, kept, json)


@app.command()
def report(
    context: typer.Context, report_id: Annotated[str | None, typer.Argument(help="A report's id. Without it, the latest are listed.")] = None
) -> None:
    """Show a kept report, or list the latest."""
    from pilotage.cli.render import as_json, table
    from pilotage.monitoring import load_report, reports

    with session(context).open() as workspace:
        if report_id is not None:
            as_json(load_report(workspace, report_id).to_dict())
            return
        rows = [(each.id, each.kind, iso(each.created_at), each.said, each.reference, each.production) for each in reports(workspace)]
    if rows:
        table(("report", "kind", "when", "said", "reference", "production"), rows)
    else:
        typer.echo("No reports yet. Make one: pilotage monitor explain REFERENCE PRODUCTION …")


def _table(workspace: Workspace, ref: str) -> tuple[Version, pa.Table]:
    import pyarrow as pa

    from pilotage.data import load_version
    from pilotage.data import rows as read_rows

    version = load_version(workspace, ref)
    if version.kind == "table":
        from pilotage.data.tabular import read_table

        return version, read_table(workspace, version.id)
    return version, pa.Table.from_pylist(list(read_rows(workspace, version.id)))


def _windows(
    workspace: Workspace,
    refs: Sequence[str],
    columns: tuple[str | None, str | None, str | None],
    threshold: float,
    leave_out: list[str] | None,
) -> tuple[list[Version], list[Window]]:
    from pilotage.monitoring import window

    versions, windows = [], []
    score, decision, label = columns
    for which, ref in enumerate(refs):
        version, rows = _table(workspace, ref)
        there = set(rows.column_names)
        windows.append(
            window(
                rows,
                score=score,
                decision=decision,
                # Labels come late: production may have no such column yet.
                label=label if which == 0 or label in there else None,
                leave_out=[name for name in leave_out or [] if name in there],
                threshold=threshold,
                digest=version.digest,
            )
        )
        versions.append(version)
    return versions, windows


def _personal(versions: Iterable[Version]) -> set[str]:
    """The columns that a version's contract says are personal."""
    return {name for version in versions for name, column in ((version.contract or {}).get("columns") or {}).items() if column.get("personal")}


def _declared(version: Version) -> dict[str, str]:
    columns: dict[str, Any] = dict((version.contract or {}).get("columns", {})) if version.kind == "table" else {}
    return {name: said for name, column in columns.items() if (said := column.get("unit") or column.get("dimension"))}


def _digest(workspace: Workspace, ref: str | None) -> str | None:
    from pilotage.data import load_version

    return None if ref is None else load_version(workspace, ref).digest


def _show(found: Any, kept: Any, json: bool) -> None:
    from pilotage.cli.render import as_json

    if json:
        as_json({**found.to_dict(), "report": None if kept is None else kept.id})
        return
    typer.echo(str(found))
    if kept is not None:
        typer.echo(f"kept as {kept.id}")
