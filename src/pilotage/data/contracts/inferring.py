"""Drafting a contract from data: what the values show, and what only a name suggests and a person must confirm."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError, require
from pilotage.data.contracts.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa

TO_CONFIRM = "to-confirm"
"""The tag of columns that hold a guess. ``pilotage data contract put`` refuses a contract that has it."""
UNKNOWN_OWNER = "to be confirmed"


def infer_contract(table: pa.Table, *, name: str, owner: str = UNKNOWN_OWNER) -> Contract:
    """A draft of the contract that ``table`` seems to keep; ``conform(table, draft)`` has no bad cell.

    Read off the values: types (numbers, times, dates and booleans in text too; text with leading zeros stays text), nulls, levels of text that
    repeats itself, ranges with a margin of a tenth, the key (the first column, or pair, whose values never repeat). Guessed from names, said so in
    the column's description and marked with the tag ``to-confirm``: units, personal data, the zone of times without one (UTC), which time is which,
    the person a row is about. Guesses are there to be read: nobody knows what a column means but the people who make it.

    Raises
    ------
    InputError
        If the table has no row or no column, or a column is of a type no contract has.
    Unavailable
        If Polars is not installed (the extra ``tables``).

    Notes
    -----
    Cost: a few casts and one count of distinct values per column.
    """
    require("polars", extra="tables")
    from pilotage.data.contracts.drafting import draft

    if not table.num_rows or not table.num_columns:
        raise InputError("There is nothing to draft a contract from: the table is empty.", where=name, mend="give data with at least one row")
    return Contract.model_validate(draft(table, name=contract_name(name), owner=owner))


def contract_name(text: str) -> str:
    """``text`` as the name of a contract."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:100] or "draft"


def to_confirm(contract: Contract) -> tuple[str, ...]:
    """What of a draft nobody has confirmed yet: columns with the tag, and ``owner``."""
    columns: Iterable[Any] = (name for name, column in contract.columns.items() if TO_CONFIRM in column.tags)
    return (*(("owner",) if contract.owner == UNKNOWN_OWNER else ()), *columns)
