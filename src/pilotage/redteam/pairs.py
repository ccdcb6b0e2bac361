"""Safety pairs: confirmed breaches and their reviewed corrections, as training rows, with benign twins beside them.

A confirmed breach gives rows of each kind that trainers read: ``instruction`` (the conversation up to the breaching turn, then the correct response),
``preference`` (the same prompt; chosen: the correct response; rejected: what the model really said) and two ``unpaired`` ones (the correct response
is good, what was said is not). Only the last assistant turn is trained. Rows that would teach the wrong thing, or that would teach the exam, are left
out and counted by reason. Every set carries benign twins: attacks without them teach to refuse.

References: Bianchi et al. (2024) "Safety-Tuned LLaMAs" for how few examples suffice and what too many do; TRL's chat-SFT and DPO formats.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilotage.core import content_id
from pilotage.models import Message
from pilotage.redteam.leaks import LeakGuard
from pilotage.redteam.objectives import Objective
from pilotage.redteam.verdicts import evidence_in

# From so many rows on, one wording of a refusal may make up this share of them at most; in smaller sets it is a warning.
MANY_ROWS = 500
ONE_WORDING_SHARE = 0.05
TWINS_PER_ATTACK = 0.5


@dataclass(frozen=True)
class ReviewedAttempt:
    """A breach that people looked at.

    messages
        The whole conversation as it was held.
    breached
        What people decided: True for a breach (or a partial one), False for none, None where nobody decided.
    correction
        What the target should have said, as a person reviewed or wrote it; None where nobody did.
    sample_id, output_id, finding_id, judgement_ids
        Where it comes from: every row carries it as its lineage.
    """

    objective: Objective
    technique: str
    messages: tuple[Message, ...]
    breached: bool | None
    correction: str | None
    sample_id: str
    output_id: str
    finding_id: str = ""
    judgement_ids: tuple[str, ...] = ()
    plain: str = ""


@dataclass(frozen=True)
class ReviewedTwin:
    """A benign twin and what the target answered. ``good``: whether the answer was judged right; None where nobody judged it."""

    objective: Objective
    technique: str
    messages: tuple[Message, ...]
    good: bool | None
    sample_id: str
    output_id: str
    judgement_ids: tuple[str, ...] = ()
    plain: str = ""
    reference: str = ""


@dataclass(frozen=True)
class TrainingSet:
    """Rows for the data room, and what was left out and why.

    rows
        Training rows in the canonical form: ``id``, ``kind``, ``messages``, ``chosen``, ``rejected``, ``label``, ``lineage``, ``tags``.
    left_out
        Reason -> number of attempts (or twins) that gave no row.
    """

    rows: tuple[dict[str, Any], ...]
    attacks: int
    twins: int
    left_out: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{len(self.rows)} rows: {self.attacks} attacks, {self.twins} benign twins"]
        lines += [f"  left out, {reason.replace('_', ' ')}: {n}" for reason, n in sorted(self.left_out.items())]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def build_training_rows(
    attempts: Iterable[ReviewedAttempt],
    *,
    twins: Iterable[ReviewedTwin],
    held_back: Sequence[str],
    twins_per_attack: float = TWINS_PER_ATTACK,
    seed: int = 0,
) -> TrainingSet:
    """Turn reviewed breaches into training rows.

    Parameters
    ----------
    twins
        Candidates; as many as needed are drawn, evenly over techniques and objectives, those first whose technique is among the attacks.
    held_back
        Every prompt that may never be trained on (gate objectives and their twins, evaluation items): see :func:`held_back_prompts`. Rows that
        hold one, or something nearly like it, even encoded, are left out.
    twins_per_attack
        How many twins per attack, at least; 0 leaves them out, with a warning.
    seed
        Decides which twins are drawn.

    Reasons for leaving out: ``gate_split``, ``leak`` (near-identical to something held back), ``not_confirmed``, ``unreviewed`` (no correction),
    ``chosen_compliant`` (the correction itself shows the breach, or repeats the rejected answer), ``duplicate``, ``same_wording``,
    ``twin_unanswered``. Cost: rows × held-back prompts.
    """
    guard = LeakGuard(held_back)
    left_out: Counter[str] = Counter()
    kept: list[tuple[ReviewedAttempt, int]] = []
    seen: set[str] = set()
    for attempt in sorted(attempts, key=lambda each: (each.technique, each.objective.id, each.plain, _asked(each.messages))):
        turn = _breaching_turn(attempt)
        reason = _objection(attempt, turn, guard)
        if reason is None and turn is not None:
            key = content_id("pair", [_plain(attempt.messages[:turn]), attempt.correction])
            if key in seen:
                reason = "duplicate"
            else:
                seen.add(key)
                kept.append((attempt, turn))
        if reason is not None:
            left_out[reason] += 1
    wanted = math.ceil(twins_per_attack * len(kept))
    drawn, twin_reasons = _draw_twins(list(twins), wanted=wanted, techniques={attempt.technique for attempt, _ in kept}, guard=guard, seed=seed)
    left_out.update(twin_reasons)
    kept, repeated = _spread_wordings(kept, total=len(kept) + len(drawn))
    left_out.update({"same_wording": repeated} if repeated else {})
    rows = [row for attempt, turn in kept for row in _attack_rows(attempt, turn)] + [row for twin in drawn for row in _twin_rows(twin)]
    return TrainingSet(tuple(rows), len(kept), len(drawn), dict(left_out), tuple(_warnings(kept, drawn, wanted=wanted, per_attack=twins_per_attack)))


def held_back_prompts(objectives: Iterable[Objective], *, evaluation: Iterable[str] = ()) -> list[str]:
    """What may never be trained on: the gate objectives' prompts and twins in every language, and the given evaluation questions."""
    prompts: list[str] = list(evaluation)
    for objective in objectives:
        if objective.split == "gate":
            twin = objective.benign_twin
            prompts += [objective.prompt, *objective.translations.values(), twin.prompt, *twin.translations.values()]
    return prompts


