"""Curate: what people confirmed becomes findings, and findings become a training set with benign twins and lineage, exported for whoever trains.

What is held back for measuring (objectives and items of the split ``gate``, and every evaluation question) never reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotage.core import NotFound
from pilotage.data import Card, Operation, Version, derive, export, load_version, rows
from pilotage.evaluation import suite_of
from pilotage.judging import Judgement, judgements, load_rater, majority, put_consensus
from pilotage.readiness.cycle import StepRecord
from pilotage.readiness.judging import QUESTION, RuledOutput, ruled_outputs
from pilotage.readiness.measuring import JudgedOutput
from pilotage.readiness.result import StepResult
from pilotage.redteam import (
    Objective,
    ReviewedAttempt,
    ReviewedTwin,
    build_training_rows,
    finding_id,
    held_back_prompts,
    judged_attempt,
    objectives_of,
    update_findings,
)
from pilotage.review import CORRECTION

if TYPE_CHECKING:
    from pilotage.readiness.voyage import Voyage
    from pilotage.redteam import FindingChanges, TrainingSet

_ANSWER = {True: "yes", False: "no", None: "unclear"}


@dataclass(frozen=True)
class _Reviewed:
    """One output with the judgements people made of it. ``by_rule`` is the id of the judgement of the rule that spoke."""

    ruled: RuledOutput
    judged: JudgedOutput
    said: tuple[Judgement, ...]
    correction: Judgement | None
    by_rule: str


def curate(voyage: Voyage, judged: Sequence[JudgedOutput]) -> StepResult:
    """Move the findings on; make and export the next version of the training set if there is something new to learn from."""
    reviewed = _reviewed(voyage, judged)
    _keep_consensus(voyage, reviewed)
    findings = _update_findings(voyage, reviewed)
    made = _training_set(voyage, reviewed)
    version = _publish(voyage, made)
    counts = {"attacks": made.attacks, "twins": made.twins, **{f"left out: {reason.replace('_', ' ')}": n for reason, n in made.left_out.items()}}
    if version is None:
        record = StepRecord(state="done", detail=f"{findings}; nothing new to learn from", counts=counts)
        return StepResult(record)
    exported = _export(voyage, version)
    detail = f"{findings}; {version.ref} with {version.rows} rows" + "".join(f"; warning: {warning}" for warning in made.warnings)
    return StepResult(StepRecord(state="done", detail=detail, counts=counts, links={"version": version.id, "exports": exported}), version)


def _reviewed(voyage: Voyage, judged: Sequence[JudgedOutput]) -> list[_Reviewed]:
    by_item = {each.item_id: each for each in judged}
    ids = list(by_item)
    said: dict[str, list[Judgement]] = {}
    rubric = voyage.pilot.rubric.id
    for judgement in judgements(voyage.workspace, item_ids=ids, question=QUESTION, rater_kind="person", rubric_id=rubric):
        if not judgement.abstained:
            said.setdefault(judgement.item_id, []).append(judgement)
    # Of several corrections the last stands.
    found = judgements(voyage.workspace, item_ids=ids, question=CORRECTION, rater_kind="person", rubric_id=rubric)
    corrections = {judgement.item_id: judgement for judgement in found if not judgement.abstained}
    ruled = {
        judgement.item_id: judgement.id
        for judgement in judgements(voyage.workspace, item_ids=ids, question=QUESTION, rater_kind="rule", rubric_id=rubric)
    }
    return [
        _Reviewed(each, by_item[each.item.id], tuple(said.get(each.item.id, ())), corrections.get(each.item.id), ruled[each.item.id])
        for each in ruled_outputs(voyage)
    ]


def _keep_consensus(voyage: Voyage, reviewed: Sequence[_Reviewed]) -> None:
    """What people together say of each item, with their votes: a tie is kept as a tie."""
    reached = [majority(each.said) for each in reviewed if each.said]
    voyage.workspace.write(lambda tx: [put_consensus(tx, each) for each in reached])


def _update_findings(voyage: Voyage, reviewed: Sequence[_Reviewed]) -> FindingChanges:
    names: dict[str, str] = {}

    def name(rater_id: str) -> str:
        if rater_id not in names:
            names[rater_id] = load_rater(voyage.workspace, rater_id).name
        return names[rater_id]

    fingerprint = voyage.cycle.fingerprint
    attempts = []
    for each in reviewed:
        if each.ruled.part != "attack":
            continue
        people = sorted({name(judgement.rater_id) for judgement in each.said})
        decided = _ANSWER[each.judged.failed] if each.judged.reviewed else None
        attempts.append(
            judged_attempt(
                each.ruled.output, fingerprint=fingerprint, item_id=each.ruled.item.id, decided=decided, decided_by=", ".join(people) or None
            )
        )
    return voyage.workspace.write(lambda tx: update_findings(tx, voyage.cycle.pilot_id, attempts, fingerprint=fingerprint))


def _training_set(voyage: Voyage, reviewed: Sequence[_Reviewed]) -> TrainingSet:
    declaration = voyage.pilot.declaration
    versions = voyage.cycle.steps["ingest"].links["versions"]
    objectives = {each.id: each for each in objectives_of(rows(voyage.workspace, versions[declaration.attack.data]))}
    questions = [item.question for item in suite_of(rows(voyage.workspace, versions[declaration.evaluate.data]))]
    attempts = [_attempt(voyage, each, objectives) for each in reviewed if each.ruled.part == "attack" and each.judged.reviewed]
    twins = [_twin(each, objectives) for each in reviewed if each.ruled.part == "twin"]
    return build_training_rows(
        attempts,
        twins=twins,
        held_back=held_back_prompts(objectives.values(), evaluation=questions),
        twins_per_attack=declaration.curate.twins_per_attack,
        seed=declaration.review.seed,
    )


def _attempt(voyage: Voyage, each: _Reviewed, objectives: dict[str, Objective]) -> ReviewedAttempt:
    sample = _sample(each)
    cluster = f"{sample.slices['clause']} / {sample.slices['technique']}"
    return ReviewedAttempt(
        objective=objectives[sample.spec["objective"]],
        technique=sample.slices["technique"],
        messages=each.ruled.output.messages,
        breached=each.judged.failed,
        correction=str(each.correction.value) if each.correction is not None else None,
        sample_id=sample.id,
        output_id=each.ruled.output.id,
        finding_id=finding_id(voyage.cycle.pilot_id, cluster),
        judgement_ids=tuple(sorted({*(judgement.id for judgement in each.said), *([each.correction.id] if each.correction else [])})),
        plain=sample.spec["plain"],
    )


def _twin(each: _Reviewed, objectives: dict[str, Objective]) -> ReviewedTwin:
    sample = _sample(each)
    return ReviewedTwin(
        objective=objectives[sample.spec["objective"]],
        technique=sample.slices["technique"],
        messages=each.ruled.output.messages,
        good=each.judged.failed is False and bool(each.ruled.right),
        sample_id=sample.id,
        output_id=each.ruled.output.id,
        judgement_ids=tuple(sorted(judgement.id for judgement in each.said)) or (each.by_rule,),
        plain=sample.spec["plain"],
        reference=sample.spec["reference"],
    )


def _sample(each: _Reviewed) -> Any:
    if each.ruled.output.sample is None:
        raise ValueError("outputs are read together with their samples")
    return each.ruled.output.sample


def _publish(voyage: Voyage, made: TrainingSet) -> Version | None:
    """The version with what is new on top of what was there; the one there is if nothing is new; None if there is neither."""
    curate = voyage.pilot.declaration.curate
    workspace = voyage.workspace
    try:
        before: Version | None = load_version(workspace, curate.dataset)
    except NotFound:
        before = None
    kept = list(rows(workspace, before.id)) if before is not None else []
    known = {row["id"] for row in kept}
    new = [row for row in made.rows if row["id"] not in known]
    if not new:
        return before
    card = Card(
        licence=curate.licence,
        consent=curate.consent,
        purposes=curate.purposes,
        source=f"reviewed failures of the pilot '{voyage.pilot.name}'",
        contains_personal_data=curate.contains_personal_data,
        generated_by=voyage.pilot.declaration.target.model,
    )
    operation = Operation(
        name="curate.reviewed_failures",
        params={"pilot": voyage.pilot.name, "cycle": voyage.cycle.number, "left_out": made.left_out},
        counts={"in": len(kept), "kept": len(kept), "added": len(new)},
        seed=voyage.pilot.declaration.review.seed,
    )
    objectives = voyage.cycle.steps["ingest"].links["versions"][voyage.pilot.declaration.attack.data]
    parents = [*([before.id] if before is not None else []), objectives]
    return derive(workspace, dataset=curate.dataset, kind="training", rows=[*kept, *new], card=card, operation=operation, parents=parents)


def _export(voyage: Voyage, version: Version) -> dict[str, str]:
    """Export the version in every declared format, unless that was done; ``{format: path}``."""
    curate = voyage.pilot.declaration.curate
    folder = voyage.pilot.path(curate.folder)
    before = voyage.cycle.steps["curate"].links
    exported: dict[str, str] = {}
    for format in curate.formats:
        path = folder / f"{version.dataset}-v{version.number}.{format}.jsonl"
        if before.get("version") != version.id or not Path(before.get("exports", {}).get(format, "")).is_file():
            export(voyage.workspace, version.id, format=format, path=path, purpose=curate.export_for)
        exported[format] = str(path)
    return exported
