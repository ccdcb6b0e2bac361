from __future__ import annotations

from typing import Any

import pytest

from pilotage.core import NotFound
from pilotage.data import Operation, Version, datasets, derive, family, load_version, versions
from pilotage.store import Workspace

from .rows_for_tests import EVALUATION_CARD


def publish(workspace: Workspace, name: str, number: int, *parents: Version) -> Version:
    rows: list[dict[str, Any]] = [{"id": f"{name}-{number}"}]
    operation = Operation("make", params={"n": number}, counts={"added": 1})
    ids = [parent.id for parent in parents]
    return derive(workspace, dataset=name, kind="evaluation", rows=rows, card=EVALUATION_CARD, operation=operation, parents=ids)


def test_a_version_is_found_by_id_by_name_and_by_number(workspace: Workspace) -> None:
    first, second = publish(workspace, "items", 1), publish(workspace, "items", 2)
    assert load_version(workspace, first.id) == first
    assert load_version(workspace, "items@1") == first
    assert load_version(workspace, "items") == second
    assert versions(workspace, "items") == [second, first]
    (only,) = datasets(workspace)
    assert (only.name, only.latest, only.version_id, only.rows) == ("items", 2, second.id, 1)


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("nothing", "there are: items"),
        ("items@9", "it has 1 to 1"),
        ("items@0", "it has 1 to 1"),
        ("items@", "name@number"),
        ("items@x", "name@number"),
        ("items@-1", "name@number"),
        ("items@99999999999999999999", "it has 1 to 1"),
        ("dv_" + "0" * 32, "no version"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(workspace: Workspace, ref: str, says: str) -> None:
    publish(workspace, "items", 1)
    with pytest.raises(NotFound) as caught:
        load_version(workspace, ref)
    assert says in str(caught.value)


def test_an_empty_workspace_has_no_datasets(folder_workspace: Workspace) -> None:
    assert datasets(folder_workspace) == []
    with pytest.raises(NotFound, match="no dataset 'items'"):
        load_version(folder_workspace, "items")


def test_lineage_goes_up_and_down_through_a_diamond(workspace: Workspace) -> None:
    root = publish(workspace, "root", 1)
    left, right = publish(workspace, "left", 1, root), publish(workspace, "right", 1, root)
    joined = publish(workspace, "joined", 1, left, right)
    publish(workspace, "stranger", 1)
    found = family(workspace, joined.id)
    assert [version.dataset for version in found.ancestors] == ["left", "right", "root"]
    assert found.descendants == ()
    below = family(workspace, "root")
    assert {version.dataset for version in below.descendants} == {"left", "right", "joined"}
    assert set(below.edges) == {(root.id, left.id), (root.id, right.id), (left.id, joined.id), (right.id, joined.id)}
