"""Comparing two contracts: each difference with its effect, and one verdict.

*Backward*: every row that keeps the old contract keeps the new one (the words are those of schema registries: the new reader reads old data).
*Forward*: every row that keeps the new one keeps the old one. Beside shape there is meaning: where a unit, a zone, the grain or a time changes, every
value may still fit and say something else. No migration mends that unseen, so it is ``semantic_suspect`` whatever the shapes say.
"""

from __future__ import annotations

from typing import Any

from pilotage.core import parse_duration
from pilotage.data.contracts.change import Change, Difference, Verdict
from pilotage.data.contracts.contract import Column, Contract
from pilotage.data.contracts.units import conversion

_WIDER = {("int", "float")}
_WORDS = {"description", "tags"}


def compare_contracts(old: Contract, new: Contract) -> Change:
    """What changes from ``old`` to ``new``. Names, versions, owners and descriptions are no difference in what data may be.

    A column that is gone under one name and lists it in ``renamed_from`` under another is one rename, not a removal and an addition.
    """
    found: list[Difference] = []
    renames = _renames(old, new)
    for before, after in renames.items():
        effect = f"'{before}' is now called '{after}': stored columns must be renamed, and readers must ask for the new name"
        found.append(Difference("renamed", after, before, after, effect, backward=False, forward=False))
    for name, column in old.columns.items():
        after = renames.get(name, name)
        if after not in new.columns:
            optional = column.nullable
            effect = "what is stored has a column more" + ("" if optional else ", and readers of the old contract miss it")
            found.append(Difference("removed", name, column.type, None, effect, forward=optional))
        else:
            found += _column(after, column, new.columns[after])
    for name, column in new.columns.items():
        if name not in old.columns and name not in renames.values():
            effect = "null in what is stored" if column.nullable else "what is stored has no value for it, and it may not be null"
            found.append(Difference("added", name, None, column.type, effect, backward=column.nullable))
    found += _contract(old, new, renames)
    backward, forward = all(each.backward for each in found), all(each.forward for each in found)
    verdict: Verdict = max((each.verdict for each in found), key=_RANK.__getitem__, default="compatible")
    return Change(verdict=verdict, backward=backward, forward=forward, differences=tuple(found))


_RANK: dict[Verdict, int] = {"compatible": 0, "needs_migration": 1, "semantic_suspect": 2}


def _renames(old: Contract, new: Contract) -> dict[str, str]:
    return {
        before: name
        for name, column in new.columns.items()
        if name not in old.columns
        for before in column.renamed_from
        if before in old.columns and before not in new.columns
    }


def _column(name: str, old: Column, new: Column) -> list[Difference]:
    found: list[Difference] = []

    def add(kind: str, before: Any, after: Any, effect: str, **flags: bool) -> None:
        found.append(Difference(kind, name, before, after, effect, **flags))

    if old.type != new.type:
        wider = (old.type, new.type) in _WIDER
        narrower = (new.type, old.type) in _WIDER
        effect = "wider: every stored value fits" if wider else "stored values must be cast, and not every one may fit"
        add("type", old.type, new.type, effect, backward=wider, forward=narrower)
    if old.nullable != new.nullable:
        effect = "readers must expect null" if new.nullable else "stored nulls break it"
        add("nullable", old.nullable, new.nullable, effect, backward=new.nullable, forward=old.nullable)
    _meaning(old, new, add)
    _levels(old, new, add)
    _limits(old, new, add)
    if old.personal != new.personal:
        effect = "its values are no longer echoed" if new.personal else "its values are echoed in quarantine and errors from now on"
        add("personal", old.personal, new.personal, effect)
    words = [field for field in sorted(_WORDS) if getattr(old, field) != getattr(new, field)]
    for field in words:
        add(field, _plain(getattr(old, field)), _plain(getattr(new, field)), "words only")
    return found


def _meaning(old: Column, new: Column, add: Any) -> None:
    """What changes what a value says, whatever its shape."""
    if old.dimension != new.dimension and not (old.dimension is None and new.dimension is not None and old.unit is None):
        add("dimension", old.dimension, new.dimension, "the values measure something else", backward=False, forward=False, suspect=True)
    elif old.dimension != new.dimension:
        add("dimension", old.dimension, new.dimension, "declared for the first time: nobody has said what stored values measured", suspect=True)
    if old.unit != new.unit:
        if old.unit is None:
            effect = "declared for the first time: nobody has said what unit stored values have"
        elif new.unit is None:
            effect = "no longer declared: a changed unit can no longer be told"
        elif old.dimension == new.dimension:
            effect = f"the same numbers mean something else: stored values convert by {conversion(old.unit, new.unit)}"
        else:
            effect = "the same numbers measure something else"
        both = old.unit is not None and new.unit is not None
        add("unit", old.unit, new.unit, effect, backward=not both, forward=not both, suspect=True)
    if old.arrives_in != new.arrives_in:
        effect = f"values are taken to arrive in {new.arrives_in or new.unit}; what is stored keeps its unit. Wrong if the source did not change"
        add("arrives_in", old.arrives_in, new.arrives_in, effect, suspect=True)
    if old.zone != new.zone:
        add("zone", old.zone, new.zone, "times that arrive without a zone name other instants from now on", suspect=True)
    if old.renamed_from != new.renamed_from:
        add("renamed_from", list(old.renamed_from), list(new.renamed_from), "the names under which it may arrive; what is stored is untouched")


