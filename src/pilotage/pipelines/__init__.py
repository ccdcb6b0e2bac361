"""Unattended pipelines: from deliveries to a model that is better than the one before, and held where a gate fails.

A pipeline is declared in one file (:func:`load_pipeline`). Each tick (:func:`run_pipeline`) takes in what was delivered, diagnoses the champion's
recent predictions, decides on that evidence whether to train (:class:`RetrainPolicy`: triggers, cool-down, budget), builds a training set, trains a
challenger, tries it against the champion on rows neither learned from (:func:`challenge`) and scores what is new. It is a durable workflow
(:mod:`.workflow`): leased, fenced, idempotent; ``kill -9`` anywhere and the next call goes on. What needs a person waits for one: held batches,
proposals, and, where so declared, promotion.

Needs the extra ``[tables]``.
"""

from pilotage.core import require

require("polars", extra="tables")

from pilotage.pipelines.challenging import Challenge, challenge  # noqa: E402
from pilotage.pipelines.deliveries import Delivered, deliveries, take_deliveries  # noqa: E402
from pilotage.pipelines.learning import Logistic, Program, Scorer  # noqa: E402
from pilotage.pipelines.pipeline import Pipeline, PipelineConfig, load_pipeline  # noqa: E402
from pilotage.pipelines.registry import ModelDecision, TrainedModel, champion, decisions, load_model, models, promote  # noqa: E402
from pilotage.pipelines.running import plan, retraining_decisions, run_pipeline  # noqa: E402
from pilotage.pipelines.triggers import Decision, RetrainPolicy, Situation, Trigger, decide  # noqa: E402
from pilotage.pipelines.withdrawing import WithdrawnEverywhere, withdraw  # noqa: E402
from pilotage.pipelines.workflow import Hold, RunRecord, Step, StepContext, StepRecord, advance, load_run, retry, runs  # noqa: E402

__all__ = [
    "Challenge",
    "Decision",
    "Delivered",
    "Hold",
    "Logistic",
    "ModelDecision",
    "Pipeline",
    "PipelineConfig",
    "Program",
    "RetrainPolicy",
    "RunRecord",
    "Scorer",
    "Situation",
    "Step",
    "StepContext",
    "StepRecord",
    "TrainedModel",
    "Trigger",
    "WithdrawnEverywhere",
    "advance",
    "challenge",
    "champion",
    "decide",
    "decisions",
    "deliveries",
    "load_model",
    "load_pipeline",
    "load_run",
    "models",
    "plan",
    "promote",
    "retraining_decisions",
    "retry",
    "run_pipeline",
    "runs",
    "take_deliveries",
    "withdraw",
]
