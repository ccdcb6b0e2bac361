"""Label Studio's task JSON, and JSON_MIN.

A task is ``{id, data, annotations, predictions, drafts, …}`` (older files say ``completions``). Annotations that were cancelled, and drafts, are
kept and are no judgements. JSON_MIN has one flat row per annotation: the data, then each control's answer under the control's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotage.core import canonical_json, sha256_hex
from pilotage.judging.answers import text_of
from pilotage.review.exchange.fitting import fit
from pilotage.review.exchange.label_studio_results import read_results, write_results
from pilotage.review.exchange.offsets import code_points
from pilotage.review.exchange.reading import Lost, Terms, milliseconds, name_of, require_list, require_object
from pilotage.review.exchange.record import Exchanged, KeptRaw, Misfit, Proposed, Said

_ANSWERS = ("annotations", "completions")
MODEL = "label-studio"  # what a prediction came through, of which the file names neither backend nor project


class TaskCodec:
    """Label Studio JSON: one task a row."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        bare = "data" not in row and not any(name in row for name in (*_ANSWERS, "predictions"))
        if not bare and "data" not in row:
            raise Misfit("data", "the task has no data")
        data = row if bare else require_object(row["data"], "data")
        payload = terms.inward(data)
        said: list[Said] = []
        proposed: list[Proposed] = []
        kept: list[KeptRaw] = []
        lists: dict[str, int] = {}
        for name in () if bare else (*_ANSWERS, "drafts"):
            if row.get(name) is None:
                continue
            lists[name] = len(require_list(row[name], name))
            for index, entry in enumerate(row[name]):
                said.append(_read_annotation(entry, terms, payload, field=f"{name}[{index}]", draft=name == "drafts", kept=kept))
        if not bare and row.get("predictions") is not None:
            lists["predictions"] = len(require_list(row["predictions"], "predictions"))
            for index, entry in enumerate(row["predictions"]):
                proposed.append(_read_prediction(entry, terms, payload, row, field=f"predictions[{index}]", kept=kept))
        rest = {} if bare else {name: value for name, value in row.items() if name != "data" and name not in lists}
        return Exchanged(
            id=name_of(row["id"]) if not bare and row.get("id") is not None else None,
            payload=payload,
            proposed=tuple(proposed),
            said=tuple(said),
            extra={"bare": True} if bare else {"rest": rest, "lists": lists},
            kept_raw=tuple(kept),
        )

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        data = terms.outward(record.payload)
        if record.extra.get("bare") and not record.said and not record.proposed:
            yield data
            return
        rest: dict[str, Any] = dict(record.extra.get("rest", {}))
        lists: Mapping[str, int] = record.extra.get("lists", {})
        row: dict[str, Any] = {"id": rest.pop("id")} if "id" in rest else {} if lists or rest or record.id is None else {"id": record.id}
        row["data"] = data
        answers = next((name for name in _ANSWERS if name in lists), "annotations")
        made: dict[str, list[Any]] = {name: [] for name in lists}
        for index, one in enumerate(record.said):
            if one.raw is not None:
                made.setdefault(one.raw["in"], []).append(one.raw["entry"])
            else:
                made.setdefault(answers, []).append(_write_annotation(one, terms, record, lost, prefix=f"{_mark(record)}-{index}-"))
        for index, proposal in enumerate(record.proposed):
            if proposal.raw is None:
                entry = _write_prediction(proposal, terms, record, lost, prefix=f"{_mark(record)}-p{index}-")
            else:
                entry = proposal.raw
            made.setdefault("predictions", []).append(entry)
        if not record.extra and "annotations" not in made:
            made["annotations"] = []
        yield {**row, **made, **rest}


class MinCodec:
    """Label Studio JSON_MIN: one annotation a row."""

    _OWN = ("id", "annotator", "annotation_id", "lead_time", "created_at", "updated_at")

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        asked = {question.name for question in terms.rubric.questions}
        payload = terms.inward({name: value for name, value in row.items() if name not in self._OWN and name not in asked})
        values = {}
        for question in terms.rubric.questions:
            if row.get(question.name) is not None:
                told = _from_min(row[question.name], question.kind, payload, question.about, field=question.name)
                values[question.name] = fit(question, told, payload, field=question.name)
        own = {name: row[name] for name in self._OWN if name in row}
        answered = bool(values) or "annotation_id" in row
        said = Said(
            rater=name_of(row.get("annotator")),
            values=values,
            active_ms=milliseconds(row.get("lead_time"), per_unit=1000, field="lead_time"),
            raw={"own": own, "answers": {name: row[name] for name in asked if name in row}},
        )
        identity = name_of(row["id"]) if row.get("id") is not None else None
        nothing = {"own": own, "answers": {name: None for name in asked if name in row}}
        return Exchanged(id=identity, payload=payload, said=(said,) if answered else (), extra={} if answered else nothing)

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        data = terms.outward(record.payload)
        if record.proposed:
            lost("suggestions")
        submitted = [one for one in record.said if one.state == "submitted"]
        if len(submitted) < len(record.said):
            lost("drafts and skipped answers")
        if not submitted:
            own, answers = record.extra.get("own"), record.extra.get("answers", {})
            yield {**({"id": record.id} if own is None and record.id is not None else own or {}), **data, **answers}
        for one in submitted:
            if one.raw is not None:
                yield {**data, **one.raw["own"], **one.raw["answers"]}
                continue
            told = {name: _to_min(value, terms, name, record.payload) for name, value in one.values.items()}
            spent = {} if one.active_ms is None else {"lead_time": one.active_ms / 1000}
            yield {**({} if record.id is None else {"id": record.id}), **data, **told, "annotator": one.rater, **spent}


