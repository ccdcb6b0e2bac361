from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.data import Card, Operation, Version, derive
from pilotage.data.contracts import Contract
from pilotage.data.quality import (
    Limits,
    accept_as_normal,
    attach_report,
    gate_batch,
    gate_of,
    gate_version,
    history,
    history_of,
    load_report,
    require_passed,
)
from pilotage.data.quality.tables import quality_report
from pilotage.data.tabular import append_table, publish_table
from pilotage.ledger import entries, verify
from pilotage.store import Workspace

from .tables_for_tests import TRIPS, contract, frame, month_of_trips

CARD = Card(licence="CC-BY-4.0", consent="none needed", purposes=("training",), source="tests")


@dataclass(frozen=True)
class Somebody:
    login: str = "ada"
    roles: frozenset[str] = frozenset({"owner"})


def publish(workspace: Workspace, data: pl.DataFrame, made: Contract = TRIPS) -> Version:
    operation = Operation("load", counts={"added": data.height})
    return publish_table(workspace, data.to_arrow().cast(made.arrow_schema()), dataset="trips", contract=made, card=CARD, operation=operation)


SMALL = contract({"k": {"type": "int"}, "x": {"type": "int", "maximum": 9}}, key=["k"])


def small(*values: int) -> pl.DataFrame:
    return frame(SMALL, [{"k": number, "x": value} for number, value in enumerate(values)])


def kept(workspace: Workspace) -> int:
    with workspace.read() as conn:
        return int(conn.execute(select(func.count()).select_from(quality_report).where(quality_report.c.workspace_id == workspace.id)).scalar_one())


def months(workspace: Workspace, *given: dict[str, Any]) -> list[Version]:
    return [publish(workspace, month_of_trips(2, number, rows=400, **changes)) for number, changes in enumerate(given)]


def test_a_version_that_passes_is_let_through_and_one_without_a_gate_is_not(workspace: Workspace) -> None:
    version = publish(workspace, small(1, 2, 3), SMALL)
    assert gate_of(workspace, version.id) is None
    with pytest.raises(Refused, match="has not been through its gate") as refused:
        require_passed(workspace, version)
    assert "pilotage data gate trips@1" in str(refused.value)
    report = gate_version(workspace, "trips")
    assert (report.verdict, report.rows, report.dataset, report.version_id) == ("pass", 3, "trips", version.id)
    assert require_passed(workspace, "trips@1") == report == load_report(workspace, report.id)


def test_a_version_that_fails_is_refused_by_name_verdict_and_check(workspace: Workspace) -> None:
    publish(workspace, small(1, 20), SMALL)
    report = gate_version(workspace, "trips@1")
    with pytest.raises(Refused, match=r"trips@1 has not passed its gate: fail") as refused:
        require_passed(workspace, "trips@1")
    assert "x <= 9" in str(refused.value) and report.id in str(refused.value)


