"""Whether an answer is right, for each kind of question: a score from 0 to 1, and the line above which it counts as right.

One answer out of several (choice, bool, whole-number ratings, ranking) is right or wrong. A rating on an interval or ratio scale is right within a
twentieth of its range. Several options are scored by the overlap of the two sets (Jaccard) and spans by F1, both over exact labels; they are right
only when they are the same. Of a pair the preferred side counts; its strength is opinion. Free text and edits cannot be compared this way.
"""

from __future__ import annotations

from typing import Any

from pilotage.core import InputError, canonical_json
from pilotage.judging import Question, Scale

WITHIN = 0.05  # of a rating's range, on an interval or ratio scale
COMPARABLE = ("choice", "bool", "rating", "choices", "spans", "pair", "ranking")


def check_known(question: Question, value: Any) -> None:
    """Raise ``InputError`` unless ``value`` can stand as the known right answer of ``question``."""
    if question.kind not in COMPARABLE:
        raise InputError(
            f"The right answer of a {question.kind} question cannot be compared with what people write.",
            where=f"question '{question.name}'",
            mend="make gold of questions with choices, ratings, spans, pairs or rankings",
        )
    question.check(value)


def score(question: Question, given: Any, right: Any) -> float:
    """How right ``given`` is, 0 to 1."""
    kind: str = question.kind
    if kind == "rating" and question.scale in (Scale.INTERVAL, Scale.RATIO):
        return float(abs(given - right) <= WITHIN * (question.maximum - question.minimum))
    if kind == "choices":
        ours, theirs = set(given), set(right)
        return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0
    if kind == "spans":
        mine, gold = _spans(given), _spans(right)
        return 2 * len(mine & gold) / (len(mine) + len(gold)) if mine or gold else 1.0
    return float(plain(question, given) == plain(question, right))


def is_right(question: Question, given: Any, right: Any) -> bool:
    """Whether ``given`` counts as the right answer."""
    return score(question, given, right) >= 1.0


def plain(question: Question, value: Any) -> str:
    """The answer as one text, equal where two answers are the same: what confusion and disagreement are counted by."""
    kind: str = question.kind
    if kind == "pair":
        return str(value["preferred"])
    if kind == "ranking":
        return " > ".join(" = ".join(sorted(group)) for group in value)
    if kind == "choices":
        return " + ".join(sorted(value)) or "none"
    if kind == "bool":
        return "yes" if value else "no"
    if kind == "rating":
        return f"{value:g}"
    if kind == "spans":
        return canonical_json(sorted(_spans(value))).decode()
    return str(value)


def _spans(value: Any) -> set[tuple[int, int, str]]:
    return {(span["start"], span["end"], span.get("label", "")) for span in value}
