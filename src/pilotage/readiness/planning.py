"""What a run would ask, before anything is asked: samples, requests, and at most so many tokens and so much money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pilotage.evaluation import load_suite, suite_samples
from pilotage.readiness.exercising import plain_techniques
from pilotage.readiness.pilot import Pilot
from pilotage.redteam import campaign_samples, load_objectives, parse_techniques, twin_samples
from pilotage.runs import SampleSpec

# Of English text; enough for an estimate that says "at most about".
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class PartEstimate:
    """One part of a run. Token counts are estimates, the completion's an upper bound: every answer as long as it may be."""

    name: str
    samples: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    spend_minor: int


@dataclass(frozen=True)
class RunEstimate:
    """What a run would cost at most, if nothing of it was done before. ``spend_minor`` is in minor units of the account's currency."""

    pilot: str
    parts: tuple[PartEstimate, ...]

    @property
    def requests(self) -> int:
        return sum(part.requests for part in self.parts)

    @property
    def spend_minor(self) -> int:
        return sum(part.spend_minor for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return {"pilot": self.pilot, "requests": self.requests, "spend_minor": self.spend_minor, "parts": [asdict(part) for part in self.parts]}


def estimate(pilot: Pilot) -> RunEstimate:
    """What running ``pilot`` would ask. Reads its files; writes and asks nothing.

    Raises
    ------
    InputError
        If the items or objectives are malformed, with file, line and field.
    """
    declared = pilot.declaration
    suite = load_suite(pilot.path(declared.data[declared.evaluate.data].path))
    objectives = load_objectives(pilot.path(declared.data[declared.attack.data].path))
    attack = declared.attack
    uses = parse_techniques(plain_techniques(attack.techniques), where="attack.techniques")
    samples = {
        "evaluation": suite_samples(suite, fingerprint="none yet", repeats=declared.evaluate.repeats),
        "attack": campaign_samples(objectives, techniques=uses, trials=attack.trials, seed=attack.seed, fingerprint="none yet"),
    }
    if attack.twins:
        around = parse_techniques(plain_techniques(attack.twin_techniques)) if attack.twin_techniques else uses
        samples["twins"] = twin_samples(objectives, techniques=around, seed=attack.seed, fingerprint="none yet")
    return RunEstimate(pilot.name, tuple(_part(pilot, name, specs) for name, specs in samples.items()))


def _part(pilot: Pilot, name: str, specs: Sequence[SampleSpec]) -> PartEstimate:
    target = pilot.declaration.target
    requests = prompt_characters = 0
    for spec in specs:
        turns = [turn["text"] for turn in spec.spec["turns"]] if "turns" in spec.spec else [message["content"] for message in spec.spec["messages"]]
        requests += len(turns)
        # Each turn is sent with all that was said before it, the answers among that.
        said = len(target.system or "")
        for turn in turns:
            said += len(turn)
            prompt_characters += said
            said += target.max_tokens * _CHARACTERS_PER_TOKEN
    prompt = prompt_characters // _CHARACTERS_PER_TOKEN
    completion = requests * target.max_tokens
    spend = -(-(prompt * target.prices.input + completion * target.prices.output) // 1_000_000)
    return PartEstimate(name, len(specs), requests, prompt, completion, spend)
