"""The labelled sample a verdict on confidence stands on, and what is refused before anything is measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilotage.core import InputError, Refused, digest

ENOUGH_FOR_A_VERDICT = 500
ENOUGH_FOR_A_SLICE = 50
_EPSILON = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """Outputs of one model with the confidence it gave and whether it was right, drawn from production with known probabilities.

    Make it with :meth:`of`, which checks. Arrays have one entry an item and are read-only.

    confidence
        In [0, 1]: what the model (or its recalibrator) says the probability is that its output is right.
    correct
        1 right, 0 wrong; anything between is the share of raters who said "right" (soft truth).
    inclusion
        The probability, in (0, 1], with which the item came into the sample; None: all alike.
    slices
        Value of each item per dimension: ``{"language": array(["de", …]), …}``.
    ids
        Item ids; needed to show that fitting and certifying used other items.
    model
        What is routed: name and version, as the routing policy will know it.
    labelled_by
        Who said right or wrong. The routed model itself is refused.
    votes, probabilities
        Vote counts and the model's distribution over the same K classes, (n, K); only for comparing distributions (DistCE).
    recalibrated_by
        Hash of the recalibrator that made ``confidence``; None: raw.
    """

    confidence: Floats
    correct: Floats
    model: str
    labelled_by: tuple[str, ...]
    ids: tuple[str, ...] | None = None
    inclusion: Floats | None = None
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    votes: Floats | None = None
    probabilities: Floats | None = None
    recalibrated_by: str | None = None

    @classmethod
    def of(
        cls,
        confidence: ArrayLike,
        correct: ArrayLike | None = None,
        *,
        model: str,
        labelled_by: str | Iterable[str],
        ids: Iterable[str] | None = None,
        inclusion: ArrayLike | None = None,
        slices: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
        votes: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> Sample:
        """A checked sample. Without ``correct``, it is the share of ``votes`` for the class of highest probability.

        Raises
        ------
        InputError
            On lengths that differ, confidence or correctness outside [0, 1] or NaN, an inclusion probability outside (0, 1], a doubled id.
        Refused
            If all confidences are the same, or the routed model is among those who labelled.
        """
        p = _column(confidence, "confidence")
        n = len(p)
        if n == 0:
            raise InputError("The sample is empty.", mend="label items drawn from production first")
        _inside(p, "confidence", "a confidence is a probability; scores and log-odds must be turned into one first")
        counts, shares = _distributions(votes, probabilities, n)
        if correct is None:
            if counts is None or shares is None:
                raise InputError("The sample does not say what was right.", mend="give 'correct', or 'votes' and 'probabilities'")
            y = counts[np.arange(n), shares.argmax(axis=1)] / counts.sum(axis=1)
        else:
            y = _column(correct, "correct")
        _same_length(y, n, "correct")
        _inside(y, "correct", "1 is right, 0 is wrong, anything between is the share of raters who said right")
        if n > 1 and float(np.ptp(p)) == 0.0:
            raise Refused(
                f"All {n} confidences are {p[0]:g}.",
                why="a confidence that never changes cannot tell what to route",
                mend="use a confidence that differs between outputs (token probabilities, self-consistency, a verifier)",
            )
        by = (labelled_by,) if isinstance(labelled_by, str) else tuple(labelled_by)
        if not by:
            raise InputError("The sample does not say who labelled it.", mend="labelled_by: people, a rule, an executable check")
        if model in by:
            raise Refused(
                f"'{model}' labelled its own outputs.",
                why="a model that judges itself shares its own blind spots, so its confidence would look better than it is",
                mend="have people, a check that runs, or another model that was held to people label the sample",
            )
        return cls(
            confidence=_frozen(p),
            correct=_frozen(y),
            model=model,
            labelled_by=by,
            ids=_ids(ids, n),
            inclusion=_inclusion(inclusion, n),
            slices=_slices(slices, n),
            votes=counts,
            probabilities=shares,
        )

    @property
    def n(self) -> int:
        """Items."""
        return len(self.confidence)

    @cached_property
    def weights(self) -> Floats:
        """1 / inclusion, scaled to mean 1."""
        if self.inclusion is None:
            return np.ones(self.n)
        weights = 1.0 / self.inclusion
        return weights / float(weights.mean())

    @property
    def equal_weights(self) -> bool:
        """Whether every item stands for as many others."""
        return self.inclusion is None or float(np.ptp(self.inclusion)) == 0.0

    @property
    def binary(self) -> bool:
        """Whether each item is either right or wrong (no soft truth)."""
        return bool(np.isin(self.correct, (0.0, 1.0)).all())

    @property
    def effective_n(self) -> float:
        """Kish's effective number of items under the weights."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    @property
    def wrong(self) -> Floats:
        """1 - correct."""
        return 1.0 - self.correct

    @cached_property
    def logits(self) -> Floats:
        """Log-odds of the confidence, held within ±13.8 so that a confidence of exactly 0 or 1 stays finite."""
        return logit(self.confidence)

    @property
    def content(self) -> list[Any]:
        """Everything the digest is of, as plain data: :meth:`from_content` reads it back. Votes and probabilities are not in it."""
        inclusion = [] if self.inclusion is None else self.inclusion.tolist()
        slices = {name: values.tolist() for name, values in self.slices.items()}
        return [self.model, self.confidence.tolist(), self.correct.tolist(), inclusion, slices, list(self.ids or ()), list(self.labelled_by)]

    @classmethod
    def from_content(cls, content: Sequence[Any]) -> Sample:
        """The sample that :attr:`content` was taken of, checked anew."""
        model, confidence, correct, inclusion, slices, ids, labelled_by = content
        return cls.of(confidence, correct, model=model, labelled_by=labelled_by, ids=ids or None, inclusion=inclusion or None, slices=slices)

    @cached_property
    def digest(self) -> str:
        """What the sample holds, as one digest: the same numbers give the same digest."""
        return digest(self.content)

    def where(self, chosen: ArrayLike) -> Sample:
        """The items of a boolean mask or of indices, in that order. Nothing is checked again: a slice may have one confidence only."""
        given = np.asarray(chosen)
        rows = np.flatnonzero(given) if given.dtype == bool else given.astype(np.intp)

        def pick(column: Floats | None) -> Floats | None:
            return None if column is None else _frozen(column[rows])

        return replace(
            self,
            confidence=_frozen(self.confidence[rows]),
            correct=_frozen(self.correct[rows]),
            inclusion=pick(self.inclusion),
            ids=None if self.ids is None else tuple(self.ids[row] for row in rows),
            slices={name: values[rows] for name, values in self.slices.items()},
            votes=pick(self.votes),
            probabilities=pick(self.probabilities),
        )

    def with_confidence(self, confidence: Floats, *, recalibrated_by: str) -> Sample:
        """The same items under another confidence."""
        _inside(confidence, "confidence", "a recalibrator answers with a probability")
        return replace(self, confidence=_frozen(confidence), recalibrated_by=recalibrated_by)

    def slice_names(self) -> list[tuple[str, str]]:
        """Every (dimension, value) there is, sorted."""
        return [(name, str(value)) for name in sorted(self.slices) for value in np.unique(self.slices[name])]

    def in_slice(self, dimension: str, value: str) -> NDArray[np.bool_]:
        """Which items have ``value`` there; none where the sample has no such dimension."""
        if dimension not in self.slices:
            return np.zeros(self.n, dtype=bool)
        return np.asarray(self.slices[dimension] == value)

    def enough(self, least: int = ENOUGH_FOR_A_VERDICT) -> None:
        """Refuse fewer than ``least`` items.

        Raises
        ------
        Refused
            With how many are missing.
        """
        if self.n < least:
            raise Refused(
                f"{self.n} labelled items are too few for a verdict.",
                why=f"below {least} the noise of the calibration error is as large as the errors that matter",
                mend=f"label {least - self.n} more, drawn from production",
            )

    def disjoint_from(self, ids: Collection[str], *, used_for: str) -> None:
        """Refuse items that were already used for something else.

        Raises
        ------
        Refused
            With how many there are, or because the sample has no ids and so nothing can be shown.
        """
        if not ids:
            return
        if self.ids is None:
            raise Refused(f"The sample has no item ids, so it cannot be shown that none was used for {used_for}.", mend="give the ids")
        common = sorted(set(self.ids) & set(ids))
        if common:
            raise Refused(
                f"{len(common)} of {self.n} items were already used for {used_for}, '{common[0]}' among them.",
                why="what was fitted on an item looks better on it than on new ones",
                mend="certify on items that nothing was fitted on or chosen by",
            )


