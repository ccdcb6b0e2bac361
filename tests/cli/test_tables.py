"""The verbs for tables, and that those for rows know tables."""

from __future__ import annotations

import pyarrow as pa
from terminal import Terminal

from pilotage.data import Card, Operation
from pilotage.data.contracts import Column, Contract
from pilotage.data.tabular import append_table, delete_rows, publish_table
from pilotage.ledger import create_workspace

CONTRACT = Contract(
    name="people",
    owner="tests",
    columns={"id": Column(type="int"), "who": Column(type="text"), "photo": Column(type="binary", nullable=True)},
    key=("id",),
    subject="who",
)


def people(first: int, last: int) -> pa.Table:
    numbers = range(first, last)
    return pa.table({"id": list(numbers), "who": [f"person-{number % 3}" for number in numbers], "photo": [b"\xff\xd8"] * len(numbers)})


def test_a_table_is_shown_paged_explained_tagged_compared_and_withdrawn_from(terminal: Terminal) -> None:
    with create_workspace(terminal.folder / "workspace") as workspace:
        operation = Operation("load", counts={"added": 6})
        publish_table(workspace, people(0, 6), dataset="people", contract=CONTRACT, card=Card(licence="CC0-1.0"), operation=operation)
        delete_rows(workspace, "people", where="id = 4", rule="duplicate", reason="of 1", operation=Operation("dedup"))
        append_table(workspace, "people", people(6, 8), operation=Operation("more"))
    assert "people" in terminal("data", "list").out
    shown = terminal("data", "show", "people", "--rows", "1").out
    assert '"kind": "table"' in shown and '"size": 2' in shown
    page = terminal("data", "page", "people", "--order-by", "id", "--descending", "--where", "id >= 5", "--limit", "2").out
    assert "rows 0 to 2 of 3" in page and "2 bytes" in page
    assert "character 1" in terminal("data", "page", "people", "--where", "drop = 1", expect=2).err
    assert '"who": "person-1"' in terminal("data", "row", "people@1", "4").out
    assert "removed in version 2 by duplicate: of 1" in terminal("data", "why-not", "people", "4").out
    assert "people@1" in terminal("data", "tag", "people@1", "production").out
    difference = terminal("data", "diff", "people@production", "people").out
    assert "2 added, 1 removed, 0 changed, 5 unchanged" in difference and "removed: 4 (version 2, duplicate: of 1)" in difference
    done = terminal("data", "withdraw", "--subject", "person-1", "--reason", "asked", "--yes").out
    assert "3 rows erased" in done
    assert "erased on request: asked" in terminal("data", "why-not", "people", "4").out
    assert "fragments" in terminal("data", "maintain").out
    assert "withdrawn" in terminal("data", "page", "people@1", expect=1).err
