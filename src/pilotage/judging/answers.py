"""What answers a question, kind by kind: the shape of each value, and whether it fits the item it is about.

========  ==========================================================================================================
choice    ``"value"`` of one option
choices   ``["value", …]`` of several options, kept in the options' order
rating    a number
bool      ``true`` or ``false``
text      what a person wrote, not empty
spans     ``[{"start": 0, "end": 4, "label": "value"}, …]``: Unicode code points (not bytes, not UTF-16 units) of the text, ``end`` outside, in order
pair      ``{"preferred": "a" | "b" | "tie" | "both_bad", "strength": 1 … n or null}``: always the item's ``a`` and ``b``, wherever they stood
ranking   ``[["x"], ["y", "z"], …]``: ids of the item's candidates, best first; a group of several stands equal
edit      the whole text as it should be, not empty
========  ==========================================================================================================

Every function returns the value as it is kept, so that two people who said the same are equal, or raises ``InputError``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from pilotage.core import InputError

if TYPE_CHECKING:
    from pilotage.judging.question import Question

PREFERRED = ("a", "b", "tie", "both_bad")


def check(question: Question, value: Any, payload: Mapping[str, Any] | None) -> Any:
    """See :meth:`.question.Question.check`."""
    if payload is not None:
        check_payload(question, payload)
    match question.kind:
        case "choice":
            allowed = [option.value for option in question.options]
            if not isinstance(value, str) or value not in allowed:
                _refuse(question, f"{value!r} is not an option of this question.", f"use one of: {', '.join(allowed)}")
            return value
        case "choices":
            return _choices(question, value)
        case "rating":
            return _rating(question, value)
        case "bool":
            if not isinstance(value, bool):
                _refuse(question, f"{value!r} is not yes or no.", "use true or false")
            return value
        case "text" | "edit":
            if not isinstance(value, str) or not value.strip():
                _refuse(question, "The answer must be text and not empty.", "write an answer, or abstain")
            return value
        case "spans":
            return _spans(question, value, None if payload is None else text_of(payload, question.about))
        case "pair":
            return _pair(question, value)
        case "ranking":
            return _ranking(question, value, None if payload is None else candidate_ids(at_path(payload, question.about)))


def check_payload(question: Question, payload: Mapping[str, Any]) -> None:
    """See :meth:`.question.Question.check_payload`."""
    if question.about and at_path(payload, question.about) is None:
        _refuse(question, f"The item has no '{question.about}', which this question is about.", "put it into the payload, or set 'of'")
    if question.kind in ("spans", "edit") and question.about and text_of(payload, question.about) is None:
        _refuse(question, f"The item's '{question.about}' is not text.", "name a field that holds text under 'of'")
    if question.kind == "pair" and (payload.get("a") is None or payload.get("b") is None):
        _refuse(question, "The item has no two sides to compare.", "put them into the payload as 'a' and 'b'")
    if question.kind == "ranking":
        ids = candidate_ids(at_path(payload, question.about))
        if ids is None or len(ids) < 2:
            _refuse(
                question,
                f"The item's '{question.about}' is not a list of at least two candidates with ids of their own.",
                "write {id: …, text: …} for each",
            )


def at_path(payload: Any, path: str) -> Any:
    """The part of ``payload`` at ``path`` (``messages.-1.content``), or None where there is none."""
    here = payload
    for step in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(step)
        elif isinstance(here, Sequence) and not isinstance(here, str) and step.removeprefix("-").isdecimal() and -len(here) <= int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


def text_of(payload: Mapping[str, Any], path: str) -> str | None:
    """The text at ``path``; of a turn, what was said in it. None where it is not text."""
    found = at_path(payload, path)
    if isinstance(found, Mapping):
        found = found.get("content")
    return found if isinstance(found, str) else None


def candidate_ids(candidates: Any) -> list[str] | None:
    """The ids of a list of ``{id: …}``, in its order; None where they are not ids, or two are alike."""
    if not isinstance(candidates, list):
        return None
    ids = [one.get("id") if isinstance(one, Mapping) else None for one in candidates]
    if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) != len(ids):
        return None
    return [str(one) for one in ids]


def _refuse(question: Question, what: str, mend: str) -> NoReturn:
    raise InputError(what, where=f"question '{question.name}'", mend=mend)


def _rating(question: Question, value: Any) -> Any:
    bounds = f"use a number from {question.minimum:g} to {question.maximum:g}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse(question, f"{value!r} is not a finite number.", bounds)
    if not question.minimum <= value <= question.maximum:
        _refuse(question, f"{value:g} is outside the rating's range.", bounds)
    if question.scale in ("nominal", "ordinal") and value != int(value):
        _refuse(question, f"{value:g} is not a whole number.", "use a whole number, or declare the scale interval")
    return value


def _choices(question: Question, value: Any) -> list[str]:
    allowed = [option.value for option in question.options]
    if not isinstance(value, list):
        _refuse(question, f"{value!r} is not a list of options.", f"use some of: {', '.join(allowed)}")
    for one in value:
        if not isinstance(one, str) or one not in allowed:
            _refuse(question, f"{one!r} is not an option of this question.", f"use some of: {', '.join(allowed)}")
    if len(set(value)) != len(value):
        _refuse(question, "An option is named twice.", "name each once")
    _count(question, len(value), "options")
    return sorted(value, key=allowed.index)


def _count(question: Question, count: int, what: str) -> None:
    if count < question.fewest:
        _refuse(question, f"{count} {what} are fewer than the {question.fewest} that are asked for.", "add to them, or abstain")
    if question.at_most is not None and count > question.at_most:
        _refuse(question, f"{count} {what} are more than the {question.at_most} that are asked for.", "take some away")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _spans(question: Question, value: Any, text: str | None) -> list[dict[str, Any]]:
    labels = [option.value for option in question.options]
    if not isinstance(value, list):
        _refuse(question, f"{value!r} is not a list of spans.", "write [{start, end, label}, …]")
    kept: list[dict[str, Any]] = []
    for span in value:
        if not isinstance(span, Mapping) or set(span) != {"start", "end", "label"} or not _whole(span["start"]) or not _whole(span["end"]):
            _refuse(question, f"{span!r} is not a span.", "write {start: 0, end: 4, label: …}, places as whole numbers of code points")
        if not isinstance(span["label"], str) or span["label"] not in labels:
            _refuse(question, f"{span['label']!r} is not a label of this question.", f"use one of: {', '.join(labels)}")
        if not 0 <= span["start"] < span["end"]:
            _refuse(question, f"A span from {span['start']} to {span['end']} holds nothing.", "let it end after its start")
        if text is not None and span["end"] > len(text):
            _refuse(
                question,
                f"A span ends at {span['end']}, after the text's {len(text)} characters.",
                "count in Unicode code points, from 0, end outside",
            )
        kept.append({"start": span["start"], "end": span["end"], "label": span["label"]})
    kept.sort(key=lambda span: (span["start"], span["end"], labels.index(span["label"])))
    for before, after in itertools.pairwise(kept):
        if before == after:
            _refuse(question, "A span is named twice.", "name it once")
    furthest = 0
    for span in kept:
        if not question.overlapping and span["start"] < furthest:
            _refuse(question, "Two spans overlap.", "let one end where the other starts, or declare 'overlapping: true'")
        furthest = max(furthest, span["end"])
    _count(question, len(kept), "spans")
    return kept


def _pair(question: Question, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not {"preferred"} <= set(value) <= {"preferred", "strength"}:
        _refuse(question, f"{value!r} is not a preference.", "write {preferred: a, strength: null}")
    preferred, strength = value["preferred"], value.get("strength")
    allowed = [one for one in PREFERRED if (one != "tie" or question.ties) and (one != "both_bad" or question.both_bad)]
    if not isinstance(preferred, str) or preferred not in allowed:
        _refuse(question, f"{preferred!r} cannot be preferred here.", f"use one of: {', '.join(allowed)}")
    asked = question.strength > 0 and preferred in ("a", "b")
    if asked and (strength is None or not _whole(strength) or not 1 <= strength <= question.strength):
        _refuse(question, f"{strength!r} does not say how much better.", f"give a strength from 1 to {question.strength}")
    if not asked and strength is not None:
        _refuse(question, "There is no strength to give here.", "leave it out")
    return {"preferred": preferred, "strength": strength}


def _ranking(question: Question, value: Any, ids: list[str] | None) -> list[list[str]]:
    if not isinstance(value, list) or not value or not all(isinstance(group, list) and group for group in value):
        _refuse(question, f"{value!r} is not a ranking.", "write [[best], [next, its equal], …]")
    named = [one for group in value for one in group]
    if not all(isinstance(one, str) for one in named) or len(set(named)) != len(named):
        _refuse(question, "A candidate is named twice, or not by its id.", "name each candidate once, by its id")
    if not question.ties and any(len(group) > 1 for group in value):
        _refuse(question, "Two candidates stand equal.", "put one before the other, or declare 'ties: true'")
    if ids is not None and set(named) != set(ids):
        odd = sorted(set(named) ^ set(ids))
        _refuse(question, f"The ranking does not cover just the candidates: {', '.join(odd)}.", f"rank each of: {', '.join(ids)}")
    return [sorted(group) for group in value]
