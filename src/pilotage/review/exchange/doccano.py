"""doccano's JSONL: ``text`` with ``label`` (words, or ``[start, end, label]``) or ``entities``, and ``Comments``.

A line names no annotator: it is what the project agreed on. Its answer is an import's, called ``doccano``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilotage.judging import Question
from pilotage.review.exchange.fitting import fit, sole_question
from pilotage.review.exchange.reading import Lost, Terms, name_of, require_list
from pilotage.review.exchange.record import Exchanged, KeptRaw, Misfit, Said

_ANSWERS = ("label", "labels", "entities", "cats")
_OWN = (*_ANSWERS, "relations", "Comments", "comments", "id")


class DoccanoCodec:
    """One text a line."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        own = {name: value for name, value in row.items() if name in _OWN}
        payload = terms.inward({name: value for name, value in row.items() if name not in own})
        values: dict[str, Any] = {}
        for name in ("entities", "label", "labels"):
            told = require_list(row.get(name), name) if not isinstance(row.get(name), str) else [row[name]]
            if not told:
                continue
            spans = name == "entities" or not isinstance(told[0], str)
            kinds = ("spans",) if spans else ("choice", "choices", "text", "edit")
            question = sole_question(terms.rubric, *kinds, field=name, name=_named(terms, kinds))
            if question.name in values:
                raise Misfit(name, f"'{question.name}' is answered twice in one line")
            values[question.name] = fit(
                question, [_span(each, f"{name}[{i}]") for i, each in enumerate(told)] if spans else told, payload, field=name
            )
        kept = tuple(KeptRaw(name, "no question of a rubric") for name in ("relations", "cats") if row.get(name))
        identity = name_of(row.get("id")) or None
        said = (Said(rater="doccano", values=values, raw={"own": own}),) if values else ()
        return Exchanged(id=identity, payload=payload, said=said, extra={} if values else {"own": own}, kept_raw=kept)

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        shown = terms.outward(record.payload)
        if record.proposed:
            lost("suggestions")
        fresh = [one for one in record.said if one.raw is None and one.state == "submitted"]
        if len([one for one in record.said if one.raw is None]) > len(fresh):
            lost("drafts and skipped answers")
        base = {**({} if record.id is None else {"id": _number(record.id)}), **shown}
        wrote = False
        for one in record.said:
            if one.raw is not None:
                wrote = True
                yield {**shown, **one.raw["own"]}
        for one in fresh:
            lost("who answered")
            wrote = True
            yield {**base, **_made(one.values, terms, lost), "Comments": []}
        if not wrote:
            yield {**shown, **record.extra["own"]} if "own" in record.extra else {**base, "label": [], "Comments": []}


def _named(terms: Terms, kinds: tuple[str, ...]) -> str | None:
    named: Question | None = next((question for question in terms.rubric.questions if question.name == terms.question), None)
    return named.name if named is not None and named.kind in kinds else None


def _span(told: Any, field: str) -> dict[str, Any]:
    if isinstance(told, list) and len(told) == 3:
        return {"start": told[0], "end": told[1], "label": told[2]}
    if isinstance(told, dict) and {"start_offset", "end_offset", "label"} <= set(told):
        return {"start": told["start_offset"], "end": told["end_offset"], "label": told["label"]}
    raise Misfit(field, "a span is [start, end, label] or {start_offset, end_offset, label}")


def _made(values: Any, terms: Terms, lost: Lost) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in values.items():
        kind = terms.rubric.question(name).kind
        told: list[Any] | None = None
        if kind == "spans":
            told = [[span["start"], span["end"], span["label"]] for span in value]
        elif kind in ("choice", "text", "edit"):
            told = [value]
        elif kind == "choices":
            told = value
        key = "label" if "label" not in made else "entities" if kind == "spans" else None
        if told is None or key is None:
            lost(f"answers to questions of kind {kind}" if told is None else "a second question")
            continue
        made[key] = (
            told
            if key == "label"
            else [{"id": index, "start_offset": span[0], "end_offset": span[1], "label": span[2]} for index, span in enumerate(told)]
        )
    return made


def _number(identity: str) -> int | str:
    return int(identity) if identity.isdecimal() and identity == str(int(identity)) else identity
