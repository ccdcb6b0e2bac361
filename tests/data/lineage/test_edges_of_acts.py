"""Every act that makes data says so in lineage, in its own transaction; and what was made before that is filled in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete
from tests.data.ingest.conftest import CARD as SOURCE_CARD
from tests.data.ingest.conftest import CONTRACT
from tests.data.rows_for_tests import TRAINING_CARD, instruction, making
from tests.features.conftest import DAY, START, put, transactions
from typer.testing import CliRunner

from pilotage.cli.main import app
from pilotage.core import parse_moment
from pilotage.data import Operation, derive, export
from pilotage.data.ingest import ingest, load_source
from pilotage.data.lineage import ColumnOrigin, Edge, Node, column_origins, impact, made_from, made_of, record_edges
from pilotage.data.lineage.openlineage import check_event, events
from pilotage.data.lineage.rebuilding import rebuild_edges
from pilotage.data.lineage.tables import lineage_edge
from pilotage.data.tabular import upsert_table
from pilotage.features import Aggregate, FeatureView, Label, Transform, build_training_set, parse_expression, register_view
from pilotage.ledger import create_workspace, entries
from pilotage.runs import Plan, sample_spec
from pilotage.runs.registration import recorded_run_edges, register


def forget(workspace):
    workspace.write(lambda tx: tx.conn.execute(delete(lineage_edge).where(lineage_edge.c.workspace_id == tx.workspace_id)))


def first_and_second(workspace):
    first = derive(workspace, dataset="one", kind="training", rows=[instruction("a")], card=TRAINING_CARD, operation=making(1))
    second = derive(
        workspace,
        dataset="two",
        kind="training",
        rows=[instruction("a")],
        card=TRAINING_CARD,
        operation=Operation("copy", counts={"in": 1, "kept": 1}),
        parents=[first.id],
    )
    return first, second


def test_a_derived_version_and_its_export_are_made_from_their_parents(folder_workspace, tmp_path: Path):
    first, second = first_and_second(folder_workspace)
    left = export(folder_workspace, "two", format="chat-sft", path=tmp_path / "out.jsonl")
    trace = made_of(folder_workspace, Node("version", first.id))
    assert trace.of_kind("version") == (second.id,) and trace.of_kind("export") == (left.id,)
    assert {edge.via for edge in trace.edges} == {"copy", "chat-sft"}
    assert [check_event(event) for event in events(folder_workspace)] == ["run"] * 4


def test_a_published_table_and_every_change_of_it_is_made_from_the_version_before(workspace):
    before = put(workspace, transactions(rows=20), gate=False)
    change = transactions(rows=25, seed=0).tail(5)
    after = upsert_table(workspace, "transactions", change.to_arrow(), operation=Operation("correct"))
    assert made_from(workspace, Node("version", after.id)).of_kind("version") == (before.id,)


def test_a_run_reads_its_versions(workspace):
    first, _ = first_and_second(workspace)
    plan = Plan(
        kind="evaluation", pilot_id="p", target_id="t", fingerprint="f", versions=(first.id,), samples=(sample_spec("a", spec={}, fingerprint="f"),)
    )
    run_id = asyncio.run(register(workspace, plan))
    assert made_of(workspace, Node("version", first.id)).of_kind("run") == (run_id,)
    assert asyncio.run(register(workspace, plan)) == run_id  # resumed: nothing doubled
    assert made_of(workspace, Node("version", first.id)).counts["run"] == 1


def deliver(workspace, folder: Path, rows: str, contract: str = CONTRACT):
    (folder / "contract.yaml").write_text(contract)
    (folder / "in.csv").write_text(rows)
    (folder / "source.yaml").write_text(
        f"name: bank\nkind: csv\npath: in.csv\ncontract: contract.yaml\ndataset: payments\nwrite: append\ncard: {SOURCE_CARD}\n"
    )
    return ingest(workspace, load_source(folder / "source.yaml"))


HEAD = "id,at,amount,note,person\n"


def test_a_batch_stands_between_source_and_version_with_the_times_of_its_rows(workspace, tmp_path: Path):
    early = deliver(workspace, tmp_path, HEAD + "a,2026-05-03T08:00:00Z,1,,x\nb,2026-05-04T09:00:00Z,2,,x\n")
    late = deliver(workspace, tmp_path, HEAD + "c,2026-05-08T08:00:00Z,3,,x\n")
    assert (early.state, late.state) == ("published", "published")
    source = Node("source", "bank")
    wrong = impact(workspace, source, from_us=parse_moment("2026-05-08T00:00:00Z"), until_us=parse_moment("2026-05-09T00:00:00Z"))
    assert wrong.of_kind("batch") == (late.id,) and wrong.of_kind("version") == (late.version,)
    wrong = impact(workspace, source, from_us=parse_moment("2026-05-04T09:00:00Z"), until_us=parse_moment("2026-05-04T09:00:00Z"))
    assert wrong.of_kind("batch") == (early.id,) and set(wrong.of_kind("version")) == {
        early.version,
        late.version,
    }  # the later one holds its rows too
    assert (source, "amount") in {(node, origin.parent) for node, origin in column_origins(workspace, Node("version", early.version), "amount")}


def test_a_batch_without_event_times_touches_any_day(workspace, tmp_path: Path):
    contract = CONTRACT.replace("at: {type: timestamp}", "at: {type: timestamp, nullable: true}").replace("event_time: at\navailable_lag: 1h\n", "")
    batch = deliver(workspace, tmp_path, HEAD + "a,,1,,x\nb,2026-05-04T09:00:00Z,2,,x\n", contract)
    assert impact(workspace, Node("source", "bank"), from_us=0, until_us=1).of_kind("batch") == (batch.id,)


VIEW = FeatureView(
    name="activity",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    columns={"last_shop": parse_expression("shop"), "cents": parse_expression("amount * 100")},
    aggregates=(Aggregate("spent_7d", "sum", parse_expression("amount"), "7d", where=parse_expression("shop == 'food'")),),
)


def test_a_training_set_knows_its_views_and_where_each_column_comes_from(workspace):
    version = put(workspace, transactions())
    register_view(workspace, VIEW)
    made = build_training_set(
        workspace,
        name="fraud",
        spine="transactions",
        time="at",
        label=Label("fraud", available_time="fraud_known_at"),
        views=["activity@1"],
        as_of=START + 50 * DAY,
        transforms=[Transform("one_hot", "activity__last_shop")],
    )
    node = Node("version", made.version.id)
    trace = made_from(workspace, node)
    assert trace.of_kind("view") == ("activity@1",) and trace.of_kind("version") == (version.id,)

    def origins(column):
        return {(each, origin.parent, origin.how, origin.subtype) for each, origin in column_origins(workspace, node, column)}

    source, view = Node("version", version.id), Node("view", "activity@1")
    assert origins("fraud") == {(source, "fraud", "DIRECT", "IDENTITY")}
    assert origins("activity__spent_7d") == {
        (view, "spent_7d", "DIRECT", "IDENTITY"),
        (view, "card", "INDIRECT", "GROUP_BY"),
        (view, "shop", "INDIRECT", "FILTER"),
        (view, "at", "INDIRECT", "WINDOW"),
        (source, "amount", "DIRECT", "AGGREGATION"),
        (source, "shop", "INDIRECT", "FILTER"),
        (source, "card", "INDIRECT", "GROUP_BY"),
        (source, "at", "INDIRECT", "WINDOW"),
    }
    assert (source, "amount", "DIRECT", "TRANSFORMATION") in origins("activity__cents")
    hot = [column for column in made.features if column.startswith("activity__last_shop")]
    assert len(hot) > 1 and all((source, "shop", "DIRECT", "IDENTITY") in origins(column) for column in hot)
    listed = {origin.child for edge in trace.edges if edge.child == node for origin in edge.columns}
    assert listed <= set(made.version.contract["columns"]) and set(made.features) <= listed
    assert [check_event(event) for event in events(workspace, made.version.id)] == ["run", "run"]


def test_what_was_made_before_edges_were_recorded_is_filled_in_once(workspace, tmp_path: Path):
    first, second = first_and_second(workspace)
    batch = deliver(workspace, tmp_path, HEAD + "a,2026-05-03T08:00:00Z,1,,x\n")
    plan = Plan(
        kind="evaluation", pilot_id="p", target_id="t", fingerprint="f", versions=(second.id,), samples=(sample_spec("a", spec={}, fingerprint="f"),)
    )
    run_id = asyncio.run(register(workspace, plan))
    there = {node: made_of(workspace, node).nodes for node in (Node("version", first.id), Node("source", "bank"))}
    forget(workspace)
    assert made_of(workspace, Node("version", first.id)).nodes == ()
    done = rebuild_edges(workspace, recorded_run_edges(workspace))
    assert done.by_kind == {"version -> version": 1, "source -> batch": 1, "batch -> version": 1, "version -> run": 1} and done.added == 4
    assert {node: made_of(workspace, node).nodes for node in there} == there
    assert {run_id, batch.version} <= {node.id for nodes in there.values() for node in nodes}
    assert rebuild_edges(workspace, recorded_run_edges(workspace)).added == 0
    assert [entry.body["added"] for entry in entries(workspace) if entry.type == "lineage.rebuilt"] == [4]


def test_rebuilding_leaves_edges_that_know_their_columns_alone(workspace, tmp_path: Path):
    batch = deliver(workspace, tmp_path, HEAD + "a,2026-05-03T08:00:00Z,1,,x\n")
    before = column_origins(workspace, Node("version", batch.version), "amount")
    assert rebuild_edges(workspace).added == 0
    assert column_origins(workspace, Node("version", batch.version), "amount") == before != ()


@pytest.mark.parametrize("times", [1, 2])
def test_the_verb_says_what_it_added(tmp_path: Path, times: int):
    location = str(tmp_path / "workspace")
    with create_workspace(location, actor="test") as workspace:
        first_and_second(workspace)
        forget(workspace)
    said = [CliRunner().invoke(app, ["-w", location, "lineage", "rebuild"]).output for _ in range(times)]
    assert said[-1] == ("1 edges added: 1 version -> version\n" if times == 1 else "0 edges added; nothing was missing\n")


def test_what_is_known_later_of_an_edge_is_added_and_times_only_widen(workspace):
    a, b = Node("version", "a"), Node("version", "b")

    def put_edge(**more) -> int:
        return workspace.write(lambda tx: record_edges(tx, [Edge(a, b, via="x", **more)]))

    def stored() -> Edge:
        (edge,) = made_of(workspace, a).edges
        return edge

    x, y = ColumnOrigin("x", "x"), ColumnOrigin("y", "y")
    assert (put_edge(from_us=10, until_us=20, columns=(x,)), put_edge(from_us=5, until_us=12, columns=(y, x))) == (1, 0)
    assert stored() == Edge(a, b, via="x", from_us=5, until_us=20, columns=(x, y))
    put_edge()  # of any time
    put_edge(from_us=1, until_us=2)
    assert stored() == Edge(a, b, via="x", columns=(x, y))
    assert workspace.write(lambda tx: record_edges(tx, [Edge(b, a, from_us=1, until_us=2), Edge(b, a, from_us=8, until_us=9)])) == 1
    assert [(edge.from_us, edge.until_us) for edge in made_of(workspace, b).edges if edge.parent == b] == [(1, 9)]
