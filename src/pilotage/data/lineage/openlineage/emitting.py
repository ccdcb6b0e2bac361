"""Our versions as OpenLineage events: for each one the START and the COMPLETE of the run that made it.

Datasets are named ``pilotage`` / the dataset's name; the ``version`` facet carries the version's id, so an event that comes back finds it again. What
OpenLineage has no facet for (digest, counts, licence, purposes) stands in ``pilotage_version``, whose schema is in the documentation.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from pilotage import __version__
from pilotage.data.catalogue import load_version, versions
from pilotage.data.lineage.openlineage.accepting import NAMESPACE
from pilotage.data.lineage.tables import lineage_edge
from pilotage.data.version import Version
from pilotage.store import Workspace

PRODUCER = f"https://pilotage.readthedocs.io/{__version__}"
SPECIFICATION = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_FACETS = "https://openlineage.io/spec/facets"
OWN_FACET = "https://pilotage.readthedocs.io/openlineage/pilotage-version.json#/$defs/PilotageVersionDatasetFacet"
_RUNS = uuid.UUID("6f1a4c1e-2f43-5d0c-9f0a-0d1d3a8c5b11")


def events(workspace: Workspace, *refs: str) -> Iterator[dict[str, Any]]:
    """Two run events for each of these versions (default: every version, oldest first): START, then COMPLETE with facets.

    Run ids are made from the version's id, so sending the same events again names the same runs.
    """
    chosen = [load_version(workspace, ref) for ref in refs] if refs else sorted(versions(workspace), key=lambda each: (each.created_at, each.number))
    for version in chosen:
        parents = [load_version(workspace, parent) for parent in version.parents]
        base = {
            "eventTime": datetime.fromtimestamp(version.created_at / 1_000_000, UTC).isoformat().replace("+00:00", "Z"),
            "producer": PRODUCER,
            "schemaURL": f"{SPECIFICATION}#/$defs/RunEvent",
            "job": {
                "namespace": NAMESPACE,
                "name": f"{version.dataset}.{version.operation.name}",
                "facets": {"jobType": _facet("2-0-4/JobTypeJobFacet", processingType="BATCH", integration="PILOTAGE", jobType="JOB")},
            },
        }
        run = {
            "runId": str(uuid.uuid5(_RUNS, version.id)),
            "facets": {"processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", name="pilotage", version=version.operation.code_version)},
        }
        inputs = [_input(parent) for parent in parents]
        yield {**base, "eventType": "START", "run": run, "inputs": inputs, "outputs": []}
        yield {**base, "eventType": "COMPLETE", "run": run, "inputs": inputs, "outputs": [_output(workspace, version, parents)]}


def _input(version: Version) -> dict[str, Any]:
    return {
        "namespace": NAMESPACE,
        "name": version.dataset,
        "facets": _facets(version),
        "inputFacets": {"inputStatistics": _facet("1-0-0/InputStatisticsInputDatasetFacet", rowCount=version.rows)},
    }


def _output(workspace: Workspace, version: Version, parents: list[Version]) -> dict[str, Any]:
    columns = _column_lineage(workspace, version, parents)
    facets = _facets(version) | ({"columnLineage": _facet("1-2-0/ColumnLineageDatasetFacet", fields=columns)} if columns else {})
    facets["lifecycleStateChange"] = _facet(
        "1-0-1/LifecycleStateChangeDatasetFacet", lifecycleStateChange="CREATE" if version.number == 1 else "ALTER"
    )
    return {
        "namespace": NAMESPACE,
        "name": version.dataset,
        "facets": facets,
        "outputFacets": {"outputStatistics": _facet("1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=version.rows)},
    }


def _facets(version: Version) -> dict[str, Any]:
    own = {
        "_producer": PRODUCER,
        "_schemaURL": OWN_FACET,
        "digest": version.digest,
        "number": version.number,
        "kind": version.kind,
        "licence": version.card.licence,
        "purposes": list(version.card.purposes),
        "counts": dict(version.operation.counts),
    }
    facets = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=version.id), "pilotage_version": own}
    if version.fields:
        fields = [{"name": name, "type": rule.type, "ordinal_position": place} for place, (name, rule) in enumerate(version.fields.items(), start=1)]
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet", fields=fields)
    return facets


def _column_lineage(workspace: Workspace, version: Version, parents: list[Version]) -> dict[str, Any]:
    names = {parent.id: parent.dataset for parent in parents}
    edge = lineage_edge.c
    mine = (edge.workspace_id == workspace.id, edge.child_kind == "version", edge.child_id == version.id, edge.parent_kind == "version")
    with workspace.read() as conn:
        rows = conn.execute(select(edge.parent_id, edge.columns).where(*mine).order_by(edge.id)).all()
    fields: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for parent_id, columns in rows:
        if parent_id in names:
            for origin in columns:
                fields.setdefault(origin["child"], {"inputFields": []})["inputFields"].append(_input_field(names[parent_id], origin))
    return fields


def _input_field(dataset: str, origin: Mapping[str, str]) -> dict[str, Any]:
    step = {"type": origin["how"], "subtype": origin["subtype"], "description": origin["text"], "masking": False}
    return {"namespace": NAMESPACE, "name": dataset, "field": origin["parent"], "transformations": [step]}


def _facet(schema: str, **fields: Any) -> dict[str, Any]:
    name = schema.rpartition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{schema}.json#/$defs/{name}", **fields}