def logit(p: Floats) -> Floats:
    """Log-odds, held within ±13.8."""
    held = np.clip(p, _EPSILON, 1 - _EPSILON)
    return np.asarray(np.log(held) - np.log1p(-held))


def _column(values: ArrayLike, name: str) -> Floats:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("Not every value is a number.", where=f"column '{name}'") from error
    if column.ndim != 1:
        raise InputError(f"One value an item is needed, not an array of shape {column.shape}.", where=f"column '{name}'")
    return column


def _inside(values: Floats, name: str, why: str) -> None:
    bad = np.flatnonzero(~((values >= 0) & (values <= 1)))  # also catches NaN
    if len(bad):
        raise InputError(f"{values[bad[0]]:g} is outside [0, 1] ({len(bad)} such items).", where=f"column '{name}', item {bad[0]}", why=why)


def _same_length(values: Any, n: int, name: str) -> None:
    if len(values) != n:
        raise InputError(f"{len(values)} values for {n} confidences.", where=f"column '{name}'")


def _ids(ids: Iterable[str] | None, n: int) -> tuple[str, ...] | None:
    if ids is None:
        return None
    listed = tuple(str(each) for each in ids)
    _same_length(listed, n, "ids")
    if len(set(listed)) < n:
        seen: set[str] = set()
        twice = next(each for each in listed if each in seen or seen.add(each))  # type: ignore[func-returns-value]
        raise InputError(f"'{twice}' is there twice.", where="column 'ids'", why="an item that counts twice makes every interval too narrow")
    return listed


