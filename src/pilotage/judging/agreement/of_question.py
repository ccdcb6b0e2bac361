"""The agreement figure that suits a question's kind of answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilotage.core import InputError
from pilotage.judging.agreement.alpha import NAME, krippendorff_alpha
from pilotage.judging.agreement.figure import Agreement, Rating, Shape, ratings_of
from pilotage.judging.agreement.rankings import ranking_alpha
from pilotage.judging.agreement.sets import set_alpha
from pilotage.judging.agreement.spans import span_alpha, span_f1
from pilotage.judging.judgement import Judgement
from pilotage.judging.rubric import Question, Scale

_NO_FIGURE = ("text", "edit")


def agreement_on(
    question: Question,
    judgements: Iterable[Judgement],
    *,
    lengths: Mapping[str, int] | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Alpha of the answers to ``question``, with the distance its kind of answer calls for.

    Choices and ratings on the question's scale (ordinal choices in the order of the options), sets of labels by MASI, rankings by pair, pairs by
    which side was preferred, spans by character (by F1 where ``lengths`` of the texts are not given). Free text has no agreement figure, and says so.

    Raises ``InputError`` if a judgement is about another question, or a rater judged an item twice.
    """
    given = list(judgements)
    if any(judgement.question != question.name for judgement in given):
        raise InputError(f"A judgement is not about '{question.name}'.", mend="ask for judgements(…, question=…)")
    rows = ratings_of(given)
    how = {"level": level, "replicates": replicates, "seed": seed}
    kind: str = question.kind
    if kind in _NO_FIGURE:
        raters = len({row.rater for row in rows})
        return Shape(NAME, kind, level, 0, raters, len(rows)).undefined("free text has no agreement figure; ask a choice about it")
    if kind == "choices":
        return set_alpha(rows, **how)  # type: ignore[arg-type]
    if kind == "ranking":
        return ranking_alpha(rows, **how)  # type: ignore[arg-type]
    if kind == "spans":
        if lengths is None:
            return span_f1(rows, **how)  # type: ignore[arg-type]
        return span_alpha(rows, lengths=lengths, **how)  # type: ignore[arg-type]
    if kind == "pair":
        rows = [Rating(row.unit, row.rater, row.value["preferred"]) for row in rows]
    order = [option.value for option in question.options] if kind == "choice" and question.scale == Scale.ORDINAL else None
    return krippendorff_alpha(rows, scale=question.scale, order=order, **how)  # type: ignore[arg-type]
