"""Preferences as training files: DPO, KTO and HH, each row with its votes, and none where people do not agree.

A preference model learns whatever it is given, noise too. So the floor of agreement is declared before, and the *lower bound* of alpha must reach
it; ties and "both bad" are treated by a declared rule; each dimension is exported by itself. The rows are published as a dataset version first, so
that the file has a licence, a manifest and a lineage like any other export.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pilotage.core import InputError, Refused, content_id
from pilotage.data import Card, Export, Version, export, load_version
from pilotage.data.card import require_training_card
from pilotage.judging import Agreement
from pilotage.review.flywheel.preferences import BOTH_BAD, TIE, A, B, PairVotes, Preferences, RaterPool, pair_votes
from pilotage.review.flywheel.publishing import publish_rows
from pilotage.review.projects import find_terms
from pilotage.store import Workspace

PreferenceFormat = Literal["dpo", "dpo-plain", "kto", "hh"]
Ties = Literal["drop", "refuse"]
BothBad = Literal["drop", "refuse", "unpaired"]
Margin = Literal["votes", "strength"]
FORMATS: tuple[PreferenceFormat, ...] = ("dpo", "dpo-plain", "kto", "hh")


@dataclass(frozen=True)
class PreferenceExport:
    """What left, and what it rests on. ``left_out`` counts pairs that gave no row, by reason."""

    export: Export
    version: Version
    alpha: Agreement
    alpha_all: Agreement
    floor: float
    pool: RaterPool
    guideline: str
    rules: dict[str, str]
    left_out: dict[str, int]

    def __str__(self) -> str:
        left = "".join(f"\n  {count} pairs left out: {reason}" for reason, count in self.left_out.items())
        return f"{self.export}\n  {self.alpha} (floor {self.floor:g})\n  {self.pool}{left}"


def export_preferences(
    workspace: Workspace,
    project: str,
    question: str,
    *,
    format: str,
    path: str | Path,
    card: Card,
    floor: float | None = None,
    ties: Ties = "drop",
    both_bad: BothBad = "drop",
    margin: Margin = "votes",
    sources: Sequence[str] = (),
    dataset: str | None = None,
    purpose: str = "commercial",
) -> PreferenceExport:
    """Publish and export the preferences of one pair question (one dimension).

    Parameters
    ----------
    format
        ``dpo`` (messages), ``dpo-plain`` (texts), ``kto`` or ``hh``.
    floor
        What alpha's lower bound must reach. None: the project's ``agreement_floor``.
    ties, both_bad
        What becomes of pairs people hold for equal, or find bad on both sides: left out (``drop``), or a refusal. ``unpaired``, with ``kto``
        only: both answers become bad examples.
    margin
        ``votes``: the winner's share of votes minus the loser's, -1 to 1 (below 0 where an adjudicator overruled). ``strength``: the mean of signed
        strengths, for which every pair must have some.
    sources
        Dataset versions the pairs were made from.
    dataset
        Where the rows are published; default ``<project>-<question>-<pairs or unpaired>``.
    purpose
        ``commercial`` or ``research``: what the licence must allow.

    Each row has ``margin``, ``n_votes``, ``vote_share``, ``alpha``, ``dimension`` and ``guideline`` (a digest of the text) beside what the format
    needs.

    Raises
    ------
    Refused
        If agreement is below the floor, cannot be assessed or rests on fewer than 50 pairs judged twice; no floor is declared; a tie or a pair bad on
        both sides meets the rule ``refuse``; people followed several guidelines; or the card does not allow training.
    InputError
        If a rule or format is unknown, or strengths are missing.
    """
    _check(format, ties, both_bad, margin)
    require_training_card(card, where=f"preferences of '{project}'")
    found = pair_votes(workspace, project, question)
    limit = _floor(workspace, project, floor)
    _require_agreement(found, limit, project)
    guideline = _one_guideline(found)
    alpha = float(found.alpha.estimate or 0.0)
    unpaired = format == "kto"
    left: Counter[str] = Counter(found.left_out)
    made = [
        row
        for pair in found.pairs
        for row in _rows(pair, project=project, dimension=question, unpaired=unpaired, ties=ties, both_bad=both_bad, margin=margin, left=left)
    ]
    rules: dict[str, str] = {"ties": ties, "both_bad": both_bad, "margin": margin}
    for row in made:
        measures = {**row["tags"]["measures"], "alpha": alpha, "dimension": question, "guideline": guideline}
        row["tags"] = {**row["tags"], "measures": measures, "consent": card.consent, "contains_personal_data": card.contains_personal_data}
        # With another vote, or another agreement, it is another row: what it was worth is part of it.
        row["id"] = content_id("row", row)
    if not made:
        raise Refused(
            "No pair has a winner.", where=f"project '{project}' question '{question}'", mend="ask more people, or look at why all are tied"
        )
    name = dataset or f"{project}-{question}-{'unpaired' if unpaired else 'pairs'}"
    params = {
        "project": project,
        "question": question,
        "form": "unpaired" if unpaired else "preference",
        "rules": rules,
        "floor": limit,
        "alpha": found.alpha.to_dict(),
        "alpha_with_suggestions": found.alpha_all.to_dict(),
        "rater_pool": found.pool.to_dict(),
        "guideline": guideline,
    }
    parents = [load_version(workspace, ref) for ref in sources]
    done = publish_rows(workspace, name, made, card=card, parents=parents, made_by="preference", params=params, left_out=left)
    if done.version is None:  # rows were made, so there is a version
        raise Refused("There is nothing to export.", where=name)
    sent = export(workspace, done.version.id, format=format, path=path, purpose=purpose)
    return PreferenceExport(sent, done.version, found.alpha, found.alpha_all, limit, found.pool, guideline, rules, dict(sorted(left.items())))


def export_refusal(workspace: Workspace, project: str, found: Preferences) -> Refused | None:
    """Why the preferences could not be exported as they are, or None. What depends on the card, or on a rule chosen then, is not looked at."""
    try:
        _require_agreement(found, _floor(workspace, project, None), project)
        _one_guideline(found)
    except Refused as refused:
        return refused
    return None


def _check(format: str, ties: str, both_bad: str, margin: str) -> None:
    for value, allowed, what in (
        (format, FORMATS, "format"),
        (ties, ("drop", "refuse"), "rule for ties"),
        (both_bad, ("drop", "refuse", "unpaired"), "rule for both bad"),
        (margin, ("votes", "strength"), "margin"),
    ):
        if value not in allowed:
            raise InputError(f"'{value}' is no {what}.", mend=f"use one of: {', '.join(allowed)}")
    if both_bad == "unpaired" and format != "kto":
        raise InputError("Only KTO can say that both answers are bad.", mend="use format 'kto', or both_bad 'drop'")


def _floor(workspace: Workspace, project: str, floor: float | None) -> float:
    if floor is None:
        with workspace.read() as conn:
            terms = find_terms(conn, workspace.id, project)
        floor = terms.settings.agreement_floor if terms is not None else None
    if floor is None:
        raise Refused(
            f"No floor of agreement is declared for '{project}'.",
            why="what agreement is enough must be said before anybody looks at it",
            mend="set 'agreement_floor' in the project's settings",
        )
    if not -1 <= floor <= 1:
        raise InputError(f"A floor of {floor} is no alpha.", mend="give a number from -1 to 1")
    return floor


def _require_agreement(found: Preferences, floor: float, project: str) -> None:
    alpha = found.alpha
    where = f"project '{project}' question '{found.question.name}'"
    if alpha.status != "measured" or alpha.lower is None:
        beside = f" (with suggestions in sight: {found.alpha_all})" if found.alpha_all.n_units > alpha.n_units else ""
        raise Refused(
            "How far people agree cannot be said, so their preferences are not exported.",
            where=where,
            why=f"{alpha}{beside}",
            mend="have more pairs judged by two people, without a suggestion in sight",
        )
    if alpha.lower < floor:
        raise Refused(
            f"People agree too little: the lower bound of alpha is {alpha.lower:.3f}, the declared floor {floor:g}.",
            where=where,
            why=f"{alpha}; a model trained on this would learn the noise",
            mend="look at the disagreements, mend the guideline, and have the pairs judged again",
        )


def _one_guideline(found: Preferences) -> str:
    given = sorted(set(found.guideline_hashes.values()))
    if len(given) > 1 or (given and found.pool.guidelines.get("none")):
        raise Refused(
            f"These preferences were given under {len(found.pool.guidelines)} guidelines.",
            where=", ".join(f"{key}: {count} votes" for key, count in found.pool.guidelines.items()),
            why="people who were told different things do not answer one question",
            mend="have the pairs of the old guideline judged again, or export them from a project of their own",
        )
    return given[0] if given else ""


def _rows(
    pair: PairVotes, *, project: str, dimension: str, unpaired: bool, ties: str, both_bad: str, margin: str, left: Counter[str]
) -> Iterator[dict[str, Any]]:
    where = f"item {pair.item}"
    winner = pair.winner
    if pair.a.strip() == pair.b.strip():
        left["both answers are the same"] += 1
        return
    if not pair.prompt or pair.prompt[-1]["role"] not in ("user", "tool"):
        left["the prompt does not end with a user's turn"] += 1
        return
    if winner == TIE or (winner == BOTH_BAD and both_bad != "unpaired"):
        rule, what = (ties, "tied") if winner == TIE else (both_bad, "bad on both sides")
        if rule == "refuse":
            raise Refused(f"A pair is {what}, and the declared rule refuses that.", where=where, mend="have it adjudicated, or declare 'drop'")
        left[what] += 1
        return
    lineage = {"judgements": list(pair.judgements), "item": pair.item, "finding": pair.item}  # the two rows of one pair stay together in a split
    tags = {"made_by": "preference", "project": project, "question": dimension, "votes": dict(pair.votes), "decided": pair.decided}

    def made(kind: str, **fields: Any) -> dict[str, Any]:
        measures = {"margin": _margin(pair, winner, margin, where), "n_votes": pair.n, "vote_share": pair.vote_share}
        return {"kind": kind, **fields, "lineage": lineage, "tags": {**tags, "form": kind, "measures": measures}}

    sides = {A: [{"role": "assistant", "content": pair.a}], B: [{"role": "assistant", "content": pair.b}]}
    prompt = list(pair.prompt)
    if not unpaired:
        loser = B if winner == A else A
        yield made("preference", messages=prompt, chosen=sides[winner], rejected=sides[loser])
        return
    for side, answer in sides.items():
        yield made("unpaired", messages=[*prompt, *answer], label=side == winner)


def _margin(pair: PairVotes, winner: str, margin: str, where: str) -> float:
    if winner == BOTH_BAD:
        return 0.0
    sign = 1 if winner == A else -1
    if margin == "strength":
        if pair.strength is None:
            raise InputError("Nobody said how strongly they prefer.", where=where, mend="use margin 'votes', or ask for strength")
        return sign * pair.strength
    return sign * (pair.votes.get(A, 0) - pair.votes.get(B, 0)) / pair.n if pair.n else 0.0