def _inclusion(inclusion: ArrayLike | None, n: int) -> Floats | None:
    if inclusion is None:
        return None
    column = np.full(n, float(inclusion)) if np.ndim(inclusion) == 0 else _column(inclusion, "inclusion")  # type: ignore[arg-type]
    _same_length(column, n, "inclusion")
    bad = np.flatnonzero(~((column > 0) & (column <= 1)))
    if len(bad):
        raise InputError(
            f"{column[bad[0]]:g} is no inclusion probability.",
            where=f"column 'inclusion', item {bad[0]}",
            why="an item that could not have been drawn stands for nothing, and one drawn for sure has 1",
        )
    return _frozen(column)


def _slices(slices: Mapping[str, Sequence[Any] | NDArray[Any]] | None, n: int) -> dict[str, NDArray[np.str_]]:
    made: dict[str, NDArray[np.str_]] = {}
    for name, values in (slices or {}).items():
        _same_length(values, n, name)
        column = np.array([str(value) for value in values], dtype=np.str_)
        column.setflags(write=False)
        made[str(name)] = column
    return made


def _distributions(votes: ArrayLike | None, probabilities: ArrayLike | None, n: int) -> tuple[Floats | None, Floats | None]:
    if votes is None and probabilities is None:
        return None, None
    if votes is None or probabilities is None:
        raise InputError("Votes and the model's probabilities go together.", mend="give both, over the same classes in the same order")
    counts, shares = np.array(votes, dtype=np.float64), np.array(probabilities, dtype=np.float64)
    if counts.ndim != 2 or counts.shape != shares.shape or len(counts) != n:
        raise InputError(f"Votes of shape {counts.shape} and probabilities of shape {shares.shape} for {n} items.", mend="both are (items, classes)")
    if not (np.isfinite(counts).all() and (counts >= 0).all() and (counts.sum(axis=1) > 0).all()):
        raise InputError("Every item needs votes, and no count is below 0.", where="votes")
    if not (np.isfinite(shares).all() and (shares >= 0).all() and np.allclose(shares.sum(axis=1), 1, atol=1e-3)):
        raise InputError("The model's probabilities of an item do not sum to 1.", where="probabilities")
    return _frozen(counts), _frozen(shares)


def _frozen(column: Floats) -> Floats:
    made = np.array(column, dtype=np.float64)
    made.setflags(write=False)
    return made
