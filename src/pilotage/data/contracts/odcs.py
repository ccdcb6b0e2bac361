"""Contracts as ODCS: the Open Data Contract Standard v3.1 of Bitol (https://bitol-io.github.io/open-data-contract-standard), both ways.

The standard has no place for units, policies of levels or the two times: they go into ``customProperties`` (``unit``, ``dimension``,
``levelPolicy``, ``availableLag`` …). Row counts and unique keys become its library metrics, other checks custom rules of the engine ``pilotage``.
What a document says that a contract has no word for (servers, prices, roles, other rules) is kept in ``Contract.odcs`` and comes out again on export;
so import, export and import give the same contract. Documents of v3.0 to v3.2 are read; v3.1.0 is written, unless the document read said another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pilotage.core import InputError, parse_declared, read_declared
from pilotage.data.contracts.contract import Check, Contract
from pilotage.data.contracts.units import dimensions, unit_named

API_VERSION = "v3.1.0"
_READ = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")

_LOGICAL = {
    "text": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "timestamp": "timestamp",
    "date": "date",
    "binary": "string",
    "list": "array",
    "object": "object",
}
_TYPES = {"string": "text", "integer": "int", "number": "float", "boolean": "bool", "timestamp": "timestamp", "date": "date", "time": "text"} | {
    "array": "list",
    "object": "object",
    "map": "object",
    "vector": "list",
}
# Where a document leaves the logical type out: what the physical one begins with.
_PHYSICAL = (
    (r"(tiny|small|medium|big)?int|integer|long|serial", "int"),
    (r"double|float|real|decimal|numeric|number|money", "float"),
    (r"bool", "bool"),
    (r"timestamp|datetime", "timestamp"),
    (r"date", "date"),
    (r"blob|bytea|binary|varbinary|bytes", "binary"),
    (r"array|list", "list"),
    (r"json|struct|object|map|record|variant", "object"),
    (r"n?(var)?char|text|string|uuid|enum", "text"),
)
# custom property -> field of a column
_COLUMN_CUSTOM = {
    "unit": "unit",
    "dimension": "dimension",
    "arrivesIn": "arrives_in",
    "renamedFrom": "renamed_from",
    "levels": "levels",
    "levelPolicy": "level_policy",
    "levelMap": "level_map",
    "maxNewLevelShare": "max_new_level_share",
    "personal": "personal",
}
# custom property of the table -> field of the contract
_TABLE_CUSTOM = {
    "uniqueKey": "unique",
    "eventTime": "event_time",
    "availableTime": "available_time",
    "availableLag": "available_lag",
    "forecasts": "forecasts",
    "subject": "subject",
}
_OPTIONS = {
    "int": {"minimum": "minimum", "maximum": "maximum"},
    "float": {"minimum": "minimum", "maximum": "maximum"},
    "text": {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"},
    "binary": {"minLength": "min_length", "maxLength": "max_length"},
    "list": {"minItems": "min_length", "maxItems": "max_length"},
}
_ENGINE = "pilotage"


def to_odcs(contract: Contract) -> str:
    """The contract as an ODCS v3.1 document, YAML."""
    import yaml

    return yaml.safe_dump(odcs_document(contract), sort_keys=False, allow_unicode=True, width=120)


def odcs_document(contract: Contract) -> dict[str, Any]:
    """As :func:`to_odcs`, as plain data."""
    kept = _thawed(contract.odcs)
    top: dict[str, Any] = dict(kept.get("top", {}))
    version = str(top.pop("version", ""))
    document: dict[str, Any] = {
        "version": version if version and max(1, _major(version) or 1) == contract.version else str(contract.version),
        "apiVersion": top.pop("apiVersion", API_VERSION),
        "kind": "DataContract",
        "id": top.pop("id", contract.name),
        "name": contract.name,
        "status": top.pop("status", "active"),
    }
    description = dict(top.pop("description", {}))
    if contract.description:
        description = {"purpose": contract.description, **description}
    if description:
        document["description"] = description
    custom = top.pop("customProperties", [])
    if "team" not in top:
        document["team"] = {"name": contract.owner}
    else:
        custom = [*custom, _custom("owner", contract.owner)]
    document |= top
    if custom:
        document["customProperties"] = custom
    others = list(kept.get("others", []))
    place = min(int(kept.get("place", 0)), len(others))
    document["schema"] = [*others[:place], _table(contract, kept), *others[place:]]
    return document


def from_odcs(text: str | Path, *, table: str | None = None, owner: str | None = None, file: str = "odcs.yaml") -> Contract:
    """The contract an ODCS document declares: a path, or the YAML itself.

    Parameters
    ----------
    table
        Which of the document's tables (``schema[].name``), where it has several; the others are kept for export.
    owner
        Who answers for it, where the document does not say (``team.name``, else its first member).

    Raises
    ------
    InputError
        If it is no ODCS document, has several tables and none is named, or contradicts itself.
    """
    declared = read_declared(text) if isinstance(text, Path) else parse_declared(text, file=file)
    document = declared.plain()
    if not isinstance(document, dict) or document.get("kind") != "DataContract":
        declared.refuse("This is not an ODCS document.", why="it has no 'kind: DataContract'", mend="name an ODCS file of v3.0 to v3.2")
    if document.get("apiVersion") not in _READ:
        declared.at("apiVersion").refuse(f"ODCS {document.get('apiVersion')!r} is not read.", mend=f"use one of: {', '.join(_READ)}")
    place = _which_table(declared, table)
    found = _read_document(document, place, owner=owner, where=declared.file)
    try:
        return Contract.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{declared.file} {'.'.join(map(str, first['loc']))}".strip()
        raise InputError(f"This document makes no contract: {first['msg']}.", where=where, mend="mend the document") from error


def _which_table(declared: Any, table: str | None) -> int:
    tables = declared.plain().get("schema") or []
    if not isinstance(tables, list) or not all(isinstance(each, dict) and each.get("properties") for each in tables) or not tables:
        declared.at("schema").refuse("The document has no table with properties.", why="a contract says something about columns")
    names = [str(each.get("name", "")) for each in tables]
    if table is None and len(tables) > 1:
        declared.at("schema").refuse(f"The document has {len(tables)} tables.", mend=f"say which: {', '.join(names)}")
    if table is not None and table not in names:
        declared.at("schema").refuse(f"There is no table {table!r}.", mend=f"use one of: {', '.join(names)}")
    return 0 if table is None else names.index(table)


def _read_document(document: dict[str, Any], place: int, *, owner: str | None, where: str) -> dict[str, Any]:
    top = {key: value for key, value in document.items() if key not in ("kind", "schema", "name")}
    tables = list(document["schema"])
    element = dict(tables.pop(place))
    name = str(document.get("name") or element.get("name") or document.get("id") or "")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100] or "imported"
    found: dict[str, Any] = {"name": name}
    found["version"] = max(1, _major(str(top.get("version", ""))) or 1)
    if str(top.get("version")) == str(found["version"]):
        top.pop("version")
    for key, default in (("apiVersion", API_VERSION), ("status", "active"), ("id", name)):
        if top.get(key) == default:
            top.pop(key)
    description = top.pop("description", None)
    if isinstance(description, dict):
        found["description"] = str(description.pop("purpose", "")) if description else ""
    if description:
        top["description"] = description if isinstance(description, dict) else {"usage": str(description)}
    custom, rest = _take_custom(top.pop("customProperties", []), {"owner"})
    if rest:
        top["customProperties"] = rest
    found["owner"] = owner or custom.get("owner") or _team_name(top.get("team"))
    if not found["owner"]:
        raise InputError(
            "The document does not say who answers for the data.", where=where, mend="give an owner, or 'team: {name: …}' in the document"
        )
    if top.get("team") == {"name": found["owner"]}:
        top.pop("team")
    _read_table(element, found)
    kept: dict[str, Any] = {"top": top, "table": element, "columns": found.pop("kept_columns")}
    if tables:
        kept |= {"others": tables, "place": place}
    found["odcs"] = {key: value for key, value in kept.items() if value}
    return found


def _read_table(element: dict[str, Any], found: dict[str, Any]) -> None:
    properties = element.pop("properties")
    if element.get("name") == found["name"]:
        element.pop("name")
    if element.get("logicalType") == "object":
        element.pop("logicalType")
    if element.get("physicalType") == "table":
        element.pop("physicalType")
    custom, rest = _take_custom(element.pop("customProperties", []), _TABLE_CUSTOM)
    if rest:
        element["customProperties"] = rest
    found |= {_TABLE_CUSTOM[key]: value for key, value in custom.items()}
    columns: dict[str, dict[str, Any]] = {}
    kept: dict[str, Any] = {}
    keys: list[tuple[int, int, str]] = []
    checks: list[dict[str, Any]] = []
    for number, given in enumerate(properties):
        rule = dict(given)
        name = str(rule.pop("name"))
        if rule.pop("primaryKey", False):
            position = rule.pop("primaryKeyPosition", -1)
            keys.append((position if position > 0 else len(properties), number, name))
        columns[name] = _read_column(rule)
        if rule.pop("unique", False):
            checks.append({"name": f"{name} is unique", "kind": "unique", "columns": [name]})
        if rule:
            kept[name] = rule
    found["key"] = [name for _, _, name in sorted(keys)]
    for name in found["key"]:
        columns[name]["nullable"] = False
    if len(found["key"]) == 1 and found.get("unique", True):
        # The key is unique already; the standard lets both be said.
        checks = [check for check in checks if check["columns"] != found["key"]]
    rules = element.pop("quality", [])
    foreign = []
    for rule in rules:
        check = _read_check(rule, set(columns))
        if check is None or any(check["name"] == other["name"] for other in checks):
            foreign.append(rule)
        else:
            checks.append(check)
    if foreign:
        element["quality"] = foreign
    found |= {"columns": columns, "checks": checks, "kept_columns": kept}


def _read_column(rule: dict[str, Any]) -> dict[str, Any]:
    """Take what a column has words for out of ``rule``; what is left is kept for export."""
    options = dict(rule.pop("logicalTypeOptions", None) or {})
    kind = _column_type(rule, options)
    column: dict[str, Any] = {"type": kind, "nullable": not rule.pop("required", False)}
    for key in ("description", "tags"):
        if key in rule:
            column[key] = rule.pop(key)
    for option, name in _OPTIONS.get(kind, {}).items():
        if option in options:
            column[name] = options.pop(option)
    if kind == "timestamp":
        if options.get("timezone") is True:
            if "defaultTimezone" not in options:
                options.pop("timezone")
        elif "defaultTimezone" in options:
            options.pop("timezone", None)
            column["zone"] = options.pop("defaultTimezone")
    custom, rest = _take_custom(rule.pop("customProperties", []), _COLUMN_CUSTOM, check=_usable)
    if rest:
        rule["customProperties"] = rest
    column |= {_COLUMN_CUSTOM[key]: value for key, value in custom.items()}
    levels = [entry.get("value") for entry in rule.get("enum", []) if isinstance(entry, dict)]
    if levels and "levels" not in column and kind in ("text", "int"):
        column["levels"] = levels  # v3.2; the entries stay, for their labels
    if options:
        rule["logicalTypeOptions"] = options
    return column


def _column_type(rule: dict[str, Any], options: dict[str, Any]) -> str:
    logical = rule.get("logicalType")
    if logical is None:
        physical = str(rule.get("physicalType", ""))
        for pattern, kind in _PHYSICAL:
            if re.match(pattern, physical.strip().lower()):
                return kind
        return "text"
    kind = _TYPES.get(logical, "text")
    if kind == "text" and options.get("format") in ("binary", "byte"):
        kind = "binary"
        if options["format"] == "binary":
            options.pop("format")
    if _LOGICAL[kind] == logical:
        rule.pop("logicalType")
    return kind


def _usable(name: str, value: Any) -> bool:
    """Whether a custom property says what we mean by it: other tools use short names too."""
    if name in ("unit", "arrivesIn"):
        try:
            unit_named(str(value))
        except InputError:
            return False
    if name == "dimension":
        return value in dimensions()
    return True


def _take_custom(entries: Any, names: Any, *, check: Any = None) -> tuple[dict[str, Any], list[Any]]:
    taken: dict[str, Any] = {}
    rest: list[Any] = []
    for entry in entries or []:
        mine = isinstance(entry, dict) and set(entry) == {"property", "value"} and entry["property"] in names and entry["property"] not in taken
        if mine and (check is None or check(entry["property"], entry["value"])):
            value = entry["value"]
            if entry["property"] == "levelMap":
                value = {pair["from"]: pair["to"] for pair in value}
            taken[entry["property"]] = value
        else:
            rest.append(entry)
    return taken, rest


def _read_check(rule: Any, columns: set[str]) -> dict[str, Any] | None:
    """A rule as one of our checks, or None: then it is kept as it is."""
    if not isinstance(rule, dict) or not rule.get("name"):
        return None
    check: dict[str, Any] = {"name": rule["name"]}
    if rule.get("type") == "custom" and rule.get("engine") == _ENGINE and isinstance(rule.get("implementation"), dict):
        check |= rule["implementation"]
    elif rule.get("type", "library") == "library" and rule.get("metric") == "rowCount":
        limits = _limits(rule)
        if limits is None:
            return None
        check |= {"kind": "row_count", **limits}
    elif rule.get("type", "library") == "library" and rule.get("metric") == "duplicateValues" and rule.get("mustBe") == 0:
        names = (rule.get("arguments") or {}).get("properties")
        if not names:
            return None
        check |= {"kind": "unique", "columns": names}
    else:
        return None
    known = {"name", "type", "metric", "engine", "implementation", "arguments", "severity", "description", *_MUST}
    if set(rule) - known or rule.get("severity", "error") not in ("error", "warning"):
        return None
    if rule.get("severity", "error") != "error":
        check["severity"] = rule["severity"]
    if rule.get("description"):
        check["description"] = rule["description"]
    try:
        made = Check.model_validate(check)
    except ValidationError:
        return None
    named = {*made.columns, *((made.column,) if made.column else ())}
    return check if named <= columns else None


_MUST = ("mustBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo", "mustBeBetween")


def _limits(rule: dict[str, Any]) -> dict[str, Any] | None:
    found = [(name, rule[name]) for name in _MUST if name in rule]
    if len(found) != 1:
        return None
    name, value = found[0]
    if name == "mustBeBetween":
        return {"at_least": value[0], "at_most": value[1]}
    if not isinstance(value, int | float):
        return None
    return {
        "mustBe": {"at_least": value, "at_most": value},
        "mustBeGreaterThan": {"at_least": value + 1},
        "mustBeGreaterOrEqualTo": {"at_least": value},
        "mustBeLessThan": {"at_most": value - 1},
        "mustBeLessOrEqualTo": {"at_most": value},
    }[name]


def _table(contract: Contract, kept: dict[str, Any]) -> dict[str, Any]:
    rest = dict(kept.get("table", {}))
    table: dict[str, Any] = {"name": rest.pop("name", contract.name), "logicalType": "object", "physicalType": rest.pop("physicalType", "table")}
    custom = rest.pop("customProperties", [])
    quality = rest.pop("quality", [])
    table |= rest
    defaults = {name: field.default for name, field in Contract.model_fields.items()}
    ours = [_custom(key, getattr(contract, name)) for key, name in _TABLE_CUSTOM.items() if getattr(contract, name) != defaults[name]]
    if custom or ours:
        table["customProperties"] = [*ours, *custom]
    columns = kept.get("columns", {})
    table["properties"] = [_property(contract, name, dict(columns.get(name, {}))) for name in contract.columns]
    rules = [_rule(check, set(contract.columns)) for check in contract.checks]
    if rules or quality:
        table["quality"] = [*rules, *quality]
    return table


def _property(contract: Contract, name: str, rest: dict[str, Any]) -> dict[str, Any]:
    column = contract.columns[name]
    made: dict[str, Any] = {"name": name, "logicalType": rest.pop("logicalType", _LOGICAL[column.type])}
    if name in contract.key:
        made |= {"primaryKey": True, "primaryKeyPosition": contract.key.index(name) + 1}
    made["required"] = not column.nullable
    if column.description:
        made["description"] = column.description
    if column.tags:
        made["tags"] = list(column.tags)
    options: dict[str, Any] = {}
    if column.type == "binary":
        options["format"] = "binary"
    for option, field in _OPTIONS.get(column.type, {}).items():
        if getattr(column, field) is not None:
            options[option] = getattr(column, field)
    if column.type == "timestamp":
        options |= {"timezone": True} if column.zone is None else {"timezone": False, "defaultTimezone": column.zone}
    options |= rest.pop("logicalTypeOptions", {})
    if options:
        made["logicalTypeOptions"] = options
    content = column.model_dump(mode="json", exclude_defaults=True)
    ours = [_custom(key, content[field]) for key, field in _COLUMN_CUSTOM.items() if field in content]
    custom = [*ours, *rest.pop("customProperties", [])]
    if custom:
        made["customProperties"] = custom
    return made | rest


def _rule(check: Check, columns: set[str]) -> dict[str, Any]:
    content = check.model_dump(mode="json", exclude_defaults=True)
    shared: dict[str, Any] = {"name": content.pop("name")}
    shared |= {key: content.pop(key) for key in ("description",) if key in content}
    shared["severity"] = content.pop("severity", "error")
    library: dict[str, Any] | None = None
    if check.kind == "row_count":
        low, high = check.at_least, check.at_most
        if low is not None and high is not None:
            limit: dict[str, Any] = {"mustBe": low} if low == high else {"mustBeBetween": [low, high]}
        else:
            limit = {"mustBeGreaterOrEqualTo": low} if high is None else {"mustBeLessOrEqualTo": high}
        library = {**shared, "type": "library", "metric": "rowCount", **limit}
    elif check.kind == "unique":
        library = {**shared, "type": "library", "metric": "duplicateValues", "arguments": {"properties": list(check.columns)}, "mustBe": 0}
    read = None if library is None else _read_check(library, columns)
    # The standard's own form only where it says all of it.
    if library is not None and read is not None and Check.model_validate(read) == check:
        return library
    return {**shared, "type": "custom", "engine": _ENGINE, "implementation": content}


def _custom(name: str, value: Any) -> dict[str, Any]:
    if name == "levelMap":
        value = [{"from": spelling, "to": level} for spelling, level in value.items()]
    return {"property": name, "value": list(value) if isinstance(value, tuple) else value}


def _major(version: str) -> int | None:
    found = re.match(r"v?([0-9]{1,9})(?:\.|$)", version)
    return int(found[1]) if found else None


def _team_name(team: Any) -> str:
    if isinstance(team, Mapping):
        if team.get("name"):
            return str(team["name"])
        team = team.get("members")
    if isinstance(team, list) and team and isinstance(team[0], Mapping):
        return str(team[0].get("name") or team[0].get("username") or "")
    return ""


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(entry) for key, entry in value.items()}
    return [_thawed(entry) for entry in value] if isinstance(value, list | tuple) else value
