"""Long tables: one row for each answer, as crowd-kit, the truth-inference collections and most spreadsheets have them.

``task, worker, label[, ms, guideline]`` and whatever other columns there are. An item is known by its task only; further columns stay with the row
they came in. Cells of CSV are text, and answers with a shape (several labels, spans) are JSON in their cell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pilotage.review.exchange.fitting import fit, sole_question
from pilotage.review.exchange.reading import Lost, Terms, milliseconds, name_of
from pilotage.review.exchange.record import Exchanged, Misfit, Said

COLUMNS = ("task", "worker", "label", "ms", "guideline")
# What the columns are called elsewhere: crowd-kit has task, worker, label; Zheng's collection question, worker, answer.
ALSO_CALLED: dict[str, tuple[str, ...]] = {
    "task": ("task", "question", "item", "task_id", "orig_id"),
    "worker": ("worker", "annotator", "rater", "performer", "worker_id", "!amt_worker_ids"),
    "label": ("label", "answer", "response"),
    "ms": ("ms", "duration_ms"),
    "guideline": ("guideline",),
}


def columns_of(row: dict[str, Any], terms: Terms) -> dict[str, str]:
    """Which column is which: those told, else the first that is called so."""
    found: dict[str, str] = {}
    for ours, names in ALSO_CALLED.items():
        told = terms.columns.get(ours)
        if told is not None and told not in row:
            raise Misfit(told, "there is no such column")
        name = told or next((name for name in names if name in row), None)
        if name is not None:
            found[ours] = name
    for needed in ("task", "worker", "label"):
        if needed not in found:
            raise Misfit(needed, f"no column is called {' or '.join(ALSO_CALLED[needed][:3])}")
    return found


class LongTableCodec:
    """One answer a row."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        columns = columns_of(row, terms)
        question = sole_question(terms.rubric, *_ALL_KINDS, field=columns["label"], name=terms.question)
        task, worker, told = name_of(row[columns["task"]]), name_of(row[columns["worker"]]), row[columns["label"]]
        if not task:
            raise Misfit(columns["task"], "the task is empty")
        payload = {"task": task}
        rest = {name: value for name, value in row.items() if name not in columns.values()}
        if told is None or told == "":
            return Exchanged(id=task, payload=payload, extra={"row": row})
        ms = milliseconds(row[columns["ms"]], per_unit=1, field=columns["ms"]) if "ms" in columns else None
        said = Said(
            rater=worker,
            values={question.name: fit(question, _cell(told, question.kind), payload, field=columns["label"])},
            active_ms=ms,
            guideline=name_of(row[columns["guideline"]]) or None if "guideline" in columns else None,
            raw={"rest": rest, "cells": {name: row[name] for name in columns.values()}},
        )
        return Exchanged(id=task, payload=payload, said=(said,))

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        if "row" in record.extra and not record.said:
            yield dict(record.extra["row"])
            return
        question = sole_question(terms.rubric, *_ALL_KINDS, field="label", name=terms.question)
        if set(record.payload) - {"task"}:
            lost("the items themselves (a table holds their ids)")
        if record.proposed:
            lost("suggestions")
        names = {ours: terms.columns.get(ours, ours) for ours in COLUMNS}
        for one in record.said:
            if one.raw is not None:
                yield {**one.raw["cells"], **one.raw["rest"]}
            elif one.state != "submitted":
                lost("drafts and skipped answers")
            elif question.name not in one.values:
                lost("answers to other questions")
            else:
                if set(one.values) - {question.name}:
                    lost("answers to other questions")
                row = {
                    names["task"]: record.id or name_of(record.payload.get("task")),
                    names["worker"]: one.rater,
                    names["label"]: one.values[question.name],
                }
                if one.active_ms is not None:
                    row[names["ms"]] = one.active_ms
                if one.guideline is not None:
                    row[names["guideline"]] = one.guideline
                yield row


_ALL_KINDS = ("choice", "choices", "rating", "bool", "text", "spans", "pair", "ranking", "edit")


def _cell(told: Any, kind: str) -> Any:
    """A cell's value; of kinds with a shape, text is JSON, and of several labels also ``a|b``."""
    if kind not in ("choices", "spans", "pair", "ranking") or not isinstance(told, str):
        return told
    if told[:1] in "[{":
        try:
            return json.loads(told)
        except (ValueError, RecursionError):
            return told
    return told.split("|") if kind == "choices" else told
