"""OpenLineage events: ours are valid, others' are taken in, and what is none is refused with the place."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from pilotage.core import InputError
from pilotage.data import Card, Operation, derive
from pilotage.data.lineage import ColumnOrigin, Edge, Node, column_origins, made_of, record_edges
from pilotage.data.lineage.openlineage import accept_event, check_event, events
from pilotage.data.lineage.tables import openlineage_event

CARD = Card(licence="CC0-1.0", consent="none needed", purposes=("testing",), source="made up")
PRODUCER = "https://example.org/scheduler"
BASE = {"_producer": PRODUCER, "_schemaURL": "https://openlineage.io/spec/facets/x.json#/$defs/X"}


def a_run(**changes):
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-05-01T12:00:00Z",
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "0176a8c2-fe01-7439-87e6-56a1a1b4029f"},
        "job": {"namespace": "warehouse", "name": "daily"},
        "inputs": [{"namespace": "pg://db", "name": "public.cards"}],
        "outputs": [
            {
                "namespace": "s3://lake",
                "name": "cards",
                "facets": {
                    "columnLineage": {
                        **BASE,
                        "fields": {
                            "amount": {
                                "inputFields": [
                                    {
                                        "namespace": "pg://db",
                                        "name": "public.cards",
                                        "field": "amt",
                                        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
                                    }
                                ]
                            }
                        },
                    }
                },
            }
        ],
    }
    return event | changes


def kept(workspace):
    with workspace.read() as conn:
        return conn.execute(select(func.count()).select_from(openlineage_event).where(openlineage_event.c.workspace_id == workspace.id)).scalar()


def two_versions(workspace):
    first = derive(
        workspace,
        dataset="answers",
        kind="documents",
        rows=[{"id": "1", "text": "a"}],
        card=CARD,
        operation=Operation("collect", counts={"added": 1}),
        fields={"text": {"type": "text"}},
    )
    second = derive(
        workspace,
        dataset="answers",
        kind="documents",
        rows=[{"id": "1", "text": "b"}],
        card=CARD,
        operation=Operation("mend", counts={"in": 1, "changed": 1}),
        parents=(first.id,),
        fields={"text": {"type": "text"}},
    )
    edge = Edge(Node("version", first.id), Node("version", second.id), via="mend", columns=(ColumnOrigin("text", "text", subtype="TRANSFORMATION"),))
    workspace.write(lambda tx: record_edges(tx, [edge]))
    return first, second


def test_every_version_is_a_start_and_a_complete_that_pass_the_check(workspace):
    _, second = two_versions(workspace)
    made = list(events(workspace))
    assert [event["eventType"] for event in made] == ["START", "COMPLETE"] * 2
    assert [check_event(event) for event in made] == ["run"] * 4
    last = made[-1]
    assert last["inputs"][0]["name"] == last["outputs"][0]["name"] == "answers"
    assert last["outputs"][0]["facets"]["version"]["datasetVersion"] == second.id
    assert last["outputs"][0]["facets"]["columnLineage"]["fields"]["text"]["inputFields"][0]["field"] == "text"
    assert made[2]["run"]["runId"] == made[3]["run"]["runId"] != made[0]["run"]["runId"]
    assert list(events(workspace)) == made


def test_the_published_schemas_accept_our_events(workspace):
    folder = os.environ.get("PILOTAGE_OPENLINEAGE_SCHEMAS")
    if not folder:
        pytest.skip("the published JSON schemas are not here; name their folder in PILOTAGE_OPENLINEAGE_SCHEMAS")
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    schemas = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)
    two_versions(workspace)
    for event in events(workspace):
        wanted = [event["schemaURL"]]
        Draft202012Validator({"$ref": wanted[0]}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(event)
        for dataset in event["inputs"] + event["outputs"]:
            for place in ("facets", "inputFacets", "outputFacets"):
                for name, facet in dataset.get(place, {}).items():
                    if not name.startswith("pilotage_"):
                        Draft202012Validator({"$ref": facet["_schemaURL"]}, registry=registry).validate(facet)


def test_events_of_the_reference_client_pass_the_check():
    from openlineage.client import event_v2, facet_v2
    from openlineage.client.serde import Serde

    output = event_v2.OutputDataset(
        namespace="lake",
        name="cards",
        facets={
            "schema": facet_v2.schema_dataset.SchemaDatasetFacet(fields=[facet_v2.schema_dataset.SchemaDatasetFacetFields(name="a", type="INT")])
        },
    )
    made = event_v2.RunEvent(
        eventType=event_v2.RunState.COMPLETE,
        eventTime="2026-05-01T12:00:00+00:00",
        run=event_v2.Run(runId=str(uuid4()), facets={"nominalTime": facet_v2.nominal_time_run.NominalTimeRunFacet("2026-05-01T12:00:00Z")}),
        job=event_v2.Job(namespace="n", name="j"),
        producer=PRODUCER,
        inputs=[],
        outputs=[output],
    )
    assert check_event(json.loads(Serde.to_json(made))) == "run"


def test_a_completed_run_joins_its_datasets_and_their_columns(workspace):
    accepted = accept_event(workspace, a_run())
    assert accepted.created and accepted.edges == 1
    assert made_of(workspace, Node("external", "pg://db/public.cards")).of_kind("external") == ("s3://lake/cards",)
    ((parent, origin),) = column_origins(workspace, Node("external", "s3://lake/cards"), "amount")
    assert (parent.id, origin.parent) == ("pg://db/public.cards", "amt")


def test_the_same_event_again_changes_nothing(workspace):
    first, again = accept_event(workspace, a_run()), accept_event(workspace, a_run())
    assert (again.id, again.created, again.edges) == (first.id, False, 0)
    assert kept(workspace) == 1


def test_what_failed_or_has_only_begun_made_nothing(workspace):
    for state in ("START", "FAIL", "ABORT"):
        assert accept_event(workspace, a_run(eventType=state)).edges == 0


def test_an_event_that_comes_back_finds_our_version(workspace):
    first, second = two_versions(workspace)
    *_, complete = events(workspace)
    event = copy.deepcopy(complete) | {"job": {"namespace": "elsewhere", "name": "copy"}}
    event["inputs"] = [{"namespace": "pilotage", "name": "answers", "facets": {"version": {**BASE, "datasetVersion": second.id}}}]
    event["outputs"] = [{"namespace": "lake", "name": "copy"}]
    accept_event(workspace, event)
    assert "lake/copy" in made_of(workspace, Node("version", first.id)).of_kind("external")


def without(event, *path):
    changed = copy.deepcopy(event)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return changed


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ([], "the event"),
        (without(a_run(), "eventTime"), "eventTime"),
        (a_run(eventTime="yesterday"), "eventTime"),
        (a_run(eventTime="2026-05-01T12:00:00"), "eventTime"),
        (without(a_run(), "producer"), "producer"),
        (a_run(producer="no uri"), "producer"),
        (without(a_run(), "schemaURL"), "schemaURL"),
        (a_run(run={"runId": "7"}), "run.runId"),
        (a_run(eventType="DONE"), "eventType"),
        (without(a_run(), "job", "namespace"), "job.namespace"),
        (a_run(inputs={}), "inputs"),
        (a_run(inputs=[{"namespace": "x"}]), r"inputs\[0\].name"),
        (a_run(inputs=[{"namespace": "x", "name": "y", "facets": {"own": {"a": 1}}}]), r"inputs\[0\].facets.own._producer"),
        (a_run(inputs=[{"namespace": "x", "name": "y", "facets": {"version": BASE}}]), "facets.version.datasetVersion"),
        (a_run(inputs=[{"namespace": "x", "name": "y", "facets": {"schema": {**BASE, "fields": [{"type": "INT"}]}}}]), r"fields\[0\].name"),
        (without(a_run(), "outputs", 0, "facets", "columnLineage", "fields", "amount", "inputFields"), "inputFields"),
        (without(a_run(), "outputs", 0, "facets", "columnLineage", "fields", "amount", "inputFields", 0, "field"), r"inputFields\[0\].field"),
        (a_run(dataset={"namespace": "x", "name": "y"}), "dataset"),
    ],
)
def test_what_is_no_event_is_refused_with_the_place(workspace, event, place):
    with pytest.raises(InputError, match=place):
        accept_event(workspace, event)
    assert kept(workspace) == 0


def test_job_and_dataset_events_are_told_apart():
    job = without(without(a_run(), "run"), "eventType")
    assert check_event(job) == "job"
    dataset = {name: job[name] for name in ("eventTime", "producer", "schemaURL")} | {"dataset": {"namespace": "x", "name": "y"}}
    assert check_event(dataset) == "dataset"
