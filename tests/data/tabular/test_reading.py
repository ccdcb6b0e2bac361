from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from pilotage.core import InputError, IntegrityError, NotFound
from pilotage.data import Operation, load_version, rows
from pilotage.data.contracts import Column, Contract
from pilotage.data.tabular import (
    BlobInPage,
    append_table,
    checking,
    delete_rows,
    read_blob,
    read_table,
    row_by_key,
    scan,
    table_batches,
    table_page,
)
from pilotage.ledger import create_workspace
from pilotage.store import Workspace

from .tables_for_tests import CONTRACT, NOON, payments, publish, row


@pytest.fixture
def hundred(folder_workspace: Workspace) -> Workspace:
    table = pa.Table.from_pylist(
        [
            row(f"r{number:03}", count=(number * 37) % 100, amount=None if number % 10 == 0 else number / 2, good=number % 2 == 0)
            for number in range(100)
        ],
        schema=CONTRACT.arrow_schema(),
    )
    publish(folder_workspace, table)
    return folder_workspace


def test_a_scan_is_lazy_and_gives_what_polars_would(hundred: Workspace) -> None:
    frame = scan(hundred, "payments")
    whole = pl.from_arrow(read_table(hundred, "payments"))
    assert isinstance(frame, pl.LazyFrame) and isinstance(whole, pl.DataFrame)
    query = [pl.col("count") > 50, pl.col("good")]
    assert frame.filter(*query).select("id", "count").collect().equals(whole.filter(*query).select("id", "count"))
    assert frame.head(7).collect().equals(whole.head(7))
    assert frame.filter(pl.col("count") > 50).head(3).collect().height == 3
    assert frame.select(pl.len()).collect().item() == 100
    assert scan(hundred, "payments", columns=["id"], where="count >= 98").collect()["id"].sort().to_list() == ["r027", "r054"]
    assert frame.collect_schema().names() == list(CONTRACT.columns)


def test_pages_cover_every_row_once_in_a_steady_order(hundred: Workspace) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = table_page(hundred, "payments", offset=offset, limit=33, columns=["id"])
        seen += [each["id"] for each in page.rows]
        offset = page.next_offset
    assert seen == read_table(hundred, "payments")["id"].to_pylist()
    beyond = table_page(hundred, "payments", offset=500)
    assert (beyond.rows, beyond.total, beyond.next_offset) == ((), 100, None)


def test_a_page_is_ordered_and_filtered_over_all_rows_and_nulls_come_last(hundred: Workspace) -> None:
    page = table_page(hundred, "payments", order_by="count", descending=True, limit=3)
    assert [each["count"] for each in page.rows] == [99, 98, 97]
    last = table_page(hundred, "payments", order_by="amount", offset=95, limit=5, columns=["amount"])
    assert [each["amount"] for each in last.rows] == [None] * 5
    some = table_page(hundred, "payments", where="good = true AND count < 10", order_by="count")
    assert (some.total, [each["count"] for each in some.rows]) == (5, [0, 2, 4, 6, 8])


def test_binary_cells_are_shown_by_size_and_hash_and_read_one_by_one(hundred: Workspace) -> None:
    (first,) = table_page(hundred, "payments", limit=1).rows
    shown = first["audio"]
    assert isinstance(shown, BlobInPage) and shown.size == 8
    assert b"RIFF" not in str(table_page(hundred, "payments", limit=100).to_dict()).encode()
    assert read_blob(hundred, "payments", key="r042", column="audio") == b"RIFFr042"
    assert row_by_key(hundred, "payments", key="r042")["audio"] != shown
    with pytest.raises(InputError, match="not binary"):
        read_blob(hundred, "payments", key="r042", column="count")


def test_a_large_document_comes_back_byte_for_byte(folder_workspace: Workspace) -> None:
    document = os.urandom(3_000_000)
    publish(folder_workspace, pa.concat_tables([payments("doc", audio=document), payments("none", audio=None)]))
    assert read_blob(folder_workspace, "payments", key="doc", column="audio") == document
    assert read_blob(folder_workspace, "payments", key="none", column="audio") is None
    assert table_page(folder_workspace, "payments", order_by="id").rows[1]["audio"] is None


def test_a_row_is_found_by_a_key_of_several_columns_and_types(folder_workspace: Workspace) -> None:
    kinds = {"who": "text", "n": "int", "at": "timestamp", "day": "date", "ok": "bool"}
    contract = Contract(name="c", owner="t", columns={name: Column(type=kind) for name, kind in kinds.items()}, key=tuple(kinds))  # type: ignore[arg-type]
    one = {"who": "it's", "n": 3, "at": NOON, "day": NOON.date(), "ok": True}
    publish(folder_workspace, pa.Table.from_pylist([one, one | {"n": 4}], schema=contract.arrow_schema()), contract=contract)
    for key in (one, list(one.values()), '["it\'s","3","2026-03-01T12:00:00+00:00","2026-03-01","true"]'):
        assert row_by_key(folder_workspace, "payments", key=key)["n"] == 3
    for bad in ({"who": "x"}, ["x"], "[", ["x", "y", NOON, NOON.date(), True], ["x", 1, NOON.replace(tzinfo=None), NOON.date(), True]):
        with pytest.raises(InputError):
            row_by_key(folder_workspace, "payments", key=bad)
    with pytest.raises(NotFound, match="no row"):
        row_by_key(folder_workspace, "payments", key=["nobody", *list(one.values())[1:]])


