"""Prodigy's JSONL: one task and one annotator's answer a line.

``accept`` holds the options chosen, ``spans`` the spans, ``label`` with ``answer`` a yes or no; ``answer`` is accept, reject or ignore. An ignored
line is a skip. A rejected one says no where the rubric asks yes or no; of other questions it says only that something was wrong, and is kept raw.
Spans of a line that nobody answered are a machine's proposal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilotage.core import canonical_json, sha256_hex
from pilotage.judging import Question, Rubric
from pilotage.review.exchange.fitting import fit, sole_question
from pilotage.review.exchange.reading import Lost, Terms, name_of, require_list
from pilotage.review.exchange.record import Exchanged, KeptRaw, Misfit, Proposed, Said

MODEL = "prodigy"
# Keys of the answer, not of what is shown. All others are the item.
_OWN = ("accept", "answer", "spans", "user_input", "relations", "config")


class ProdigyCodec:
    """One answer a line."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        own = {name: value for name, value in row.items() if name in _OWN or name.startswith("_")}
        payload = terms.inward({name: value for name, value in row.items() if name not in own})
        answer = row.get("answer")
        if answer not in (None, "accept", "reject", "ignore"):
            raise Misfit("answer", f"{answer!r} is neither accept, reject nor ignore")
        identity = name_of(row.get("_input_hash")) or None
        if answer is None:
            proposed = tuple(Proposed(model=MODEL, version="", values={name: value}, raw={}) for name, value in _values(row, terms, payload).items())
            return Exchanged(id=identity, payload=payload, proposed=proposed, extra={"own": own})
        kept: list[KeptRaw] = []
        values: dict[str, Any] = {}
        if answer == "ignore":
            kept.append(KeptRaw("answer", "an ignored task"))
        elif answer == "reject" and not _yes_or_no(row, terms):
            kept.append(KeptRaw("answer", "a rejected task: it does not say what would be right"))
        else:
            values = _values(row, terms, payload)
        said = Said(
            rater=name_of(row.get("_annotator_id") or row.get("_session_id")),
            values=values,
            state="skipped" if answer == "ignore" else "submitted",
            raw={"own": own},
        )
        return Exchanged(id=identity, payload=payload, said=(said,), kept_raw=tuple(kept))

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        shown = terms.outward(record.payload)
        if not record.said:
            own = record.extra.get("own")
            if own is None and any(
                terms.rubric.question(name).kind not in ("spans", "choice", "choices") for p in record.proposed for name in p.values
            ):
                lost("suggestions that are neither options nor spans")
            yield {**shown, **(own if own is not None else _made({k: v for p in record.proposed for k, v in p.values.items()}, terms.rubric, lost))}
            return
        mark = int(sha256_hex(canonical_json(shown))[:7], 16)
        hashes = {name: value for one in record.said if one.raw for name, value in one.raw["own"].items() if name in ("_input_hash", "_task_hash")}
        for one in record.said:
            if one.raw is not None:
                yield {**shown, **one.raw["own"]}
                continue
            if one.active_ms is not None:
                lost("the time an answer took")
            made = _made(one.values, terms.rubric, lost)
            answer = "ignore" if one.state != "submitted" else made.pop("answer", "accept")
            yield {
                **shown,
                **made,
                "answer": answer,
                "_input_hash": hashes.get("_input_hash", mark),
                "_task_hash": hashes.get("_task_hash", mark),
                "_session_id": one.rater,
                "_annotator_id": one.rater,
            }


def _yes_or_no(row: dict[str, Any], terms: Terms) -> Question | None:
    """The question that accept and reject answer with yes and no, if the line has nothing else that would be an answer."""
    if row.get("accept") is not None or row.get("spans") is not None:
        return None
    found = [q for q in terms.rubric.questions if q.kind == "bool" and terms.question in (None, q.name)]
    return found[0] if len(found) == 1 else None


def _values(row: dict[str, Any], terms: Terms, payload: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if row.get("accept") is not None:
        question = sole_question(terms.rubric, "choice", "choices", field="accept", name=_named(terms, "choice", "choices"))
        accepted = require_list(row["accept"], "accept")
        if accepted or question.kind == "choices":
            values[question.name] = fit(question, accepted, payload, field="accept")
    if row.get("spans") is not None:
        question = sole_question(terms.rubric, "spans", field="spans", name=_named(terms, "spans"))
        told = []
        for index, span in enumerate(require_list(row["spans"], "spans")):
            if not isinstance(span, dict):
                raise Misfit(f"spans[{index}]", "a span must be an object")
            told.append(span)
        values[question.name] = fit(question, told, payload, field="spans")
    if isinstance(row.get("user_input"), str) and row["user_input"].strip():
        question = sole_question(terms.rubric, "text", "edit", field="user_input", name=_named(terms, "text", "edit"))
        values[question.name] = fit(question, row["user_input"], payload, field="user_input")
    yes_or_no = _yes_or_no(row, terms)
    if yes_or_no is not None and row.get("answer") in ("accept", "reject"):
        values[yes_or_no.name] = row["answer"] == "accept"
    return values


def _named(terms: Terms, *kinds: str) -> str | None:
    """The question the caller named, where it is of such a kind."""
    named = next((question for question in terms.rubric.questions if question.name == terms.question), None)
    return named.name if named is not None and named.kind in kinds else None


def _made(values: Any, rubric: Rubric, lost: Lost) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in values.items():
        kind = rubric.question(name).kind
        key = {"choice": "accept", "choices": "accept", "spans": "spans", "text": "user_input", "edit": "user_input", "bool": "answer"}.get(kind)
        if key is None or key in made:
            lost(f"answers to questions of kind {kind}" if key is None else "a second question of one kind")
            continue
        made[key] = [value] if kind == "choice" else ("accept" if value else "reject") if kind == "bool" else value
    return made
