"""Policies from a terminal: reports kept, policies drafted and activated, outputs routed, audits watched."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pilotage.cli.render import as_json, table
from pilotage.cli.session import session
from pilotage.cli.users import who_acts
from pilotage.core import InputError

Name = Annotated[str, typer.Argument(help="The policy's name.")]
Number = Annotated[int, typer.Argument(help="Its version.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``pilotage routing``."""
    for verb in (report, draft, activate, suspend, retire, loosen, policies, show, route, monitor, novelty):
        app.command()(verb)


def report(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: id, confidence, correct; inclusion, labelled_by, slices if there.")],
    category: Annotated[str, typer.Option(help="The task category.")],
    model: Annotated[str, typer.Option(help="The fingerprint of what would be routed.")],
    error_cost: Annotated[float, typer.Option(help="What a wrong output costs, in minor units (cents).")],
    review_cost: Annotated[float, typer.Option(help="What a review costs.")],
    missed: Annotated[str | None, typer.Option(help="Wrong gold items reviewers let pass, of how many: 6/120. Or --project counts them.")] = None,
    project: Annotated[str | None, typer.Option(help="Count what reviewers let pass in this project: its gold and planted errors.")] = None,
    question: Annotated[str, typer.Option(help="With --project: the question that asks whether an output is right.")] = "correct",
    wrong: Annotated[list[str] | None, typer.Option(help="With --project: an answer that says it is wrong; again for more. Default: no.")] = None,
    prompt: Annotated[str, typer.Option(help="The fingerprint of its prompt.")] = "",
    labelled_by: Annotated[list[str] | None, typer.Option(help="Who labelled, if the file does not say.")] = None,
    by: Annotated[str | None, typer.Option(help="A column whose values each get a threshold of their own.")] = None,
    mandatory: Annotated[list[str] | None, typer.Option(help="A slice or column that may not fail nor go unmeasured.")] = None,
    risk: Annotated[float, typer.Option(help="At most this share of accepted outputs may be wrong …")] = 0.05,
    delta: Annotated[float, typer.Option(help="… with probability 1 - delta.")] = 0.05,
    delay_cost: Annotated[float, typer.Option(help="What waiting for a person costs.")] = 0.0,
    fit_share: Annotated[float, typer.Option(help="The share of the items, drawn at random, that the recalibrator is fitted on.")] = 0.3,
    seed: Annotated[int, typer.Option(help="For folds, splits and resamples.")] = 0,
) -> None:
    """Report on a confidence and keep it, as the next look at this model. Exit code 0 only if it is routable."""
    from pilotage.cli.routing import costs_of, fit_recalibrator
    from pilotage.judging.calibration import Limits, calibration_report, read_sample
    from pilotage.review.routing import count_misses, next_look, store_report

    if (missed is None) == (project is None):
        raise InputError("How often reviewers err must be told once.", where="--missed, --project", mend="give one of the two")
    sample = read_sample(file, model=model, labelled_by=labelled_by or (), slices=[by] if by else [])
    certifying, mending = fit_recalibrator(sample, None, fit_share, None, seed)
    if mending is None:
        raise InputError("Nothing fits the recalibrator.", where="--fit-share", mend="a share above 0, such as 0.3")
    with session(context).open() as workspace:
        look = next_look(workspace, category=category, model=model, prompt=prompt)
        limits = Limits(risk=risk, delta=delta, by=by, mandatory=tuple(mandatory or ()), look=look)
        if project is not None:
            counted = count_misses(workspace, project, question, wrong=wrong or ["no"])
            typer.echo(str(counted))
            missed = f"{counted.missed}/{counted.n}"
        costs = costs_of(error_cost, review_cost, delay_cost, missed)
        made = calibration_report(certifying, limits=limits, recalibrator=mending, costs=costs, seed=seed)
        who = who_acts(context, workspace)
        kept = store_report(workspace, made, category=category, recalibrator=mending, prompt=prompt, person=who)
    typer.echo(str(made))
    for name, threshold in sorted(kept.thresholds.items()):
        told = f"accept from {threshold:.4f}" if threshold is not None else f"no threshold: {kept.why_not(name)}"
        typer.echo(f"  {name or 'everything together'}: {told}")
    typer.echo(f"kept as {kept.id}, look {look}")
    if not made.routable:
        raise typer.Exit(1)


def draft(context: typer.Context, file: Annotated[Path, typer.Argument(help="The policy, YAML: see docs/routing.md.")]) -> None:
    """Keep a draft of a policy: the next version. Nothing routes on a draft."""
    from pilotage.review.routing import draft_policy, read_policy

    policy = read_policy(file)
    with session(context).open() as workspace:
        typer.echo(str(draft_policy(workspace, policy, person=who_acts(context, workspace))))


def activate(context: typer.Context, name: Name, number: Number) -> None:
    """Put a version into force. Takes an owner who did not write it, and evidence for every slice it automates."""
    from pilotage.review.routing import activate_policy

    with session(context).open() as workspace:
        typer.echo(str(activate_policy(workspace, name, number, person=who_acts(context, workspace))))


