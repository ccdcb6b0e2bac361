"""From a delivery to a version: the states, the counts, what is held, refused, doubled, released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.ingest.conftest import CONTRACT, Desk, rows_csv

from pilotage.core import Conflict, InputError, ManualClock, NotFound, Refused
from pilotage.data import load_version, versions
from pilotage.data.ingest import (
    Batch,
    batch_counts,
    batches,
    discard,
    erase_quarantine,
    ingest,
    ingest_rows,
    load_batch,
    quarantined,
    reason_counts,
    release,
    retry,
)
from pilotage.data.ingest.staging import parts_of
from pilotage.data.tabular import read_table
from pilotage.ledger import entries


def adds_up(batch: Batch) -> bool:
    return batch.rows_in == batch.kept + batch.quarantined


def blobs(desk: Desk) -> int:
    return sum(1 for path in (Path(desk.workspace.location) / "blobs").rglob("*") if path.is_file())


def test_good_rows_are_published_and_bad_ones_set_aside_with_place_field_and_reason(desk: Desk) -> None:
    desk.write(
        "in.csv", rows_csv(0, 20) + "p3,2025-01-01T00:00:03Z,1,,bob\nx,2025-01-01T10:00:00,1,,bob\nonly,two\ny,2025-01-01T00:00:00Z,12 kg,,bob\n"
    )
    batch = desk.bring(desk.source(more="path: in.csv"))
    assert (batch.state, batch.rows_in, batch.kept, batch.quarantined) == ("published", 24, 20, 4)
    assert [(row.line, row.field, row.code) for row in quarantined(desk.workspace, batch_id=batch.id).rows] == [
        (23, "at", "time_zone"),
        (24, None, "cells"),
        (25, "amount", "mixed_units"),
        (22, "id", "duplicate_key"),
    ]
    version = load_version(desk.workspace, "payments")
    assert version.id == batch.version
    assert version.rows == 20
    assert version.operation.counts["in"] == 24
    assert version.operation.counts["quarantined"] == 4
    assert {count.code: count.rows for count in reason_counts(desk.workspace)} == {"cells": 1, "duplicate_key": 1, "mixed_units": 1, "time_zone": 1}


def test_the_same_delivery_again_is_the_same_batch_and_version(desk: Desk) -> None:
    source = desk.source()
    desk.write("a.csv", rows_csv(0, 5))
    first = desk.bring(source, "a.csv")
    desk.write("b.csv", rows_csv(0, 5))
    again = desk.bring(source, "b.csv")
    assert (again.id, again.version, again.again, first.again) == (first.id, first.version, True, False)
    assert len(versions(desk.workspace, "payments")) == 1
    assert [entry.type for entry in entries(desk.workspace, limit=100)].count("ingest.batch") == 1


def test_what_was_staged_is_gone_once_it_is_published(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 5))
    before = blobs(desk)
    batch = desk.bring(desk.source(), "a.csv")
    assert parts_of(desk.workspace, batch.id) == []
    assert blobs(desk) == before


def test_appended_rows_whose_key_is_there_already_are_set_aside(desk: Desk) -> None:
    source = desk.source()
    desk.write("a.csv", rows_csv(0, 5))
    desk.write("b.csv", rows_csv(3, 9))
    desk.bring(source, "a.csv")
    batch = desk.bring(source, "b.csv")
    assert (batch.state, batch.kept, batch.quarantined) == ("published", 4, 2)
    assert [(row.line, row.code) for row in quarantined(desk.workspace, batch_id=batch.id).rows] == [(2, "key_taken"), (3, "key_taken")]
    assert load_version(desk.workspace, "payments").rows == 9


def test_upsert_puts_new_values_in_place_and_replace_makes_the_batch_the_whole(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 5))
    desk.write("b.csv", rows_csv(3, 9).replace("4.5", "400"))
    desk.bring(desk.source(), "a.csv")
    desk.bring(desk.source(more="write: upsert"), "b.csv")
    rows = {row["id"]: row["amount"] for row in read_table(desk.workspace, "payments").to_pylist()}
    assert len(rows) == 9
    assert rows["p4"] == 400
    desk.write("c.csv", rows_csv(100, 102))
    desk.bring(desk.source(more="write: replace"), "c.csv")
    assert sorted(read_table(desk.workspace, "payments").column("id").to_pylist()) == ["p100", "p101"]


def test_a_batch_with_too_many_bad_rows_is_held_until_a_person_releases_it(desk: Desk) -> None:
    source = desk.source(limits="{bad_share: 0.05}")
    desk.write("a.csv", rows_csv(0, 9) + "bad,row\n")
    batch = desk.bring(source, "a.csv")
    assert batch.state == "held"
    assert "1 of 10 rows are bad (10.0%)" in str(batch.reason)
    assert versions(desk.workspace, "payments") == []
    assert desk.bring(source, "a.csv").state == "held"
    done = release(desk.workspace, batch.id, reason="the sender says the last line is a footer", by="grace")
    assert (done.state, done.origin["released"]["by"]) == ("published", "grace")
    assert load_version(desk.workspace, "payments").rows == 9
    (entry,) = [entry for entry in entries(desk.workspace, limit=100) if entry.type == "ingest.released"]
    assert entry.actor == "grace"
    with pytest.raises(Conflict, match="not held"):
        release(desk.workspace, batch.id, reason="again")


def test_a_failed_gate_holds_the_batch_and_the_last_good_version_stays(desk: Desk) -> None:
    desk.contract(CONTRACT + "checks:\n  - {name: enough, kind: row_count, at_least: 3}\n")
    source = desk.source()
    desk.write("a.csv", rows_csv(0, 5))
    desk.write("b.csv", rows_csv(5, 7))
    good = desk.bring(source, "a.csv")
    held = desk.bring(source, "b.csv")
    assert held.state == "held"
    assert "enough" in str(held.reason)
    assert load_version(desk.workspace, "payments").id == good.version
    assert held.gate_report_id is not None


def test_a_discarded_batch_keeps_its_record_and_loses_its_rows(desk: Desk) -> None:
    source = desk.source(limits="{bad_share: 0}")
    desk.write("a.csv", rows_csv(0, 9) + "bad,row\n")
    before = blobs(desk)
    batch = desk.bring(source, "a.csv")
    assert blobs(desk) > before
    assert discard(desk.workspace, batch.id, reason="wrong file").state == "discarded"
    assert blobs(desk) == before
    assert desk.bring(source, "a.csv").state == "discarded"
    assert quarantined(desk.workspace, batch_id=batch.id).total == 1


@pytest.mark.parametrize("by", ["local", "run:nightly", "model:judge", ""])
def test_a_machine_releases_nothing(desk: Desk, by: str) -> None:
    desk.write("a.csv", rows_csv(0, 1) + "bad,row\n")
    batch = desk.bring(desk.source(limits="{bad_share: 0}"), "a.csv")
    with pytest.raises(Refused, match="person"):
        release(desk.workspace, batch.id, reason="why not", by=by)
    with pytest.raises(InputError, match="reason"):
        release(desk.workspace, batch.id, reason=" ", by="grace")


def test_older_rows_are_not_released_over_newer_ones(desk: Desk, clock: ManualClock) -> None:
    desk.write("a.csv", rows_csv(0, 5) + "bad,row\n")
    desk.write("b.csv", rows_csv(0, 9))
    held = desk.bring(desk.source(limits="{bad_share: 0}", more="write: upsert"), "a.csv")
    clock.advance(1)
    desk.bring(desk.source(more="write: upsert"), "b.csv")
    with pytest.raises(Conflict, match="older rows over newer"):
        release(desk.workspace, held.id, reason="mended", by="grace")


def test_a_delivery_of_bad_rows_only_is_refused_whole_and_may_come_again(desk: Desk) -> None:
    source = desk.source()
    desk.write("a.csv", "id,at,amount,note,person\na,b\nc,d\n")
    with pytest.raises(InputError, match="Every row") as raised:
        desk.bring(source, "a.csv")
    assert "a.csv:2: 2 cells" in str(raised.value.where)
    (batch,) = batches(desk.workspace)
    assert (batch.state, batch.rows_in, batch.kept, batch.quarantined) == ("refused", 2, 0, 2)
    desk.contract(CONTRACT)
    with pytest.raises(InputError, match="Every row"):
        desk.bring(source, "a.csv")
    assert quarantined(desk.workspace, batch_id=batch.id).total == 2
    assert batch_counts(desk.workspace)["refused"] == 1


def test_on_bad_rows_refuse_keeps_nothing(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 9) + "bad,row\n")
    with pytest.raises(InputError, match="1 of 10 rows"):
        desk.bring(desk.source(more="on_bad_rows: refuse"), "a.csv")
    assert versions(desk.workspace, "payments") == []


def test_a_wrong_header_is_refused_and_recorded(desk: Desk) -> None:
    desk.write("a.csv", "id,at,amount,note,person,surprise\n1,2,3,4,5,6\n")
    with pytest.raises(InputError, match="unknown: surprise"):
        desk.bring(desk.source(), "a.csv")
    (batch,) = batches(desk.workspace, state="refused")
    assert "surprise" in str(batch.reason)
    desk.write("b.csv", "id,at,amount,note,person,surprise\n1,2025-01-01T00:00:00Z,3,4,5,6\n")
    batch = desk.bring(desk.source(more="extra_columns: ignore"), "b.csv")
    assert batch.origin["notes"]["ignored"] == ["surprise"]


def test_a_header_without_rows_is_an_empty_batch(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 0))
    assert desk.bring(desk.source(), "a.csv").state == "empty"


def test_too_many_bad_rows_refuse_the_delivery(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 9) + "bad,row\n" * 5)
    with pytest.raises(InputError, match="More than 3 rows"):
        desk.bring(desk.source(limits="{bad_share: 1, bad_rows: 3}"), "a.csv")


def test_nothing_may_be_available_in_the_future(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 9) + "late,2099-01-01T00:00:00Z,1,,\n")
    batch = desk.bring(desk.source(), "a.csv")
    assert [(row.line, row.code) for row in quarantined(desk.workspace, batch_id=batch.id).rows] == [(11, "future")]


def test_a_file_that_changes_while_it_is_read_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.data.ingest import delivery

    path = desk.write("a.csv", rows_csv(0, 9))
    usual = delivery.read_file

    def slow(*args: Any, **options: Any) -> Any:
        yield from usual(*args, **options)
        path.write_text(rows_csv(0, 9).replace("ann", "bob"), encoding="utf-8")

    monkeypatch.setattr(delivery, "read_file", slow)
    with pytest.raises(InputError, match="changed while"):
        desk.bring(desk.source(), "a.csv")
    assert versions(desk.workspace, "payments") == []


def test_a_stopped_ingest_goes_on_where_it_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.data.ingest import ingesting, reading_text

    monkeypatch.setattr(reading_text, "BLOCK", 400)
    desk.write("a.csv", rows_csv(0, 60))
    source = desk.source()
    asked = iter([False, False, True])
    batch = desk.bring(source, "a.csv", stop=lambda: next(asked))
    assert batch.state == "received"
    staged = parts_of(desk.workspace, batch.id)
    assert len(staged) == 2
    conformed: list[int] = []
    usual = ingesting.Conformer.sort

    def counted(self: Any, chunk: Any) -> Any:
        conformed.append(int(chunk.lines[0]))
        return usual(self, chunk)

    monkeypatch.setattr(ingesting.Conformer, "sort", counted)
    done = desk.bring(source, "a.csv")
    assert (done.id, done.state, done.kept) == (batch.id, "published", 60)
    assert min(conformed) > staged[0].rows_in + 1


def test_pieces_that_were_cut_elsewhere_are_staged_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.data.ingest import reading_text

    desk.write("a.csv", rows_csv(0, 60) + "short,row\n")
    before = blobs(desk)
    for block, stops in ((400, [False, False, True]), (700, [False, True])):
        monkeypatch.setattr(reading_text, "BLOCK", block)
        asked = iter(stops)
        assert desk.bring(desk.source(), "a.csv", stop=lambda: next(asked)).state == "received"  # noqa: B023 - called at once
    monkeypatch.setattr(reading_text, "BLOCK", 1 << 20)
    done = desk.bring(desk.source(), "a.csv")
    assert (done.state, done.rows_in, done.kept, done.quarantined) == ("published", 61, 60, 1)
    assert blobs(desk) == before


def test_pushed_rows_go_the_same_way_and_a_key_names_one_push(desk: Desk) -> None:
    source = desk.source("push", name="pushed")
    good = {"id": "a", "at": "2025-01-01T00:00:00Z", "amount": 1}
    rows: list[Any] = [good, {**good, "id": "b", "amount": float("nan")}, {**good, "id": "c", "surprise": 1}, "text", {**good, "id": "d"}]
    batch = ingest_rows(desk.workspace, source, rows, batch_key="monday")
    assert (batch.state, batch.rows_in, batch.kept, batch.quarantined) == ("published", 5, 2, 3)
    assert [row.line for row in quarantined(desk.workspace, batch_id=batch.id).rows] == [2, 3, 4]
    assert ingest_rows(desk.workspace, source, rows, batch_key="monday").again
    with pytest.raises(Conflict, match="monday"):
        ingest_rows(desk.workspace, source, [good], batch_key="monday")
    with pytest.raises(InputError, match="pushed to"):
        ingest(desk.workspace, source)


def test_a_key_that_is_nan_or_missing_names_nothing(desk: Desk) -> None:
    desk.contract("name: n\nowner: o\ncolumns: {k: {type: float}, v: {type: int}}\nkey: [k]\n")
    source = desk.source("push", name="pushed")
    batch = ingest_rows(desk.workspace, source, [{"k": float("nan"), "v": 1}, {"k": None, "v": 2}, {"v": 3}, {"k": 1.5, "v": 4}])
    assert (batch.kept, batch.quarantined) == (1, 3)


def test_personal_data_is_in_no_list_and_no_ledger_entry(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 3) + "x,never,1,,Grace Hopper\nGrace,Hopper\n" + "p1,2025-01-01T00:00:00Z,1,,Grace Hopper\n")
    batch = desk.bring(desk.source(), "a.csv")
    page = quarantined(desk.workspace, batch_id=batch.id)
    assert page.total == 3
    assert not [row for row in page.rows if "Hopper" in row.raw or "Hopper" in row.reason]
    assert not [entry for entry in entries(desk.workspace, limit=100) if "Hopper" in json.dumps(dict(entry.body))]


def test_what_quarantined_rows_said_can_be_erased_by_person_and_by_batch(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 3) + "x,never,1,,Grace\ny,never,1,,Alan\nGrace,short\n")
    batch = desk.bring(desk.source(), "a.csv")
    done = erase_quarantine(desk.workspace, subject="Grace", reason="she asked")
    assert done.rows == 2
    rows = quarantined(desk.workspace, batch_id=batch.id).rows
    assert [(row.line, row.erased_at is not None) for row in rows] == [(5, True), (6, False), (7, True)]
    assert erase_quarantine(desk.workspace, batch_id=batch.id, reason="all").rows == 1
    from pilotage.data.ingest.tables import ingest_quarantine

    with desk.workspace.read() as conn:
        assert "Alan" not in str(conn.execute(ingest_quarantine.select()).all())
    assert load_batch(desk.workspace, batch.id).quarantined == 3
    with pytest.raises(InputError, match="either"):
        erase_quarantine(desk.workspace, reason="x")


def test_an_erasure_names_the_held_batches_that_are_about_the_person(desk: Desk) -> None:
    desk.write("a.csv", rows_csv(0, 3) + "bad,row\n")
    held = desk.bring(desk.source(limits="{bad_share: 0}"), "a.csv")
    assert erase_quarantine(desk.workspace, subject="ann", reason="asked").held == (held.id,)
    assert erase_quarantine(desk.workspace, subject="nobody", reason="asked").held == ()


def test_a_contract_under_which_stored_rows_would_mean_something_else_holds_the_batch_until_a_person_says_so(desk: Desk) -> None:
    source = desk.source()
    desk.write("a.csv", rows_csv(0, 3))
    desk.bring(source, "a.csv")
    desk.contract(CONTRACT.replace("unit: EUR", "unit: USD").replace("owner:", "version: 2\nowner:"))
    desk.write("b.csv", rows_csv(10, 11))
    held = desk.bring(source, "b.csv")
    assert held.state == "held" and "semantic_suspect" in str(held.reason)
    assert release(desk.workspace, held.id, reason="they were dollars all along").state == "published"


def test_quarantined_rows_go_in_once_the_contract_takes_them(desk: Desk) -> None:
    source = desk.source()
    desk.write("a.csv", rows_csv(0, 3) + "x,2025-01-01T10:00:00,7,,ann\ny,never,1,,ann\nshort,row\n")
    batch = desk.bring(source, "a.csv")
    assert retry(desk.workspace, batch.id).kept == 0
    desk.contract(CONTRACT.replace("at: {type: timestamp}", "at: {type: timestamp, zone: Europe/Berlin}").replace("owner:", "version: 2\nowner:"))
    desk.write("b.csv", rows_csv(10, 11))
    assert desk.bring(source, "b.csv").state == "published", "how times arrive does not touch what is stored"
    done = retry(desk.workspace, batch.id)
    assert (done.tried, done.kept) == (2, 1)
    assert done.batch is not None
    assert (done.batch.state, done.batch.rows_in) == ("published", 1)
    assert load_version(desk.workspace, "payments").rows == 5
    marked = [(row.line, row.retried_as) for row in quarantined(desk.workspace, batch_id=batch.id).rows]
    assert marked == [(5, done.batch.id), (6, None), (7, None)]
    assert retry(desk.workspace, batch.id).kept == 0


def test_a_compatible_contract_carries_the_rows_there_are_and_another_holds_the_batch(desk: Desk) -> None:
    source = desk.source()
    desk.write("a.csv", rows_csv(0, 3))
    desk.bring(source, "a.csv")
    desk.contract(CONTRACT.replace("key: [id]", "  more: {type: int, nullable: true}\nkey: [id]").replace("owner:", "version: 2\nowner:"))
    desk.write("b.csv", "id,at,amount,note,person,more\nq,2025-01-01T00:00:00Z,1,,ann,5\n")
    batch = desk.bring(source, "b.csv")
    assert batch.state == "published"
    assert sorted(read_table(desk.workspace, "payments").column("more").to_pylist(), key=str) == [5, None, None, None]
    desk.contract("name: payments\nversion: 3\nowner: o\ncolumns: {id: {type: int}}\nkey: [id]\n")
    desk.write("c.csv", "id\n7\n")
    held = desk.bring(source, "c.csv")
    assert held.state == "held"
    assert "no compatible change" in str(held.reason)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "arrow", "lance"])
def test_the_same_rows_come_in_from_every_kind_of_file(desk: Desk, kind: str) -> None:
    rows = [{"id": f"p{n}", "at": "2025-01-01T00:00:00Z", "amount": n + 0.5, "note": None, "person": "ann"} for n in range(7)]
    table = pa.Table.from_pylist(rows)
    path = desk.folder / f"in.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(table, path)
    elif kind == "arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        import lance

        lance.write_dataset(table, str(path))
    batch = desk.bring(desk.source(kind, more=f"path: in.{kind}"))
    assert (batch.state, batch.kept) == ("published", 7)
    desk.write("in.csv", rows_csv(0, 7))
    with pytest.raises(InputError, match="Every row") as raised:
        desk.bring(desk.source("csv", name="other", more="path: in.csv"))
    assert "is in 'payments' already" in str(raised.value.where)


def test_a_stream_of_arrow_and_text_that_is_not_utf8_in_parquet_are_read(desk: Desk) -> None:
    rows = pa.table({"id": ["a", "b"], "at": ["2025-01-01T00:00:00Z"] * 2})
    with pa.OSFile(str(desk.folder / "in.arrows"), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    assert desk.bring(desk.source("arrow", more="path: in.arrows")).kept == 2
    raw = pa.array([b"ok", b"\xff\xfe", b"fine"], pa.binary())
    ids = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"id": ids, "at": ["2025-01-01T00:00:00Z"] * 3}), desk.folder / "in.parquet")
    batch = desk.bring(desk.source("parquet", name="columns", more="path: in.parquet"))
    assert (batch.kept, batch.quarantined) == (2, 1)
    assert [(row.line, row.code) for row in quarantined(desk.workspace, batch_id=batch.id).rows] == [(2, "not_utf8")]


def test_there_is_no_batch_of_an_unknown_id(desk: Desk) -> None:
    with pytest.raises(NotFound):
        load_batch(desk.workspace, "ib_0")


def test_who_asks_for_a_row_that_was_set_aside_is_told_where_it_is(tmp_path, workspace):
    from pilotage.data.tabular import why_not_here

    (tmp_path / "c.yaml").write_text("name: pays\nowner: ada\nkey: [id]\ncolumns:\n  id: {type: text}\n  amount: {type: float, minimum: 0}\n")
    (tmp_path / "s.yaml").write_text(
        "name: pays\nkind: csv\npath: pays.csv\ncontract: c.yaml\ndataset: pays\n"
        "card: {licence: CC0-1.0, consent: made up, purposes: [training], source: test}\nlimits: {bad_share: 1.0}\n"
    )
    (tmp_path / "pays.csv").write_text("id,amount\na,1\nb,-1\nb,none\nc,2\n,3\n")
    batch = ingest(workspace, tmp_path / "s.yaml")
    found = why_not_here(workspace, "pays", "b")
    assert (found.state, found.batch) == ("quarantined", batch.id) and found.reason
    assert why_not_here(workspace, "pays", "a").state == "present" and why_not_here(workspace, "pays", "z").state == "never seen"
