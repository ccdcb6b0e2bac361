"""Statements compiled once, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select, update

import pilotage.models.tables  # noqa: F401
from pilotage.store import Prepared, Workspace, insert_missing, json_text
from pilotage.store.schema import metadata

cache = metadata.tables["response_cache"]


def row(workspace: Workspace, key: str, reply: Any) -> dict[str, Any]:
    return {
        "workspace_id": workspace.id,
        "created_by": "tester",
        "created_at": 1,
        "cache_key": key,
        "fingerprint": "f",
        "reply": json_text(reply),
        "beside": "not a column",
    }


def replies(workspace: Workspace) -> dict[str, Any]:
    with workspace.read() as conn:
        found = conn.execute(select(cache.c.cache_key, cache.c.reply).where(cache.c.workspace_id == workspace.id))
        return {each.cache_key: each.reply for each in found}


def test_rows_that_are_missing_are_inserted_and_those_that_are_there_stay_as_they_are(workspace: Workspace) -> None:
    insert = insert_missing(cache)
    workspace.write(lambda tx: insert.run(tx.conn, [row(workspace, "a", "first"), row(workspace, "b", {"text": "ä % :name 'quoted'"})]))
    workspace.write(lambda tx: insert.run(tx.conn, [row(workspace, "a", "second"), row(workspace, "c", None)]))
    assert replies(workspace) == {"a": "first", "b": {"text": "ä % :name 'quoted'"}, "c": None}


def test_no_rows_are_no_statement(workspace: Workspace) -> None:
    def build(dialect: str) -> Any:
        raise AssertionError("it was built for nothing")

    workspace.write(lambda tx: Prepared(build, columns=["a"]).run(tx.conn, []))


def test_a_statement_is_built_once_and_binds_each_row_by_name(workspace: Workspace) -> None:
    built: list[str] = []

    def build(dialect: str) -> Any:
        built.append(dialect)
        where = (cache.c.workspace_id == bindparam("workspace_id"), cache.c.cache_key == bindparam("cache_key"))
        return update(cache).where(*where).values(fingerprint=bindparam("fingerprint"), reply=bindparam("reply"))

    insert, change = insert_missing(cache), Prepared(build, columns=["fingerprint", "reply"])
    workspace.write(lambda tx: insert.run(tx.conn, [row(workspace, key, "old") for key in "abc"]))
    for said in ("new", "newer"):
        workspace.write(lambda tx, said=said: change.run(tx.conn, [row(workspace, key, said) for key in "ab"]))
    assert replies(workspace) == {"a": "newer", "b": "newer", "c": "old"}
    assert built == [workspace.engine.dialect.name]
