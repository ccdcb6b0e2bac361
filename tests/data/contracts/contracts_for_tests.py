"""Contracts made up by hypothesis, every kind of column among them, and one that is easy to read."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pilotage.data.contracts import Contract, parse_contract, units

RIDES = """
name: rides
version: 1
owner: anna
key: [ride]
event_time: at
available_time: known
subject: rider
columns:
  ride: {type: text, pattern: "r[0-9]+"}
  at: {type: timestamp, zone: America/New_York}
  known: {type: timestamp}
  rider: {type: text, personal: true, max_length: 20}
  dist: {type: float, unit: km, minimum: 0, maximum: 100, nullable: true}
  pay: {type: text, levels: [cash, card, "no"], nullable: true}
  seats: {type: int, nullable: true}
checks:
  - {name: enough, kind: row_count, at_least: 1}
"""


def rides(**columns: dict[str, Any]) -> Contract:
    """The contract of rides, with fields of some columns changed."""
    content = parse_contract(RIDES).to_dict(brief=True)
    for name, fields in columns.items():
        content["columns"][name] = {**content["columns"].get(name, {}), **fields}
    return Contract.model_validate(content)


_text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
_names = st.text("abcXYZ_0 é.", min_size=1, max_size=8).filter(lambda name: name.strip() == name and name.isprintable())
_bound = st.one_of(st.integers(-1_000, 1_000), st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)))


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a column."""
    kind = draw(st.sampled_from(["text", "int", "float", "bool", "timestamp", "date", "binary", "list", "object"]))
    made: dict[str, Any] = {"type": kind, "nullable": draw(st.booleans()), "personal": draw(st.booleans())}
    made["description"] = draw(st.one_of(st.just(""), _text))
    made["tags"] = draw(st.lists(_text, max_size=2))
    if kind in ("int", "float"):
        unit = draw(st.one_of(st.none(), st.sampled_from(sorted(units()))))
        if unit is not None:
            same = [other.name for other in units().values() if other.dimension == units()[unit].dimension]
            made |= {"unit": unit, "arrives_in": draw(st.one_of(st.none(), st.sampled_from(same)))}
        low, high = sorted((draw(_bound), draw(_bound)))
        made |= {"minimum": draw(st.sampled_from([None, low])), "maximum": draw(st.sampled_from([None, high]))}
    if kind in ("text", "binary", "list"):
        made |= {"min_length": draw(st.sampled_from([None, 0, 1])), "max_length": draw(st.sampled_from([None, 5, 500]))}
    if kind == "timestamp":
        made["zone"] = draw(st.sampled_from([None, "UTC", "Europe/Berlin"]))
    if kind == "text":
        levels = draw(st.one_of(st.none(), st.lists(_text, min_size=1, max_size=4, unique=True)))
        if levels is not None:
            spellings = {spelling: levels[0] for spelling in draw(st.lists(_text, max_size=2)) if spelling not in levels}
            policy = draw(st.sampled_from(["refuse", "review", "allow", *(["map"] if spellings else [])]))
            made |= {"levels": levels, "level_policy": policy, "level_map": spellings, "max_new_level_share": draw(st.sampled_from([None, 0.25]))}
    return made


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Any contract."""
    made = draw(st.dictionaries(_names, columns(), min_size=1, max_size=5))
    able = [name for name, column in made.items() if column["type"] in ("text", "int", "date") and not column["nullable"]]
    content: dict[str, Any] = {
        "name": "any",
        "version": draw(st.integers(1, 9)),
        "owner": draw(_text.filter(lambda text: text.strip() != "")),
        "columns": made,
    }
    content |= {"description": draw(st.one_of(st.just(""), _text)), "key": able[: draw(st.integers(0, 2))], "unique": draw(st.booleans())}
    stamps = [name for name, column in made.items() if column["type"] == "timestamp"]
    certain = [name for name in stamps if not made[name]["nullable"]]
    if certain and draw(st.booleans()):
        lag = draw(st.sampled_from(["0s", "2h"]))
        content |= {"event_time": certain[0], "available_time": draw(st.sampled_from([None, *stamps])), "available_lag": lag}
        content["forecasts"] = draw(st.booleans())
    checks = [{"name": "rows", "kind": "row_count", "at_least": draw(st.integers(0, 5)), "severity": draw(st.sampled_from(["error", "warning"]))}]
    checks.append({"name": "whole", "kind": "expression", "expression": "a > 1", "at_least": 0.5})
    checks.append({"name": "once", "kind": "unique", "columns": sorted(made)[:2]})
    content["checks"] = draw(st.lists(st.sampled_from(checks), unique_by=lambda check: check["name"], max_size=3))
    return Contract.model_validate(content)
