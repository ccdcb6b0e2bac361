"""Routing from a terminal: is a confidence good enough to route on?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.core import InputError

if TYPE_CHECKING:
    from pilotage.judging.calibration import CalibrationReport, Costs, Recalibrator, Sample

app = typer.Typer(help="Who looks at what: by calibrated confidence, costs and rules.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: confidence, correct; id, inclusion, labelled_by and slices if there.")]


@app.command()
def check(
    file: File,
    model: Annotated[str, typer.Option(help="What would be routed: name and version.")],
    labelled_by: Annotated[list[str] | None, typer.Option(help="Who labelled, if the file does not say.")] = None,
    by_slice: Annotated[list[str] | None, typer.Option("--slice", help="A column that is a slice; again for more.")] = None,
    mandatory: Annotated[list[str] | None, typer.Option(help="A slice (language=de) or column that may not fail nor go unmeasured.")] = None,
    by: Annotated[str | None, typer.Option(help="A slice column whose values each get a threshold of their own.")] = None,
    risk: Annotated[float, typer.Option(help="At most this share of accepted outputs may be wrong …")] = 0.05,
    delta: Annotated[float, typer.Option(help="… with probability 1 - delta.")] = 0.05,
    look: Annotated[int, typer.Option(help="Which look at this growing sample it is.")] = 1,
    only_look: Annotated[bool, typer.Option("--only-look", help="No other look was or will be taken: it may spend all of delta.")] = False,
    fit: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Other labelled items, to fit the recalibrator on.")] = None,
    fit_share: Annotated[float, typer.Option(help="Without --fit: the share of the items, drawn at random, to fit it on. The rest certify.")] = 0.0,
    recalibrator: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A recalibrator stored before (JSON).")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the fitted recalibrator there (JSON).")] = None,
    error_cost: Annotated[float | None, typer.Option(help="What a wrong output costs, in minor units (cents).")] = None,
    review_cost: Annotated[float | None, typer.Option(help="What a review costs.")] = None,
    delay_cost: Annotated[float, typer.Option(help="What waiting for a person costs.")] = 0.0,
    missed: Annotated[str | None, typer.Option(help="Wrong gold items reviewers let pass, of how many: 6/120.")] = None,
    seed: Annotated[int, typer.Option(help="For folds, splits and resamples.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Say whether outputs may be routed on this confidence, and why. Exit code 0 only if they may."""
    from pilotage.judging.calibration import Limits, calibration_report, read_sample

    wanted = list(dict.fromkeys([*(by_slice or []), *([by] if by else [])]))
    sample = read_sample(file, model=model, labelled_by=labelled_by or (), slices=wanted)
    other = None if fit is None else read_sample(fit, model=model, labelled_by=labelled_by or (), slices=wanted)
    sample, mending = fit_recalibrator(sample, other, fit_share, recalibrator, seed)
    if save is not None:
        if mending is None:
            raise InputError("There is no recalibrator to save.", mend="--fit or --fit-share")
        save.write_text(json.dumps(mending.to_dict(), indent=2) + "\n", encoding="utf-8")
    report = calibration_report(
        sample,
        limits=Limits(risk=risk, delta=delta, by=by, mandatory=tuple(mandatory or ()), look=look, only_look=only_look),
        recalibrator=mending,
        costs=costs_of(error_cost, review_cost, delay_cost, missed),
        seed=seed,
    )
    if json_:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    if not report.routable:
        raise typer.Exit(1)


def fit_recalibrator(sample: Sample, other: Sample | None, share: float, stored: Path | None, seed: int) -> tuple[Sample, Recalibrator | None]:
    """What certifies, and the recalibrator fitted on the rest."""
    from pilotage.judging.calibration import Recalibrator, recalibrate

    if sum((other is not None, share > 0, stored is not None)) > 1:
        raise InputError("--fit, --fit-share and --recalibrator exclude each other.")
    if stored is not None:
        try:
            return sample, Recalibrator.from_dict(json.loads(stored.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise InputError(f"This is no JSON: {error}.", where=str(stored)) from error
    if other is not None:
        return sample, recalibrate(other, seed=seed)
    if share <= 0:
        return sample, None
    if share >= 1:
        raise InputError("Nothing would be left to certify with.", where="--fit-share", mend="a share below 1, such as 0.3")
    import numpy as np

    order = np.random.default_rng(seed).permutation(sample.n)
    cut = int(sample.n * share)
    return sample.where(np.sort(order[cut:])), recalibrate(sample.where(np.sort(order[:cut])), seed=seed)


def costs_of(error: float | None, review: float | None, delay: float, missed: str | None) -> Costs | None:
    """The costs the options tell; None where they tell none. Raises ``InputError`` where they tell half."""
    if error is None and review is None and missed is None:
        return None
    if error is None or review is None or missed is None:
        raise InputError("--error-cost, --review-cost and --missed go together.", why="each decides whether routing pays")
    from pilotage.judging.calibration import Costs, ReviewerError

    seen, _, of = missed.partition("/")
    if not (seen.strip().isdigit() and of.strip().isdigit()):
        raise InputError(f"'{missed}' does not say how many of how many.", where="--missed", mend="such as 6/120")
    return Costs(error=error, review=review, delay=delay, reviewer=ReviewerError(int(seen), int(of)))


def _show(report: CalibrationReport) -> None:
    from pilotage.cli.render import table

    typer.echo(str(report))
    typer.echo(f"\n{report.accuracy}\n{report.auroc}\n{report.smooth_ece}\n{report.line.slope}\n{report.line.intercept}")
    typer.echo(f"second reading, marginal: {report.marginal}")
    typer.echo(f"price of the guarantee: {report.price_of_guarantee:.1%} of outputs")
    for more in report.more_labels:
        typer.echo(f"{more.more} more labels would accept about {more.coverage:.1%} ({more.gained:+.1%})")
    if report.slices:
        rows = [(each.name, each.n, each.status, each.accuracy and f"{each.accuracy.estimate:.3f}", each.reason) for each in report.slices]
        table(["slice", "n", "status", "accuracy", "why"], rows)
    if report.candidates:
        tried = [
            (each.method, each.log_loss and f"{each.log_loss:.4f}", each.brier and f"{each.brier:.4f}", each.reason) for each in report.candidates
        ]
        table(["recalibration", "log loss", "Brier", "why not"], tried)
