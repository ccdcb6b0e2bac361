"""Statements made ready give and do what SQLAlchemy's own way gives and does."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, event, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pilotage.judging.tables import judgement, rater
from pilotage.ledger.tables import ledger_payload
from pilotage.models.tables import response_cache
from pilotage.review.tables import review_counter, review_task
from pilotage.store import Ready

C = response_cache.c
FIND = (
    select(response_cache).where(C.workspace_id == bindparam("workspace"), C.cache_key.in_(bindparam("keys", expanding=True))).order_by(C.cache_key)
)


def put(workspace, *keys):
    rows = [{"cache_key": key, "fingerprint": "model", "reply": {"of": key, "n": [1, None, 2.5, "é\u2028"]}} for key in keys]
    workspace.write(lambda tx: tx.insert(response_cache, *rows))


@pytest.mark.parametrize("keys", [[], ["a"], ["a", "c"], ["nobody"], ["b", "a", "c"]])
def test_the_rows_are_those_that_execute_gives_however_many_values_a_list_has(workspace, keys):
    put(workspace, "a", "b", "c")
    with workspace.read() as conn:
        expected = [dict(row) for row in conn.execute(FIND, {"workspace": workspace.id, "keys": keys}).mappings()]
        assert Ready(FIND).rows(conn, {"workspace": workspace.id, "keys": keys}) == expected


def test_one_statement_serves_lists_of_changing_length(workspace):
    put(workspace, "a", "b", "c")
    ready = Ready(FIND)
    with workspace.read() as conn:
        for keys in (["a"], ["a", "b", "c"], ["c"], [], ["b", "c"], ["a"]):
            assert [row["cache_key"] for row in ready.rows(conn, {"workspace": workspace.id, "keys": keys})] == sorted(keys)


def test_bytes_sums_and_nulls_come_as_execute_gives_them(workspace):
    workspace.write(lambda tx: tx.insert(ledger_payload, {"commitment": "c", "salt": b"\x00\xff", "payload": None, "erased_at": None}))
    p, c = ledger_payload.c, review_counter.c
    of = {"workspace": workspace.id}
    for query in (
        select(p.salt, p.payload, p.erased_at).where(p.workspace_id == bindparam("workspace")),
        select(func.coalesce(func.sum(c.open), 0).label("open"), func.max(c.done).label("done")).where(c.workspace_id == bindparam("workspace")),
    ):
        with workspace.read() as conn:
            assert Ready(query).rows(conn, of) == [dict(row) for row in conn.execute(query, of).mappings()]


def test_a_change_says_how_many_rows_it_changed_and_none_is_none(workspace):
    put(workspace, "a", "b")
    change = Ready(
        update(response_cache)
        .where(C.workspace_id == bindparam("of"), C.cache_key.in_(bindparam("keys", expanding=True)))
        .values(reply=bindparam("new"))
    )
    assert workspace.write(lambda tx: change.run(tx.conn, {"of": tx.workspace_id, "keys": ["a", "b"], "new": {"x": [1]}})) == 2
    assert workspace.write(lambda tx: change.run(tx.conn, {"of": tx.workspace_id, "keys": ["z"], "new": None})) == 0
    with workspace.read() as conn:
        assert [row["reply"] for row in Ready(FIND).rows(conn, {"workspace": workspace.id, "keys": ["a", "b"]})] == [{"x": [1]}] * 2
        assert Ready(FIND).first(conn, {"workspace": workspace.id, "keys": ["z"]}) is None


def test_an_inserted_row_has_the_defaults_that_its_table_declares(workspace):
    given = {
        "id": "jdg_1",
        "item_id": "i",
        "question": "q",
        "rater_id": "r",
        "rubric_id": "u",
        "value": {"a": 1},
        "supersedes": "",
        "idempotency_key": "k",
    }
    workspace.write(lambda tx: tx.insert(judgement, given))
    with workspace.read() as conn:
        row = conn.execute(select(judgement).where(judgement.c.workspace_id == workspace.id)).one()
    assert (row.value, row.abstained, row.purpose, row.reason) == ({"a": 1}, 0, "work", None)


def test_a_default_that_is_worked_out_from_the_row_is_worked_out(workspace):
    given = {"id": "task_1", "queue": "q", "item_id": "i", "rubric_id": "u", "why": ["labelling"], "state": "open", "priority": 7}
    workspace.write(lambda tx: tx.insert(review_task, given))
    with workspace.read() as conn:
        row = conn.execute(select(review_task.c.position, review_task.c.created_at).where(review_task.c.workspace_id == workspace.id)).one()
    assert row.position == f"0999993.{row.created_at:016d}.task_1"


def test_what_the_database_refuses_is_refused_with_the_error_that_execute_raises(workspace):
    given = {"id": "r", "kind": "person", "name": "ann", "version": "", "config": {}}
    workspace.write(lambda tx: tx.insert(rater, given))
    with pytest.raises(IntegrityError):
        workspace.write(lambda tx: tx.conn.execute(insert(rater), [{**tx.stamp(), **given}]))
    with pytest.raises(IntegrityError):
        workspace.write(lambda tx: tx.insert(rater, given))
    put(workspace, "after")  # and the next one is none the worse for it


def test_who_listens_to_statements_hears_these(workspace):
    put(workspace, "a")
    heard = []
    event.listen(workspace.engine, "before_cursor_execute", lambda *call: heard.append(call[2]))
    with workspace.read() as conn:
        assert len(Ready(FIND).rows(conn, {"workspace": workspace.id, "keys": ["a"]})) == 1
    assert any("FROM response_cache" in statement for statement in heard)
