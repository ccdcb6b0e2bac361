"""The pipeline file: sources, views, training, when to train again, and what a challenger must beat. The file is the whole truth.

Paths are relative to the file's folder. Every default is visible in what :func:`load_pipeline` returns; runs are held to the hash of the declaration
they were begun under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pilotage.core import InputError, digest, fit, parse_duration, read_declared, sha256_hex
from pilotage.pipelines.challenging import Metric
from pilotage.pipelines.learning import Learner, Logistic
from pilotage.pipelines.triggers import RetrainPolicy


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _duration(value: str) -> str:
    try:
        parse_duration(value)
    except InputError as error:
        raise ValueError(error.what) from error
    return value


class Feed(_Strict):
    """A source and how its deliveries come.

    source
        The source's file (:func:`pilotage.data.ingest.load_source`).
    deliveries
        A folder whose files are taken in the order of their names; None where the source itself says where its rows are.
    due, deadline
        A delivery is expected every ``due``; so long after it was due it is missing. None: never missing.
    when_missing
        ``hold`` the run, or ``go_on`` with what is there.
    give_up_after
        A delivery that failed so often is set aside as poisoned, and the run goes on without it.
    """

    source: str
    deliveries: str | None = None
    due: str | None = None
    deadline: str = "0s"
    when_missing: Literal["hold", "go_on"] = "hold"
    give_up_after: int = Field(default=3, ge=1)

    @field_validator("due", "deadline")
    @classmethod
    def _durations(cls, value: str | None) -> str | None:
        return None if value is None else _duration(value)


class LabelConfig(_Strict):
    """The column to learn, and the column that says when it became known, or how long that takes."""

    column: str
    available_time: str | None = None
    available_lag: str | None = None


class Scoring(_Strict):
    """Which rows the champion scores: every row of ``dataset``, named by its column ``id``, with the spine's columns for entities, time and request.

    The spine has the same ``id``, so that a prediction finds its label once that is known.
    """

    dataset: str
    id: str = "id"


class SplitConfig(_Strict):
    """How much of the end of the training window is held out: for the challenge, and as the reference of monitoring."""

    by: Literal["time", "entity"] = "time"
    test: float = Field(default=0.25, gt=0, lt=1)


class Training(_Strict):
    """What models are trained on.

    spine
        The dataset with one row a decision: entities, ``time``, the label, and what requests carry.
    transforms
        As in :class:`pilotage.features.Transform`, fitted on the training part only.
    """

    name: str
    spine: str
    time: str
    label: LabelConfig
    transforms: tuple[Mapping[str, Any], ...] = ()
    split: SplitConfig = SplitConfig()
    seed: int = 0


class ChallengeConfig(_Strict):
    """What a challenger must beat: ``metric`` by more than ``margin`` on the held-out rows. ``promotion``: by itself, or only by a person."""

    metric: Metric = "roc_auc"
    margin: float = 0.0
    threshold: float = Field(default=0.5, gt=0, lt=1)
    promotion: Literal["automatic", "person"] = "automatic"


class Watching(_Strict):
    """How the champion is watched: ``metric`` that may not fall by more than ``harm``, over the predictions of the last ``window``."""

    metric: Literal["accuracy", "precision", "recall", "f1", "specificity", "auc"] = "auc"
    harm: float = Field(default=0.03, gt=0, lt=1)
    window: str = "14d"
    min_rows: int = Field(default=300, ge=50)

    @field_validator("window")
    @classmethod
    def _durations(cls, value: str) -> str:
        return _duration(value)


class PipelineConfig(_Strict):
    """A pipeline as declared."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9_-]{0,62}")
    owner: str = Field(min_length=1)
    every: str = "1d"
    feeds: tuple[Feed, ...] = Field(min_length=1)
    views: tuple[str, ...] = Field(min_length=1)
    training: Training
    scoring: Scoring
    model: Learner = Logistic()
    retrain: RetrainPolicy = RetrainPolicy()
    challenge: ChallengeConfig = ChallengeConfig()
    watch: Watching = Watching()

    @field_validator("every")
    @classmethod
    def _durations(cls, value: str) -> str:
        return _duration(value)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline: what its file declares, the folder its paths start from, and the hash of both file and the files it names."""

    config: PipelineConfig
    folder: Path
    hash: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    @property
    def predictions(self) -> str:
        """The dataset its champion's predictions are kept in."""
        return f"{self.config.name}-predictions"

    def path(self, name: str) -> Path:
        """A path of the file, from the file's folder."""
        return self.folder / name


def load_pipeline(path: str | Path) -> Pipeline:
    """Read and check a pipeline file.

    Raises
    ------
    NotFound
        If it, or a file it names, is not there.
    InputError
        Naming file, line and field of what does not fit.
    """
    declared = read_declared(path)
    config = fit(declared, PipelineConfig)
    folder = Path(path).resolve().parent
    named = sorted({*(feed.source for feed in config.feeds), *config.views})
    for name in named:
        if not (folder / name).is_file():
            raise InputError(f"The pipeline names a file that is not there: '{name}'.", where=str(path), mend="paths start at the pipeline's folder")
    files = {name: sha256_hex((folder / name).read_bytes()) for name in named}
    return Pipeline(config, folder, digest({"config": config.model_dump(mode="json"), "files": files}))
