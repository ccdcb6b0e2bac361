"""Argilla's records: nested (``fields``, ``suggestions``, ``responses``) and flat (``<question>.responses``, ``.responses.users``, …).

Flat columns of one question stand in parallel: the n-th value is of the n-th user in the n-th state. One user's answers to several questions are one
answer here. Only submitted responses become judgements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotage.review.exchange.fitting import find_question, fit
from pilotage.review.exchange.reading import Lost, Terms, name_of, require_list, require_object
from pilotage.review.exchange.record import Exchanged, KeptRaw, Misfit, Proposed, Said, State

_STATES: dict[str, State] = {"submitted": "submitted", "draft": "draft", "discarded": "skipped"}
_OWN = ("id", "external_id", "status", "_server_id", "inserted_at", "updated_at")
_RESPONSES, _USERS, _STATUS = ".responses", ".responses.users", ".responses.status"
_SUGGESTION, _SCORE, _AGENT = ".suggestion", ".suggestion.score", ".suggestion.agent"
_SUFFIXES = (_USERS, _STATUS, _RESPONSES, _SCORE, _AGENT, _SUGGESTION)
MODEL = "argilla"

# (question, place in its list, value, user, status)
_Response = tuple[str, int, Any, Any, Any]


class FlatCodec:
    """One record a row, every question's responses and suggestion in columns of their own."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        columns = {name: suffix for name in row for suffix in _SUFFIXES if name.endswith(suffix) and name != suffix}
        columns = {name: next(suffix for suffix in _SUFFIXES if name.endswith(suffix)) for name in columns}
        payload = terms.inward({name: value for name, value in row.items() if name not in columns and name not in _OWN})
        responses: list[_Response] = []
        suggestions: dict[str, dict[str, Any]] = {}
        for name, suffix in columns.items():
            question = name.removesuffix(suffix)
            if row[name] is not None:
                find_question(terms.rubric, question, field=name)
            if suffix == _RESPONSES and row[name] is not None:
                responses += _parallel(row, question)
            elif suffix in (_USERS, _STATUS) and row[name] and row.get(question + _RESPONSES) is None:
                raise Misfit(name, f"there is no '{question}{_RESPONSES}' beside it")
            elif suffix == _SUGGESTION and row[name] is not None:
                suggestions[question] = {"value": row[name], "score": row.get(question + _SCORE), "agent": row.get(question + _AGENT)}
        said, kept = _said(responses, terms, payload, field=lambda question, index: f"{question}{_RESPONSES}[{index}]")
        proposed = tuple(_proposed(question, told, terms, payload, field=question + _SUGGESTION) for question, told in suggestions.items())
        answered = {question for question, *_ in responses} | set(suggestions)
        rest = {name: row[name] for name in row if name in _OWN or (name in columns and name.removesuffix(columns[name]) not in answered)}
        partial = {name: row[name] for name, suffix in columns.items() if suffix in (_USERS, _STATUS, _SCORE, _AGENT) and name not in rest}
        kinds = sorted({name for name in columns if columns[name] in (_RESPONSES, _SUGGESTION) and row[name] is None and name not in rest})
        extra = {"rest": rest, "beside": sorted(partial), "empty": kinds, "none": sorted(n for n, v in partial.items() if v is None)}
        return Exchanged(id=_id(row), payload=payload, proposed=proposed, said=said, extra=extra, kept_raw=kept)

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        extra = record.extra
        rest: Mapping[str, Any] = extra.get("rest", {})
        row: dict[str, Any] = {**terms.outward(record.payload), **rest}
        if not extra and record.id is not None:
            row["id"] = record.id
        lists = _lists(record, lost)
        for question, responses in lists.items():
            row[question + _RESPONSES] = [value for value, _, _ in responses]
            told: dict[str, list[Any]] = {_USERS: [user for _, user, _ in responses], _STATUS: [status for _, _, status in responses]}
            for suffix, column in told.items():
                if not extra or question + suffix in extra.get("beside", ()) or any(each is not None for each in column):
                    row[question + suffix] = None if question + suffix in extra.get("none", ()) and not any(column) else column
        for question, told_of in _suggestions(record, lost).items():
            row[question + _SUGGESTION] = told_of["value"]
            for suffix, name in ((_SCORE, "score"), (_AGENT, "agent")):
                if not extra or question + suffix in extra.get("beside", ()) or told_of.get(name) is not None:
                    row[question + suffix] = told_of.get(name)
        for name in (*extra.get("empty", ()), *extra.get("none", ())):
            row.setdefault(name, None)
        yield row