def _breaching_turn(attempt: ReviewedAttempt) -> int | None:
    """Index of the assistant's message that breached: the first with evidence, else the last."""
    found = evidence_in(attempt.objective.success.to_dict(), attempt.messages)
    if found is not None and found.turn is not None:
        return found.turn
    said = [index for index, message in enumerate(attempt.messages) if message.role == "assistant"]
    return said[-1] if said else None


def _objection(attempt: ReviewedAttempt, turn: int | None, guard: LeakGuard) -> str | None:
    """Why the attempt gives no row, or None."""
    if attempt.objective.split == "gate":
        return "gate_split"
    if not attempt.breached or turn is None:
        return "not_confirmed"
    if attempt.correction is None or not attempt.correction.strip():
        return "unreviewed"
    chosen = Message("assistant", attempt.correction.strip())
    rejected = attempt.messages[turn]
    if evidence_in(attempt.objective.success.to_dict(), [chosen]) is not None or chosen.content == rejected.content.strip():
        return "chosen_compliant"
    asked = [message.content for message in attempt.messages[:turn] if message.role == "user"]
    if guard.finds(*asked, attempt.plain or attempt.objective.prompt):
        return "leak"
    return None


def _spread_wordings(kept: list[tuple[ReviewedAttempt, int]], *, total: int) -> tuple[list[tuple[ReviewedAttempt, int]], int]:
    """In a large set, no more than the allowed share of one wording: a model would learn the sentence, not the judgement."""
    if total < MANY_ROWS:
        return kept, 0
    most = math.floor(ONE_WORDING_SHARE * total)
    used: Counter[str] = Counter()
    spread = []
    for attempt, turn in kept:
        wording = _wording(attempt)
        used[wording] += 1
        if used[wording] <= most:
            spread.append((attempt, turn))
    return spread, len(kept) - len(spread)


def _wording(attempt: ReviewedAttempt) -> str:
    return " ".join((attempt.correction or "").casefold().split())


def _draw_twins(
    candidates: list[ReviewedTwin], *, wanted: int, techniques: set[str], guard: LeakGuard, seed: int
) -> tuple[list[ReviewedTwin], Counter[str]]:
    left_out: Counter[str] = Counter()
    by_technique: dict[str, list[ReviewedTwin]] = defaultdict(list)

    def place(twin: ReviewedTwin) -> str:
        return hashlib.sha256(f"{seed}/{twin.technique}/{twin.objective.id}/{_asked(twin.messages)}".encode()).hexdigest()

    for twin in sorted(candidates, key=place):
        asked = [message.content for message in _context(twin.messages) if message.role == "user"]
        if twin.objective.split == "gate":
            left_out["gate_split"] += 1
        elif not asked:
            left_out["twin_unanswered"] += 1
        elif guard.finds(*asked, twin.plain or twin.objective.benign_twin.prompt):
            left_out["leak"] += 1
        else:
            by_technique[twin.technique].append(twin)
    # Round robin over techniques, those of the attacks first, and over objectives within each.
    order = sorted(by_technique, key=lambda name: (name not in techniques, name))
    drawn: list[ReviewedTwin] = []
    uses: Counter[str] = Counter()
    while len(drawn) < wanted and any(by_technique.values()):
        for name in order:
            if len(drawn) >= wanted or not by_technique[name]:
                continue
            least = min(range(len(by_technique[name])), key=lambda index: uses[by_technique[name][index].objective.id])
            twin = by_technique[name].pop(least)
            uses[twin.objective.id] += 1
            drawn.append(twin)
    return drawn, left_out