def suspend(context: typer.Context, name: Name, reason: Annotated[str, typer.Option(help="Why; kept where it can be erased.")] = "") -> None:
    """Send everything to people from now on."""
    from pilotage.review.routing import suspend_policy

    with session(context).open() as workspace:
        typer.echo(str(suspend_policy(workspace, name, person=who_acts(context, workspace), reason=reason)))


def retire(context: typer.Context, name: Name, number: Number) -> None:
    """End a version for good."""
    from pilotage.review.routing import retire_policy

    with session(context).open() as workspace:
        typer.echo(str(retire_policy(workspace, name, number, person=who_acts(context, workspace))))


def loosen(
    context: typer.Context,
    name: Name,
    report_id: Annotated[str, typer.Option("--report", help="A report from after the slice was tightened.")],
    reason: Annotated[str, typer.Option(help="Why; kept where it can be erased.")],
    slice_: Annotated[str, typer.Option("--slice", help="The slice, language=de; left out: everything else.")] = "",
) -> None:
    """Take back what an alarm tightened, on fresh evidence. Takes an owner who did not write the policy."""
    from pilotage.review.routing import loosen as loosen_slice

    with session(context).open() as workspace:
        loosen_slice(workspace, name, slice_, person=who_acts(context, workspace), report_id=report_id, reason=reason)
    typer.echo(f"{name} {slice_ or 'everything else'}: as the policy says again")


def policies(context: typer.Context, json_: AsJson = False) -> None:
    """List the policies and their versions."""
    from pilotage.review.routing import policies as listed

    with session(context).open() as workspace:
        found = listed(workspace)
    if json_:
        as_json([one.to_dict() for one in found])
        return
    rows = [(one.policy, one.number, one.state, one.category, one.report_id, one.author, one.activated_by or "") for one in found]
    table(["policy", "version", "state", "category", "report", "author", "activated by"], rows)


def show(context: typer.Context, name: Name) -> None:
    """Show what is in force, slice by slice, and how its audit stands."""
    from pilotage.review.routing import load_compiled, monitor_states, policy_changes

    with session(context).open() as workspace:
        loaded, states, changes = load_compiled(workspace, name), monitor_states(workspace, name), policy_changes(workspace, name)
    typer.echo(f"{name} v{loaded.compiled.number} {loaded.state}")
    rows = []
    for rule in loaded.compiled.rules:
        change = changes.get(rule.key)
        threshold = f"{rule.threshold:.4f}" if rule.threshold is not None else "-"
        rows.append(
            (rule.key or "everything else", rule.level, threshold, f"{rule.audit_rate:.1%}", f"tightened by {change.cause}" if change else "")
        )
    table(["slice", "level", "accept from", "audited", ""], rows)
    for state in states:
        typer.echo(str(state))


def route(
    context: typer.Context,
    name: Name,
    file: Annotated[str, typer.Argument(help="Requests, one JSON object a line with id and payload; '-' for standard input.")] = "-",
) -> None:
    """Route outputs, one decision a line as JSON. The same ids again get the same answers."""
    from pilotage.review.routing import Router

    with session(context).open() as workspace, Router.load(workspace, name) as router:
        source = sys.stdin if file == "-" else Path(file).open(encoding="utf-8")  # noqa: SIM115 - closed below
        try:
            for number, line in enumerate(source, start=1):
                if line.strip():
                    typer.echo(json.dumps(router.route(_request(line, f"{file}:{number}")).to_dict(), ensure_ascii=False))
        finally:
            if source is not sys.stdin:
                source.close()


def monitor(context: typer.Context, name: Name) -> None:
    """Count the audits that were answered, raise what alarms there are, release held outputs. Exit code 1 if an alarm went off now."""
    from pilotage.review.routing import monitor_states, watch_policy

    with session(context).open() as workspace:
        counted, states = watch_policy(workspace, name), monitor_states(workspace, name)
    typer.echo(str(counted))
    for state in states:
        typer.echo(f"  {state}")
    if counted.alarms:
        raise typer.Exit(1)


def novelty(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Texts of the calibration sample, one a line.")],
    alpha: Annotated[float, typer.Option(help="The share of outputs like these that may be called novel.")] = 0.01,
    seed: Annotated[int, typer.Option(help="For the split and the centres.")] = 0,
) -> None:
    """Fit the reference that novelty is measured against, and print its digest for the policy."""
    from pilotage.review.routing import fit_novelty, keep_novelty

    fitted = fit_novelty(file.read_text(encoding="utf-8").splitlines(), alpha=alpha, seed=seed)
    with session(context).open() as workspace:
        typer.echo(keep_novelty(workspace, fitted))


_FIELDS = ("id", "payload", "confidence", "slices", "context", "model", "prompt", "text", "embedding", "authors")


def _request(line: str, where: str) -> Any:
    from pilotage.review.routing import RouteRequest

    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"This is no JSON: {error}.", where=where) from error
    if not isinstance(given, dict) or not {"id", "payload"} <= set(given) <= set(_FIELDS) or not isinstance(given["payload"], dict):
        raise InputError("A request is an object with id and payload.", where=where, mend=f"fields: {', '.join(_FIELDS)}")
    return RouteRequest(**{**given, "authors": tuple(given.get("authors", ()))})