def _levels(old: Column, new: Column, add: Any) -> None:
    if old.levels != new.levels:
        before, after = old.levels, new.levels
        if before is None or after is None:
            narrower = after is not None
            effect = "only these values are allowed now; others may be stored" if narrower else "any value is allowed now; readers may meet new ones"
            add("levels", _plain(before), _plain(after), effect, backward=not narrower, forward=narrower)
        else:
            gone = [level for level in before if level not in after]
            new_ones = [level for level in after if level not in before]
            if gone:
                effect = f"no longer allowed, and may be stored: {', '.join(map(str, gone))}"
                add("levels_removed", _plain(before), _plain(after), effect, backward=False)
            if new_ones:
                effect = f"readers may meet: {', '.join(map(str, new_ones))}"
                add("levels_added", _plain(before), _plain(after), effect, forward=False)
            if not gone and not new_ones:
                add("levels_reordered", _plain(before), _plain(after), "the same levels in another order")
    if old.level_policy != new.level_policy:
        lax = ("review", "allow")
        opened, closed = new.level_policy in lax and old.level_policy not in lax, old.level_policy in lax and new.level_policy not in lax
        effect = (
            "new levels are kept from now on" if opened else "levels that were kept as new may be stored" if closed else "what is stored is as before"
        )
        add("level_policy", old.level_policy, new.level_policy, effect, backward=not closed, forward=not opened)
    if old.level_map != new.level_map:
        moved = {spelling for spelling in old.level_map.keys() & new.level_map.keys() if old.level_map[spelling] != new.level_map[spelling]}
        effect = f"these now become another level: {', '.join(sorted(moved))}" if moved else "other spellings are rewritten on arrival"
        add("level_map", dict(old.level_map), dict(new.level_map), effect, suspect=bool(moved))
    if old.max_new_level_share != new.max_new_level_share:
        add("max_new_level_share", old.max_new_level_share, new.max_new_level_share, "how many new levels one batch may bring")


def _limits(old: Column, new: Column, add: Any) -> None:
    for name, lower in (("minimum", True), ("maximum", False), ("min_length", True), ("max_length", False)):
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        wider = after is None or (before is not None and (after < before if lower else after > before))
        narrower = before is None or (after is not None and (after > before if lower else after < before))
        effect = "wider: readers may meet values beyond the old limit" if wider else "narrower: stored values may lie beyond it"
        add(name, before, after, effect, backward=not narrower, forward=not wider)
    if old.pattern != new.pattern:
        effect = "stored values may not match" if new.pattern else "readers may meet values that do not match the old pattern"
        add("pattern", old.pattern, new.pattern, effect, backward=new.pattern is None, forward=old.pattern is None)


def _contract(old: Contract, new: Contract, renames: dict[str, str]) -> list[Difference]:
    found: list[Difference] = []

    def add(kind: str, before: Any, after: Any, effect: str, **flags: bool) -> None:
        found.append(Difference(kind, None, before, after, effect, **flags))

    def now_called(name: str | None) -> str | None:
        return None if name is None else renames.get(name, name)

    if tuple(now_called(name) for name in old.key) != new.key:
        effect = "a row is about something else: counts, joins and upserts change their meaning"
        reordered = {now_called(name) for name in old.key} == set(new.key)
        if reordered:
            add("key", list(old.key), list(new.key), "the same columns in another order")
        else:
            add("key", list(old.key), list(new.key), effect, backward=False, forward=False, suspect=True)
    if old.unique != new.unique:
        effect = (
            "no two rows may have one key; stored ones may" if new.unique else "several rows may have one key: joins and counts change their meaning"
        )
        add("unique", old.unique, new.unique, effect, backward=not new.unique, forward=new.unique, suspect=True)
    for role, effect in (
        ("event_time", "another column says when it happened: joins in time change their answer"),
        ("available_time", "another column says when it could be known: training may see what was not known"),
        ("subject", "another column names the person a row is about: withdrawal would look for others"),
    ):
        before, after = getattr(old, role), getattr(new, role)
        if now_called(before) != after:
            add(role, before, after, effect, suspect=True)
    if _us(old.available_lag) != _us(new.available_lag):
        shorter = new.available_lag is not None and (old.available_lag is None or (_us(new.available_lag) or 0) < (_us(old.available_lag) or 0))
        effect = "rows count as known sooner: training may see what was not known" if shorter else "rows count as known at another time"
        add("available_lag", old.available_lag, new.available_lag, effect, suspect=True)
    if old.forecasts != new.forecasts:
        effect = "rows may be available before they happen" if new.forecasts else "stored rows may be available before they happened"
        add("forecasts", old.forecasts, new.forecasts, effect, backward=new.forecasts, forward=old.forecasts, suspect=True)
    before_checks, after_checks = {check.name: check for check in old.checks}, {check.name: check for check in new.checks}
    for name in sorted(before_checks.keys() | after_checks.keys()):
        before, after = before_checks.get(name), after_checks.get(name)
        if before == after:
            continue
        strict = after is not None and after.severity == "error"
        effect = f"the check '{name}' is gone" if after is None else f"stored data may fail the check '{name}'" if strict else f"'{name}' warns"
        was_strict = before is not None and before.severity == "error"
        shown = [None if each is None else each.model_dump(mode="json", exclude_defaults=True) for each in (before, after)]
        add("check", shown[0], shown[1], effect, backward=not strict, forward=not was_strict)
    return found


def _us(lag: str | None) -> int | None:
    return None if lag is None else parse_duration(lag)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
