"""Scoring the answers of a suite by rule: right, wrong, refused, or not scorable; each of them counted.

A refusal or an answer that was cut off is not a wrong answer, and an error is not an answer at all: what is missing is missing with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError
from pilotage.evaluation.suite import EvaluationItem
from pilotage.judging import Abstain, OutputView, Rater, Verdict
from pilotage.judging.refusal import REFUSED, Refusal
from pilotage.judging.rules import MustContain, MustNotContain, Rule
from pilotage.runs import Output, SampleSpec, sample_spec

if TYPE_CHECKING:
    pass

SCORER_VERSION = "1"


class Scored(StrEnum):
    """What became of one answer. The first two are scores; the others are missing ones."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"
    BLOCKED = "blocked"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    ERROR = "error"


@dataclass(frozen=True)
class Score:
    """The score of one output. ``why`` names the phrase that decided; ``answer`` is what was scored, so that an extraction fault can be seen."""

    scored: Scored
    answer: str
    why: str

    @property
    def value(self) -> bool | None:
        """True for right, False for wrong or a refused harmless question, None where there is no answer to score."""
        if self.scored in (Scored.RIGHT, Scored.WRONG, Scored.REFUSED):
            return self.scored is Scored.RIGHT
        return None


def suite_samples(items: Sequence[EvaluationItem], *, fingerprint: str, repeats: int = 1, system: str | None = None) -> list[SampleSpec]:
    """The samples of a suite: every question ``repeats`` times, repeats clustered in their item.

    ``system`` is a system message put before each; leave it out where the target's registration has one. Raises ``InputError`` if ``repeats`` is
    less than 1.
    """
    if repeats < 1:
        raise InputError(f"A question is asked at least once, not {repeats} times.", where="repeats")
    before = [] if system is None else [{"role": "system", "content": system}]
    return [
        sample_spec(
            item.id,
            fingerprint=fingerprint,
            repeat=repeat,
            slices={"topic": item.topic, "split": item.split},
            spec={
                "kind": "evaluation",
                "messages": [*before, {"role": "user", "content": item.question}],
                "reference": item.reference,
                "must_contain": list(item.must_contain),
                "must_not_contain": list(item.must_not_contain),
            },
        )
        for item in items
        for repeat in range(repeats)
    ]


def scorer() -> Rater:
    """The scorer as a rater."""
    return Rater(kind="rule", name="answer-phrases", version=SCORER_VERSION)


def score_output(output: Output, *, sample: SampleSpec | None = None) -> Score:
    """Score one output. ``sample`` defaults to the one the output was read with."""
    spec = _sample(output, sample).spec
    view = OutputView.of(output.messages, outcome=str(output.outcome))
    match view.outcome:
        case "error" | "unparsable":
            return Score(Scored.ERROR, view.text, f"no usable answer: {output.error or view.outcome}")
        case "blocked":
            return Score(Scored.BLOCKED, view.text, "the provider blocked it")
    if not view.text.strip():
        return Score(Scored.EMPTY, view.text, "nothing was said")
    verdicts = [said for rule in rules_of(spec) if isinstance(said := rule.judge(view), Verdict)]
    failed = next((said for said in verdicts if not said.value), None)
    if failed is None:
        return Score(Scored.RIGHT, view.text, "; ".join(said.reason for said in verdicts))
    refusal = Refusal().judge(view)
    if not isinstance(refusal, Abstain) and refusal.value == REFUSED:
        return Score(Scored.REFUSED, view.text, refusal.reason)
    if view.outcome == "truncated":
        return Score(Scored.TRUNCATED, view.text, "cut off before it was right or wrong")
    return Score(Scored.WRONG, view.text, failed.reason)


def rules_of(spec: dict[str, Any]) -> list[Rule]:
    """The rules that score a sample of the suite."""
    rules: list[Rule] = []
    if spec["must_contain"]:
        rules.append(MustContain(phrases=tuple(spec["must_contain"]), per_item=True))
    if spec["must_not_contain"]:
        rules.append(MustNotContain(phrases=tuple(spec["must_not_contain"]), per_item=True))
    return rules


def _sample(output: Output, sample: SampleSpec | None) -> SampleSpec:
    of = sample or output.sample
    if of is None:
        raise InputError(
            "This output comes without its sample.", where=f"output {output.id}", mend="read it with runs.outputs, or hand the sample in"
        )
    return of