def test_a_key_of_several_rows_is_not_one_row(folder_workspace: Workspace) -> None:
    log = Contract(name="log", owner="t", columns={"who": Column(type="text")}, key=("who",), unique=False)
    publish(folder_workspace, pa.table({"who": ["a", "a"]}), contract=log, dataset="log")
    with pytest.raises(InputError, match="Several rows"):
        row_by_key(folder_workspace, "log", key="a")


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ("count >= 98", 2),
        ("count in (1, 2, 3) and good = false", 2),
        ("id = 'r001'", 1),
        ("id starts with 'r00' AND id != 'r001'", 9),
        ('id contains "09"', 11),
        ("amount is null", 10),
        ("amount is not null and amount < 1", 1),
        ("count < 2.5", 3),
        ("at > '2026-03-01T11:59:59Z'", 100),
        ("at > '2026-03-01T13:00:00+02:00'", 100),
        ("day = '2026-03-01'", 100),
        ("audio is null", 0),
        ("`id` = 'x'' OR 1=1'", 0),
    ],
)
def test_a_filter_selects(hundred: Workspace, where: str, matches: int) -> None:
    assert table_page(hundred, "payments", where=where).total == matches
    assert read_table(hundred, "payments", where=where).num_rows == matches


@pytest.mark.parametrize(
    "where",
    [
        "id = 'a' OR 1 = 1",
        "1 = 1",
        "id = id",
        "nowhere = 1",
        "count = '1'",
        "id = 5",
        "good < true",
        "audio = 'x'",
        "id in ()",
        "id in ('a'",
        "count >",
        "at > '2026-03-01'",
        "id = 'a'; drop table x",
        "id like 'a%'",
        "count contains 'a'",
        "id = 'a' and",
        "id = 'unclosed",
        "lower(id) = 'a'",
        "id = 'a' " * 1000,
        "count = 99999999999999999999",
        "amount = nan",
    ],
)
def test_what_is_not_in_the_filters_grammar_is_refused_with_its_place(hundred: Workspace, where: str) -> None:
    with pytest.raises(InputError):
        table_page(hundred, "payments", where=where)


def test_bad_pages_columns_and_kinds_are_refused(hundred: Workspace) -> None:
    for options in ({"offset": -1}, {"limit": 0}, {"limit": 1001}, {"order_by": "audio"}, {"order_by": "nowhere"}, {"columns": ["nowhere"]}):
        with pytest.raises(InputError):
            table_page(hundred, "payments", **options)  # type: ignore[arg-type]
    for columns in ([], ["id", "id"], ["x"]):
        with pytest.raises(InputError):
            read_table(hundred, "payments", columns=columns)
    with pytest.raises(InputError, match="is a table"):
        list(rows(hundred, "payments"))


def test_a_table_reads_as_a_stream(hundred: Workspace) -> None:
    delete_rows(hundred, "payments", where="count < 50", operation=Operation("less"))
    assert sum(batch.num_rows for batch in table_batches(hundred, "payments")) == 50
    assert sum(batch.num_rows for batch in table_batches(hundred, "payments@1", columns=["id"])) == 100


def test_a_changed_or_missing_file_is_never_read(folder: Path) -> None:
    with create_workspace(folder) as workspace:
        publish(workspace, payments(*(f"r{number}" for number in range(1000))))
        append_table(workspace, "payments", payments("late"), operation=Operation("more"))
        read_table(workspace, "payments")
        place = load_version(workspace, "payments@1").place
        assert place is not None
        data = workspace.files / "tables" / f"{place.dataset_id}.lance" / "data"
        largest = max(data.iterdir(), key=lambda path: path.stat().st_size)
        kept = largest.read_bytes()
        at = kept.index(b"r500")
        largest.write_bytes(kept[:at] + b"x" + kept[at + 1 :])
        for ref in ("payments", "payments@1"):  # noticed in the process that had checked it before, too
            with pytest.raises(IntegrityError):
                read_table(workspace, ref)
        largest.write_bytes(kept)
        assert read_table(workspace, "payments").num_rows == 1001
        largest.unlink()
        with pytest.raises(IntegrityError, match="gone"):
            scan(workspace, "payments@1")


def test_rows_that_were_checked_are_not_read_again(hundred: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    read_table(hundred, "payments")
    append_table(hundred, "payments", payments("late"), operation=Operation("more"))
    read = []
    true_sum = checking.sum_rows
    monkeypatch.setattr(checking, "sum_rows", lambda batch: read.append(batch.num_rows) or true_sum(batch))
    read_table(hundred, "payments@1")
    read_table(hundred, "payments")
    read_table(hundred, "payments")
    assert sum(read) == 1
