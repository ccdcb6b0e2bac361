"""A window: rows a model has seen, with what it said of them and, where already known, what was true.

The unit of all monitoring: one window is the reference (rows the model was **not** trained on, labels known), another is what came in since.
Labels come late; a label that is not known yet is null on the way in and ``UNKNOWN`` here, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pilotage.core import InputError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int8]

UNKNOWN = -1


@dataclass(frozen=True)
class Window:
    """Rows of one stretch of time.

    features
        The columns the model reads, one row per case.
    scores
        Probability of the positive class, (n,) in [0, 1]; None where no model is watched.
    decisions
        What was decided, (n,) bool.
    labels
        What was true, (n,): 1, 0, or ``UNKNOWN`` (-1) while it is not known; None where no label is known at all.
    groups
        Group of each row, for :func:`~pilotage.monitoring.group_gaps`.
    digest
        Digest of the rows, where they come from a dataset version: how a reference that is the training data is recognised.
    """

    features: pa.Table
    scores: Floats | None = None
    decisions: Bools | None = None
    labels: Labels | None = None
    groups: tuple[str, ...] | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        rows = self.features.num_rows
        for name in ("scores", "decisions", "labels", "groups"):
            given = getattr(self, name)
            if given is not None and len(given) != rows:
                raise InputError(f"There are {len(given)} {name} for {rows} rows.", where="window", mend="one per row")
        if self.scores is not None:
            scores = np.asarray(self.scores, dtype=np.float64)
            if not np.all((scores >= 0) & (scores <= 1)):
                raise InputError(
                    "A score is missing or not between 0 and 1.",
                    where="window field 'scores'",
                    why="a score is the model's probability of the positive class",
                    mend="give probabilities; leave rows out that were not scored, and count them",
                )
            object.__setattr__(self, "scores", scores)
        if self.decisions is not None:
            object.__setattr__(self, "decisions", np.asarray(self.decisions, dtype=np.bool_))
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if not np.isin(labels, (0, 1, UNKNOWN)).all():
                raise InputError("A label is neither 0, 1 nor unknown (-1).", where="window field 'labels'")
            object.__setattr__(self, "labels", labels.astype(np.int8))

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.features.num_rows)

    @property
    def known(self) -> Bools:
        """Which rows have a label."""
        return np.zeros(self.n, dtype=np.bool_) if self.labels is None else self.labels != UNKNOWN

    def take(self, rows: npt.NDArray[Any]) -> Window:
        """These rows (a mask or indices) as a window."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        groups = None if self.groups is None else tuple(np.asarray(self.groups, dtype=object)[at])
        return Window(
            self.features.take(pa.array(at)),
            None if self.scores is None else self.scores[at],
            None if self.decisions is None else self.decisions[at],
            None if self.labels is None else self.labels[at],
            groups,
        )


def window(
    table: pa.Table,
    *,
    score: str | None = None,
    decision: str | None = None,
    label: str | None = None,
    group: str | None = None,
    leave_out: Iterable[str] = (),
    threshold: float = 0.5,
    digest: str | None = None,
) -> Window:
    """A window from a table whose columns these names say the meaning of; every other column is a feature.

    Without ``decision``, what was decided is ``score >= threshold``. ``leave_out``: keys, times and other columns the model does not read.
    Null labels are not known yet.

    Raises
    ------
    InputError
        If a named column is not there, a score is null or not in [0, 1], or a label is neither 0 nor 1.
    """
    special = [name for name in (score, decision, label, group) if name is not None]
    left_out = list(leave_out)
    for name in [*special, *left_out]:
        if name not in table.column_names:
            raise InputError(f"There is no column '{name}'.", where="window", mend=f"the columns are: {', '.join(table.column_names)}")
    scores = None if score is None else _numbers(table[score], score)
    decisions: Bools | None = None
    if decision is not None:
        decisions = _numbers(table[decision], decision) == 1.0
    elif scores is not None:
        decisions = scores >= threshold
    labels: Labels | None = None
    if label is not None:
        values = pc.cast(table[label], pa.float64()).to_numpy()
        nothing = pc.is_null(table[label]).to_numpy()
        if not np.isin(values[~nothing], (0.0, 1.0)).all():
            raise InputError("A label is neither 0 nor 1.", where=f"column '{label}'", mend="one window per class, one against the rest")
        labels = np.where(nothing, UNKNOWN, np.nan_to_num(values)).astype(np.int8)
    groups = None if group is None else tuple("(none)" if value is None else str(value) for value in table[group].to_pylist())
    features = table.drop_columns([*dict.fromkeys([*special, *left_out])])
    return Window(features, scores, decisions, labels, groups, digest)


def _numbers(column: pa.ChunkedArray, name: str) -> Floats:
    if column.null_count:
        raise InputError(f"{column.null_count} rows have no '{name}'.", where=f"column '{name}'", mend="leave these rows out, and count them")
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
