"""Statements compiled once, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

import pilotage.models.tables  # noqa: F401
from pilotage.store import Prepared, Workspace, insert_missing, json_text
from pilotage.store.prepared import Rows
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


OWN = ("cache_key", "reply")
SHARED = ("workspace_id", "created_by", "created_at", "fingerprint")


def test_rows_share_what_they_have_in_common_and_those_that_are_there_stay_as_they_are(workspace: Workspace) -> None:
    insert, shared = Rows(cache, OWN, shared=SHARED), (workspace.id, "tester", 1, "f")
    many = [(f"k{number}", json_text({"n": number, "text": "ä ? %s :name"})) for number in range(1_203)]  # two statements' worth, and some over
    workspace.write(lambda tx: insert.run(tx.conn, [("k7", json_text("first")), ("k777", json_text("first"))], shared))
    workspace.write(lambda tx: insert.run(tx.conn, many, shared))
    workspace.write(lambda tx: insert.run(tx.conn, [], shared))
    expected: dict[str, Any] = {key: {"n": number, "text": "ä ? %s :name"} for number, (key, _) in enumerate(many)}
    assert replies(workspace) == {**expected, "k7": "first", "k777": "first"}


@pytest.mark.parametrize("place", [3, 1_100])
def test_a_row_that_breaks_a_rule_undoes_its_whole_job_and_no_other(workspace: Workspace, place: int) -> None:
    insert, shared = Rows(cache, OWN, shared=SHARED), (workspace.id, "tester", 1, "f")
    many: list[tuple[Any, ...]] = [(f"k{number}", "1") for number in range(1_203)]
    many[place] = (f"k{place}", None)  # a reply is never null
    with pytest.raises(IntegrityError):
        workspace.write(lambda tx: insert.run(tx.conn, many, shared))
    assert replies(workspace) == {}
    workspace.write(lambda tx: insert.run(tx.conn, [("a", "1")], shared))
    assert replies(workspace) == {"a": 1}


def test_rows_that_must_be_new_are_an_error_where_they_are_there(workspace: Workspace) -> None:
    insert, shared = Rows(cache, OWN, shared=SHARED, anew=True), (workspace.id, "tester", 1, "f")
    workspace.write(lambda tx: insert.run(tx.conn, [("a", "1")], shared))
    with pytest.raises(IntegrityError):
        workspace.write(lambda tx: insert.run(tx.conn, [("b", "2"), ("a", "2")], shared))
    assert replies(workspace) == {"a": 1}


def test_rows_of_a_table_need_all_its_columns() -> None:
    with pytest.raises(ValueError, match="other columns"):
        Rows(cache, OWN)
