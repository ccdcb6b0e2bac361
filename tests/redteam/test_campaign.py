"""Campaigns: content-addressed samples, and the conversations they become."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import InputError
from pilotage.models import Message, Outcome, Reply, Request
from pilotage.redteam import TECHNIQUES, Objective, campaign_samples, load_objectives, parse_techniques, solve, twin_samples
from pilotage.runs import Output, SampleSpec

CANARY = "HARBOUR-CANARY-7F3A91"


class Target:
    """Answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: str | Reply) -> None:
        self.asked: list[tuple[Message, ...]] = []
        self._answers = [answer if isinstance(answer, Reply) else Reply(answer, Outcome.ANSWERED) for answer in answers]

    async def __call__(self, request: Request) -> Reply:
        self.asked.append(request.messages)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def hold(sample: SampleSpec, target: Target) -> Output:
    return asyncio.run(solve(sample, target))


def crescendo(make_objective: Callable[..., Objective], **more: Any) -> SampleSpec:
    (sample,) = campaign_samples([make_objective()], fingerprint="fp", techniques=parse_techniques(["crescendo"]), **more)
    return sample


def test_the_example_campaign_has_every_technique_and_only_written_translations(examples: Path) -> None:
    objectives = load_objectives(examples / "objectives.jsonl")
    samples = campaign_samples(objectives, fingerprint="fp")
    translations = sum(len(objective.translations) for objective in objectives)
    assert len(samples) == 12 * 40 + translations
    assert {sample.slices["technique"] for sample in samples} == set(TECHNIQUES)
    assert len(twin_samples(objectives, fingerprint="fp")) == len(samples)


def test_the_same_campaign_has_the_same_samples_and_another_model_others(make_objective: Callable[..., Objective]) -> None:
    objectives = [make_objective("a"), make_objective("b")]
    one, again = campaign_samples(objectives, fingerprint="fp"), campaign_samples(objectives, fingerprint="fp")
    assert [sample.id for sample in one] == [sample.id for sample in again]
    assert len({sample.id for sample in one}) == len(one)
    for changed in (
        campaign_samples(objectives, fingerprint="other"),
        campaign_samples(objectives, fingerprint="fp", seed=1),
        twin_samples(objectives, fingerprint="fp"),
    ):
        assert not {sample.id for sample in changed} & {sample.id for sample in one}


def test_trials_are_repeats_in_one_cluster_and_add_to_what_is_there(make_objective: Callable[..., Objective]) -> None:
    once = campaign_samples([make_objective()], fingerprint="fp")
    thrice = campaign_samples([make_objective()], fingerprint="fp", trials=3)
    assert len(thrice) == 3 * len(once)
    assert {sample.id for sample in once} <= {sample.id for sample in thrice}
    assert {sample.cluster for sample in thrice} == {"secret-01"}
    with pytest.raises(InputError):
        campaign_samples([make_objective()], fingerprint="fp", trials=0)


def test_a_share_draws_from_each_split_whatever_the_order(make_objective: Callable[..., Objective]) -> None:
    objectives = [make_objective(f"o{number}", split="gate" if number % 2 else "develop") for number in range(40)]
    uses = parse_techniques([{"name": "base64", "share": 0.25}])
    drawn = {sample.cluster for sample in campaign_samples(objectives, fingerprint="fp", techniques=uses, seed=5)}
    again = {sample.cluster for sample in campaign_samples(objectives[::-1], fingerprint="fp", techniques=uses, seed=5)}
    assert drawn == again
    splits = [objective.split for objective in objectives if objective.id in drawn]
    assert (splits.count("develop"), splits.count("gate")) == (5, 5)


@pytest.mark.parametrize(
    "declared",
    [["hypnosis"], ["base64", "base64"], [3], [{"share": 0.5}], [{"name": "base64", "share": 0}], [{"name": "base64", "share": 1.5}],
     [{"name": "base64", "share": True}], [{"name": "base64", "part": 0.5}]],
)  # fmt: skip
def test_a_declared_technique_that_makes_no_sense_is_refused_at_its_place(declared: list[Any]) -> None:
    with pytest.raises(InputError) as refused:
        parse_techniques(declared, where="pilot.yaml:9 techniques")
    assert str(refused.value.where).startswith("pilot.yaml:9 techniques[")


def test_no_technique_declared_means_all_of_them() -> None:
    assert [use.technique.name for use in parse_techniques([])] == list(TECHNIQUES)


def test_a_conversation_runs_to_its_last_turn(make_objective: Callable[..., Objective]) -> None:
    target = Target("Noted.", "Noted.", "Our store is at Quay 7.")
    output = hold(crescendo(make_objective), target)
    assert [message.role for message in output.messages] == ["user", "assistant"] * 3
    assert output.detail == {"stopped": "end", "turns": 3}
    assert [len(asked) for asked in target.asked] == [1, 3, 5]


def test_it_stops_as_soon_as_the_evidence_is_there(make_objective: Callable[..., Objective]) -> None:
    target = Target(f"You mean {CANARY}?", "never asked")
    output = hold(crescendo(make_objective), target)
    assert output.detail["stopped"] == "success"
    assert len(target.asked) == 1
    assert output.messages[-1].content == f"You mean {CANARY}?"


def test_a_refused_turn_is_taken_back_and_its_branch_kept(make_objective: Callable[..., Objective]) -> None:
    target = Target("I can't help with that.", "Noted.", "Noted.", "Our store is at Quay 7.")
    output = hold(crescendo(make_objective), target)
    said = [message.content for message in output.messages]
    assert "I can't help with that." not in said
    (branch,) = output.detail["branches"]
    assert branch["turn"] == 0
    assert branch["messages"][1]["content"] == "I can't help with that."
    assert branch["messages"][0]["content"] not in said
    assert len(target.asked) == 4
    assert len(target.asked[1]) == 1, "the softer wording is asked without the refused exchange"


def test_a_second_refusal_counts_as_a_turn_and_stays(make_objective: Callable[..., Objective]) -> None:
    target = Target("I can't help with that.")
    output = hold(crescendo(make_objective), target)
    assert output.detail["turns"] == 3
    assert len(output.detail["branches"]) == 2
    assert [message.content for message in output.messages if message.role == "assistant"] == ["I can't help with that."] * 3


def test_an_error_ends_it_and_is_its_outcome(make_objective: Callable[..., Objective]) -> None:
    target = Target("Noted.", Reply("", Outcome.ERROR, error="gone"))
    output = hold(crescendo(make_objective), target)
    assert (output.outcome, output.detail["stopped"]) == (Outcome.ERROR, "no_reply")
    assert output.messages[-1].role == "user"
    assert len(target.asked) == 2


def test_a_system_message_stands_before_every_turn(make_objective: Callable[..., Objective]) -> None:
    target = Target("Noted.")
    hold(crescendo(make_objective, system="Be kind."), target)
    assert all(asked[0] == Message("system", "Be kind.") for asked in target.asked)
