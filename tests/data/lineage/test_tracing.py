"""Walking lineage up and down, and what an incident asks."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.lineage import ColumnOrigin, Edge, Node, column_origins, impact, made_from, made_of, record_edges, tracing

DAY = 86_400_000_000


def put(workspace, *edges):
    return workspace.write(lambda tx: record_edges(tx, edges))


def chain():
    source, bad, good = Node("source", "cards"), Node("batch", "b-bad"), Node("batch", "b-good")
    first, second, training = Node("version", "v1"), Node("version", "v2"), Node("version", "t1")
    model, said = Node("model", "m1"), Node("predictions", "m1/2026-05-04")
    return [
        Edge(source, good, from_us=0, until_us=2 * DAY - 1),
        Edge(source, bad, from_us=2 * DAY, until_us=3 * DAY - 1),
        Edge(good, first, via="append"),
        Edge(bad, second, via="append"),
        Edge(first, second, via="append"),
        Edge(second, training, via="training_set"),
        Edge(training, model, via="train"),
        Edge(model, said, via="serve"),
    ]


def test_down_from_a_source_are_its_versions_models_and_predictions(workspace):
    put(workspace, *chain())
    trace = made_of(workspace, Node("source", "cards"))
    assert trace.of_kind("version") == ("t1", "v1", "v2")
    assert trace.of_kind("model") == ("m1",)
    assert trace.of_kind("predictions") == ("m1/2026-05-04",)
    assert trace.counts == {"batch": 2, "version": 3, "model": 1, "predictions": 1} and trace.complete and len(trace.edges) == 8
    assert str(trace) == "from source cards: 2 batch, 3 version, 1 model, 1 predictions"


def test_a_walk_may_start_at_several_things(workspace):
    put(workspace, *chain())
    trace = made_of(workspace, Node("batch", "b-good"), Node("batch", "b-bad"))
    assert trace.of_kind("version") == ("t1", "v1", "v2") and trace.of_kind("batch") == ()


def test_up_from_a_model_is_its_source(workspace):
    put(workspace, *chain())
    trace = made_from(workspace, Node("model", "m1"))
    assert trace.of_kind("source") == ("cards",)
    assert trace.of_kind("predictions") == ()


def test_a_source_that_was_wrong_on_some_days_reaches_only_what_those_days_made(workspace):
    put(workspace, *chain())
    trace = impact(workspace, Node("source", "cards"), from_us=2 * DAY, until_us=2 * DAY)
    assert trace.of_kind("batch") == ("b-bad",)
    assert trace.of_kind("version") == ("t1", "v2")
    before = impact(workspace, Node("source", "cards"), from_us=5 * DAY, until_us=6 * DAY)
    assert before.nodes == ()


def test_of_very_many_things_all_are_counted_and_the_first_are_shown(workspace, monkeypatch):
    monkeypatch.setattr(tracing, "MAX_SHOWN", 3)
    put(workspace, *(Edge(Node("model", "m"), Node("predictions", f"p{number}")) for number in range(5)))
    trace = made_of(workspace, Node("model", "m"))
    assert trace.counts == {"predictions": 5}
    assert trace.of_kind("predictions") == ("p0", "p1", "p2") and len(trace.edges) == 3 and not trace.complete


def test_an_edge_whose_time_is_not_known_is_followed(workspace):
    put(workspace, Edge(Node("source", "s"), Node("batch", "b")))
    assert impact(workspace, Node("source", "s"), from_us=0, until_us=1).of_kind("batch") == ("b",)


def test_recording_an_edge_twice_is_one_edge(workspace):
    edges = chain()
    assert put(workspace, *edges, *edges) == 8
    assert put(workspace, *edges) == 0


def test_a_column_is_followed_up_to_where_it_began(workspace):
    source, version, training = Node("source", "cards"), Node("version", "v1"), Node("version", "t1")
    put(
        workspace,
        Edge(source, version, columns=(ColumnOrigin("amount", "AMT"), ColumnOrigin("card", "PAN"))),
        Edge(
            version,
            training,
            columns=(
                ColumnOrigin("spent_1d", "amount", subtype="AGGREGATION", text="sum(amount)"),
                ColumnOrigin("spent_1d", "card", how="INDIRECT", subtype="GROUP_BY"),
                ColumnOrigin("night", "at"),
            ),
        ),
    )
    found = column_origins(workspace, training, "spent_1d")
    assert [(node.id, origin.parent, origin.how) for node, origin in found] == [
        ("v1", "amount", "DIRECT"),
        ("v1", "card", "INDIRECT"),
        ("cards", "AMT", "DIRECT"),
        ("cards", "PAN", "DIRECT"),
    ]
    assert column_origins(workspace, training, "not_there") == ()


def test_what_makes_no_sense_is_refused(workspace):
    node = Node("version", "v")
    with pytest.raises(InputError, match="made from itself"):
        Edge(node, node)
    with pytest.raises(InputError, match="Unknown kind"):
        Node("table", "x")
    with pytest.raises(InputError, match="range of time"):
        Edge(node, Node("version", "w"), from_us=2, until_us=1)
    with pytest.raises(InputError, match="range of time"):
        impact(workspace, node, from_us=2, until_us=1)
    with pytest.raises(InputError, match="somewhere to start"):
        made_of(workspace)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1]), max_size=25))
def test_a_walk_reaches_what_a_search_by_hand_reaches_even_in_circles(workspace, pairs):
    mark = uuid4()  # each example has a graph of its own in the shared workspace
    put(workspace, *(Edge(Node("external", f"{mark}/{a}"), Node("external", f"{mark}/{b}")) for a, b in pairs))
    reached, border = set(), {0}
    while border:
        border = {b for a, b in pairs if a in border} - reached
        reached |= border
    expected = {f"{mark}/{each}" for each in reached - {0}}
    assert set(made_of(workspace, Node("external", f"{mark}/0")).of_kind("external")) == expected
