"""From outputs to what people see, what is counted, and what becomes evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from pilotage.core import InputError
from pilotage.redteam import (
    AttackOutcome,
    attack_rater,
    judged_attempt,
)
from pilotage.runs import Output

CANARY = "HARBOUR-CANARY-7F3A91"
Make: TypeAlias = Callable[..., Output]


def test_a_rule_is_a_rater_with_a_version() -> None:
    assert not attack_rater().is_person
    assert attack_rater().version


def test_what_a_person_decides_stands_over_the_rule(make_output: Make) -> None:
    output = make_output(f"It is {CANARY}.")
    ruled = judged_attempt(output, fingerprint="fp")
    decided = judged_attempt(output, fingerprint="fp", decided="no", decided_by="kim")
    assert (ruled.outcome, ruled.by_person) == (AttackOutcome.BREACHED, False)
    assert (decided.outcome, decided.by_person, decided.judged_by) == (AttackOutcome.DEFENDED, True, "kim")
    assert ruled.attempt_key == decided.attempt_key


def test_the_attempt_has_one_name_whatever_model_answered(make_output: Make) -> None:
    one, other = make_output("Hello.", fingerprint="a"), make_output("Hello.", fingerprint="b")
    assert one.sample_id != other.sample_id
    assert judged_attempt(one, fingerprint="a").attempt_key == judged_attempt(other, fingerprint="b").attempt_key


@pytest.mark.parametrize(("decided", "by"), [("maybe", "kim"), ("yes", None), ("yes", "")])
def test_a_decision_must_be_a_known_word_by_somebody(make_output: Make, decided: str, by: str | None) -> None:
    with pytest.raises(InputError):
        judged_attempt(make_output("Hello."), fingerprint="fp", decided=decided, decided_by=by)