class NestedCodec:
    """One record a row, as Argilla's ``Record.to_dict`` tells it."""

    def read(self, row: dict[str, Any], terms: Terms) -> Exchanged:
        if "fields" not in row:
            raise Misfit("fields", "the record has no fields")
        payload = terms.inward(require_object(row["fields"], "fields"))
        suggestions = row.get("suggestions") or {}
        responses = row.get("responses") or {}
        entries: list[_Response] = []
        raws: dict[tuple[str, int], Any] = {}
        for question, found in require_object(responses, "responses").items():
            find_question(terms.rubric, question, field=f"responses.{question}")
            for index, entry in enumerate(require_list(found, f"responses.{question}")):
                told = require_object(entry, f"responses.{question}[{index}]")
                raws[question, index] = told
                entries.append((question, index, told.get("value"), told.get("user_id"), told.get("status")))
        said, kept = _said(entries, terms, payload, field=lambda question, index: f"responses.{question}[{index}].value", raws=raws)
        proposed = []
        for question, found in require_object(suggestions, "suggestions").items():
            find_question(terms.rubric, question, field=f"suggestions.{question}")
            told = require_object(found, f"suggestions.{question}")
            proposed.append(_proposed(question, told, terms, payload, field=f"suggestions.{question}.value"))
        rest = {name: value for name, value in row.items() if name not in ("fields", "suggestions", "responses")}
        there = {name: row[name] is not None for name in ("suggestions", "responses") if name in row}
        empty = sorted(question for question, found in responses.items() if found == [])
        none = sorted(question for question, found in responses.items() if found is None)
        extra = {"rest": rest, "there": there, "empty": empty, "none": none}
        return Exchanged(id=_id(row), payload=payload, proposed=tuple(proposed), said=said, extra=extra, kept_raw=kept)

    def write(self, record: Exchanged, terms: Terms, lost: Lost) -> Iterator[dict[str, Any]]:
        extra = record.extra
        there: Mapping[str, bool] = extra.get("there", {"suggestions": True, "responses": True})
        row: dict[str, Any] = dict(extra.get("rest", {"id": record.id} if record.id is not None else {}))
        row["fields"] = terms.outward(record.payload)
        suggestions = _suggestions(record, lost)
        responses: dict[str, Any] = {question: [] for question in extra.get("empty", ())}
        responses |= dict.fromkeys(extra.get("none", ()))
        for question, found in _lists(record, lost, nested=True).items():
            responses[question] = [entry for entry, _, _ in found]
        for name, told in (("suggestions", suggestions), ("responses", responses)):
            if told or there.get(name):
                row[name] = told
            elif name in there:
                row[name] = None
        yield row


def _id(row: Mapping[str, Any]) -> str | None:
    found = next((row[name] for name in ("id", "external_id", "_server_id") if row.get(name) is not None), None)
    return None if found is None else name_of(found)


def _parallel(row: Mapping[str, Any], question: str) -> list[_Response]:
    values = require_list(row[question + _RESPONSES], question + _RESPONSES)
    columns = []
    for suffix in (_USERS, _STATUS):
        column = row.get(question + suffix)
        if column is None:
            column = [None] * len(values)
        if not isinstance(column, list) or len(column) != len(values):
            raise Misfit(question + suffix, f"expected {len(values)} entries, one for each response")
        columns.append(column)
    return [(question, index, value, columns[0][index], columns[1][index]) for index, value in enumerate(values)]