def test_the_same_gate_again_is_the_same_report_and_reads_no_row(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(workspace, small(1, 2), SMALL)
    first = gate_version(workspace, "trips")
    monkeypatch.setattr("pilotage.data.tabular.scan", lambda *_: pytest.fail("rows were read"))
    assert gate_version(workspace, "trips") == first
    assert kept(workspace) == 1
    monkeypatch.undo()
    other = gate_version(workspace, "trips", limits=Limits(times=3.0))
    assert other.id != first.id and kept(workspace) == 2


def test_what_a_gate_says_is_in_the_ledger_without_a_value_of_the_data(workspace: Workspace) -> None:
    publish(workspace, small(1, 77_777), SMALL)
    report = gate_version(workspace, "trips")
    (entry,) = [each for each in entries(workspace) if each.type == "quality.gated"]
    assert entry.subject == report.id
    assert (entry.body["verdict"], entry.body["failed"]) == ("fail", ["x <= 9"])
    assert "77777" not in str(entry.body)
    assert str(verify(workspace).integrity) == "ok"


def test_limits_are_learned_from_versions_that_passed_and_an_accepted_change_is_normal_from_then_on(workspace: Workspace) -> None:
    published = months(workspace, *[{}] * 5, {"unit": 100.0}, {"unit": 100.0})
    reports = [gate_version(workspace, version.id) for version in published[:6]]
    assert [each.verdict for each in reports] == ["pass"] * 5 + ["fail"]
    assert [each.check for each in reports[5].failed] == ["change of distribution of fare"]
    assert reports[5].history == tuple(each.id for each in reports[:5])

    before = gate_version(workspace, published[6].id)
    assert before.verdict == "fail"
    accepted = accept_as_normal(workspace, reports[5].id, person=Somebody(), reason="fares come in cents since June")
    assert accepted.accepted is not None
    assert (accepted.accepted.person, accepted.accepted.columns) == ("ada", ("fare",))
    assert require_passed(workspace, published[5]).passed

    after = gate_version(workspace, published[6].id)
    assert (after.verdict, after.id != before.id) == ("pass", True)
    newest = gate_of(workspace, published[6].id)
    assert newest is not None and newest.id == after.id
    (entry,) = [each for each in entries(workspace) if each.type == "quality.accepted"]
    assert (entry.actor, entry.subject, entry.body["reason"]) == ("ada", reports[5].id, "fares come in cents since June")
    assert entry.body["new_history_of"] == ["fare"]


def test_only_a_person_who_is_owner_accepts_and_says_why(workspace: Workspace) -> None:
    published = months(workspace, *[{}] * 5, {"unit": 100.0})
    report = [gate_version(workspace, version.id) for version in published][-1]
    with pytest.raises(InputError, match="needs a reason"):
        accept_as_normal(workspace, report.id, person=Somebody(), reason="  ")
    with pytest.raises(Refused, match="Only a person"):
        accept_as_normal(workspace, report.id, person=Somebody(), reason="because", via="token")
    with pytest.raises(Refused, match="is not owner"):
        accept_as_normal(workspace, report.id, person=Somebody(roles=frozenset({"operator"})), reason="because")
    with pytest.raises(NotFound):
        accept_as_normal(workspace, "qr_none", person=Somebody(), reason="because")
    found = gate_of(workspace, published[-1].id)
    assert found is not None and found.accepted is None
    once = accept_as_normal(workspace, report.id, person=Somebody(), reason="because")
    assert accept_as_normal(workspace, report.id, person=Somebody("eve"), reason="as well") == once


def test_what_the_contract_promises_is_not_accepted_away(workspace: Workspace) -> None:
    publish(workspace, small(1, 20), SMALL)
    with pytest.raises(Refused, match="The contract itself says otherwise"):
        accept_as_normal(workspace, gate_version(workspace, "trips").id, person=Somebody(), reason="because")
    publish(workspace, small(1, 2), SMALL)
    with pytest.raises(Refused, match="nothing to accept"):
        accept_as_normal(workspace, gate_version(workspace, "trips").id, person=Somebody(), reason="because")


def test_a_batch_is_gated_before_it_is_published_and_speaks_for_its_version(workspace: Workspace) -> None:
    published = publish(workspace, small(1, 2), SMALL)
    gate_version(workspace, published.id)
    batch = frame(SMALL, [{"k": 7, "x": 3}])
    report = gate_batch(workspace, batch.to_arrow(), SMALL, dataset="trips", batch_id="ba_1", arrived_at=1_000)
    assert (report.verdict, report.version_id) == ("pass", None)
    assert gate_batch(workspace, batch.to_arrow(), SMALL, dataset="trips", batch_id="ba_1", arrived_at=1_000) == report
    version = append_table(workspace, "trips", batch.to_arrow().cast(SMALL.arrow_schema()), operation=Operation("append", counts={}), run_id="r1")
    for _ in range(2):
        workspace.write(lambda tx: attach_report(tx, report_id=report.id, version=version))
    found = gate_of(workspace, version.id)
    assert found is not None and (found.id, found.version_id, found.subject) == (report.id, version.id, "ba_1")
    assert require_passed(workspace, version).passed
    assert [each.report_id for each in history_of(workspace, "trips", scope="batch").reports] == [report.id]


def test_a_batch_speaks_for_no_version_that_stands_on_unchecked_rows(workspace: Workspace) -> None:
    publish(workspace, small(1, 2), SMALL)
    batch = frame(SMALL, [{"k": 7, "x": 3}])
    good = gate_batch(workspace, batch.to_arrow(), SMALL, dataset="trips", batch_id="ba_1", arrived_at=1_000)
    version = append_table(workspace, "trips", batch.to_arrow().cast(SMALL.arrow_schema()), operation=Operation("append", counts={}), run_id="r1")
    with pytest.raises(Refused, match="trips@1"):
        workspace.write(lambda tx: attach_report(tx, report_id=good.id, version=version))
    bad = gate_batch(workspace, frame(SMALL, [{"k": 8, "x": 30}]).to_arrow(), SMALL, dataset="trips", batch_id="ba_2", arrived_at=2_000)
    with pytest.raises(Refused, match="says fail"):
        workspace.write(lambda tx: attach_report(tx, report_id=bad.id, version=version))
    gate_version(workspace, "trips@1")
    workspace.write(lambda tx: attach_report(tx, report_id=good.id, version=version))
    again = gate_batch(workspace, batch.to_arrow(), SMALL, dataset="trips", batch_id="ba_3", arrived_at=3_000)
    with pytest.raises(Conflict):
        workspace.write(lambda tx: attach_report(tx, report_id=again.id, version=version))


def test_the_history_lists_every_gate_of_a_dataset_newest_first(workspace: Workspace) -> None:
    publish(workspace, small(1, 20), SMALL)
    publish(workspace, small(1, 2), SMALL)
    first, second = gate_version(workspace, "trips@1"), gate_version(workspace, "trips@2")
    assert [(each.report_id, each.verdict) for each in history(workspace, "trips")] == [(second.id, "pass"), (first.id, "fail")]
    assert "1 failed" in history(workspace, "trips")[1].headline
    assert history(workspace, "nothing") == []


def test_versions_of_other_kinds_have_no_gate(workspace: Workspace) -> None:
    operation = Operation("make", counts={"added": 1})
    derive(workspace, dataset="questions", kind="evaluation", rows=[{"id": "q"}], card=CARD, operation=operation)
    with pytest.raises(InputError, match="gates read tables"):
        gate_version(workspace, "questions")
    with pytest.raises(NotFound):
        gate_version(workspace, "nothing")
