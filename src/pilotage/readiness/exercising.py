"""Evaluate and attack: three plans over the ingested versions, run by the one engine against one client.

Answers (the evaluation suite), attempts (objectives × techniques) and twins (the benign twin of each objective, put the same way) are three runs, so
that each can be looked at, resumed and counted by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pilotage.data import rows
from pilotage.evaluation import suite_of, suite_samples
from pilotage.models import Client, Outcome
from pilotage.readiness.cycle import StepRecord
from pilotage.readiness.pilot import TechniqueShare
from pilotage.redteam import campaign_samples, objectives_of, parse_techniques, solve, twin_samples
from pilotage.runs import Plan, RunReport, SampleSpec, run, single_turn

if TYPE_CHECKING:
    from pilotage.readiness.voyage import Voyage
    from pilotage.runs import Solve


@dataclass(frozen=True)
class _Part:
    step: str
    kind: str
    link: str
    version: str
    samples: Sequence[SampleSpec]
    solve: Solve


async def exercise(voyage: Voyage, client: Client, versions: dict[str, str]) -> bool:
    """Run all parts; True if one paused and the pilot goes on when run again."""
    parts = _parts(voyage, await client.fingerprint(), versions)
    for step in ("evaluate", "attack"):
        record = StepRecord(state="running")
        voyage.note(step, record, cycle_state="running")
        for part in (each for each in parts if each.step == step):
            plan = Plan(
                kind=part.kind,
                pilot_id=voyage.cycle.pilot_id,
                target_id=client.target.id,
                fingerprint=voyage.cycle.fingerprint,
                versions=(part.version,),
                samples=tuple(part.samples),
            )
            voyage.note(step, replace(record, links={**record.links, part.link: plan.run_id}))
            report = await run(
                voyage.workspace,
                plan,
                client=client,
                solve=part.solve,
                progress=voyage.progress,
                again=(Outcome.ERROR,) if voyage.retry_errors else (),
            )
            record = _add(record, part.link, report)
            if report.state != "done":
                voyage.stop(step, replace(record, state="paused", detail=f"{report.stop_reason}; run again to go on"))
                return True
        voyage.note(step, replace(record, state="done", detail=_detail(record)))
    return False


def _parts(voyage: Voyage, fingerprint: str, versions: dict[str, str]) -> list[_Part]:
    declaration = voyage.pilot.declaration
    suite_version, objectives_version = versions[declaration.evaluate.data], versions[declaration.attack.data]
    suite = suite_of(rows(voyage.workspace, suite_version))
    objectives = objectives_of(rows(voyage.workspace, objectives_version))
    attack = declaration.attack
    uses = parse_techniques(plain_techniques(attack.techniques), where="attack.techniques")
    answers = suite_samples(suite, fingerprint=fingerprint, repeats=declaration.evaluate.repeats)
    attempts = campaign_samples(objectives, techniques=uses, trials=attack.trials, seed=attack.seed, fingerprint=fingerprint)
    parts = [
        _Part("evaluate", "evaluation", "run", suite_version, answers, single_turn),
        _Part("attack", "attack", "run", objectives_version, attempts, solve),
    ]
    if attack.twins:
        around = parse_techniques(plain_techniques(attack.twin_techniques), where="attack.twin_techniques") if attack.twin_techniques else uses
        twins = twin_samples(objectives, techniques=around, seed=attack.seed, fingerprint=fingerprint)
        parts.append(_Part("attack", "twins", "twin_run", objectives_version, twins, solve))
    return parts


def plain_techniques(techniques: Sequence[str | TechniqueShare]) -> list[str | dict[str, object]]:
    """Techniques as the red team's parser takes them."""
    return [each if isinstance(each, str) else each.model_dump() for each in techniques]


def _add(record: StepRecord, link: str, report: RunReport) -> StepRecord:
    counts = dict(record.counts)
    for outcome, count in report.counts.items():
        counts[str(outcome)] = counts.get(str(outcome), 0) + count
    return replace(record, counts=counts, links={**record.links, link: report.run_id})


def _detail(record: StepRecord) -> str:
    total = sum(record.counts.values())
    errors = record.counts.get("error", 0)
    return f"{total} samples" + (f", {errors} infrastructure errors" if errors else "")
