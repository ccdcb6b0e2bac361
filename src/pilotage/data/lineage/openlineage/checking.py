"""Whether an event is one: the structure that the OpenLineage specification (2-0-2) asks for, and the required fields of the facets we know.

Unknown facets pass if they carry ``_producer`` and ``_schemaURL``, as the specification allows. A user who holds the published JSON schemas can check
against those as well; these are the same demands in our own words, with errors that say where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pilotage.core import InputError, parse_moment

MAX_DATASETS = 1_000
RUN_STATES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")

# What each facet must have, as ``field: type``; from the specification's facets folder.
_REQUIRED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "columnLineage": {"fields": dict},
    "dataQualityAssertions": {"assertions": list},
    "dataQualityMetrics": {"columnMetrics": dict},
    "errorMessage": {"message": str, "programmingLanguage": str},
    "jobType": {"processingType": str, "integration": str},
    "lifecycleStateChange": {"lifecycleStateChange": str},
    "nominalTime": {"nominalStartTime": str},
    "parent": {"run": dict, "job": dict},
    "processing_engine": {"version": str},
    "sql": {"query": str},
    "test": {"tests": list},
    "version": {"datasetVersion": str},
}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def check_event(event: Any, *, where: str = "the event") -> str:
    """The kind of event this is: ``run``, ``job`` or ``dataset``.

    Raises
    ------
    InputError
        Naming the first field (a path like ``inputs[0].facets.schema``) that the specification would refuse.
    """
    root = _object(event, where)
    _date_time(root, "eventTime", where)
    _uri(root, "producer", where)
    _uri(root, "schemaURL", where)
    present = {"run": "run" in root, "dataset": "dataset" in root}
    if present["dataset"]:
        if "run" in root or "job" in root:
            raise _wrong(f"{where}.dataset", "stands beside a run or a job", "a DatasetEvent has neither")
        _dataset(root["dataset"], f"{where}.dataset")
        return "dataset"
    _named(root.get("job"), f"{where}.job")
    for side, facets in (("inputs", "inputFacets"), ("outputs", "outputFacets")):
        listed = root.get(side, [])
        if not isinstance(listed, list):
            raise _wrong(f"{where}.{side}", "is not a list", "")
        if len(listed) > MAX_DATASETS:
            raise _wrong(f"{where}.{side}", f"lists more than {MAX_DATASETS} datasets", "send several events")
        for index, dataset in enumerate(listed):
            _dataset(dataset, f"{where}.{side}[{index}]", also=facets)
    if not present["run"]:
        return "job"
    run = _object(root["run"], f"{where}.run")
    try:
        UUID(_text(run, "runId", f"{where}.run"))
    except ValueError:
        raise _wrong(f"{where}.run.runId", "is not a UUID", "one run keeps one UUID from START to COMPLETE") from None
    _facets(run.get("facets", {}), f"{where}.run.facets")
    state = root.get("eventType")
    if state is not None and state not in RUN_STATES:
        raise _wrong(f"{where}.eventType", f"is {state!r}", f"use one of: {', '.join(RUN_STATES)}")
    return "run"


def _dataset(value: Any, where: str, *, also: str | None = None) -> None:
    dataset = _named(value, where)
    if also is not None:
        _facets(dataset.get(also, {}), f"{where}.{also}")


def _named(value: Any, where: str) -> Mapping[str, Any]:
    named = _object(value, where)
    for field in ("namespace", "name"):
        _text(named, field, where)
    _facets(named.get("facets", {}), f"{where}.facets")
    return named


def _facets(value: Any, where: str) -> None:
    for name, facet in _object(value, where).items():
        inner = _object(facet, f"{where}.{name}")
        for field in ("_producer", "_schemaURL"):
            _uri(inner, field, f"{where}.{name}")
        if inner.get("_deleted") is True:
            continue
        for field, wanted in _REQUIRED.get(name, {}).items():
            if not isinstance(inner.get(field), wanted):
                raise _wrong(f"{where}.{name}.{field}", "is missing or of the wrong type", "see the facet's schema in the OpenLineage specification")
        _INNER.get(name, _nothing_more)(inner, f"{where}.{name}")


def _schema(facet: Mapping[str, Any], where: str) -> None:
    for index, field in enumerate(_list(facet, "fields", where)):
        _text(_object(field, f"{where}.fields[{index}]"), "name", f"{where}.fields[{index}]")


def _column_lineage(facet: Mapping[str, Any], where: str) -> None:
    for column, lineage in facet["fields"].items():
        inside = f"{where}.fields.{column}"
        inputs = _list(_object(lineage, inside), "inputFields", inside)
        if "inputFields" not in lineage:
            raise _wrong(f"{inside}.inputFields", "is missing", "list the input columns, or leave the column out")
        for index, given in enumerate(inputs):
            place = f"{inside}.inputFields[{index}]"
            origin = _object(given, place)
            for field in ("namespace", "name", "field"):
                _text(origin, field, place)
            for number, step in enumerate(_list(origin, "transformations", place)):
                _text(_object(step, f"{place}.transformations[{number}]"), "type", f"{place}.transformations[{number}]")


def _assertions(facet: Mapping[str, Any], where: str) -> None:
    for index, given in enumerate(facet["assertions"]):
        place = f"{where}.assertions[{index}]"
        assertion = _object(given, place)
        _text(assertion, "assertion", place)
        if not isinstance(assertion.get("success"), bool):
            raise _wrong(f"{place}.success", "is not true or false", "")


def _nothing_more(facet: Mapping[str, Any], where: str) -> None:
    """Facets of which only the required fields are checked."""


_INNER: dict[str, Callable[[Mapping[str, Any], str], None]] = {
    "schema": _schema,
    "columnLineage": _column_lineage,
    "dataQualityAssertions": _assertions,
}


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(where, "is missing or no object", "")
    return value


def _list(value: Mapping[str, Any], field: str, where: str) -> list[Any]:
    found = value.get(field, [])
    if not isinstance(found, list):
        raise _wrong(f"{where}.{field}", "is not a list", "")
    return found


def _text(value: Mapping[str, Any], field: str, where: str) -> str:
    found = value.get(field)
    if not isinstance(found, str) or not found:
        raise _wrong(f"{where}.{field}", "is missing or no text", "")
    return found


def _uri(value: Mapping[str, Any], field: str, where: str) -> None:
    text = _text(value, field, where)
    if not _SCHEME.match(text) or any(character.isspace() for character in text) or not (urlsplit(text).netloc or urlsplit(text).path):
        raise _wrong(f"{where}.{field}", "is not a URI", "write it with its scheme, say https://…")


def _date_time(value: Mapping[str, Any], field: str, where: str) -> None:
    parse_moment(_text(value, field, where), where=f"{where}.{field}")


def _wrong(where: str, what: str, mend: str) -> InputError:
    return InputError(f"The OpenLineage event cannot be used: {where} {what}.", where=where, mend=mend or "see the OpenLineage specification, 2-0-2")
