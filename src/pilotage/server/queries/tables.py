"""Questions about the rows of tables: a page of them, one, what became of one, one binary cell. Nothing heavy is imported before a table is read.

Personal columns are not read at all unless ``personal`` says so, and a filter or an order that would tell their values is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from pilotage.core import InputError, NotFound, PilotageError
from pilotage.data import Version
from pilotage.data.contracts import Column, Contract
from pilotage.ledger import record
from pilotage.ledger.tables import ledger_entry
from pilotage.server.queries.rows import Rows
from pilotage.store import Workspace, WriteTransaction

if TYPE_CHECKING:
    from pilotage.data.tabular import Whereabouts

ROWS_A_PAGE = 50
LONGEST_KEY = 2_000
PERSONAL_SHOWN = "dataset.personal_shown"
CELL_TAKEN = "dataset.cell_taken"


@dataclass(frozen=True)
class Head:
    """A column as a list shows it. ``masked``: personal, and not shown to whoever asks."""

    name: str
    type: str
    unit: str | None
    key: bool
    personal: bool
    masked: bool

    @property
    def sortable(self) -> bool:
        """Whether rows can be put in its order without telling what is masked."""
        return self.type != "binary" and not self.masked


@dataclass(frozen=True)
class Cell:
    """A cell as it is shown. ``kind``: ``text``, ``null``, ``masked`` or ``blob`` (then with ``size`` in bytes and ``digest``)."""

    kind: str
    text: str = ""
    size: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Line:
    """One row: its key's text (None where it has none, or it is personal and masked) and its cells in the order of the columns."""

    key: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Wanted:
    """What of a table is asked for."""

    start: int = 0
    order_by: str | None = None
    descending: bool = False
    where: str | None = None


@dataclass(frozen=True)
class TableRows:
    """A page of a table. ``mistake`` is what is wrong with the filter or the order; ``problem`` why no rows can be read at all."""

    heads: tuple[Head, ...] = ()
    rows: list[Line] = field(default_factory=list)
    total: int = 0
    start: int = 0
    mistake: dict[str, str | None] | None = None
    problem: dict[str, str | None] | None = None

    @property
    def next_start(self) -> int | None:
        """Where the next page begins, or None."""
        after = self.start + len(self.rows)
        return after if self.rows and after < self.total else None

    @property
    def previous_start(self) -> int | None:
        """Where the page before begins, or None."""
        return max(0, self.start - ROWS_A_PAGE) if self.start else None

    @property
    def masked(self) -> list[str]:
        """The columns that are not shown."""
        return [head.name for head in self.heads if head.masked]


def contract_of(version: Version) -> Contract:
    """The contract of a version of kind ``table``."""
    if version.contract is None:
        raise InputError(f"{version.ref} is no table, but of kind {version.kind}.", mend="open it as the kind it is")
    return Contract.from_dict(version.contract)


def heads_of(contract: Contract, *, personal: bool) -> tuple[Head, ...]:
    """The columns of a contract, personal ones masked unless ``personal``."""
    return tuple(
        Head(name, column.type, column.unit, name in contract.key, column.personal, column.personal and not personal)
        for name, column in contract.columns.items()
    )


def list_rows(workspace: Workspace, version: Version, wanted: Wanted, *, personal: bool, size: int = ROWS_A_PAGE) -> TableRows:
    """A page of rows. Cost: milliseconds wherever it lies; with an order or a filter, one pass over the columns they name."""
    contract = contract_of(version)
    heads = heads_of(contract, personal=personal)
    shown = [head.name for head in heads if not head.masked]
    try:
        from pilotage.data.tabular import table_page

        try:
            _require_open(contract, heads, wanted)
            found = table_page(
                workspace,
                version.id,
                offset=wanted.start,
                limit=size,
                order_by=wanted.order_by,
                descending=wanted.descending,
                where=wanted.where,
                columns=shown or [next(iter(contract.columns))],
            )
        except InputError as mistake:
            return TableRows(heads=heads, total=version.rows, start=wanted.start, mistake=mistake.to_dict())
    except PilotageError as error:
        return TableRows(heads=heads, total=version.rows, start=wanted.start, problem=error.to_dict())
    return TableRows(heads=heads, rows=[line_of(row, contract, heads) for row in found.rows], total=found.total, start=wanted.start)


def plain_rows(workspace: Workspace, version: Version, wanted: Wanted, *, size: int) -> Rows:
    """A page of rows as plain data for programs, without personal columns. Raises ``InputError`` for a filter or an order that is none."""
    contract = contract_of(version)
    heads = heads_of(contract, personal=False)
    shown = [head.name for head in heads if not head.masked]
    if not shown:
        return Rows()
    _require_open(contract, heads, wanted)
    from pilotage.data.tabular import table_page

    found = table_page(
        workspace,
        version.id,
        offset=wanted.start,
        limit=size,
        order_by=wanted.order_by or None,
        descending=wanted.descending,
        where=wanted.where,
        columns=shown,
    )
    return Rows(found.to_dict()["rows"])


