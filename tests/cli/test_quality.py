"""data gate: what it says, and how it exits."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from terminal import Terminal

from pilotage.data import Card, Operation
from pilotage.data.contracts import Contract
from pilotage.data.tabular import publish_table
from pilotage.ledger import create_workspace

CONTRACT = Contract.from_dict(
    {"name": "orders", "owner": "shop", "columns": {"id": {"type": "int"}, "price": {"type": "float", "nullable": True, "minimum": 0}}, "key": ["id"]}
)


def publish(terminal: Terminal, *tables: dict[str, list[Any]]) -> None:
    card = Card(licence="CC0-1.0", consent="none needed", purposes=("training",), source="tests")
    with create_workspace(terminal.workspace, actor="captain") as workspace:
        for table in tables:
            rows = pa.table(table, schema=CONTRACT.arrow_schema())
            operation = Operation("load", counts={"added": rows.num_rows})
            publish_table(workspace, rows, dataset="orders", contract=CONTRACT, card=card, operation=operation)


def months(seed: int, scale: float = 1.0) -> dict[str, list[Any]]:
    return {"id": list(range(300)), "price": [scale * ((7 * (row + seed)) % 101) for row in range(300)]}


def test_a_gate_says_what_failed_names_the_row_and_exits_by_its_verdict(terminal: Terminal) -> None:
    publish(terminal, {"id": [1, 2], "price": [3.5, -2.0]}, {"id": [1, 2], "price": [3.5, 2.0]})
    said = terminal("data", "gate", "orders@1", expect=1)
    assert "fail: 6 checks on 2 rows, 1 failed" in said.out and "row 1 id=2: -2.0" in said.out
    assert "pass: 6 checks on 2 rows" in terminal("data", "gate", "orders").out
    assert terminal("data", "gate", "run", "orders", "--json").json["verdict"] == "pass"
    listed = terminal("data", "gate", "history", "orders").out
    assert listed.index("pass") < listed.index("fail")
    assert "key is unique: 0 (at most 0, n = 2)" in terminal("data", "gate", "show", "orders@1").out
    assert "No gate has looked at" in terminal("data", "gate", "history", "nothing").out


def test_a_person_accepts_a_new_normal_by_its_report(terminal: Terminal) -> None:
    publish(terminal, *[months(seed) for seed in range(5)], months(5, 100.0))
    for number in range(1, 6):
        terminal("data", "gate", f"orders@{number}")
    report = terminal("data", "gate", "orders", "--json", expect=1).json
    assert "--reason" in terminal("data", "gate", "accept", report["id"], expect=2).err
    assert "accepted as normal by captain: cents now" in terminal("data", "gate", "accept", report["id"], "--reason", "cents now").out
    terminal("data", "gate", "orders")
    assert "captain" in terminal("data", "gate", "history", "orders").out


def test_what_there_is_not_is_refused_with_a_mend(terminal: Terminal) -> None:
    publish(terminal, {"id": [1], "price": [1.0]})
    terminal.refused("data", "gate", "show", "orders", code=2)
    terminal.refused("data", "gate", "show", "qr_nothing", code=2)
    terminal.refused("data", "gate", "nobody", code=2)
