"""The removal ledger: for each row that was taken out, the version that no longer has it, the rule, the evidence and the reason.

Rows come by the million, so they are written in bulk, by the driver itself: about 3 s a million on SQLite, and with COPY on PostgreSQL.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.data.contracts import Contract
from pilotage.data.tables import dataset_removal
from pilotage.data.tabular.keys import key_text, key_values
from pilotage.store import WriteTransaction

_COLUMNS = ("workspace_id", "dataset_id", "row_key", "removed_in", "rule", "evidence", "reason", "created_by", "created_at")

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


@dataclass(frozen=True)
class Removed:
    """One row that an operation took out.

    key
        Its key: a value, or one value a key column, or the key's text.
    rule
        The name of the rule that decided: ``duplicate``, ``minhash 0.8``, ``expired``.
    reason
        Why, for people. Nothing personal: it stays when the row is erased.
    evidence
        What the rule saw: the other row's key, the score, the span. Plain JSON.
    """

    key: Any
    rule: str
    reason: str = ""
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Removals:
    """Rows taken out in one version, as columns: the keys' texts, and for all or each of them the rule, the reason and the evidence (JSON)."""

    keys: Sequence[str]
    rules: Sequence[str] | str
    reasons: Sequence[str] | str
    evidence: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.keys)


def gather(removed: Iterable[Removed], contract: Contract) -> tuple[Removals, list[tuple[Any, ...]]]:
    """The records as columns, and their keys as values.

    Raises ``InputError`` if a key does not fit the contract or is there twice, or a rule has no name.
    """
    values: list[tuple[Any, ...]] = []
    keys, rules, reasons, evidence = [], [], [], []
    for each in removed:
        if not each.rule.strip():
            raise InputError(f"The removal of the row {each.key!r} names no rule.", why="'why is this row not here?' could not be answered")
        values.append(key_values(each.key, contract))
        keys.append(key_text(values[-1]))
        rules.append(each.rule)
        reasons.append(each.reason)
        evidence.append(None if each.evidence is None else _encode(each.evidence))
    if len(set(keys)) != len(keys):
        raise InputError("A row is removed twice by one operation.", mend="give one rule a row: the first that decided")
    return Removals(keys, rules, reasons, evidence), values


def write_removals(tx: WriteTransaction, removals: Removals, *, dataset_id: str, number: int) -> None:
    """Enter the rows that version ``number`` no longer has."""
    stamp = tx.stamp()
    rules = itertools.repeat(removals.rules) if isinstance(removals.rules, str) else iter(removals.rules)
    reasons = itertools.repeat(removals.reasons) if isinstance(removals.reasons, str) else iter(removals.reasons)
    evidence: Iterable[str | None] = itertools.repeat(None) if removals.evidence is None else iter(removals.evidence)
    by, at = stamp["created_by"], stamp["created_at"]
    rows = (
        (tx.workspace_id, dataset_id, key.replace("\0", "\\x00"), number, rule, shown, reason, by, at)
        for key, rule, reason, shown in zip(removals.keys, rules, reasons, evidence, strict=False)
    )
    names = ", ".join(_COLUMNS)
    driver: Any = tx.conn.connection.driver_connection
    if tx.conn.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {dataset_removal.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(_COLUMNS))
        driver.executemany(f"INSERT INTO {dataset_removal.name} ({names}) VALUES ({marks})", rows)  # noqa: S608  the names are ours