def _read_annotation(entry: Any, terms: Terms, payload: dict[str, Any], *, field: str, draft: bool, kept: list[KeptRaw]) -> Said:
    told = require_object(entry, field)
    cancelled = bool(told.get("was_cancelled") or told.get("skipped"))
    if draft or cancelled:
        kept.append(KeptRaw(field, "a draft" if draft else "a cancelled annotation"))
        values: dict[str, Any] = {}
    else:
        values, raw = read_results(told.get("result"), terms, payload, field=f"{field}.result")
        kept += raw
    return Said(
        rater=_rater(told.get("completed_by", told.get("user") if draft else None)),
        values=values,
        state="draft" if draft else "skipped" if cancelled else "submitted",
        active_ms=milliseconds(told.get("lead_time"), per_unit=1000, field=f"{field}.lead_time"),
        gold=bool(told.get("ground_truth")),
        raw={"in": field.partition("[")[0], "entry": told},
    )


def _rater(told: Any) -> str:
    """Who completed it: an id, an e-mail address, or an object with either."""
    if isinstance(told, dict):
        return name_of(next((told[name] for name in ("email", "username", "id") if told.get(name) is not None), None))
    return name_of(told)


def _read_prediction(entry: Any, terms: Terms, payload: dict[str, Any], task: Mapping[str, Any], *, field: str, kept: list[KeptRaw]) -> Proposed:
    told = require_object(entry, field)
    values, raw = read_results(told.get("result"), terms, payload, field=f"{field}.result")
    kept += raw
    score = told.get("score")
    number = float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None
    return Proposed(model=_model_of(told, task), version=name_of(told.get("model_version")), values=values, score=number, raw=told)


def _model_of(prediction: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Whose prediction it is: the ML backend by its name in the file or its number, else the project by its name, else the tool."""
    for told in (prediction.get("model"), prediction.get("ml_backend"), prediction.get("model_run")):
        name = _title_of(told)
        if name:
            return name
        number = told.get("id") if isinstance(told, dict) else told
        if isinstance(number, int) and not isinstance(number, bool):
            return f"{MODEL} backend {number}"
    return _title_of(prediction.get("project")) or _title_of(task.get("project")) or MODEL


def _title_of(told: Any) -> str:
    """A name that stands in a file as text, or in an object as its title or name; '' where it is a number or nothing."""
    if isinstance(told, dict):
        told = next((told[name] for name in ("title", "name") if isinstance(told.get(name), str)), None)
    return told.strip()[:200] if isinstance(told, str) else ""


def _write_annotation(one: Said, terms: Terms, record: Exchanged, lost: Lost, *, prefix: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "completed_by": one.rater,
        "result": write_results(one.values, terms, record.payload, prefix=prefix, lost=lost),
        "was_cancelled": one.state == "skipped",
        "ground_truth": one.gold,
    }
    return made if one.active_ms is None else {**made, "lead_time": one.active_ms / 1000}


def _write_prediction(one: Proposed, terms: Terms, record: Exchanged, lost: Lost, *, prefix: str) -> dict[str, Any]:
    version = one.version if one.model == MODEL else f"{one.model} {one.version}".strip()
    made: dict[str, Any] = {"model_version": version, "result": write_results(one.values, terms, record.payload, prefix=prefix, lost=lost)}
    return made if one.score is None else {**made, "score": one.score}


def _mark(record: Exchanged) -> str:
    return sha256_hex(canonical_json([record.id, record.payload]))[:10]


def _from_min(told: Any, kind: str, payload: dict[str, Any], about: str, *, field: str) -> Any:
    if isinstance(told, dict) and "choices" in told:
        return told["choices"]
    if kind == "spans" and isinstance(told, list):
        made = []
        for index, span in enumerate(told):
            entry = require_object(span, f"{field}[{index}]")
            start, end, text = entry.get("start"), entry.get("end"), text_of(payload, about)
            if text is not None and isinstance(start, int) and isinstance(end, int):
                found = code_points(text, start, end, entry.get("text") if isinstance(entry.get("text"), str) else None)
                if found is None:
                    raise Misfit(f"{field}[{index}]", f"the span from {start} to {end} does not cover the text it says it covers")
                start, end = found
            made += [{"start": start, "end": end, "label": label} for label in require_list(entry.get("labels"), f"{field}[{index}].labels")]
        return made
    if kind == "pair" and isinstance(told, str):
        return {"left": "a", "right": "b"}.get(told, told)
    return told


def _to_min(value: Any, terms: Terms, name: str, payload: Mapping[str, Any]) -> Any:
    question = terms.rubric.question(name)
    if question.kind == "choices":
        return {"choices": value}
    if question.kind == "bool":
        return "yes" if value else "no"
    if question.kind == "spans":
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
    if question.kind == "pair":
        return {"a": "left", "b": "right"}.get(value["preferred"], value["preferred"])
    return value