def _attack_rows(attempt: ReviewedAttempt, turn: int) -> list[dict[str, Any]]:
    prompt = _plain(attempt.messages[:turn])
    chosen = {"role": "assistant", "content": (attempt.correction or "").strip()}
    rejected = _training_message(attempt.messages[turn])
    lineage = {
        "finding": attempt.finding_id,
        "output": attempt.output_id,
        "sample": attempt.sample_id,
        "judgement": list(attempt.judgement_ids),
    }
    tags = {"source": "redteam", "role": "attack", **_tags(attempt.objective, attempt.technique)}
    return [
        _row("instruction", [*prompt, chosen], lineage=lineage, tags=tags),
        _row("preference", prompt, chosen=[chosen], rejected=[rejected], lineage=lineage, tags=tags),
        _row("unpaired", [*prompt, chosen], label=True, lineage=lineage, tags=tags),
        _row("unpaired", [*prompt, rejected], label=False, lineage=lineage, tags=tags),
    ]


def _twin_rows(twin: ReviewedTwin) -> list[dict[str, Any]]:
    """The target's own answer where it was judged good, so that it is not taught another voice; else the reference."""
    prompt = _plain(_context(twin.messages))
    own = twin.messages[-1].content if twin.good and twin.messages[-1].role == "assistant" else ""
    answer = {"role": "assistant", "content": own.strip() or twin.reference or twin.objective.benign_twin.reference}
    lineage = {"output": twin.output_id, "sample": twin.sample_id, "judgement": list(twin.judgement_ids)}
    tags = {"source": "redteam", "role": "benign_twin", "answer": "own" if own.strip() else "reference", **_tags(twin.objective, twin.technique)}
    return [
        _row("instruction", [*prompt, answer], lineage=lineage, tags=tags),
        _row("unpaired", [*prompt, answer], label=True, lineage=lineage, tags=tags),
    ]


def _asked(messages: Sequence[Message]) -> str:
    """What the user said. Draws and orders go by it and not by ids, which change with the model: the same failures make the same set."""
    return "\n".join(message.content for message in messages if message.role == "user")


def _context(messages: Sequence[Message]) -> Sequence[Message]:
    return messages[:-1] if messages and messages[-1].role == "assistant" else messages


def _tags(objective: Objective, technique: str) -> dict[str, str]:
    return {"objective": objective.id, "technique": technique, "category": objective.category, "clause": objective.clause}


def _row(kind: str, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    body: Mapping[str, Any] = {"kind": kind, "messages": messages, "chosen": [], "rejected": [], "label": None, **fields}
    identity = {name: body[name] for name in ("kind", "messages", "chosen", "rejected", "label")}
    return {"id": content_id("row", identity), **body}


def _plain(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [_training_message(message) for message in messages]


def _training_message(message: Message) -> dict[str, Any]:
    """The message as chat templates take it: text, and tool calls in the OpenAI form where there are any."""
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _warnings(kept: Sequence[tuple[ReviewedAttempt, int]], drawn: Sequence[ReviewedTwin], *, wanted: int, per_attack: float) -> list[str]:
    warnings = []
    if kept and per_attack < TWINS_PER_ATTACK:
        warnings.append(f"{len(drawn)} benign twins for {len(kept)} attacks: a model trained on this will refuse harmless requests")
    elif len(drawn) < wanted:
        warnings.append(f"only {len(drawn)} of {wanted} benign twins could be had")
    total = len(kept) + len(drawn)
    wordings = Counter(_wording(attempt) for attempt, _ in kept)
    for wording, n in wordings.most_common(1):
        if n > ONE_WORDING_SHARE * total and total < MANY_ROWS and n > 1:
            warnings.append(f"one wording of the correct response makes up {n} of {total} rows: {wording[:80]!r}")
    techniques = {attempt.technique for attempt, _ in kept}
    if kept and len(techniques) < 3:
        warnings.append(f"the attacks use {len(techniques)} technique{'s' if len(techniques) > 1 else ''} only: what is learnt may not reach beyond")
    return warnings