def _require_open(contract: Contract, heads: tuple[Head, ...], wanted: Wanted) -> None:
    """Raise ``InputError`` where a filter or an order would tell the values of a masked column."""
    masked = {head.name for head in heads if head.masked}
    if wanted.order_by in masked:
        raise _masked(str(wanted.order_by))
    if wanted.where and wanted.where.strip() and masked:
        from pilotage.data.tabular.filters import compile_filter

        try:
            compile_filter(wanted.where, {name: column for name, column in contract.columns.items() if name not in masked})
        except InputError:
            compile_filter(wanted.where, contract.columns)  # a mistake of another kind is told as what it is
            raise _masked(next((name for name in masked if name in wanted.where), "one of them")) from None


def _masked(name: str) -> InputError:
    return InputError(
        f"'{name}' holds personal data.",
        why="which rows come back, and in which order, would tell what is hidden",
        mend="use another column, or have personal columns shown if your role allows it",
    )


def line_of(row: Mapping[str, Any], contract: Contract, heads: tuple[Head, ...]) -> Line:
    """A row as it is shown."""
    from pilotage.data.tabular.keys import key_text

    cells = tuple(Cell("masked") if head.masked else cell_of(row.get(head.name), contract.columns[head.name]) for head in heads)
    named = contract.key and contract.unique and not any(head.key and head.masked for head in heads)
    return Line(key_text([row[name] for name in contract.key]) if named else None, cells)


def cell_of(value: Any, column: Column) -> Cell:
    """A value as it is shown."""
    if value is None:
        return Cell("null")
    if column.type == "binary":
        return Cell("blob", size=value.size, digest=value.blake2b)
    if isinstance(value, bool):
        return Cell("text", "true" if value else "false")
    if isinstance(value, float):
        return Cell("text", f"{value:.15g}")
    if hasattr(value, "hour"):
        return Cell("text", value.isoformat(sep=" ").replace("+00:00", " UTC"))
    return Cell("text", str(value))


@dataclass(frozen=True)
class RowDetail:
    """One row by its key: the row, if this version has it; and what became of it in the dataset, whether it is there or not."""

    key: str
    line: Line | None
    heads: tuple[Head, ...]
    columns: Mapping[str, Column]
    whereabouts: Whereabouts | None
    mistake: dict[str, str | None] | None = None


def find_row(workspace: Workspace, version: Version, key: str, *, personal: bool) -> RowDetail:
    """The row with this key in a version, and its life in the dataset. A key that cannot be one is a ``mistake``, not an error."""
    contract = contract_of(version)
    heads = heads_of(contract, personal=personal)
    from pilotage.data.tabular import row_by_key, why_not_here

    line = None
    try:
        if len(key) > LONGEST_KEY:
            raise InputError(f"This key is {len(key)} characters long; {LONGEST_KEY} are looked for.")
        whereabouts = why_not_here(workspace, version.dataset, key)
        if version.withdrawn is None:
            shown = [head.name for head in heads if not head.masked or head.key]
            try:
                line = line_of(row_by_key(workspace, version.id, key=key, columns=shown), contract, heads)
            except NotFound:
                line = None  # the whereabouts say why
    except InputError as error:
        return RowDetail(key, None, heads, contract.columns, None, mistake=error.to_dict())
    return RowDetail(key, line, heads, contract.columns, whereabouts)


def take_cell(workspace: Workspace, version: Version, *, key: str, column: str, by: str) -> bytes:
    """The bytes of one binary cell; that they were taken, and by whom, is in the ledger. Raises ``NotFound`` where it is null."""
    from pilotage.data.tabular import read_blob
    from pilotage.data.tabular.reading import require_columns

    contract = contract_of(version)
    require_columns([column], contract, version)
    found = read_blob(workspace, version.id, key=key, column=column)
    if found is None:
        raise NotFound(f"The cell '{column}' of this row is empty.", where=version.ref, mend="there is nothing to take")
    shown = None if any(contract.columns[name].personal for name in contract.key) else key  # the ledger keeps no personal value

    def job(tx: WriteTransaction) -> None:
        record(tx, type=CELL_TAKEN, subject=version.id, body={"ref": version.ref, "column": column, "key": shown, "bytes": len(found)}, actor=by)

    workspace.write(job)
    return found


def is_personal_shown(workspace: Workspace, version_id: str, login: str) -> bool:
    """Whether this person has asked to see the personal columns of this version before."""
    t = ledger_entry.c
    mine = (t.workspace_id == workspace.id, t.subject == version_id, t.type == PERSONAL_SHOWN, t.actor == login)
    with workspace.read() as conn:
        return conn.execute(select(t.seq).where(*mine).limit(1)).first() is not None


def show_personal(workspace: Workspace, version: Version, login: str) -> None:
    """Write down that the person sees the personal columns of this version from now on."""
    columns = [name for name, column in contract_of(version).columns.items() if column.personal]

    def job(tx: WriteTransaction) -> None:
        record(tx, type=PERSONAL_SHOWN, subject=version.id, body={"ref": version.ref, "columns": columns}, actor=login)

    if not is_personal_shown(workspace, version.id, login):
        workspace.write(job)
