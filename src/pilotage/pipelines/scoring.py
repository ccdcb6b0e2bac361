"""Predictions: every row of the scored dataset once, by the champion of the moment, with the features it saw; and the windows monitoring compares.

The predictions are a table dataset of their own (one row a scored row), so they are versioned, gated and traced like any other data. Features are
kept with them as they were seen; labels are not: they are joined when they are known.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from pydantic import TypeAdapter

from pilotage.core import NotFound, canonical_json, content_id, iso, parse_duration
from pilotage.data import Card, Operation, load_version
from pilotage.data.contracts import Column, Contract
from pilotage.data.lineage import Edge, Node, record_edges
from pilotage.data.tabular import append_table, contract_of_version, publish_table, read_table, scan
from pilotage.features import FeatureView, TrainingSet, compute_features, load_training_set, view_of
from pilotage.pipelines.learning import Learner, Scorer, load
from pilotage.pipelines.pipeline import Pipeline
from pilotage.pipelines.registry import TrainedModel
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.monitoring import Window

_LEARNER: TypeAdapter[Any] = TypeAdapter(Learner)


@dataclass(frozen=True)
class Scored:
    """What a call scored: how many rows, and the version of the predictions (None where there was nothing new)."""

    rows: int
    version: str | None


def scorer_of(workspace: Workspace, model: TrainedModel, *, folder: Path) -> Scorer:
    """The model, ready to score the features of its training set."""
    training = load_training_set(workspace, model.training_set)
    learner = _LEARNER.validate_python(dict(model.params))
    return load(learner, workspace.blobs.get(model.blob), features=training.features, folder=folder)


def score_new_rows(workspace: Workspace, pipeline: Pipeline, model: TrainedModel, *, now_us: int) -> Scored:
    """Score the rows of the scored dataset that happened by ``now_us``, were available by then, and have no prediction yet."""
    config, training = pipeline.config, load_training_set(workspace, model.training_set)
    source = load_version(workspace, config.scoring.dataset)
    contract = contract_of_version(source)
    time, key = config.training.time, config.scoring.id
    rows = pl.DataFrame(read_table(workspace, source.id)).filter(pl.col(time).dt.timestamp("us") <= now_us)
    if contract.available_time is not None:
        rows = rows.filter(pl.col(contract.available_time).dt.timestamp("us") <= now_us)
    there = _predicted(workspace, pipeline)
    if there is not None:
        rows = rows.filter(~pl.col(key).is_in(there.implode()))
    if rows.is_empty():
        return Scored(0, None)
    rows = rows.sort(time, key)
    views = [view_of(workspace, each["ref"]) for each in training.record["views"]]
    # Named here, so that lineage says exactly what was read.
    sources = {view.source: load_version(workspace, view.source).id for view in views}
    computed = compute_features(workspace, rows, views=[view.ref for view in views], time=time, sources=sources)
    features = training.fitted.apply(computed.rows.select(computed.features))
    scores = scorer_of(workspace, model, folder=pipeline.folder).score(features.to_arrow())
    made = rows.select(pl.col(key).cast(pl.String).alias("id"), pl.col(time).alias("at")).with_columns(
        pl.Series("score", scores, dtype=pl.Float64),
        pl.lit(model.id).alias("model"),
        pl.lit(now_us).cast(pl.Datetime("us", "UTC")).alias("scored_at"),
        pl.Series("features", [canonical_json(row).decode() for row in features.iter_rows(named=True)]),
    )
    edges = _edges(model, made, source.id, [(view, sources[view.source]) for view in views], now_us=now_us)
    return _publish(workspace, pipeline, model, made.to_arrow(), card=source.card, subject_of=source.id, now_us=now_us, edges=edges)


def _edges(model: TrainedModel, made: pl.DataFrame, scored: str, views: Sequence[tuple[FeatureView, str]], *, now_us: int) -> list[Edge]:
    """What the predictions were made from: model, scored rows, views, and every version the views read.

    Of the scored rows the times are those of the predictions. A view looks back: as far as its longest window and its time to live, and without one
    to any row of the past.
    """
    said = Node("predictions", f"{model.id}/{iso(now_us)[:10]}")
    moments = made["at"].dt.timestamp("us")
    first, last = int(moments.min()), int(moments.max())  # type: ignore[arg-type]
    edges = [Edge(Node("model", model.id), said, via="score"), Edge(Node("version", scored), said, via="score", from_us=first, until_us=last)]
    for view, version in views:
        edges.append(Edge(Node("view", view.ref), said, via="score"))
        since: int | None = first - view.longest_window_us - view.tile_us
        if view.columns or view.request:
            since = None if view.ttl_us is None else min(since or first, first - view.ttl_us)
        times = (None, None) if since is None else (since, last)
        edges.append(Edge(Node("version", version), said, via=view.ref, from_us=times[0], until_us=times[1]))
    return edges


def _predicted(workspace: Workspace, pipeline: Pipeline) -> pl.Series | None:
    try:
        version = load_version(workspace, pipeline.predictions)
    except NotFound:
        return None
    return scan(workspace, version.id, columns=["id"]).collect()["id"]


def _publish(
    workspace: Workspace, pipeline: Pipeline, model: TrainedModel, rows: pa.Table, *, card: Card, subject_of: str, now_us: int, edges: list[Edge]
) -> Scored:
    params = {"pipeline": pipeline.name, "model": model.id, "of": subject_of, "at": str(now_us)}
    run_id = content_id("score", params)
    existing = _predicted(workspace, pipeline)
    if existing is None:
        version = publish_table(
            workspace,
            rows,
            dataset=pipeline.predictions,
            contract=_contract(pipeline),
            card=card,
            operation=Operation("score", params=params, counts={"added": rows.num_rows}),
            run_id=run_id,
        )
    else:
        version = append_table(workspace, pipeline.predictions, rows, operation=Operation("score", params=params), run_id=run_id)
    edges = [*edges, Edge(edges[0].child, Node("version", version.id), via="score")]
    workspace.write(lambda tx: record_edges(tx, edges))
    return Scored(rows.num_rows, version.id)


def _contract(pipeline: Pipeline) -> Contract:
    return Contract(
        name=pipeline.predictions,
        owner=pipeline.config.owner,
        description=f"What the models of the pipeline {pipeline.name} said, and the features they saw",
        columns={
            "id": Column(type="text"),
            "at": Column(type="timestamp"),
            "score": Column(type="float", minimum=0, maximum=1),
            "model": Column(type="text"),
            "scored_at": Column(type="timestamp"),
            "features": Column(type="object"),
        },
        key=("id",),
        event_time="at",
        available_time="scored_at",
    )


def held_out(workspace: Workspace, pipeline: Pipeline, training: TrainingSet, scorer: Scorer) -> Window:
    """The held-out rows of a training set, scored: the reference of monitoring, and what challengers are tried on."""
    from pilotage.monitoring import window

    rows = pl.DataFrame(read_table(workspace, training.version.id)).filter(pl.col("split") == "test")
    features = rows.select(training.features)
    table = features.with_columns(
        pl.Series("__score", scorer.score(features.to_arrow())), rows[training.label].cast(pl.Int8).alias("__label")
    ).to_arrow()
    return window(table, score="__score", label="__label", threshold=pipeline.config.challenge.threshold, digest=f"{training.version.digest}:test")


def recent_predictions(workspace: Workspace, pipeline: Pipeline, model: TrainedModel, *, now_us: int) -> Window | None:
    """What the model predicted for rows of the last ``watch.window``, with every label that is known by now; None where there is nothing."""
    from pilotage.monitoring import window

    config = pipeline.config
    since = now_us - parse_duration(config.watch.window)
    training = load_training_set(workspace, model.training_set)
    try:
        said = pl.DataFrame(read_table(workspace, pipeline.predictions))
    except NotFound:
        return None
    at = pl.col("at").dt.timestamp("us")
    said = said.filter(pl.col("model") == model.id, at > since, at <= now_us)
    if said.is_empty():
        return None
    features = pl.DataFrame([json.loads(text) for text in said["features"]], infer_schema_length=None).select(training.features)
    labels = said.select(pl.col("id")).join(_labels(workspace, pipeline, now_us=now_us), on="id", how="left", maintain_order="left")["__label"]
    table = features.with_columns(said["score"].alias("__score"), labels).to_arrow()
    return window(table, score="__score", label="__label", threshold=config.challenge.threshold)


def _labels(workspace: Workspace, pipeline: Pipeline, *, now_us: int) -> pl.DataFrame:
    """``id`` and ``__label`` of the spine's rows whose label was known at ``now_us``."""
    config = pipeline.config
    label = config.training.label
    spine = pl.DataFrame(read_table(workspace, config.training.spine))
    if label.available_time is not None:
        known = pl.col(label.available_time).dt.timestamp("us")
    else:
        known = pl.col(config.training.time).dt.timestamp("us") + parse_duration(label.available_lag or "0s")
    return spine.filter(known <= now_us).select(
        pl.col(config.scoring.id).cast(pl.String).alias("id"), pl.col(label.column).cast(pl.Int8).alias("__label")
    )


def count_labels_since(workspace: Workspace, pipeline: Pipeline, *, since_us: int, now_us: int) -> int:
    """How many labels became known after ``since_us``, by ``now_us``."""
    return _labels(workspace, pipeline, now_us=now_us).height - _labels(workspace, pipeline, now_us=since_us).height
