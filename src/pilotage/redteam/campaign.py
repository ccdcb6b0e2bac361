"""Campaigns: objectives × techniques × trials as samples of a run, and the solver that holds the conversations.

A sample's id is the hash of everything that decides the attempt (objective, technique with version, language, trial, seed, target fingerprint), so
running a campaign again does only what is missing. Benign twins go through the same techniques and are samples of the same kind: what a target
refuses there is over-refusal.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError
from pilotage.redteam.objectives import Objective
from pilotage.redteam.techniques import TECHNIQUES, Technique, Turn, technique
from pilotage.redteam.verdicts import refuses, shows_success
from pilotage.runs import Ask, Output, SampleSpec, request_of, sample_spec

if TYPE_CHECKING:
    from pilotage.models import Message, Reply


@dataclass(frozen=True)
class TechniqueUse:
    """A technique in a campaign, and the share of objectives, in (0, 1], that it is tried on."""

    technique: Technique
    share: float = 1.0


def parse_techniques(declared: Sequence[Any], *, where: str = "techniques") -> tuple[TechniqueUse, ...]:
    """Techniques as a pilot file lists them: names, or ``{name: …, share: …}``. An empty list means all of them.

    Raises
    ------
    InputError
        On an unknown or doubled technique, an unknown key, or a share that is not in (0, 1].
    """
    uses: list[TechniqueUse] = []
    for position, entry in enumerate(declared):
        place = f"{where}[{position}]"
        name, share = (entry, 1.0) if isinstance(entry, str) else _declared(entry, place)
        try:
            use = TechniqueUse(technique(name), share)
        except InputError as error:
            raise InputError(error.what, where=place, mend=error.mend) from error
        if any(use.technique.name == known.technique.name for known in uses):
            raise InputError(f"The technique '{name}' is listed twice.", where=place, mend="keep one")
        uses.append(use)
    return tuple(uses) or tuple(TechniqueUse(found) for found in TECHNIQUES.values())


def _declared(entry: Any, place: str) -> tuple[str, float]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InputError("A technique is a name, or {name, share}.", where=place)
    for unknown in sorted(set(entry) - {"name", "share"}):
        raise InputError(f"Unknown key '{unknown}'.", where=f"{place}.{unknown}", mend="a technique has: name, share")
    share = entry.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InputError(f"The share {share!r} is not a number in (0, 1].", where=f"{place}.share")
    return entry["name"], float(share)


def campaign_samples(
    objectives: Sequence[Objective],
    *,
    fingerprint: str,
    techniques: Sequence[TechniqueUse] = (),
    trials: int = 1,
    seed: int = 0,
    system: str | None = None,
) -> list[SampleSpec]:
    """The samples of a campaign, in a fixed order.

    Parameters
    ----------
    techniques
        Default: all that ship. With a share below 1, objectives are drawn per split by a hash of ``seed``, whatever their order.
    trials
        How often each attempt is made; worth more than 1 for targets that sample.
    system
        A system message to put before each conversation. Leave it out where the target's registration has one.

    Raises
    ------
    InputError
        If ``trials`` is less than 1.
    """
    return _samples(objectives, twin=False, fingerprint=fingerprint, techniques=techniques, trials=trials, seed=seed, system=system)


def twin_samples(
    objectives: Sequence[Objective],
    *,
    fingerprint: str,
    techniques: Sequence[TechniqueUse] = (),
    trials: int = 1,
    seed: int = 0,
    system: str | None = None,
) -> list[SampleSpec]:
    """The benign twins of :func:`campaign_samples`: the same techniques around harmless requests."""
    return _samples(objectives, twin=True, fingerprint=fingerprint, techniques=techniques, trials=trials, seed=seed, system=system)


def _samples(
    objectives: Sequence[Objective],
    *,
    twin: bool,
    fingerprint: str,
    techniques: Sequence[TechniqueUse],
    trials: int,
    seed: int,
    system: str | None,
) -> list[SampleSpec]:
    if trials < 1:
        raise InputError(f"An attempt is made at least once, not {trials} times.", where="trials")
    uses = tuple(techniques) or tuple(TechniqueUse(found) for found in TECHNIQUES.values())
    samples: list[SampleSpec] = []
    for use in uses:
        for objective in _drawn(objectives, use, seed=seed):
            prompt, translations = (
                (objective.benign_twin.prompt, objective.benign_twin.translations) if twin else (objective.prompt, objective.translations)
            )
            for variant in use.technique.variants(translations):
                turns = use.technique.turns(prompt, translations=translations, variant=variant)
                spec = _spec(objective, use.technique, variant=variant, turns=turns, twin=twin, plain=translations.get(variant, prompt))
                if system is not None:
                    spec["system"] = system
                samples += [
                    sample_spec(
                        "/".join(part for part in (objective.id, "twin" if twin else "", use.technique.id, variant) if part),
                        fingerprint=fingerprint,
                        spec={**spec, "seed": seed},
                        repeat=trial,
                        cluster=objective.id,
                        slices=_slices(objective, use.technique, variant),
                    )
                    for trial in range(trials)
                ]
    return samples


def _slices(objective: Objective, used: Technique, variant: str) -> dict[str, str]:
    slices = {
        "technique": used.name,
        "family": used.family,
        "category": objective.category,
        "clause": objective.clause,
        "severity": objective.severity,
        "split": objective.split,
    }
    return {**slices, "language": variant} if variant else slices


def _spec(objective: Objective, used: Technique, *, variant: str, turns: Sequence[Turn], twin: bool, plain: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "kind": "twin" if twin else "attack",
        "objective": objective.id,
        "objective_key": objective.key,
        "technique": used.id,
        "chain": used.chain.id,
        "variant": variant,
        "plain": plain,
        "turns": [{"text": turn.text, "softer": turn.softer} if turn.softer else {"text": turn.text} for turn in turns],
    }
    if twin:
        spec |= {"reference": objective.benign_twin.reference, "must_contain": list(objective.benign_twin.must_contain)}
    else:
        spec |= {"success": objective.success.to_dict(), "correct_response": objective.correct_response}
    return spec


def _drawn(objectives: Iterable[Objective], use: TechniqueUse, *, seed: int) -> list[Objective]:
    """The objectives this technique is tried on: of each split the given share, at least one."""
    if use.share >= 1:
        return list(objectives)
    by_split: dict[str, list[Objective]] = defaultdict(list)
    for objective in objectives:
        by_split[objective.split].append(objective)

    def place(objective: Objective) -> str:
        return hashlib.sha256(f"{seed}/{use.technique.name}/{objective.id}".encode()).hexdigest()

    kept = {objective.id for group in by_split.values() for objective in sorted(group, key=place)[: max(1, math.ceil(use.share * len(group)))]}
    return [objective for objective in objectives if objective.id in kept]


async def solve(sample: SampleSpec, ask: Ask) -> Output:
    """Hold the conversation of one attempt (or twin), turn by turn.

    It ends when the evidence shows success, when the turns are used up, or when the target gives no usable reply. Where a turn before the last is
    refused and has a softer wording, the conversation goes back to before that turn and tries it; the refused branch is kept in the output's
    ``detail``. A second refusal stays in the conversation and counts as a turn.
    """
    from pilotage.models import Message, Outcome

    usable = (Outcome.ANSWERED, Outcome.REFUSED, Outcome.TRUNCATED)
    turns = [Turn(turn["text"], turn.get("softer")) for turn in sample.spec["turns"]]
    history: tuple[Message, ...] = (Message("system", sample.spec["system"]),) if "system" in sample.spec else ()
    replies: list[Reply] = []
    branches: list[dict[str, Any]] = []
    sent = history
    stopped = "end"
    for number, turn in enumerate(turns):
        last = number == len(turns) - 1
        for text in filter(None, (turn.text, None if last else turn.softer)):
            sent = (*history, Message("user", text))
            reply = await ask(request_of(sample, messages=sent))
            replies.append(reply)
            if reply.outcome not in usable or not (reply.outcome is Outcome.REFUSED or refuses(reply.content, prompt=text)):
                break
            if text is turn.text and turn.softer and not last:
                branches.append({"turn": number, "why": "refused", "messages": [Message("user", text).to_dict(), reply.message.to_dict()]})
        if replies[-1].outcome not in usable:
            stopped = "no_reply"
            break
        if not last:
            if shows_success(sample.spec.get("success"), (*sent, replies[-1].message)):
                stopped = "success"
                break
            history = (*sent, replies[-1].message)
    detail: dict[str, Any] = {"stopped": stopped, "turns": number + 1} if len(turns) > 1 else {}
    if branches:
        detail["branches"] = branches
    return Output.of(sample, messages=sent, replies=replies, detail=detail)
