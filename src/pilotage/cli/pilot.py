"""The main verbs: init, show, run, status, gate, sign."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.readiness import Decision, Pilot, PilotStatus
    from pilotage.store import Workspace

PilotPath = Annotated[Path, typer.Argument(help="pilot.yaml, or the folder it lies in.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# `pilotage gate` in a build: what its exit code says.
GATE_EXIT = {"pass": 0, "fail": 1, "inconclusive": 2, "not_assessable": 3}


def register(app: typer.Typer) -> None:
    """Add the main verbs to the command."""
    for verb in (init, show, run, status, gate, sign):
        app.command()(verb)


def init(context: typer.Context) -> None:
    """Make the workspace, or bring its schema up to date."""
    with session(context).open(create=True) as workspace:
        typer.echo(f"workspace {workspace.name} ({workspace.id}) at {workspace.location}")


def show(context: typer.Context, path: PilotPath = Path(), json: Json = False) -> None:
    """Show a pilot with every default it relies on."""
    from pilotage.readiness import load_pilot

    pilot = load_pilot(path)
    if json:
        from pilotage.cli.render import as_json

        as_json({**pilot.to_dict(), "digest": pilot.digest})
        return
    import yaml

    typer.echo(yaml.safe_dump(pilot.to_dict(), sort_keys=False, allow_unicode=True, width=120).rstrip())
    typer.echo(f"# rubric: {pilot.rubric.name}, {len(pilot.rubric.questions)} questions; gates: {', '.join(gate.name for gate in pilot.gates)}")
    typer.echo(f"# digest: {pilot.digest}")


def run(
    context: typer.Context,
    path: PilotPath = Path(),
    target: Annotated[str | None, typer.Option(help="Try this OpenAI-compatible URL instead of the declared one.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name there.")] = None,
    key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the API key.")] = None,
    authorisation: Annotated[str | None, typer.Option(help="Who allowed trying that target. Needed with --target.")] = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Try again what ended in an infrastructure error; marked as a re-try.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be asked, and what that costs at most.")] = False,
) -> None:
    """Bring the pilot as far as it goes without people; run again to go on."""
    from pilotage.cli.render import progress
    from pilotage.readiness import advance, load_pilot

    pilot = load_pilot(path, target=_replacement(target, model, key_env, authorisation))
    if dry_run:
        render_estimate(pilot)
        return
    shown = progress()
    with session(context).open(create=True) as workspace:
        try:
            result = advance(workspace, pilot, progress=shown, retry_errors=retry_errors)
        finally:
            shown.close()
    render_status(result)
    raise typer.Exit(4 if result.paused else 0)


def status(
    context: typer.Context, name: Annotated[str | None, typer.Argument(help="The pilot's name; all if left out.")] = None, json: Json = False
) -> None:
    """Show where a pilot stands and what waits for whom."""
    from pilotage.readiness import pilot_ids, pilot_status

    with _there(context) as workspace:
        names = [name] if name else list(pilot_ids(workspace))
        found = [pilot_status(workspace, each) for each in names]
    if json:
        from pilotage.cli.render import as_json

        as_json([each.to_dict() for each in found])
        return
    if not found:
        typer.echo("No pilots yet. Declare one in pilot.yaml, then: pilotage run pilot.yaml")
    for each in found:
        render_status(each)


@contextlib.contextmanager
def _there(context: typer.Context) -> Iterator[Workspace]:
    """The workspace, open; where there is none yet, the error says what comes first."""
    from pilotage.core import NotFound

    opened = contextlib.ExitStack()
    try:
        workspace = opened.enter_context(session(context).open())
    except NotFound as error:
        raise NotFound(
            "There is no workspace here yet, so no pilot has been run.",
            where=error.where,
            mend="declare a pilot in pilot.yaml (examples/support-assistant is one to start from), then: pilotage run pilot.yaml; "
            "that makes the workspace. Is it elsewhere? Name it with --workspace",
        ) from error
    with opened:
        yield workspace


def gate(context: typer.Context, name: Annotated[str, typer.Argument(help="The pilot's name.")], json: Json = False) -> None:
    """Decide on the evidence there is. Exits 0 pass, 1 fail, 2 inconclusive, 3 invalid or missing evidence."""
    from pilotage.core import PilotageError
    from pilotage.readiness import decide

    try:
        with _there(context) as workspace:
            decision = decide(workspace, name)
    except PilotageError as error:
        # No evidence can be had: to a build that is 3, whatever the error's own code; 1 and 2 speak of gates.
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(GATE_EXIT["not_assessable"]) from error
    if json:
        from pilotage.cli.render import as_json

        as_json(decision.to_dict())
    else:
        render_decision(decision)
    raise typer.Exit(GATE_EXIT[decision.outcome])


def sign(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The pilot's name.")],
    role: Annotated[str, typer.Option(help="The role you sign in.")],
    decision: Annotated[str, typer.Option(help="go or no-go.")],
    note: Annotated[str, typer.Option(help="Why; kept with the signature.")] = "",
) -> None:
    """Sign the pilot's current verdict in a named role."""
    from pilotage.cli.users import who_acts
    from pilotage.readiness import latest_cycle
    from pilotage.readiness import sign as sign_cycle

    with session(context).open() as workspace:
        person = who_acts(context, workspace)
        cycle = latest_cycle(workspace, name)
        made = sign_cycle(workspace, cycle.id, role=role, decision=decision.replace("-", "_"), note=note, person=person)
    typer.echo(f"signed {made.decision.replace('_', '-')} as {made.role} by {made.person}")


