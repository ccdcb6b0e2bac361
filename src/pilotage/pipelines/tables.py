"""Tables of pipelines: runs and their steps, trained models, who beat whom, and when retraining was triggered."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

# One row a run. Whoever holds the lease works on it; ``fence`` grows with every change of hands, and a result is written only under the fence it
# was worked out under.
workflow_run = table(
    "workflow_run",
    Column("pipeline", Text, nullable=False),
    Column("key", Text, nullable=False),  # what makes it this run and no other: a tick of the schedule, say
    Column("declared", Text, nullable=False),  # hash of the pipeline's declaration
    Column("state", Text, nullable=False),  # running | held | failed | done | superseded
    Column("reason", Text),
    Column("holder", Text),
    Column("lease_until", BigInteger, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("ended_at", BigInteger),
    UniqueConstraint("workspace_id", "pipeline", "key"),
    Index("ix_workflow_run_created", "workspace_id", "pipeline", "created_at", "id"),
)

workflow_step = table(
    "workflow_step",
    Column("run_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("inputs", Text, nullable=False),  # hash of what it was given
    Column("state", Text, nullable=False),  # done | held | failed
    Column("tries", Integer, nullable=False),
    Column("result", JsonText),
    Column("reason", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    key=("run_id", "name"),
)

# A file of a feed's folder and what became of it. ``state``: done | held | failing | poisoned | discarded.
pipeline_delivery = table(
    "pipeline_delivery",
    Column("state", Text, nullable=False),
    Column("batch_id", Text),
    Column("contract_id", Text),
    Column("tries", Integer, nullable=False),
    Column("reason", Text),
    Column("taken_at", BigInteger, nullable=False),
    Index("ix_pipeline_delivery_taken", "workspace_id", "pipeline", "taken_at", "source", "name"),
    key=("pipeline", "source", "name"),
)

# Immutable: what was trained, on what, how. Which one serves is the last row of ``model_decision`` that promoted one.
trained_model = table(
    "trained_model",
    Column("pipeline", Text, nullable=False),
    Column("training_set", Text, nullable=False),  # id of the version
    Column("kind", Text, nullable=False),
    Column("params", JsonText, nullable=False),
    Column("blob", Text, nullable=False),  # the model itself, as JSON
    Column("rows", BigInteger, nullable=False),
    Index("ix_trained_model_pipeline", "workspace_id", "pipeline", "created_at"),
)

model_decision = table(
    "model_decision",
    Column("pipeline", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("challenger", Text, nullable=False),
    Column("champion", Text),  # the one that served until then
    Column("promoted", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("comparison", JsonText),
    UniqueConstraint("workspace_id", "pipeline", "number"),
)

retraining_decision = table(
    "retraining_decision",
    Column("pipeline", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("fired", Boolean, nullable=False),
    Column("triggers", JsonText, nullable=False),  # each: name, fired, figure, limit, why
    Column("held_back_by", Text),  # cool-down or budget
    Column("report", Text),  # id of the monitoring report it stood on
    Index("ix_retraining_decision_pipeline", "workspace_id", "pipeline", "created_at"),
    Index("ix_retraining_decision_report", "workspace_id", "report"),
)
