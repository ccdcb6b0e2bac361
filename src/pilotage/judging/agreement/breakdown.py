"""Agreement part by part: by question, slice, guideline version or pair of raters, and what a new guideline version changed.

What people say after they were shown a suggestion agrees because of the suggestion. So answers given with and without one are always two figures side
by side, and without the second the first is not given.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import Any, Literal

import numpy as np

from pilotage.core import InputError
from pilotage.judging.aggregation.votes import Votes, require_one_kind
from pilotage.judging.agreement.alpha import alpha_statistic, krippendorff_alpha
from pilotage.judging.agreement.figure import Agreement, Counts, Rating, Shape, resampled
from pilotage.judging.agreement.kappas import cohen_kappa
from pilotage.judging.agreement.of_question import agreement_on
from pilotage.judging.agreement.patterns import Patterns, Rows, distinct, ordered, votes_of
from pilotage.judging.judgement import Judgement
from pilotage.judging.rubric import Question, Scale

By = Literal["question", "slice", "guideline", "pair"]
# With nothing to show there was nothing to follow. Who answered first had seen nothing then, but could change the answer after: not unaided.
UNAIDED = (None, "withheld")


@dataclass(frozen=True)
class ArmAgreement:
    """Agreement of one part, with and without a suggestion before people's eyes.

    group
        What the part is: {"slice": …} and the like; {} for all.
    unaided
        Of answers given without having seen a suggestion (the withheld arm, and tasks that had none).
    aided
        Of answers given with one. None where there are none; not assessable where there is no unaided figure to hold it against.
    """

    question: str
    group: Mapping[str, str]
    unaided: Agreement
    aided: Agreement | None = None

    def __str__(self) -> str:
        part = ", ".join(f"{name} {value}" for name, value in self.group.items())
        name = f"{self.question} ({part})" if part else self.question
        shown = f"\n  suggestion shown: {self.aided}" if self.aided is not None else ""
        return f"{name}\n  without suggestion: {self.unaided}{shown}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        aided = None if self.aided is None else self.aided.to_dict()
        return {"question": self.question, "group": dict(self.group), "unaided": self.unaided.to_dict(), "aided": aided}


def agreement_by(
    judgements: Iterable[Judgement],
    questions: Iterable[Question],
    *,
    by: By = "question",
    slices: Mapping[str, Mapping[str, str]] | None = None,
    lengths: Mapping[str, int] | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> tuple[ArmAgreement, ...]:
    """Agreement for each question, and within it for each part.

    Parameters
    ----------
    judgements
        Current ones, of people, about items (not about raters), under one rubric version.
    by
        ``question`` (one part each), ``slice`` (every value of every tag in ``slices``: item id → tags), ``guideline`` (version), or ``pair`` of
        raters (Cohen's kappa where the answer is one value).
    lengths
        Item id → length of its text, for spans.

    Raises
    ------
    InputError
        If a judgement is about a question that is not in ``questions``, a rater judged an item twice, slices are asked for and not given, or people's
        and machines' answers are mixed.

    Cost: each judgement once a part it is in; pairs grow with the square of the raters.
    """
    asked = {question.name: question for question in questions}
    if by not in ("question", "slice", "guideline", "pair"):
        raise InputError(f"'{by}' is no way to part agreement.", mend="use question, slice, guideline or pair")
    if by == "slice" and slices is None:
        raise InputError("The slices of the items are not known.", mend="give item id → tags in 'slices'")
    listed = list(judgements)
    require_one_kind(listed)
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[Judgement]] = {}
    for judgement in listed:
        if judgement.question not in asked:
            raise InputError(f"'{judgement.question}' is not one of the questions given.", mend="give every question of the rubric")
        for part in _parts(judgement, by, slices or {}):
            found.setdefault((judgement.question, part), []).append(judgement)
    how: dict[str, Any] = {"level": level, "replicates": replicates, "seed": seed}
    made = []
    for (name, part), given in sorted(found.items(), key=lambda entry: entry[0]):
        if by == "pair":
            made += _by_pair(asked[name], given, lengths, how)
        else:
            made.append(_arms(asked[name], dict(part), given, lengths, how))
    return tuple(made)


def _parts(judgement: Judgement, by: By, slices: Mapping[str, Mapping[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    if by == "slice":
        return [((tag, value),) for tag, value in sorted(slices.get(judgement.item_id, {}).items())]
    if by == "guideline":
        return [(("guideline", judgement.guideline_id or "none"),)]
    return [()]


def _arms(
    question: Question, group: Mapping[str, str], given: list[Judgement], lengths: Mapping[str, int] | None, how: dict[str, Any]
) -> ArmAgreement:
    without = [judgement for judgement in given if judgement.arm in UNAIDED]
    having = [judgement for judgement in given if judgement.arm not in UNAIDED]
    unaided = _figure(question, without, lengths, how)
    return ArmAgreement(question.name, group, unaided, _beside(unaided, _figure(question, having, lengths, how)) if having else None)


def _beside(unaided: Agreement, aided: Agreement) -> Agreement:
    """``aided``, but not where nothing stands beside it."""
    if unaided.estimate is not None or aided.estimate is None:
        return aided
    shape = Shape(*(getattr(aided, name) for name in ("coefficient", "scale", "level", "n_units", "n_raters", "n_values")))
    return shape.undefined("there is no figure without the suggestion to hold it against, and agreement with a suggestion shown is partly its own")


def _figure(question: Question, given: list[Judgement], lengths: Mapping[str, int] | None, how: dict[str, Any]) -> Agreement:
    return agreement_on(question, given, lengths=lengths, **how)


def _by_pair(question: Question, given: list[Judgement], lengths: Mapping[str, int] | None, how: dict[str, Any]) -> list[ArmAgreement]:
    made = []
    raters = sorted({judgement.rater_id for judgement in given})
    kind: str = question.kind
    for one, other in combinations(raters, 2):
        both = [judgement for judgement in given if judgement.rater_id in (one, other)]
        if kind in ("choice", "bool", "rating"):
            unaided, aided = (_kappa(both, one, other, arms, how) for arms in (True, False))
            if not unaided.n_units and not aided.n_units:
                continue
            made.append(ArmAgreement(question.name, {"first": one, "second": other}, unaided, _beside(unaided, aided) if aided.n_units else None))
        else:
            found = _arms(question, {"first": one, "second": other}, both, lengths, how)
            if found.unaided.n_units or (found.aided and found.aided.n_units):
                made.append(found)
    return made


def _kappa(given: list[Judgement], one: str, other: str, unaided: bool, how: dict[str, Any]) -> Agreement:
    kept = [judgement for judgement in given if (judgement.arm in UNAIDED) == unaided and not judgement.abstained]
    Votes.from_judgements(kept)  # refuses an item judged twice by one rater
    first = {judgement.item_id: judgement.value for judgement in kept if judgement.rater_id == one}
    second = {judgement.item_id: judgement.value for judgement in kept if judgement.rater_id == other}
    return cohen_kappa(first, second, **how)


@dataclass(frozen=True)
class AgreementChange:
    """Alpha before and after: after a new guideline version, say.

    difference, lower, upper
        After − before, with the interval of the difference (units drawn again once for both, so units judged under both are paired). None where one
        of the two is not assessable.
    status
        As of :class:`Agreement`; fewer than 50 units on either side decide nothing.
    """

    before: Agreement
    after: Agreement
    difference: float | None
    lower: float | None
    upper: float | None
    level: float
    status: str
    reason: str = ""

    def __str__(self) -> str:
        if self.difference is None:
            return f"change of agreement: not assessable: {self.reason}"
        interval = f" [{self.lower:+.3f}, {self.upper:+.3f}]" if self.lower is not None and self.upper is not None else ""
        note = f"; {self.reason}" if self.reason else ""
        return f"change of agreement: {self.difference:+.3f}{interval} at {self.level:.0%}{note}\n  before: {self.before}\n  after: {self.after}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        plain = {name: getattr(self, name) for name in ("difference", "lower", "upper", "level", "status", "reason")}
        return {"before": self.before.to_dict(), "after": self.after.to_dict(), **plain}


def agreement_change(
    before: Rows,
    after: Rows,
    *,
    scale: Scale | str,
    order: Iterable[Any] | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> AgreementChange:
    """How alpha changed from ``before`` to ``after``: (unit, rater, value) rows or :class:`Votes`, of answers without a suggestion shown.

    Units may be the same, others, or some of each. That the change is the guideline's doing needs more than this figure: other units may be easier.
    Errors: as :func:`krippendorff_alpha`.
    """
    scale = Scale(scale)
    listed = None if order is None else list(order)
    votes = votes_of(before), votes_of(after)
    how: dict[str, Any] = {"scale": scale, "order": listed, "level": level, "replicates": replicates, "seed": seed}
    figures = krippendorff_alpha(votes[0], **how), krippendorff_alpha(votes[1], **how)
    for name, figure in zip(("before", "after"), figures, strict=True):
        if figure.estimate is None:
            return AgreementChange(*figures, None, None, None, level, "not_assessable", f"{name}: {figure.reason}")
    assert figures[0].estimate is not None and figures[1].estimate is not None  # noqa: S101  looked at above
    difference = figures[1].estimate - figures[0].estimate
    drawn = _differences(votes, scale, listed, replicates, seed) if replicates else np.zeros(0)
    tail = (1 - level) / 2
    status = "measured" if all(figure.decides for figure in figures) else "too_few_for_a_verdict"
    reason = next((figure.reason for figure in figures if not figure.decides), "")
    if not len(drawn):
        return AgreementChange(*figures, difference, None, None, level, status, reason)
    lower, upper = (float(bound) for bound in np.quantile(drawn, [tail, 1 - tail]))
    return AgreementChange(*figures, difference, min(lower, difference), max(upper, difference), level, status, reason)


def _differences(votes: tuple[Votes, Votes], scale: Scale, order: list[Any] | None, replicates: int, seed: int) -> Counts:
    """Differences over draws of units. A unit's row holds its counts before and its counts after, so that it is drawn with both."""
    seen = {value: None for each in votes for value in each.values}
    known = ordered(list(seen), scale, order)
    units: dict[Hashable, int] = {}
    for each in votes:
        for unit in each.units:
            units.setdefault(unit, len(units))
    sides = []
    for each in votes:
        counts = np.zeros((len(units), len(known)))
        place = {value: index for index, value in enumerate(known)}
        rows = np.array([units[unit] for unit in each.units])[each.unit]
        np.add.at(counts, (rows, np.array([place[value] for value in each.values])[each.value]), 1)
        counts[counts.sum(axis=1) < 2] = 0
        sides.append(counts)
    patterns, weights = distinct(np.concatenate(sides, axis=1))
    halves = []
    for columns in (slice(0, len(known)), slice(len(known), None)):
        there = patterns[:, columns].sum(axis=1) >= 2
        half = Patterns(tuple(known), patterns[there, columns], weights[there], 0, 0)
        halves.append((there, alpha_statistic(half, scale)))

    def statistic(drawn: Counts) -> Counts:
        one, other = (compute(drawn[:, there]) for there, compute in halves)
        change: Counts = other - one
        return change

    found = resampled(statistic, weights, replicates=replicates, seed=seed)
    return found[~np.isnan(found)]


def rows_of(judgements: Iterable[Judgement], *, aided: bool = False) -> list[Rating]:
    """Ratings of the answers given without a suggestion (or, ``aided``, with one); abstentions are missing."""
    return [Rating(j.item_id, j.rater_id, j.value) for j in judgements if not j.abstained and (j.arm in UNAIDED) != aided]