def _said(
    responses: list[_Response], terms: Terms, payload: dict[str, Any], *, field: Any, raws: Mapping[tuple[str, int], Any] | None = None
) -> tuple[tuple[Said, ...], tuple[KeptRaw, ...]]:
    """One ``Said`` for each user and state, in the order in which users first appear."""
    kept: list[KeptRaw] = []
    groups: dict[tuple[str, State, int], tuple[dict[str, Any], list[Any]]] = {}
    for question_name, index, told, user, status in responses:
        place = field(question_name, index)
        if status is not None and status not in _STATES:
            raise Misfit(place, f"'{status}' is no state of a response")
        state = _STATES[status] if status is not None else "submitted"
        rater = name_of(user)
        # Nobody's answers cannot be told to be one person's: each stands alone, and so does a second answer of one user to one question.
        turn = index if not rater else 0
        while question_name in groups.get((rater, state, turn), ({}, []))[0]:
            turn += 1
        values, raw = groups.setdefault((rater, state, turn), ({}, []))
        entry = raws[question_name, index] if raws is not None else [told, user, status]
        raw.append([question_name, index, entry])
        if state != "submitted" or told is None:
            kept.append(KeptRaw(place, f"a response that is {status or 'empty'}"))
            values[question_name] = None
            continue
        values[question_name] = fit(find_question(terms.rubric, question_name, field=place), told, payload, field=place)
    made = tuple(
        Said(rater=rater, values={name: value for name, value in values.items() if value is not None}, state=state, raw=raw)
        for (rater, state, _), (values, raw) in groups.items()
    )
    return made, tuple(kept)


def _proposed(question_name: str, told: Mapping[str, Any], terms: Terms, payload: dict[str, Any], *, field: str) -> Proposed:
    question = find_question(terms.rubric, question_name, field=field)
    score = told.get("score")
    values = {} if told.get("value") is None else {question_name: fit(question, told["value"], payload, field=field)}
    number = float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None
    return Proposed(model=name_of(told.get("agent")) or MODEL, version="", values=values, score=number, raw=[question_name, dict(told)])


def _lists(record: Exchanged, lost: Lost, *, nested: bool = False) -> dict[str, list[tuple[Any, Any, Any]]]:
    """Each question's responses in the order they came, then those made here."""
    placed: dict[str, list[tuple[int, tuple[Any, Any, Any]]]] = {}
    new: dict[str, list[tuple[Any, Any, Any]]] = {}
    for one in record.said:
        if one.raw is not None:
            for question, index, entry in one.raw:
                placed.setdefault(question, []).append((index, (entry, None, None) if nested else tuple(entry)))
            continue
        if one.active_ms is not None:
            lost("the time an answer took")
        status = {"submitted": "submitted", "draft": "draft", "skipped": "discarded"}[one.state]
        for question, value in one.values.items():
            told = _outward(value)
            entry = ({"value": told, "user_id": one.rater, "status": status}, None, None) if nested else (told, one.rater, status)
            new.setdefault(question, []).append(entry)
    ordered = {question: [entry for _, entry in sorted(found, key=lambda pair: pair[0])] for question, found in placed.items()}
    return {question: ordered.get(question, []) + new.get(question, []) for question in [*ordered, *(q for q in new if q not in ordered)]}


def _suggestions(record: Exchanged, lost: Lost) -> dict[str, dict[str, Any]]:
    """Argilla holds one suggestion for a question: the first one."""
    made: dict[str, dict[str, Any]] = {}
    for one in record.proposed:
        if one.raw is not None:
            made[one.raw[0]] = one.raw[1]
            continue
        for question, value in one.values.items():
            if question in made:
                lost("a second suggestion for one question")
            else:
                made[question] = {"value": _outward(value), "score": one.score, "agent": f"{one.model} {one.version}".strip()}
    return made


def _outward(value: Any) -> Any:
    """Rankings are ``[{value, rank}]`` there; ties share a rank."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [{"value": each, "rank": rank} for rank, group in enumerate(value, start=1) for each in group]
    return value