def _replacement(target: str | None, model: str | None, key_env: str | None, authorisation: str | None) -> dict[str, Any] | None:
    given: dict[str, Any] = {}
    if target:
        from urllib.parse import urlsplit

        try:
            host = urlsplit(target).hostname
        except ValueError:
            host = None  # what is wrong with it, the target's own check says
        # The declared target's key is for the declared target alone.
        given |= {"url": target, "allow_hosts": [host] if host else [], "api_key_env": None}
    if model:
        given["model"] = model
    if key_env:
        given["api_key_env"] = key_env
    if authorisation:
        given["authorisation"] = authorisation
    if target and not authorisation:
        from pilotage.core import Refused

        raise Refused(
            "Another target needs its own authorisation.",
            where="--target",
            why="nothing is attacked without somebody who allowed it",
            mend="add --authorisation 'who allowed this, and when'",
        )
    return given or None


def render_status(status: PilotStatus) -> None:
    """Print where a pilot stands."""
    from pilotage.cli.render import table

    marks = {"done": "✓", "running": "…", "waiting": "●", "paused": "‖", "failed": "✗", "pending": "·"}
    typer.echo(f"\n{status.title} ({status.name}), cycle {status.cycle}, target {status.fingerprint[:12]}")
    table(("", "step", "", ""), [(marks[step.state], name, step.state, step.detail) for name, step in status.steps.items()])
    if status.decision is not None:
        render_decision(status.decision)
    for line in status.waits:
        typer.echo(f"waits: {line}")


def render_estimate(pilot: Pilot) -> None:
    """Print what a run would ask."""
    from pilotage.cli.render import table
    from pilotage.readiness import estimate

    found = estimate(pilot)
    rows = [(each.name, each.samples, each.requests, each.prompt_tokens, each.completion_tokens, each.spend_minor) for each in found.parts]
    table(("part", "samples", "requests", "prompt tokens", "completion tokens at most", "minor units at most"), rows)
    typer.echo(f"{found.requests} requests, at most {found.spend_minor} minor units of the account's currency; nothing was asked or written")


def render_decision(decision: Decision) -> None:
    """Print the gates and the verdict."""
    from pilotage.cli.render import table

    rows = []
    for gate in decision.gates:
        for limit in gate.limits:
            figure = limit.evidence
            if figure is None or figure.estimate is None:
                shown = ""
            elif figure.method == "count":
                shown = f"{figure.estimate:.0f}"
            else:
                shown = f"{figure.estimate:.3f} [{figure.lower:.3f}, {figure.upper:.3f}] n={figure.n}"
            rows.append((gate.gate.name, str(limit.verdict), str(limit.limit), shown, "" if str(limit.verdict) == "pass" else limit.why))
    table(("gate", "verdict", "limit", "figure", "why"), rows)
    typer.echo(f"verdict: {decision.headline}")
