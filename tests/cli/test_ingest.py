"""data ingest, batches, quarantine, release, discard, retry, erase-quarantine: what each does, and that what it says is so."""

from __future__ import annotations

import re

from terminal import Terminal

CONTRACT = "name: payments\nowner: us\ncolumns:\n  id: {type: text}\n  amount: {type: float}\nkey: [id]\n"
SOURCE = "name: pay\nkind: csv\ncontract: contract.yaml\ndataset: payments\ncard: {source: bank}\nlimits: {bad_share: 0.2}\n"


def test_a_batch_is_brought_in_held_looked_at_and_decided_on(terminal: Terminal) -> None:
    (terminal.folder / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    (terminal.folder / "pay.yaml").write_text(SOURCE, encoding="utf-8")
    (terminal.folder / "good.csv").write_text("id,amount\na,1\nb,2\n", encoding="utf-8")
    (terminal.folder / "bad.csv").write_text("id,amount\nc,3\nd,many\n", encoding="utf-8")
    (terminal.folder / "worse.csv").write_text("id,amount\ne,3\nf,more\n", encoding="utf-8")
    assert "published" in terminal("data", "ingest", "pay.yaml", "good.csv").out
    said = terminal("data", "ingest", "pay.yaml", "good.csv", "bad.csv", "worse.csv").out
    assert "already there" in said
    held, worse = dict.fromkeys(re.findall(r"(ib_[0-9a-f]{32}) of pay: held", said))
    assert "held" in terminal("data", "batches", "--state", "held").out
    assert "1 × type in amount" in terminal("data", "quarantine", held).out
    assert "person" in terminal.refused("--as", "system", "data", "release", held, "--reason", "why not", code=1)
    assert "published" in terminal("--as", "grace", "data", "release", held, "--reason", "the amount was never known").out
    assert "discarded" in terminal("--as", "grace", "data", "discard", worse, "--reason", "a test file").out
    assert "0 of 1 rows" in terminal("data", "retry", held).out
    assert "1 rows erased" in terminal("data", "erase-quarantine", "--batch", held, "--reason", "asked").out
    assert "payments" in terminal("data", "list").out
    assert "Unknown state" in terminal.refused("data", "batches", "--state", "lost", code=2)
    assert "outside" in terminal.refused("data", "ingest", "pay.yaml", "/etc/passwd", code=1)
