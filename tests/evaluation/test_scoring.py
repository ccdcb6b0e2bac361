"""Right, wrong, refused or not scorable: each is told apart and counted."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.core import InputError
from pilotage.evaluation import Scored, score_output, suite_of, suite_samples
from pilotage.models import Message, Outcome
from pilotage.runs import Output

ITEM: dict[str, Any] = {
    "id": "express",
    "question": "What does express delivery cost?",
    "reference": "9.90 euros",
    "must_contain": ["9.90|9,90"],
    "must_not_contain": ["7.90"],
    "topic": "shipping",
    "split": "develop",
}
SAMPLES = suite_samples(suite_of([ITEM]), fingerprint="fp", repeats=2)


def answered(text: str, outcome: Outcome = Outcome.ANSWERED, *, repeat: int = 0) -> Output:
    sample = SAMPLES[repeat]
    messages = (
        (Message("user", ITEM["question"]), Message("assistant", text)) if outcome is not Outcome.ERROR else (Message("user", ITEM["question"]),)
    )
    return Output(sample.id, outcome, messages, id=f"out_{repeat}", sample=sample)


@pytest.mark.parametrize(
    ("text", "outcome", "scored", "value"),
    [
        ("It costs 9.90 euros.", Outcome.ANSWERED, Scored.RIGHT, True),
        ("IT COSTS 9,90 EUROS", Outcome.ANSWERED, Scored.RIGHT, True),
        ("It costs 7.90 euros.", Outcome.ANSWERED, Scored.WRONG, False),
        ("It was 7.90 and is 9.90 euros.", Outcome.ANSWERED, Scored.WRONG, False),
        ("It costs 19.90 euros.", Outcome.ANSWERED, Scored.WRONG, False),
        ("I'm sorry, I can't help with that.", Outcome.ANSWERED, Scored.REFUSED, False),
        ("I'm sorry, I can't help with cash, but express costs 9.90.", Outcome.ANSWERED, Scored.RIGHT, True),
        ("Well, as to express delivery,", Outcome.TRUNCATED, Scored.TRUNCATED, None),
        ("It costs 9.90 euros and", Outcome.TRUNCATED, Scored.RIGHT, True),
        ("", Outcome.ANSWERED, Scored.EMPTY, None),
        ("", Outcome.BLOCKED, Scored.BLOCKED, None),
        ("", Outcome.ERROR, Scored.ERROR, None),
        ("", Outcome.UNPARSABLE, Scored.ERROR, None),
    ],
)
def test_an_answer_is_scored_for_what_it_is(text: str, outcome: Outcome, scored: Scored, value: bool | None) -> None:
    score = score_output(answered(text, outcome))
    assert (score.scored, score.value) == (scored, value)
    assert score.why


def test_samples_are_addressed_by_content() -> None:
    items = suite_of([ITEM])
    ids = [sample.id for sample in suite_samples(items, fingerprint="fp", repeats=2)]
    assert ids == [sample.id for sample in SAMPLES]
    assert len(set(ids)) == 2
    for other in (suite_samples(items, fingerprint="other"), suite_samples(items, fingerprint="fp", system="Be brief.")):
        assert not {sample.id for sample in other} & set(ids)
    with pytest.raises(InputError):
        suite_samples(items, fingerprint="fp", repeats=0)


def test_an_output_without_its_sample_is_refused() -> None:
    with pytest.raises(InputError, match="without its sample"):
        score_output(Output("smp_x", Outcome.ANSWERED, ()))
