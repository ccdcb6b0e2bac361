"""Bringing a pilot as far as it goes without people, and going on from there when called again.

Each step is safe to repeat: data become versions by content, samples are content-addressed, judgements and tasks have fixed names, figures are
addressed by what they say. So a crash or a stop anywhere costs nothing but time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pilotage.core import IntegrityError, PilotageError, Progress, SilentProgress, Step, Unavailable
from pilotage.judging import judgements, put_rubric, ratings_of
from pilotage.readiness.curating import curate
from pilotage.readiness.cycle import STEPS, Cycle, StepRecord, StepState, cycles, find_or_start_cycle, pilot_ids, put_pilot
from pilotage.readiness.deciding import decide_cycle, declaration_of, put_decision, subject_of
from pilotage.readiness.exercising import exercise
from pilotage.readiness.ingesting import ingest
from pilotage.readiness.judging import QUESTION, judge, judged_outputs
from pilotage.readiness.measuring import agreement, compare, measure
from pilotage.readiness.pilot import Pilot
from pilotage.readiness.reviewing import send_to_review
from pilotage.readiness.second_opinion import ask_model_judge
from pilotage.readiness.status import PilotStatus, pilot_status
from pilotage.readiness.voyage import Voyage
from pilotage.store import Workspace, WriteTransaction

if TYPE_CHECKING:
    from pilotage.models import InProcess


def advance(
    workspace: Workspace,
    pilot: Pilot,
    *,
    progress: Progress | None = None,
    retry_errors: bool = False,
    callables: Mapping[str, InProcess] | None = None,
) -> PilotStatus:
    """Run every step that can run now; stop where people are needed, or at the verdict.

    Parameters
    ----------
    retry_errors
        Try again what ended in an infrastructure error. Such outputs are marked as re-tries.
    callables
        The functions of targets of kind ``callable``, by name.

    Raises
    ------
    Unavailable
        If the target cannot be reached before anything was asked of it. Once a run has started, that pauses it instead.
    Refused, InputError
        If the target may not be tried, or the data do not fit.
    """
    return asyncio.run(advance_async(workspace, pilot, progress=progress, retry_errors=retry_errors, callables=callables))


async def advance_async(
    workspace: Workspace,
    pilot: Pilot,
    *,
    progress: Progress | None = None,
    retry_errors: bool = False,
    callables: Mapping[str, InProcess] | None = None,
) -> PilotStatus:
    """As :func:`advance`, for use inside an event loop of its own: the steps after the runs compute without giving way.

    Cancelling it pauses the pilot where it is; calling again goes on from there.
    """
    from pilotage.models import open_client, register_target

    target = register_target(workspace, pilot.declaration.target)
    async with open_client(target, workspace, callables=callables) as client:
        fingerprint = await client.fingerprint()

        def begin(tx: WriteTransaction) -> Cycle:
            put_rubric(tx, pilot.rubric)
            pilot_id = put_pilot(tx, pilot, declaration=declaration_of(pilot))
            return find_or_start_cycle(tx, pilot, pilot_id, fingerprint=fingerprint)

        voyage = Voyage(workspace, pilot, workspace.write(begin), progress or SilentProgress(), retry_errors)
        with _noting_failure(voyage):
            versions = _step(voyage, "ingest", lambda: ingest(voyage))
            paused = await exercise(voyage, client, versions)
    if not paused:
        with _noting_failure(voyage):
            await _judge_and_decide(voyage, callables=callables)
    return pilot_status(workspace, pilot.name)


async def _judge_and_decide(voyage: Voyage, *, callables: Mapping[str, InProcess] | None) -> None:
    _step(voyage, "judge", lambda: judge(voyage))
    await asyncio.sleep(0)  # between steps a request to stop is heard
    if await ask_model_judge(voyage, callables=callables):
        return
    if send_to_review(voyage):
        return
    outputs = judged_outputs(voyage)
    _step(voyage, "curate", lambda: curate(voyage, outputs))
    await asyncio.sleep(0)
    _step(voyage, "measure", lambda: _measure(voyage))
    await asyncio.sleep(0)
    _step(voyage, "decide", lambda: _decide(voyage))


def _step(voyage: Voyage, name: str, work: Any) -> Any:
    """Run one step and note its state before and after. ``work`` returns a :class:`StepResult`."""
    voyage.note(name, replace(voyage.cycle.steps[name], state="running"), cycle_state="running")
    result = work()
    voyage.note(name, result.record)
    voyage.progress.finish(Step(name, done=sum(result.record.counts.values()) if name == "ingest" else 1, total=None))
    return result.value


def _measure(voyage: Voyage) -> Any:
    from pilotage.evidence import put_evidence
    from pilotage.readiness.result import StepResult
    from pilotage.redteam import finding_counts

    outputs = judged_outputs(voyage)
    runs = [voyage.cycle.steps[step].links["run"] for step in ("evaluate", "attack")]
    twins = voyage.cycle.steps["attack"].links.get("twin_run")
    counts = [voyage.cycle.steps[step].counts for step in ("evaluate", "attack")]
    subject = {
        **subject_of(voyage.pilot.name, voyage.cycle, rubric_id=voyage.pilot.rubric.id),
        "runs": sorted(run for run in [*runs, twins] if run),
    }
    figures = measure(
        outputs,
        findings=finding_counts(voyage.workspace, voyage.cycle.pilot_id),
        planned=sum(sum(each.values()) for each in counts),
        errors=sum(each.get("error", 0) for each in counts),
        subject=subject,
    )
    said = judgements(voyage.workspace, item_ids=[each.item_id for each in outputs], question=QUESTION, rater_kind="person")
    figures.append(agreement(ratings_of(said), subject=subject))
    before = _cycle_before(voyage)
    if before is not None:
        figures += compare(outputs, judged_outputs(replace(voyage, cycle=before)), subject=subject)
    ids = voyage.workspace.write(lambda tx: [put_evidence(tx, figure) for figure in figures])
    missing = sum(not figure.measured for figure in figures)
    detail = f"{len(figures)} figures" + (f", {missing} not assessable" if missing else "")
    return StepResult(StepRecord(state="done", detail=detail, counts={"figures": len(figures)}, links={"evidence": ids}))


def _cycle_before(voyage: Voyage) -> Cycle | None:
    """The newest earlier cycle that was measured on the same dataset versions: the one that figures can be compared with."""
    versions = voyage.cycle.steps["ingest"].links["versions"]
    return next(
        (
            cycle
            for cycle in cycles(voyage.workspace, voyage.cycle.pilot_id)
            if cycle.number < voyage.cycle.number
            and cycle.steps["measure"].state == "done"
            and cycle.steps["ingest"].links.get("versions") == versions
        ),
        None,
    )


def _decide(voyage: Voyage) -> Any:
    from pilotage.readiness.result import StepResult

    decision = decide_cycle(voyage.workspace, voyage.cycle)
    before = voyage.cycle.steps["decide"].links.get("digest")
    if voyage.cycle.verdict is None or before != decision.digest:
        voyage.workspace.write(lambda tx: put_decision(tx, voyage.cycle, decision))
    return StepResult(StepRecord(state="done", detail=decision.headline, links={"digest": decision.digest}))


@contextlib.contextmanager
def _noting_failure(voyage: Voyage) -> Iterator[None]:
    """Whatever ends the work early, no step is left saying that it runs. Ctrl+C reaches a coroutine as its cancellation."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, Unavailable | KeyboardInterrupt | asyncio.CancelledError)
        state: StepState = "paused" if stopped else "failed"
        if isinstance(error, PilotageError):
            text = error.what
        else:
            text = "stopped; run again to go on" if stopped else f"stopped by an error: {type(error).__name__}"
        if not isinstance(error, IntegrityError):  # then nothing may be written, this neither
            running = [name for name in STEPS if voyage.cycle.steps[name].state == "running"]
            if stopped and not running:  # between two steps: the next one is where it goes on
                running = [name for name in STEPS if voyage.cycle.steps[name].state == "pending"][:1]
            for name in running:
                voyage.stop(name, replace(voyage.cycle.steps[name], state=state, detail=text))
        raise


def moves_on(workspace: Workspace, pilot: Pilot) -> bool:
    """Whether :func:`advance` would do something new: nothing waits in the queue any more, or the target is another model now.

    Raises ``Unavailable`` if the target cannot be reached.
    """
    from pilotage.models import open_client, register_target
    from pilotage.review import counts

    known = pilot_ids(workspace).get(pilot.name)
    newest = cycles(workspace, known)[0] if known is not None else None
    if newest is None:
        return True

    async def ask() -> str:
        async with open_client(register_target(workspace, pilot.declaration.target), workspace) as client:
            return await client.fingerprint()

    if newest.fingerprint != asyncio.run(ask()) or newest.file_digest != pilot.tried_digest:
        return True
    return newest.steps["review"].state == "waiting" and counts(workspace, pilot.name).open == 0
