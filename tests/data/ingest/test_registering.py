"""Sources that the workspace knows by name."""

from __future__ import annotations

import pytest

from pilotage.core import NotFound
from pilotage.data.ingest import ingest_rows, load_source, register_source, registered_source, registered_sources, source_of
from pilotage.ledger import entries


def test_a_source_is_known_by_its_name_and_its_contract_comes_with_it(desk):
    made = register_source(desk.workspace, desk.source("push"))
    assert made.ref == "payments@1" and made.config.contract == "payments@1" and made.registered_by == "ada"
    (desk.folder / "contract.yaml").unlink()
    batch = ingest_rows(desk.workspace, source_of(desk.workspace, "payments"), [{"id": "p1", "at": "2025-01-01T00:00:00Z", "amount": 1.5}])
    assert batch.state == "published" and batch.kept == 1


def test_the_same_declaration_is_one_number_and_another_the_next(desk):
    first = register_source(desk.workspace, desk.source("push"))
    assert register_source(desk.workspace, desk.source("push")) == first
    second = register_source(desk.workspace, desk.source("push", limits="{bad_share: 0.5}"))
    back = register_source(desk.workspace, desk.source("push"))
    assert (second.number, back.number) == (2, 3) and len({first.id, second.id, back.id}) == 3
    register_source(desk.workspace, desk.source("push", name="another"))
    assert [each.ref for each in registered_sources(desk.workspace)] == ["another@1", "payments@3"]
    assert registered_source(desk.workspace, "payments") == back
    assert [entry.body["number"] for entry in entries(desk.workspace, type="ingest.source") if entry.body["name"] == "payments"] == [1, 2, 3]


def test_what_is_not_known_is_not_found(desk):
    with pytest.raises(NotFound, match="no source 'nothing'"):
        source_of(desk.workspace, "nothing")
    path = desk.folder / "odd.yaml"
    path.write_text("name: odd\nkind: push\ncontract: unheard-of\ndataset: odd\ncard: {source: bank}\n", encoding="utf-8")
    with pytest.raises(NotFound):
        register_source(desk.workspace, load_source(path))
    assert registered_sources(desk.workspace) == []
