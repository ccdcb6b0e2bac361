"""Raters from a terminal: what their answers say together, and how far they agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pilotage.judging.aggregation import Votes

app = typer.Typer(help="Raters: what their answers say together, and how far they agree.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(help="A long table (CSV, TSV, Parquet): columns task, worker, label.")]
Values = Annotated[str | None, typer.Option(help="Every possible label, comma-separated, in order. Default: those that were given.")]
Duplicates = Annotated[str, typer.Option(help="Where a worker labelled a task twice: refuse, first or last.")]
Json = Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")]


@app.command()
def truth(
    file: File,
    method: Annotated[str, typer.Option(help="auto, majority, one_coin, mace, glad, dawid_skene or hierarchical_dawid_skene.")] = "auto",
    gold: Annotated[Path | None, typer.Option(help="Known labels: columns task, label. 50 or more choose the method.")] = None,
    clamp: Annotated[bool, typer.Option("--clamp/--no-clamp", help="Let gold stand at its truth and teach the rest.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write task, label, probability and tied here, as CSV.")] = None,
    for_spreadsheets: Annotated[bool, typer.Option("--for-spreadsheets", help="With --out: no cell that is taken for a formula.")] = False,
    values: Values = None,
    duplicates: Duplicates = "refuse",
    seed: Annotated[int, typer.Option(help="Of the draw of gold into parts.")] = 0,
    json: Json = False,
) -> None:
    """Infer the true label of every task, and how good each worker is."""
    from pilotage.cli.render import as_json, table
    from pilotage.judging.aggregation import infer
    from pilotage.judging.aggregation.long_table import gold_of, read_long, write_labels

    votes = _votes(file, values, duplicates)
    known = gold_of(read_long(gold, workers=False)) if gold else None
    found = infer(votes, known, method=method, clamp=clamp, seed=seed)
    if out:
        write_labels(out, found, for_spreadsheets=for_spreadsheets)
    if json:
        as_json(found.to_dict())
        return
    typer.echo(str(found))
    weakest = sorted(found.rater_quality.values(), key=lambda quality: quality.accuracy)[:10]
    rows = [[str(q.rater), f"{q.accuracy:.3f}", f"{q.lower:.3f} to {q.upper:.3f}", q.n, q.n_gold] for q in weakest]
    table(["worker", "accuracy", "95% interval", "labels", "on gold"], rows, title="Workers, weakest first")
    if not out:
        typer.echo("Write the labels with --out FILE.csv.")


@app.command()
def agreement(
    file: File,
    scale: Annotated[str, typer.Option(help="nominal, ordinal, interval or ratio.")] = "nominal",
    values: Values = None,
    duplicates: Duplicates = "refuse",
    replicates: Annotated[int, typer.Option(min=0, help="Draws of tasks for the interval.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of these draws.")] = 0,
    json: Json = False,
) -> None:
    """Agreement beyond chance: Krippendorff's alpha, Fleiss' kappa and Gwet's AC1, with intervals."""
    from pilotage.cli.render import as_json
    from pilotage.judging import Scale
    from pilotage.judging.agreement import fleiss_kappa, gwet_ac1, krippendorff_alpha

    known = _scale(scale)
    votes = _votes(file, values, duplicates, numeric=known in (Scale.INTERVAL, Scale.RATIO) or (known == Scale.ORDINAL and values is None))
    order = list(votes.values) if values and known in (Scale.NOMINAL, Scale.ORDINAL) else None
    found = [
        krippendorff_alpha(votes, scale=known, order=order, replicates=replicates, seed=seed),
        fleiss_kappa(votes, replicates=replicates, seed=seed),
        gwet_ac1(votes, replicates=replicates, seed=seed),
    ]
    if json:
        as_json([each.to_dict() for each in found])
        return
    typer.echo("\n".join(map(str, found)))


def _scale(name: str) -> str:
    from pilotage.core import InputError
    from pilotage.judging import Scale

    if name not in list(Scale):
        raise InputError(f"'{name}' is no scale.", mend=f"use one of: {', '.join(Scale)}")
    return Scale(name)


def _votes(file: Path, values: str | None, duplicates: str, *, numeric: bool = False) -> Votes:
    from pilotage.core import InputError
    from pilotage.judging.aggregation import Votes
    from pilotage.judging.aggregation.long_table import read_long

    rows = read_long(file)
    labels, known = rows.label, values.split(",") if values else None
    if numeric:
        try:
            labels = [float(label) for label in labels]
            known = [float(value) for value in known] if known else None  # type: ignore[misc]
        except ValueError as error:
            raise InputError(f"This scale needs numbers: {error}.", where=str(file), mend="use nominal, or name the order in --values") from error
    if duplicates not in ("refuse", "first", "last"):
        raise InputError(f"'{duplicates}' is no rule for duplicates.", mend="use refuse, first or last")
    return Votes.from_rows(rows.task, rows.worker, labels, values=known, duplicates=duplicates)  # type: ignore[arg-type]
