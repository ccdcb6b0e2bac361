"""A model's opinion where rules fall short: on outputs that no rule can tell, and on failures that rest on wording alone.

Its verdicts are a machine's judgements. They become the suggestion that people see, and nothing else: no figure counts them, because nobody has yet
shown how often this judge agrees with people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pilotage.judging import Abstain, Item, OutputView, Verdict, add_judgements, as_judgement, ensure_rater, judgements
from pilotage.judging.model_judge import ModelRater
from pilotage.models import Outcome, ToolCall, open_client, register_target
from pilotage.readiness.cycle import StepRecord
from pilotage.readiness.judging import QUESTION, RuledOutput, ruled_outputs
from pilotage.runs import Ask, Output, Plan, SampleSpec, outputs, run, sample_spec

if TYPE_CHECKING:
    from pilotage.models import InProcess
    from pilotage.readiness.voyage import Voyage
    from pilotage.store import WriteTransaction

_NO_ANSWER = frozenset({"error", "blocked", "unparsable"})


async def ask_model_judge(voyage: Voyage, *, callables: Mapping[str, InProcess] | None) -> bool:
    """Ask the declared judge about every output that wants a second opinion. True if its run paused and goes on when run again."""
    declared = voyage.pilot.declaration.judge.model
    if declared is None:
        return False
    wanted = [each for each in ruled_outputs(voyage) if wants_opinion(each)]
    if not wanted:
        return False
    target = register_target(voyage.workspace, declared.target)
    async with open_client(target, voyage.workspace, callables=callables) as client:
        rubric = voyage.pilot.rubric
        rater = ModelRater(
            model=declared.target.model,
            asks=rubric.question(QUESTION),
            guideline=rubric.guideline,
            max_tokens=declared.target.max_tokens,
            temperature=declared.target.temperature,
            seed=declared.target.seed,
            fingerprint=await client.fingerprint(),
        )
        plan = Plan(
            kind="judge",
            pilot_id=voyage.cycle.pilot_id,
            target_id=target.id,
            fingerprint=rater.fingerprint,
            versions=(),
            samples=tuple(_sample(each, rater) for each in wanted),
        )

        async def solve(sample: SampleSpec, ask: Ask) -> Output:
            view = _view(sample.spec["view"])
            report = await rater.judge(view, ask=ask)
            said = report.said
            detail = {"abstained": said.reason} if isinstance(said, Abstain) else {"value": said.value, "reason": said.reason}
            return Output.of(sample, messages=rater.request(view).messages, replies=report.replies, detail={"said": detail})

        again = (Outcome.ERROR,) if voyage.retry_errors else ()
        report = await run(voyage.workspace, plan, client=client, solve=solve, progress=voyage.progress, again=again)
    items = {each.output.sample_id: each.item.id for each in wanted}
    opinions = {items[output.sample.spec["about"]]: _said(output) for output in outputs(voyage.workspace, report.run_id) if output.sample}
    _keep(voyage, rater, opinions)
    if report.state != "done":
        record = voyage.cycle.steps["judge"]
        voyage.note("judge", StepRecord(state="paused", detail=f"{report.stop_reason}; run again to go on", counts=record.counts, links=record.links))
        return True
    return False


def wants_opinion(each: RuledOutput) -> bool:
    """Whether the rules leave room for one: they cannot tell, or see a failure by wording and not by evidence."""
    if isinstance(each.said, Abstain):
        return str(each.output.outcome) not in _NO_ANSWER
    return each.said.value == "yes" and not each.proved


def opinions_of(voyage: Voyage, item_ids: list[str]) -> dict[str, str]:
    """What the model judge says of each item; without those it abstained on."""
    found = judgements(voyage.workspace, item_ids=item_ids, question=QUESTION, rater_kind="model", rubric_id=voyage.pilot.rubric.id)
    return {judgement.item_id: str(judgement.value) for judgement in found if not judgement.abstained}


def _sample(each: RuledOutput, rater: ModelRater) -> SampleSpec:
    view = OutputView.of(each.output.messages, outcome=str(each.output.outcome), extra=_context(each.item))
    return sample_spec(
        f"judge/{each.output.sample_id}",
        fingerprint=rater.fingerprint,
        cluster=each.output.sample.cluster if each.output.sample is not None else None,
        slices={"part": each.part},
        spec={"about": each.output.sample_id, "rater": rater.rater.id, "output": each.output.digest, "view": asdict(view)},
    )


def _context(item: Item) -> dict[str, Any]:
    """What a person would see beside the conversation."""
    return {name: item.payload[name] for name in ("objective", "question", "reference", "clause") if item.payload.get(name)}


def _view(plain: dict[str, Any]) -> OutputView:
    calls = tuple(ToolCall(**call) for call in plain["tool_calls"])
    return OutputView(**{**plain, "said": tuple(plain["said"]), "tool_calls": calls})


def _said(output: Output) -> Verdict | Abstain:
    said = output.detail["said"]
    return Abstain(said["abstained"]) if "abstained" in said else Verdict(said["value"], reason=said["reason"])


def _keep(voyage: Voyage, rater: ModelRater, opinions: Mapping[str, Verdict | Abstain]) -> None:
    rubric = voyage.pilot.rubric

    def job(tx: WriteTransaction) -> None:
        ensure_rater(tx, rater.rater)
        add_judgements(tx, [as_judgement(said, item_id=item, question=QUESTION, rater=rater.rater, rubric=rubric) for item, said in opinions.items()])

    voyage.workspace.write(job)
