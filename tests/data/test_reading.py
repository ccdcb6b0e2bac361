from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from pilotage.core import InputError, IntegrityError, NotFound
from pilotage.data import Version, derive, diff, find_row, load_version, rows, rows_page
from pilotage.data.tables import dataset_version
from pilotage.store import Workspace

from .rows_for_tests import EVALUATION_CARD, making


def publish(workspace: Workspace, given_rows: list[dict[str, Any]], name: str = "items") -> Version:
    return derive(workspace, dataset=name, kind="evaluation", rows=given_rows, card=EVALUATION_CARD, operation=making(len(given_rows)))


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.data.rowfile.GROUP_ROWS", 3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 14), limit=st.integers(1, 14))
def test_a_page_is_the_slice_it_says(folder_workspace: Workspace, offset: int, limit: int) -> None:
    all_rows = [{"id": f"r{index}"} for index in range(11)]
    version = publish(folder_workspace, all_rows)
    page = rows_page(folder_workspace, version.id, offset=offset, limit=limit)
    assert list(page.rows) == all_rows[offset : offset + limit]
    assert page.total == 11
    assert page.next_offset == (offset + limit if offset + limit < 11 else None)


def test_pages_that_cannot_be_are_refused(folder_workspace: Workspace) -> None:
    publish(folder_workspace, [{"id": "a"}])
    for options in ({"offset": -1}, {"limit": 0}, {"limit": 1001}):
        with pytest.raises(InputError):
            rows_page(folder_workspace, "items", **options)


def test_one_row_is_found_by_its_id_in_any_group(folder_workspace: Workspace) -> None:
    publish(folder_workspace, [{"id": f"r{index}", "n": index} for index in range(8)])
    assert [find_row(folder_workspace, "items", row_id=f"r{index}")["n"] for index in (0, 2, 3, 7)] == [0, 2, 3, 7]
    with pytest.raises(NotFound):
        find_row(folder_workspace, "items", row_id="r8")


def test_a_difference_names_what_came_went_and_changed(folder_workspace: Workspace) -> None:
    before = publish(folder_workspace, [{"id": "same"}, {"id": "gone"}, {"id": "edited", "n": 1}])
    after = publish(folder_workspace, [{"id": "edited", "n": 2}, {"id": "same"}, {"id": "new"}])
    found = diff(folder_workspace, before.id, after.id)
    assert (found.added, found.removed, found.changed, found.unchanged) == (("new",), ("gone",), ("edited",), 1)
    assert str(found) == "1 added, 1 removed, 1 changed, 1 unchanged"


def test_rows_read_one_by_one_stay_the_version_they_were_opened_on(folder_workspace: Workspace) -> None:
    publish(folder_workspace, [{"id": f"r{index}"} for index in range(9)])
    stream = rows(folder_workspace, "items")
    first = next(stream)
    publish(folder_workspace, [{"id": "other"}])
    assert [first, *stream] == [{"id": f"r{index}"} for index in range(9)]


@pytest.mark.parametrize("touch", ["flip a byte", "cut the end", "remove"])
def test_a_file_that_was_changed_is_never_read(folder_workspace: Workspace, touch: str) -> None:
    version = publish(folder_workspace, [{"id": f"r{index}"} for index in range(9)])
    assert len(list(rows(folder_workspace, version.id))) == 9
    path = folder_workspace.blobs.path(version.blob)
    data = bytearray(path.read_bytes())
    if touch == "remove":
        path.unlink()
    else:
        if touch == "cut the end":
            del data[-10:]
        else:
            data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
        os.utime(path, ns=(1, 1))
    for read in (
        lambda: rows(folder_workspace, "items"),
        lambda: rows_page(folder_workspace, "items"),
        lambda: diff(folder_workspace, "items", "items"),
    ):
        with pytest.raises(IntegrityError):
            read()


def test_rows_of_another_version_under_this_ones_record_are_refused(folder_workspace: Workspace) -> None:
    version = publish(folder_workspace, [{"id": "a"}])
    other = publish(folder_workspace, [{"id": "b"}], name="other")
    table = dataset_version
    folder_workspace.write(
        lambda tx: tx.conn.execute(update(table).where(table.c.workspace_id == tx.workspace_id, table.c.id == version.id).values(blob=other.blob))
    )
    with pytest.raises(IntegrityError, match="items@1"):
        rows(folder_workspace, load_version(folder_workspace, "items").id)
