"""Questions about the difference of two versions of a table. Versions never change, so a difference is reckoned once and kept for the next page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pilotage.core import Refused
from pilotage.data import Version
from pilotage.server.queries.tables import Cell, Head, Line, cell_of, contract_of, heads_of, line_of
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.data.tabular import TableDiff

ROWS_A_PAGE = 50
KINDS = ("changed", "added", "removed")
_KEPT = 4
_kept: OrderedDict[tuple[str, ...], TableDiff] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Change:
    """One cell before and after."""

    column: str
    before: Cell
    after: Cell


@dataclass(frozen=True)
class ChangedLine:
    """A row that both versions have, with what differs."""

    key: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class RemovedLine:
    """A row that the later version does not have, and why. ``rule`` is None where no removal is on record."""

    line: Line
    removed_in: int | None
    rule: str | None
    reason: str | None
    evidence: str | None


@dataclass(frozen=True)
class DifferencePage:
    """The counts of a difference, and a page of one kind of its rows."""

    kind: str
    counts: dict[str, int]
    unchanged: int
    columns: list[tuple[str, int]]
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    heads: tuple[Head, ...]
    start: int
    has_key: bool
    added: list[Line] = field(default_factory=list)
    removed: list[RemovedLine] = field(default_factory=list)
    changed: list[ChangedLine] = field(default_factory=list)

    @property
    def next_start(self) -> int | None:
        """Where the next page begins, or None."""
        after = self.start + ROWS_A_PAGE
        return after if after < self.counts[self.kind] else None

    @property
    def previous_start(self) -> int | None:
        """Where the page before begins, or None."""
        return max(0, self.start - ROWS_A_PAGE) if self.start else None


def show_difference(workspace: Workspace, before: Version, after: Version, *, kind: str | None, start: int, personal: bool) -> DifferencePage:
    """A page of what differs. ``kind`` None: the first of changed, added, removed that there is."""
    found = difference_of(workspace, before, after)
    counts = {"changed": found.changed, "added": found.added, "removed": found.removed}
    kind = kind if kind in counts else next((one for one in KINDS if counts[one]), "changed")
    contract = contract_of(before if kind == "removed" else after)
    heads = heads_of(contract, personal=personal)
    masked = {head.name for head in heads if head.masked}
    key_hidden = any(head.key for head in heads if head.masked)
    page = DifferencePage(
        kind=kind,
        counts=counts,
        unchanged=found.unchanged,
        columns=sorted(((name, n) for name, n in found.columns.items() if n), key=lambda entry: (-entry[1], entry[0])),
        columns_added=found.columns_added,
        columns_removed=found.columns_removed,
        heads=heads,
        start=start,
        has_key=bool(contract.key and contract.unique),
    )
    if kind == "added":
        page.added.extend(line_of(row, contract, heads) for row in found.added_rows(offset=start, limit=ROWS_A_PAGE))
    elif kind == "removed":
        for one in found.removed_rows(offset=start, limit=ROWS_A_PAGE):
            # Evidence and reason may name another row's key.
            why = (None, None) if key_hidden else (one.reason, one.evidence)
            page.removed.append(RemovedLine(line_of(one.row, contract, heads), one.removed_in, one.rule, *why))
    else:
        for row in found.changed_rows(offset=start, limit=ROWS_A_PAGE):
            page.changed.append(
                ChangedLine(
                    None if key_hidden else row.key,
                    tuple(
                        Change(cell.column, Cell("masked"), Cell("masked"))
                        if cell.column in masked
                        else Change(
                            cell.column, cell_of(cell.before, contract.columns[cell.column]), cell_of(cell.after, contract.columns[cell.column])
                        )
                        for cell in row.cells
                    ),
                )
            )
    return page


def difference_of(workspace: Workspace, before: Version, after: Version) -> TableDiff:
    """What differs between two versions, from memory where it was asked for lately (the last four are kept).

    Raises ``Refused`` where one of them is withdrawn: also from memory nothing of it is shown.
    """
    for version in (before, after):
        if version.withdrawn is not None:
            raise Refused(f"{version.ref} was withdrawn: {version.withdrawn}.", why="its rows are gone", mend="compare versions that still stand")
    from pilotage.data.tabular import diff_tables

    # The Lance versions belong to the key: a withdrawal of some rows moves a version to other files.
    places = [str(version.place.lance_version) for version in (before, after) if version.place is not None]
    key = (workspace.location, before.id, after.id, *places)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    found = diff_tables(workspace, before.id, after.id)
    with _lock:
        _kept[key] = found
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return found
