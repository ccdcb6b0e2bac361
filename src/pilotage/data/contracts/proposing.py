"""Finding renames, changed units and new levels by the look of the data."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pilotage.data.contracts.casting import cast
from pilotage.data.contracts.contract import Column, Contract
from pilotage.data.contracts.profile import ColumnProfile, Profile, ks_distance, profile_series, profile_table
from pilotage.data.contracts.proposals import Proposal
from pilotage.data.contracts.units import conversion, units_of

# Below this a match is no match. Set by the simulations in tests/data/contracts/test_proposing.py.
_LEAST_RENAME = 0.7
_LEAST_CASTABLE = 0.95
_RIVAL = 0.05

_LEAST_VALUES = 50
_LEAST_DISTINCT = 8
# A unit has changed only where the look moved this far, undoing it brings back this much, and no other unit does about as well.
_LEAST_MOVE = 0.15
_MOST_LEFT = 0.4
_LEAST_LEAD = 0.05

_LEAST_SPELLING = 0.85
_SHORTEST_SPELLING = 4
_MOST_LEVELS = 50


def propose(contract: Contract, old: pa.Table | Profile, new: pa.Table) -> tuple[Proposal, ...]:
    """See :func:`pilotage.data.contracts.propose_changes`."""
    before = old if isinstance(old, Profile) else profile_table(old, contract)
    arrivals = {name: _arrival(name, rule, new) for name, rule in contract.columns.items()}
    found = _renames(contract, before, new, arrivals)
    for name, rule in contract.columns.items():
        arrival = arrivals[name]
        if arrival is None:
            continue
        if rule.unit is not None and name in before.columns:
            found += _unit(contract, name, before.columns[name], new.column(arrival))
        if rule.levels is not None and rule.type == "text" and not rule.personal:
            found += _levels(contract, name, new.column(arrival))
    return tuple(found)


def _arrival(name: str, rule: Column, table: pa.Table) -> str | None:
    return next((each for each in (name, *reversed(rule.renamed_from)) if each in table.column_names), None)


# -- renames


def _renames(contract: Contract, before: Profile, new: pa.Table, arrivals: Mapping[str, str | None]) -> list[Proposal]:
    gone = [name for name, arrival in arrivals.items() if arrival is None and name in before.columns]
    taken = set(arrivals.values())
    fresh = [name for name in new.column_names if name not in taken]
    if not gone or not fresh:
        return []
    from scipy.optimize import linear_sum_assignment

    parts: dict[tuple[str, str], dict[str, float]] = {}
    scores = np.zeros((len(gone), len(fresh)))
    readings: dict[tuple[str, str, str | None], tuple[ColumnProfile, float]] = {}
    for row, name in enumerate(gone):
        rule = contract.columns[name]
        for place, other in enumerate(fresh):
            # The columns of one type read a candidate the same way: once.
            reading = (other, rule.type, rule.zone)
            if reading not in readings:
                readings[reading] = _read_as(new.column(other), rule)
            look, castable = readings[reading]
            if castable < _LEAST_CASTABLE:
                continue
            likeness = _likeness(before.columns[name], look)
            likeness["name"] = _name_likeness(name, other)
            parts[name, other] = likeness
            scores[row, place] = sum(_WEIGHTS[part] * value for part, value in likeness.items())
    found = []
    for row, place in zip(*linear_sum_assignment(-scores), strict=True):
        score = float(scores[row, place])
        if score < _LEAST_RENAME:
            continue
        name, other = gone[row], fresh[place]
        rivals = {
            rival: round(float(scores[row, column]), 4)
            for column, rival in enumerate(fresh)
            if column != place and scores[row, column] >= max(_LEAST_RENAME, score - _RIVAL)
        }
        figures = {part: round(value, 4) for part, value in parts[name, other].items()}
        evidence = {"likeness": figures, "rivals": rivals, "n": new.num_rows}
        found.append(Proposal(contract.id, "rename", name, name, other, round(score, 4), evidence))
    return found


_WEIGHTS = {"values": 0.65, "nulls": 0.1, "distinct": 0.1, "name": 0.15}


def _read_as(column: pa.ChunkedArray, rule: Column) -> tuple[ColumnProfile, float]:
    done = cast(column, rule)
    there = len(done.original) - done.original.null_count()
    castable = 1.0 if there == 0 else (len(done.values) - done.values.null_count()) / there
    return profile_series(done.values, rule.type), castable


def _likeness(one: ColumnProfile, other: ColumnProfile) -> dict[str, float]:
    share = [profile.distinct / profile.n if profile.n else 0.0 for profile in (one, other)]
    return {
        "values": _value_likeness(one, other),
        "nulls": 1 - abs(one.null_share - other.null_share),
        "distinct": 1 - abs(share[0] - share[1]),
    }


def _value_likeness(one: ColumnProfile, other: ColumnProfile) -> float:
    if not one.quantiles or not other.quantiles:
        return 1.0 if not one.quantiles and not other.quantiles else 0.0
    a, b = np.asarray(one.quantiles), np.asarray(other.quantiles)
    if one.type == "timestamp":
        # Later batches lie later: what stays is how they spread over the day, and over how long.
        spans = (a[-1] - a[0] + 1, b[-1] - b[0] + 1)
        return float(0.7 * _overlap(_numbered(one.hours), _numbered(other.hours)) + 0.3 * min(spans) / max(spans))
    if one.type == "date":
        spans = (a[-1] - a[0] + 1, b[-1] - b[0] + 1)
        return float(0.5 + 0.5 * min(spans) / max(spans))
    shape = 1 - ks_distance(a, b)
    few = one.levels and other.levels and max(one.distinct, other.distinct) <= len(one.levels) + len(other.levels)
    return 0.2 * shape + 0.8 * _overlap(one.levels, other.levels) if few else shape


def _numbered(shares: tuple[float, ...]) -> dict[str, float]:
    return {str(number): share for number, share in enumerate(shares)}


def _overlap(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return float(sum(min(share, other.get(level, 0.0)) for level, share in one.items()))


def _name_likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _words(one), _words(other), autojunk=False).ratio()


def _words(name: str) -> str:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


# -- units


def _unit(contract: Contract, name: str, before: ColumnProfile, column: pa.ChunkedArray) -> list[Proposal]:
    rule = contract.columns[name]
    assert rule.unit is not None and rule.dimension is not None  # noqa: S101 - the caller asked, and a unit has a dimension
    now = profile_series(cast(column, rule.model_copy(update={"type": "float"})).values, "float")
    if min(before.n, now.n) < _LEAST_VALUES or min(before.distinct, now.distinct) < _LEAST_DISTINCT:
        return []
    old, raw = np.asarray(before.quantiles), np.asarray(now.quantiles)
    assumed = rule.arrives_in or rule.unit
    left: dict[str, float] = {}
    for unit in units_of(rule.dimension):
        way = conversion(unit.name, rule.unit)
        left[unit.name] = ks_distance(old, raw * float(way.scale) + float(way.shift))
    moved = left.pop(assumed)
    # What sampling alone does at these sizes stays well below (c(0.001) = 1.95).
    noise = 1.95 * np.sqrt((before.n + now.n) / (before.n * now.n))
    if moved < max(_LEAST_MOVE, 2 * noise) or not left:
        return []
    best = min(left, key=lambda unit: (left[unit], unit))
    same = conversion(best, rule.unit)
    others = {
        unit: distance
        for unit, distance in left.items()
        if conversion(unit, rule.unit).scale != same.scale or conversion(unit, rule.unit).shift != same.shift
    }
    runner_up = min(others.values(), default=1.0)
    if left[best] > _MOST_LEFT * moved or runner_up - left[best] < max(_LEAST_LEAD, noise / 2):
        return []
    evidence = {
        "ks_before": round(moved, 4),
        "ks_after": round(left[best], 4),
        "ks_runner_up": round(runner_up, 4),
        "conversion": str(conversion(best, rule.unit)),
        "n_old": before.n,
        "n_new": now.n,
    }
    if not rule.personal:
        evidence |= {"deciles_old": _deciles(old), "deciles_new": _deciles(raw)}
    return [Proposal(contract.id, "unit", name, assumed, best, round(1 - left[best], 4), evidence)]


def _deciles(ordered: np.ndarray[Any, Any]) -> list[float]:
    return [float(f"{ordered[round(tenth * (len(ordered) - 1) / 10)]:.6g}") for tenth in range(11)]


# -- levels


def _levels(contract: Contract, name: str, column: pa.ChunkedArray) -> list[Proposal]:
    rule = contract.columns[name]
    known = [str(level) for level in rule.levels or ()]
    values = cast(column, rule).values.drop_nulls()
    unknown = values.filter(~values.is_in([*known, *rule.level_map]))
    if not len(unknown):
        return []
    found = []
    counted = unknown.value_counts(sort=True, name="n").sort(["n", unknown.name], descending=[True, False]).head(_MOST_LEVELS)
    for value, count in counted.iter_rows():
        level, score = _nearest(value, known)
        evidence = {"count": count, "share": round(count / len(values), 6), "n": len(values)}
        if level is None:
            found.append(Proposal(contract.id, "level", name, value, None, round(count / len(values), 4), evidence))
        else:
            found.append(Proposal(contract.id, "level", name, value, level, round(score, 4), evidence))
    return found


def _nearest(value: str, known: list[str]) -> tuple[str | None, float]:
    """The known level ``value`` seems to be a spelling of, if there is just one."""
    plain = _plain(value)
    same = [level for level in known if plain and _plain(level) == plain]
    if len(same) == 1:
        return same[0], 1.0
    if same or len(plain) < _SHORTEST_SPELLING or any(character.isdigit() for character in plain):
        return None, 0.0  # codes differ by one character and mean different things
    scored = sorted(((difflib.SequenceMatcher(None, plain, _plain(level), autojunk=False).ratio(), level) for level in known), reverse=True)
    if scored[0][0] < _LEAST_SPELLING or (len(scored) > 1 and scored[0][0] - scored[1][0] < _RIVAL):
        return None, 0.0
    return scored[0][1], scored[0][0]


def _plain(text: str) -> str:
    """Without case, accents, spaces and punctuation."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in decomposed if character.isalnum())
