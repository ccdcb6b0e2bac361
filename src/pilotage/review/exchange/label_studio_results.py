"""The ``result`` lists of Label Studio: what one annotation or prediction says, control by control.

A result is ``{from_name, to_name, type, value: {<type>: …}}``. Controls that a rubric can ask become values; regions of images, taxonomies, relations
and the like are kept as they came and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.judging import Question
from pilotage.judging.answers import text_of
from pilotage.review.exchange.fitting import find_question, fit
from pilotage.review.exchange.offsets import code_points
from pilotage.review.exchange.reading import Lost, Terms, require_list, require_object
from pilotage.review.exchange.record import KeptRaw, Misfit

# Label Studio's type -> the kinds of question it may answer.
KINDS_OF: dict[str, tuple[str, ...]] = {
    "choices": ("choice", "choices", "bool"),
    "labels": ("spans",),
    "hypertextlabels": ("spans",),
    "rating": ("rating",),
    "number": ("rating",),
    "textarea": ("text", "edit"),
    "pairwise": ("pair",),
    "ranker": ("ranking",),
}
_TYPE_OF = {
    "choice": "choices",
    "choices": "choices",
    "bool": "choices",
    "spans": "labels",
    "rating": "rating",
    "text": "textarea",
    "edit": "textarea",
    "pair": "pairwise",
    "ranking": "ranker",
}
_SIDES = {"left": "a", "right": "b"}


def read_results(results: Any, terms: Terms, payload: dict[str, Any], *, field: str) -> tuple[dict[str, Any], list[KeptRaw]]:
    """``{question: value}`` of a result list, and what of it is kept raw. Raises ``Misfit`` with the field inside the row."""
    told: dict[str, list[Any]] = {}
    places: dict[str, str] = {}
    kept: list[KeptRaw] = []
    for index, result in enumerate(require_list(results, field)):
        place = f"{field}[{index}]"
        entry = require_object(result, place)
        control, kind = entry.get("from_name"), entry.get("type")
        known = any(question.name == control for question in terms.rubric.questions)
        if kind not in KINDS_OF and not known:
            kept.append(KeptRaw(place, f"a rubric has no question of type '{kind}'"))
            continue
        if not isinstance(control, str):
            raise Misfit(f"{place}.from_name", "a result must name its control")
        question = find_question(terms.rubric, control, field=f"{place}.from_name")
        if question.kind not in KINDS_OF.get(str(kind), ()):
            raise Misfit(f"{place}.type", f"'{kind}' does not answer '{control}', which is a question of kind {question.kind}")
        if terms.targets and entry.get("to_name") not in terms.targets.get(control, ()):
            raise Misfit(f"{place}.to_name", f"'{control}' does not point at '{entry.get('to_name')}'")
        value = require_object(entry.get("value"), f"{place}.value")
        if kind == "choices" and "start" in value:
            kept.append(KeptRaw(place, "a choice for one region, not for the item"))
            continue
        told.setdefault(control, []).append(_told(question, str(kind), value, payload, field=f"{place}.value"))
        places.setdefault(control, place)
    values = {}
    for control, found in told.items():
        question = terms.rubric.question(control)
        joined = [each for part in found for each in part] if question.kind in ("spans", "choices", "text", "edit") else found[-1]
        if question.kind not in ("spans", "choices", "text", "edit") and len(found) > 1:
            raise Misfit(places[control], f"'{control}' is answered {len(found)} times in one annotation")
        values[control] = fit(question, joined, payload, field=f"{places[control]}.value")
    return values, kept


def _told(question: Question, kind: str, value: dict[str, Any], payload: dict[str, Any], *, field: str) -> Any:
    if kind in ("labels", "hypertextlabels"):
        return _spans(question, kind, value, payload, field=field)
    if kind == "pairwise":
        selected = value.get("selected")
        return {"preferred": _SIDES.get(str(selected), selected), "strength": None}
    key = "text" if kind == "textarea" else kind
    if key not in value:
        raise Misfit(f"{field}.{key}", "the value is missing")
    found = value[key]
    if kind == "textarea":
        return found if isinstance(found, list) else [found]
    if kind == "choices":
        return require_list(found, f"{field}.choices")
    if kind == "ranker" and isinstance(found, dict):
        if len(found) != 1:
            raise Misfit(f"{field}.ranker", "several buckets are no ranking")
        return next(iter(found.values()))
    return found


def _spans(question: Question, kind: str, value: dict[str, Any], payload: dict[str, Any], *, field: str) -> list[dict[str, Any]]:
    labels = require_list(value.get(kind, value.get("labels")), f"{field}.{kind}")
    offsets = value.get("globalOffsets")
    place = offsets if isinstance(offsets, dict) else value
    start, end = _whole(place, "start", field), _whole(place, "end", field)
    text = text_of(payload, question.about)
    covered = value.get("text")
    if text is not None:
        found = code_points(text, start, end, covered if isinstance(covered, str) else None)
        if found is None:
            raise Misfit(field, f"the span from {start} to {end} does not cover the text it says it covers")
        start, end = found
    return [{"start": start, "end": end, "label": label} for label in labels]


def _whole(place: Mapping[str, Any], name: str, field: str) -> int:
    found = place.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise Misfit(f"{field}.{name}", "a span needs whole numbers for start and end")
    return found


def write_results(values: Mapping[str, Any], terms: Terms, payload: Mapping[str, Any], *, prefix: str, lost: Lost) -> list[dict[str, Any]]:
    """The result list that says ``values``. Ids are made from ``prefix``, so that the same export gives the same bytes."""
    made: list[dict[str, Any]] = []
    for name, value in values.items():
        question = terms.rubric.question(name)
        kind = _TYPE_OF[question.kind]
        target = terms.targets.get(name, (terms.fields.get(question.about, question.about) or "text",))[0]
        for part in _parts(question, value, payload, lost):
            made.append({"id": f"{prefix}{len(made)}", "from_name": name, "to_name": target, "type": kind, "value": part})
    return made


def _parts(question: Question, value: Any, payload: Mapping[str, Any], lost: Lost) -> list[dict[str, Any]]:
    match question.kind:
        case "choice":
            return [{"choices": [value]}]
        case "choices":
            return [{"choices": value}]
        case "bool":
            return [{"choices": ["yes" if value else "no"]}]
        case "rating":
            return [{"rating": value}]
        case "text" | "edit":
            return [{"text": [value]}]
        case "spans":
            text = text_of(payload, question.about)
            return [
                {
                    "start": span["start"],
                    "end": span["end"],
                    **({} if text is None else {"text": text[span["start"] : span["end"]]}),
                    "labels": [span["label"]],
                }
                for span in value
            ]
        case "pair":
            if value.get("strength") is not None:
                lost("the strength of a preference")
            return [{"selected": {"a": "left", "b": "right"}.get(value["preferred"], value["preferred"])}]
        case _:
            if any(len(group) > 1 for group in value):
                lost("ties in a ranking (written one after another)")
            return [{"ranker": {"rank": [each for group in value for each in group]}}]
