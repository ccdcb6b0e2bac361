"""Preference rows: DPO and TRL (``prompt, chosen, rejected``), KTO (``prompt, completion, label``) and HH-RLHF (two whole conversations).

Reading makes each row an item and the answer it stands for; what was chosen becomes side ``a``, which of the sides stands left is drawn anew for each
person who is asked. Writing gives back the rows that came. Answers made here are training data once they stand in these formats, and there is one way
to that: the flywheel's, with votes, a floor of agreement, a licence and lineage. So writing them here is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilotage.core import Refused
from pilotage.judging import Question
from pilotage.review.exchange.fitting import fit, sole_question
from pilotage.review.exchange.reading import Lost, Terms, name_of
from pilotage.review.exchange.record import Exchanged, Misfit, Said

_TURN = "\n\nAssistant:"


class DpoCodec:
    """One preference a row."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        for name in ("chosen", "rejected"):
            if row.get(name) is None:
                raise Misfit(name, "the field is missing")
        shown = {"a": row["chosen"], "b": row["rejected"]}
        if "prompt" in row:
            shown["prompt"] = row["prompt"]
        return _preferred(shown, {name: value for name, value in row.items() if name not in ("prompt", "chosen", "rejected")}, terms)

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        for chosen, rejected, rest in _rows(record, terms, lost):
            asked = record.payload.get("prompt", record.payload.get("messages"))
            yield {**({} if asked is None else {"prompt": asked}), "chosen": chosen, "rejected": rejected, **rest}


class HhCodec:
    """Two conversations that are one up to the assistant's last turn. Where they are not, each is a side as a whole."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        for name in ("chosen", "rejected"):
            if not isinstance(row.get(name), str):
                raise Misfit(name, "expected text")
        chosen, rejected = row["chosen"], row["rejected"]
        end = chosen.rfind(_TURN) + len(_TURN)
        if end < len(_TURN) or rejected[:end] != chosen[:end]:
            end = 0
        shown = {"prompt": chosen[:end], "a": chosen[end:], "b": rejected[end:]}
        return _preferred(shown, {name: value for name, value in row.items() if name not in ("chosen", "rejected")}, terms)

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        prompt = record.payload.get("prompt", "")
        sides = (record.payload.get("a"), record.payload.get("b"), prompt)
        if not all(isinstance(each, str) for each in sides):
            lost("items that are no plain text")
            return
        for chosen, rejected, rest in _rows(record, terms, lost):
            yield {"chosen": prompt + chosen, "rejected": prompt + rejected, **rest}


class KtoCodec:
    """One completion and whether it is good."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        for name in ("completion", "label"):
            if row.get(name) is None:
                raise Misfit(name, "the field is missing")
        question = sole_question(terms.rubric, "bool", field="label", name=terms.question)
        payload = terms.inward({name: row[name] for name in ("prompt", "completion") if name in row})
        rest = {name: value for name, value in row.items() if name not in ("prompt", "completion", "label")}
        value = fit(question, row["label"], payload, field="label")
        said = Said(rater=name_of(rest.get("annotator")), values={question.name: value}, raw={"rest": rest, "label": row["label"]})
        return Exchanged(id=name_of(row.get("id")) or None, payload=payload, said=(said,))

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        question = sole_question(terms.rubric, "bool", field="label", name=terms.question)
        shown = terms.outward(record.payload)
        for raw in _as_they_came(record, question, lost):
            yield {**shown, "label": raw["label"], **raw["rest"]}


def _preferred(shown: dict[str, Any], rest: dict[str, Any], terms: Terms) -> Exchanged:
    payload = terms.inward(shown)
    question = sole_question(terms.rubric, "pair", field="chosen", name=terms.question)
    strength = rest.get("strength") if question.strength else None
    value = fit(question, {"preferred": "a", "strength": strength}, payload, field="chosen")
    said = Said(rater=name_of(rest.get("annotator")), values={question.name: value}, raw={"rest": rest})
    return Exchanged(id=name_of(rest.get("id")) or None, payload=payload, said=(said,))


def _rows(record: Exchanged, terms: Terms, lost: Lost) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    question = sole_question(terms.rubric, "pair", field="chosen", name=terms.question)
    for raw in _as_they_came(record, question, lost):
        yield record.payload.get("a"), record.payload.get("b"), raw["rest"]


def _as_they_came(record: Exchanged, question: Question, lost: Lost) -> Iterator[Any]:
    """What is kept of the answers that came in a file of this format. Raises ``Refused`` at one that was given here or came another way."""
    if record.proposed:
        lost("suggestions")
    if not record.said:
        lost("items nobody answered")
    for one in record.said:
        if one.raw is not None:
            yield one.raw
        elif question.name in one.values and one.state == "submitted":
            raise Refused(
                "Answers given here do not leave as training rows this way.",
                where=f"question '{question.name}'",
                why="a model learns whatever it is given, so how far people agree is checked first",
                mend="use 'pilotage flywheel preferences' (a pair question), or export as 'label-studio' or 'table-csv' to look at them",
            )
        else:
            lost("answers to other questions, drafts and skips")
