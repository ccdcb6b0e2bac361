"""Trained models: what was trained on what, which one serves, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import desc, func, select

from pilotage.core import Conflict, InputError, NotFound, content_id
from pilotage.data.lineage import Edge, Node, record_edges
from pilotage.ledger import record
from pilotage.pipelines.tables import model_decision, trained_model
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class TrainedModel:
    """A trained model. ``training_set`` is a version's id; ``params`` the learner as declared; ``rows`` what it learned from; times in µs UTC."""

    id: str
    pipeline: str
    training_set: str
    kind: str
    params: Mapping[str, Any]
    blob: str
    rows: int
    created_at: int


@dataclass(frozen=True)
class ModelDecision:
    """Whether a challenger took over from a champion (None: there was none), why, and who decided."""

    number: int
    challenger: str
    champion: str | None
    promoted: bool
    reason: str
    comparison: Mapping[str, Any] | None
    decided_by: str
    decided_at: int


def keep_model(
    workspace: Workspace, *, pipeline: str, training_set: str, kind: str, params: Mapping[str, Any], model: bytes, rows: int
) -> TrainedModel:
    """Keep a trained model. The same bytes from the same training set are one model."""
    blob = workspace.blobs.put(model)
    model_id = content_id("mdl", {"pipeline": pipeline, "training_set": training_set, "params": dict(params), "blob": blob})

    def write(tx: WriteTransaction) -> None:
        mine = (trained_model.c.workspace_id == tx.workspace_id, trained_model.c.id == model_id)
        if tx.conn.execute(select(trained_model.c.id).where(*mine)).first() is not None:
            return
        values = {"pipeline": pipeline, "training_set": training_set, "kind": kind, "params": dict(params), "blob": blob, "rows": rows}
        tx.insert(trained_model, {"id": model_id, **values})
        record_edges(tx, [Edge(Node("version", training_set), Node("model", model_id), via="train")])
        record(tx, type="model.trained", subject=model_id, body=values)

    workspace.write(write)
    return load_model(workspace, model_id)


def load_model(workspace: Workspace, model_id: str) -> TrainedModel:
    """The model. Raises ``NotFound`` if there is none."""
    with workspace.read() as conn:
        row = conn.execute(select(trained_model).where(trained_model.c.workspace_id == workspace.id, trained_model.c.id == model_id)).first()
    if row is None:
        raise NotFound(f"There is no trained model {model_id}.", mend="see 'pilotage pipeline models'")
    return _model(row)


def models(workspace: Workspace, pipeline: str) -> list[TrainedModel]:
    """The pipeline's models, newest first."""
    mine = (trained_model.c.workspace_id == workspace.id, trained_model.c.pipeline == pipeline)
    with workspace.read() as conn:
        return [
            _model(row) for row in conn.execute(select(trained_model).where(*mine).order_by(desc(trained_model.c.created_at), trained_model.c.id))
        ]


def champion(workspace: Workspace, pipeline: str) -> TrainedModel | None:
    """The model that serves now, or None."""
    last = next((each for each in decisions(workspace, pipeline) if each.promoted), None)
    return None if last is None else load_model(workspace, last.challenger)


def decisions(workspace: Workspace, pipeline: str) -> list[ModelDecision]:
    """Who challenged whom and how it ended, newest first."""
    mine = (model_decision.c.workspace_id == workspace.id, model_decision.c.pipeline == pipeline)
    with workspace.read() as conn:
        rows = conn.execute(select(model_decision).where(*mine).order_by(desc(model_decision.c.number))).all()
    return [
        ModelDecision(
            number=row.number,
            challenger=row.challenger,
            champion=row.champion,
            promoted=row.promoted,
            reason=row.reason,
            comparison=row.comparison,
            decided_by=row.created_by,
            decided_at=row.created_at,
        )
        for row in rows
    ]


def record_decision(
    tx: WriteTransaction,
    *,
    pipeline: str,
    challenger: str,
    champion: str | None,
    promoted: bool,
    reason: str,
    comparison: Mapping[str, Any] | None,
) -> None:
    """Write down how a challenge ended; the same ending of the same challenge only once. Raises ``Conflict`` if another champion serves by now."""
    mine = (model_decision.c.workspace_id == tx.workspace_id, model_decision.c.pipeline == pipeline)
    ended = tx.conn.execute(
        select(model_decision.c.id).where(
            *mine,
            model_decision.c.challenger == challenger,
            model_decision.c.champion.is_not_distinct_from(champion),
            model_decision.c.promoted == promoted,
        )
    ).first()
    if ended is not None:
        return
    serving = tx.conn.execute(
        select(model_decision.c.challenger).where(*mine, model_decision.c.promoted).order_by(desc(model_decision.c.number)).limit(1)
    ).scalar()
    if serving != champion:
        raise Conflict(
            f"Another model of '{pipeline}' serves by now: {serving}.", why="the comparison was against another champion", mend="run it again"
        )
    number = int(tx.conn.execute(select(func.max(model_decision.c.number)).where(*mine)).scalar() or 0) + 1
    values = {"pipeline": pipeline, "number": number, "challenger": challenger, "champion": champion, "promoted": promoted, "reason": reason}
    tx.insert(model_decision, {"id": content_id("mdd", {"pipeline": pipeline, "number": number}), **values, "comparison": comparison})
    record(tx, type="model.promoted" if promoted else "model.kept", subject=challenger, body=values)


def promote(workspace: Workspace, pipeline: str, model_id: str, *, reason: str) -> None:
    """A person lets a model serve, whatever its challenge said. Who and why goes into the ledger. Raises ``InputError`` without a reason."""
    if not reason.strip():
        raise InputError("Promoting a model by hand needs a reason.", why="it goes into the ledger beside the figures it overrules")
    model = load_model(workspace, model_id)
    if model.pipeline != pipeline:
        raise InputError(f"The model {model_id} belongs to the pipeline '{model.pipeline}', not '{pipeline}'.")
    serving = champion(workspace, pipeline)
    if serving is not None and serving.id == model_id:
        raise Conflict(f"The model {model_id} serves already.")

    def write(tx: WriteTransaction) -> None:
        record_decision(
            tx, pipeline=pipeline, challenger=model_id, champion=serving.id if serving else None, promoted=True, reason=reason, comparison=None
        )

    workspace.write(write)


def _model(row: Any) -> TrainedModel:
    return TrainedModel(
        id=row.id,
        pipeline=row.pipeline,
        training_set=row.training_set,
        kind=row.kind,
        params=row.params,
        blob=row.blob,
        rows=row.rows,
        created_at=row.created_at,
    )
