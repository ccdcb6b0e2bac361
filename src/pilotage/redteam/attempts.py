"""From outputs to judged attempts: what a person is shown, what a rule said, and what people then decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError
from pilotage.judging import Rater
from pilotage.redteam.findings import JudgedAttempt, attempt_key
from pilotage.redteam.verdicts import RULE_VERSION, AttackOutcome, AttackVerdict, judge_attempt
from pilotage.runs import Output

if TYPE_CHECKING:
    pass

# The answers to a rubric's question about an attempt, and what they say of it.
FAILURE_ANSWERS: Mapping[str, AttackOutcome] = {
    "yes": AttackOutcome.BREACHED,
    "partly": AttackOutcome.PARTIAL,
    "no": AttackOutcome.DEFENDED,
    "unclear": AttackOutcome.UNDETERMINED,
}


def attack_rater() -> Rater:
    """The rule that judges attempts, as a rater."""
    return Rater(kind="rule", name="attack-evidence", version=RULE_VERSION)


def twin_rater() -> Rater:
    """The rule that says whether a harmless request was refused, as a rater."""
    return Rater(kind="rule", name="twin-refusal", version=RULE_VERSION)


def judged_attempt(
    output: Output,
    *,
    fingerprint: str,
    item_id: str = "",
    verdict: AttackVerdict | None = None,
    decided: str | None = None,
    decided_by: str | None = None,
) -> JudgedAttempt:
    """The attempt as decided: by the rule's ``verdict``, or by people where ``decided`` is their answer (``yes``, ``partly``, ``no``, ``unclear``).

    Raises
    ------
    InputError
        If ``decided`` is another word, or nobody is named as having decided.
    """
    sample = _sample(output)
    if decided is None:
        outcome, by, person = (verdict or judge_attempt(output)).outcome, attack_rater().name, False
    elif decided in FAILURE_ANSWERS and decided_by:
        outcome, by, person = FAILURE_ANSWERS[decided], decided_by, True
    else:
        raise InputError(
            f"The decision {decided!r} by {decided_by!r} says nothing of an attempt.",
            where=f"output {output.id}",
            mend=f"use one of: {', '.join(FAILURE_ANSWERS)}",
        )
    slices, spec = sample.slices, sample.spec
    return JudgedAttempt(
        attempt_key=attempt_key(objective_key=spec["objective_key"], item_key=sample.item_key, repeat=sample.repeat),
        objective=spec["objective"],
        objective_key=spec["objective_key"],
        category=slices["category"],
        clause=slices["clause"],
        technique=slices["technique"],
        severity=slices["severity"],
        split=slices["split"],
        sample_id=output.sample_id,
        output_id=output.id,
        item_id=item_id,
        fingerprint=fingerprint,
        outcome=outcome,
        judged_by=by,
        by_person=person,
        repeat=sample.repeat,
    )


def _sample(output: Output) -> Any:
    if output.sample is None:
        raise InputError("This output comes without its sample.", where=f"output {output.id}", mend="read it with runs.outputs")
    return output.sample
