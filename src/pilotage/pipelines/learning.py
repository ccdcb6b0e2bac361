"""Models a pipeline can train: a logistic regression of our own making, or any program that reads Parquet and writes a file.

A trained model is bytes that are never executed: JSON for the built-in kind, and for a program whatever it wrote, which only that program reads
again. Nothing is pickled. Training the same rows with the same parameters and seed gives the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from pilotage.core import InputError, Unavailable, canonical_json

Floats = npt.NDArray[np.float64]
_SHOWN = 2_000
_SEEN = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")


class Logistic(BaseModel):
    """Logistic regression with an L2 penalty, on standardised columns.

    ``strength`` is the inverse of the penalty (scikit-learn's C); ``balanced`` weighs both classes alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["logistic"] = "logistic"
    strength: float = Field(default=1.0, gt=0)
    balanced: bool = False


class Program(BaseModel):
    """A program of the user's own.

    ``train`` is run with the variables ``PILOTAGE_ROWS`` (Parquet: the feature columns and ``label``), ``PILOTAGE_MODEL`` (the file to write) and
    ``PILOTAGE_SEED``; ``score`` with ``PILOTAGE_ROWS`` (the feature columns), ``PILOTAGE_MODEL`` and ``PILOTAGE_SCORES`` (Parquet to write: one
    column ``score``, one probability a row, in order). Both are argument lists, run without a shell, in the pipeline file's folder. They see
    ``PATH``, ``HOME``, ``LANG``, ``TMPDIR``, ``PYTHONPATH`` and what ``environment`` names: our own secrets are not theirs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["program"]
    train: tuple[str, ...] = Field(min_length=1)
    score: tuple[str, ...] = Field(min_length=1)
    timeout_s: float = Field(default=3600, gt=0)
    environment: tuple[str, ...] = ()


Learner = Annotated[Logistic | Program, Field(discriminator="kind")]


class Scorer(Protocol):
    """A trained model: probabilities of the positive class for rows of its columns."""

    def score(self, rows: pa.Table) -> Floats:
        """One probability a row, (n,) in [0, 1]."""
        ...


def train(learner: Logistic | Program, rows: pa.Table, *, features: Sequence[str], label: str, seed: int, folder: Path) -> bytes:
    """The model's bytes, trained on ``rows``.

    Raises
    ------
    InputError
        If a row has no label, a feature has nulls or is not a number (transform it), or there is only one class.
    Unavailable
        If the program cannot be run, fails, or takes too long.
    """
    labels = _labels(rows, label)
    if isinstance(learner, Program):
        return _run_training(learner, rows.select(features).append_column("label", pa.array(labels)), seed=seed, folder=folder)
    from sklearn.linear_model import LogisticRegression

    values = _matrix(rows, features)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1.0  # a constant column tells nothing; dividing by 1 leaves it at 0
    model = LogisticRegression(C=learner.strength, class_weight="balanced" if learner.balanced else None, max_iter=2000, tol=1e-8, random_state=seed)
    model.fit((values - mean) / scale, labels)
    return canonical_json(
        {
            "kind": "logistic",
            "features": list(features),
            "mean": mean.tolist(),
            "scale": scale.tolist(),
            "weights": model.coef_[0].tolist(),
            "intercept": float(model.intercept_[0]),
        }
    )


def load(learner: Logistic | Program, model: bytes, *, features: Sequence[str], folder: Path) -> Scorer:
    """The trained model, ready to score. Raises ``InputError`` if the bytes are not one of this kind and these features."""
    if isinstance(learner, Program):
        return _ProgramScorer(learner, model, tuple(features), folder)
    stored = json.loads(model)
    if stored.get("kind") != "logistic" or stored["features"] != list(features):
        raise InputError("These bytes are no logistic regression over these features.", where=", ".join(features))
    return _LogisticScorer(
        tuple(stored["features"]), np.array(stored["mean"]), np.array(stored["scale"]), np.array(stored["weights"]), float(stored["intercept"])
    )


@dataclass(frozen=True)
class _LogisticScorer:
    features: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def score(self, rows: pa.Table) -> Floats:
        # Column after column, so that a row's score does not depend on how many rows are scored with it.
        values = _matrix(rows, self.features)
        total = np.full(len(values), self.intercept)
        for index in range(len(self.features)):
            total += (values[:, index] - self.mean[index]) / self.scale[index] * self.weights[index]
        away = np.exp(-np.abs(total))  # of the smaller side, so that nothing overflows
        return np.asarray(np.where(total >= 0, 1.0, away) / (1.0 + away), dtype=np.float64)


@dataclass(frozen=True)
class _ProgramScorer:
    program: Program
    model: bytes
    features: tuple[str, ...]
    folder: Path

    def score(self, rows: pa.Table) -> Floats:
        with tempfile.TemporaryDirectory(prefix="pilotage-score-") as place:
            given, model, scores = (Path(place) / name for name in ("rows.parquet", "model", "scores.parquet"))
            pq.write_table(rows.select(self.features), given)
            model.write_bytes(self.model)
            _run(self.program, self.program.score, self.folder, PILOTAGE_ROWS=given, PILOTAGE_MODEL=model, PILOTAGE_SCORES=scores)
            if not scores.is_file():
                raise Unavailable("The scoring program wrote no scores.", where=" ".join(self.program.score), mend="write the file PILOTAGE_SCORES")
            made = pq.read_table(scores)
        if made.column_names != ["score"] or made.num_rows != rows.num_rows or made["score"].null_count:
            raise InputError(
                f"The scoring program gave {made.num_rows} rows of {made.column_names} for {rows.num_rows} rows.",
                where=" ".join(self.program.score),
                mend="write one column 'score', one probability a row, in order",
            )
        values = np.asarray(pc.cast(made["score"], pa.float64()).to_numpy(), dtype=np.float64)
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError("The scoring program gave a score outside 0 to 1.", where=" ".join(self.program.score))
        return values


def _run_training(program: Program, rows: pa.Table, *, seed: int, folder: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="pilotage-train-") as place:
        given, model = Path(place) / "rows.parquet", Path(place) / "model"
        pq.write_table(rows, given)
        _run(program, program.train, folder, PILOTAGE_ROWS=given, PILOTAGE_MODEL=model, PILOTAGE_SEED=seed)
        if not model.is_file():
            raise Unavailable("The training program wrote no model.", where=" ".join(program.train), mend="write the file PILOTAGE_MODEL")
        return model.read_bytes()


def _run(program: Program, arguments: Sequence[str], folder: Path, **variables: Path | int) -> None:
    seen = {name: os.environ[name] for name in (*_SEEN, *program.environment) if name in os.environ}
    environment = seen | {name: str(value) for name, value in variables.items()}
    command = " ".join(arguments)
    try:
        done = subprocess.run(list(arguments), cwd=folder, env=environment, capture_output=True, timeout=program.timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"The program took longer than {program.timeout_s:g} s and was stopped.", where=command, mend="raise timeout_s") from None
    except OSError as error:
        raise Unavailable(f"The program cannot be run: {error.strerror}.", where=command, mend="check its path and permissions") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-_SHOWN:]
        raise Unavailable(f"The program failed with code {done.returncode}.", where=command, why=said or "it said nothing on standard error")


def _labels(rows: pa.Table, label: str) -> npt.NDArray[np.int8]:
    column = rows[label]
    if column.null_count:
        raise InputError(f"{column.null_count} rows have no label.", where=f"column '{label}'", mend="leave them out, and count them")
    values = np.asarray(pc.cast(column, pa.float64()).to_numpy())
    if not np.isin(values, (0.0, 1.0)).all():
        raise InputError("A label is neither 0 nor 1.", where=f"column '{label}'")
    if len(np.unique(values)) < 2:
        raise InputError(
            "All rows have the same label.", where=f"column '{label}'", why="there is nothing to learn", mend="widen the training window"
        )
    return values.astype(np.int8)


def _matrix(rows: pa.Table, features: Sequence[str]) -> Floats:
    columns = []
    for name in features:
        column = rows[name]
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
            raise InputError(f"The feature '{name}' is {column.type}, not a number.", where=f"column '{name}'", mend="encode it with a transform")
        if column.null_count:
            raise InputError(f"The feature '{name}' is null in {column.null_count} rows.", where=f"column '{name}'", mend="add an impute transform")
        columns.append(np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64))
    return np.column_stack(columns) if columns else np.empty((rows.num_rows, 0))
