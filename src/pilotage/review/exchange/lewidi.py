"""LeWiDi (Learning With Disagreements): ``{"1": {text, annotators, annotations, soft_label, …}}``.

The 2023 files write annotators and annotations as text joined by commas, the 2025 ones as an object. Soft and hard labels are computed from the
annotations, so they are kept as they came and not read as anybody's answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilotage.review.exchange.fitting import fit, sole_question
from pilotage.review.exchange.reading import Lost, Terms, name_of
from pilotage.review.exchange.record import Exchanged, Misfit, Said

KEY = "_key"  # the record's name in the file's object, put into the row by the reader
_DERIVED = ("soft_label", "hard_label", "number of annotations", "number of annotators")
_KINDS = ("choice", "rating", "bool", "choices")


class LewidiCodec:
    """One item a record, with everybody's annotation."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        key = name_of(row.get(KEY))
        shown = {name: value for name, value in row.items() if name not in (KEY, "annotators", "annotations", *_DERIVED)}
        payload = terms.inward(shown)
        pairs = _pairs(row)
        question = sole_question(terms.rubric, *_KINDS, field="annotations", name=terms.question)
        said = tuple(
            Said(rater=rater, values={question.name: fit(question, _told(told), payload, field=f"annotations.{rater}")}, raw=[rater, told])
            for rater, told in pairs
        )
        own = {name: row[name] for name in ("annotators", *_DERIVED) if name in row}
        form = "object" if isinstance(row.get("annotations"), dict) else "text" if "annotations" in row else "none"
        return Exchanged(id=key or None, payload=payload, said=said, extra={"own": own, "form": form})

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        if record.proposed:
            lost("suggestions")
        own: dict[str, Any] = dict(record.extra.get("own", {}))
        question = sole_question(terms.rubric, *_KINDS, field="annotations", name=terms.question)
        pairs: list[tuple[str, Any]] = [(one.raw[0], one.raw[1]) for one in record.said if one.raw is not None]
        fresh = []
        for one in record.said:
            if one.raw is None and question.name in one.values and one.state == "submitted":
                value = one.values[question.name]
                fresh.append((one.rater, ("1" if value else "0") if question.kind == "bool" else value if isinstance(value, list) else str(value)))
            elif one.raw is None:
                lost("answers to other questions, drafts and skips")
        form = record.extra.get("form", "object")
        if fresh:
            for name in _DERIVED:
                if own.pop(name, None) is not None:
                    lost("labels computed before these answers were there")
            own["annotators"] = ",".join(rater for rater, _ in [*pairs, *fresh])
            own["number of annotations"] = len(pairs) + len(fresh)
            form = "object" if form == "none" else form
        pairs += fresh
        made = {KEY: record.id or "", **terms.outward(record.payload), **own}
        if form == "object":
            made["annotations"] = dict(pairs)
        elif form == "text":
            made["annotations"] = ",".join(str(told) for _, told in pairs)
        yield made


def _pairs(row: dict[str, Any]) -> list[tuple[str, Any]]:
    told = row.get("annotations")
    if told is None:
        if "annotations" in row:
            raise Misfit("annotations", "expected an object, or text joined by commas")
        return []
    if isinstance(told, dict):
        return list(told.items())
    if not isinstance(told, str):
        raise Misfit("annotations", "expected an object, or text joined by commas")
    answers = told.split(",") if told else []
    names = row.get("annotators")
    raters = names.split(",") if isinstance(names, str) and names else [""] * len(answers)
    if len(raters) != len(answers):
        raise Misfit("annotations", f"{len(answers)} annotations of {len(raters)} annotators")
    return list(zip(raters, answers, strict=True))


def _told(told: Any) -> Any:
    """Several labels stand in one text, joined by commas; '1.0' is 1."""
    if isinstance(told, str) and "," in told:
        return [each.strip() for each in told.split(",")]
    return told.removesuffix(".0") if isinstance(told, str) else told
