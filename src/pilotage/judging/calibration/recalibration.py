"""Mending a confidence that is off: five ways, chosen by how well they do on items they were not fitted on.

temperature (one number: sharper or flatter), Platt (slope and shift of the log-odds), beta (lets the two ends differ), isotonic (any rising
curve; needs 1,000 items) and Venn-Abers (two isotonic fits an item, whose spread says how sure the mending is). The choice is the lowest
cross-fitted log loss; the table of all is kept. "Leave it as it is" is in the table for comparison and is never chosen: routing on a raw
confidence is refused, and a confidence that was right already comes out of a fit as good as unchanged.

The items fitted on cannot certify: their ids are kept as digests and :func:`Recalibrator.apply_to` refuses them.

References: Guo et al. (2017); Platt (1999); Kull, Silva Filho & Flach (2017) for beta; Zadrozny & Elkan (2002) for isotonic; Vovk, Petej &
Fedorova (2015) for inductive Venn-Abers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from pilotage.core import InputError, IntegrityError, Refused, content_id, sha256_hex
from pilotage.judging.calibration.fitting import logistic
from pilotage.judging.calibration.monotone import isotonic_steps, venn_abers_steps
from pilotage.judging.calibration.sample import Sample, logit

Floats = NDArray[np.float64]

METHODS = ("temperature", "platt", "beta", "isotonic", "venn_abers")
ENOUGH_FOR_ISOTONIC = 1_000
ENOUGH_TO_FIT = 100
FOLDS = 5
_LEAST = 1e-6


@dataclass(frozen=True)
class Candidate:
    """One way in the table: its cross-fitted log loss (nats an item) with its standard error, and Brier score; or why it was not tried."""

    method: str
    log_loss: float | None
    standard_error: float | None
    brier: float | None
    chosen: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Recalibrator:
    """A fitted curve from raw confidence to a mended one. Plain numbers: it goes to JSON and back, byte for byte.

    parameters
        temperature ``{"slope": …}``; platt ``{"slope", "intercept"}``; beta ``{"a", "b", "c"}``; isotonic ``{"x", "y"}``; venn_abers
        ``{"x", "p0", "p1"}``.
    fitted_on
        Digests of the ids it was fitted on, sorted; empty if the sample had none.
    """

    method: str
    parameters: Mapping[str, float | tuple[float, ...]]
    model: str
    n: int
    table: tuple[Candidate, ...] = ()
    fitted_on: tuple[str, ...] = ()

    def apply(self, confidence: ArrayLike) -> Floats:
        """The mended confidence, same shape, in [0, 1].

        Raises
        ------
        InputError
            If a confidence is outside [0, 1] or NaN.
        """
        raw = np.asarray(confidence, dtype=np.float64)
        if not ((raw >= 0) & (raw <= 1)).all():
            raise InputError("A confidence is outside [0, 1] or NaN.", why="a recalibrator maps probabilities to probabilities")
        return np.asarray(np.clip(_curve(self.method, self.parameters, raw), 0.0, 1.0))

    def spread(self, confidence: ArrayLike) -> Floats | None:
        """Venn-Abers: how far its two probabilities lie apart, per item; None for the others."""
        if self.method != "venn_abers":
            return None
        low, high = _both(self.parameters, np.asarray(confidence, dtype=np.float64))
        return high - low

    def apply_to(self, sample: Sample) -> Sample:
        """``sample`` under the mended confidence.

        Raises
        ------
        Refused
            If it holds items this was fitted on, or is of another model, or was already mended.
        """
        if sample.model != self.model:
            raise Refused(f"This recalibrator is '{self.model}'s, and the sample is of '{sample.model}'.", mend="fit one on outputs of that model")
        if sample.recalibrated_by is not None:
            raise Refused("The sample's confidence was already recalibrated.", mend="begin from the raw confidence")
        self.refuse_fitted(sample)
        return sample.with_confidence(self.apply(sample.confidence), recalibrated_by=self.hash)

    def refuse_fitted(self, sample: Sample) -> None:
        """Refuse a sample that shares items with those fitted on, or cannot show that it does not."""
        if not self.fitted_on:
            raise Refused(
                "It is not known which items this recalibrator was fitted on.",
                why="what was fitted on an item looks better on it than on new ones",
                mend="fit it on a sample with ids",
            )
        known = set(self.fitted_on)
        used = {each for each in sample.ids or () if id_digest(each) in known}
        sample.disjoint_from(used or {"\0"}, used_for="fitting the recalibrator")

    @cached_property
    def hash(self) -> str:
        """Content id: the same curve of the same model is the same recalibrator."""
        return content_id(
            "recal", {"method": self.method, "parameters": _plain(self.parameters), "model": self.model, "fitted_on": list(self.fitted_on)}
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data with its hash."""
        return {
            "hash": self.hash,
            "method": self.method,
            "parameters": _plain(self.parameters),
            "model": self.model,
            "n": self.n,
            "table": [vars(each).copy() for each in self.table],
            "fitted_on": list(self.fitted_on),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Recalibrator:
        """Read back what :meth:`to_dict` wrote.

        Raises
        ------
        InputError
            If a field is missing or the method unknown.
        IntegrityError
            If the record does not have the hash it says.
        """
        try:
            method = record["method"]
            held = {
                name: tuple(float(each) for each in value) if isinstance(value, Sequence) else float(value)
                for name, value in record["parameters"].items()
            }
            made = cls(
                method=method,
                parameters=held,
                model=record["model"],
                n=int(record["n"]),
                table=tuple(Candidate(**each) for each in record["table"]),
                fitted_on=tuple(record["fitted_on"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"This is no recalibrator: {error}.") from error
        if method not in METHODS or set(held) != set(_PARAMETERS[method]):
            raise InputError(f"There is no recalibration '{method}' with {', '.join(sorted(held))}.", mend=f"one of: {', '.join(METHODS)}")
        if record.get("hash") != made.hash:
            raise IntegrityError("A recalibrator does not match its own hash.", why="its curve was changed after it was fitted")
        return made


_PARAMETERS = {
    "temperature": ("slope",),
    "platt": ("slope", "intercept"),
    "beta": ("a", "b", "c"),
    "isotonic": ("x", "y"),
    "venn_abers": ("x", "p0", "p1"),
}


def recalibrate(sample: Sample, *, methods: Iterable[str] = METHODS, folds: int = FOLDS, seed: int = 0) -> Recalibrator:
    """The best of ``methods`` on ``sample`` by cross-fitted log loss, fitted on all of it.

    Raises
    ------
    Refused
        If the sample has fewer than 100 items or no ids, only right or only wrong outputs, or a confidence that was already mended.
    InputError
        On an unknown method, among them leaving the confidence as it is.
    """
    wanted = list(dict.fromkeys(methods))
    unknown = [each for each in wanted if each not in METHODS]
    if unknown or not wanted:
        raise InputError(
            f"There is no recalibration '{unknown[0] if unknown else ''}'.",
            why="routing on raw confidence is refused" if unknown[:1] in (["raw"], ["none"], ["identity"]) else None,
            mend=f"any of: {', '.join(METHODS)}",
        )
    _fit_to_fit(sample)
    table = compare(sample, methods=wanted, folds=folds, seed=seed)
    chosen = next(each.method for each in table if each.chosen)
    return Recalibrator(
        method=chosen,
        parameters=_fitted(chosen, sample.confidence, sample.correct, sample.weights),
        model=sample.model,
        n=sample.n,
        table=table,
        fitted_on=tuple(sorted(id_digest(each) for each in sample.ids or ())),
    )


def compare(sample: Sample, *, methods: Iterable[str] = METHODS, folds: int = FOLDS, seed: int = 0) -> tuple[Candidate, ...]:
    """The table: every way with its cross-fitted losses, best first; ``raw`` among them and never chosen."""
    found: list[Candidate] = []
    losses: dict[str, Floats] = {}
    for method in (*methods, "raw"):
        if method == "isotonic" and sample.n < ENOUGH_FOR_ISOTONIC:
            found.append(Candidate(method, None, None, None, reason=f"needs {ENOUGH_FOR_ISOTONIC} items, there are {sample.n}"))
            continue
        mended = sample.confidence if method == "raw" else cross_fitted(sample, method, folds=folds, seed=seed)
        losses[method] = log_losses(mended, sample.correct)
        brier = float(np.average((mended - sample.correct) ** 2, weights=sample.weights))
        mean = float(np.average(losses[method], weights=sample.weights))
        error = float(np.sqrt(np.sum((sample.weights * (losses[method] - mean)) ** 2)) / sample.weights.sum())
        found.append(Candidate(method, mean, error, brier))
    tried = [each for each in found if each.log_loss is not None and each.method != "raw"]
    if not tried:
        raise Refused("None of the ways asked for can be fitted on so few items.", mend="ask for temperature, Platt, beta or Venn-Abers as well")
    best = min(tried, key=lambda each: each.log_loss or 0.0)
    ordered = sorted(found, key=lambda each: np.inf if each.log_loss is None else each.log_loss)
    return tuple(Candidate(**{**vars(each), "chosen": each is best}) for each in ordered)


def cross_fitted(sample: Sample, method: str, *, folds: int = FOLDS, seed: int = 0) -> Floats:
    """Each item's confidence as mended by a fit on the other folds."""
    fold = np.random.default_rng(seed).permutation(sample.n) % folds
    mended = np.empty(sample.n)
    for number in range(folds):
        inside = fold == number
        rest = ~inside
        fitted = _fitted(method, sample.confidence[rest], sample.correct[rest], sample.weights[rest])
        mended[inside] = _curve(method, fitted, sample.confidence[inside])
    return np.clip(mended, 0.0, 1.0)


def log_losses(confidence: Floats, correct: Floats) -> Floats:
    """Log loss of each item in nats; a confidence of exactly 0 or 1 is held at 1e-6 from it, so one surprise costs 13.8 and not infinity."""
    held = np.clip(confidence, _LEAST, 1 - _LEAST)
    return np.asarray(-(correct * np.log(held) + (1 - correct) * np.log1p(-held)))


def id_digest(item_id: str) -> str:
    """What is kept of an id: enough to recognise it, and not the id itself, which may name a person."""
    return sha256_hex(item_id.encode())[:24]


def _fit_to_fit(sample: Sample) -> None:
    if sample.recalibrated_by is not None:
        raise Refused("The sample's confidence was already recalibrated.", mend="begin from the raw confidence")
    if sample.n < ENOUGH_TO_FIT:
        raise Refused(f"{sample.n} items are too few to fit on.", mend=f"at least {ENOUGH_TO_FIT}")
    if sample.ids is None:
        raise Refused("The sample has no item ids.", why="so nothing could show that other items certify", mend="give the ids")
    if float(np.ptp(sample.correct)) == 0.0:
        raise Refused(
            f"Every output is {'right' if sample.correct[0] == 1 else 'wrong'}.", why="there is nothing to fit a curve to", mend="label more"
        )


def _fitted(method: str, p: Floats, y: Floats, weights: Floats) -> dict[str, float | tuple[float, ...]]:
    w = weights / weights.mean()
    if method in ("temperature", "platt"):
        line = logit(p)
        if method == "temperature":
            fit = logistic(line[:, None], y, w)
            # A falling curve would turn the ranking round: confidence that misleads is flattened, not reversed.
            return {"slope": 1.0 if fit.problem else max(0.0, float(fit.coefficients[0]))}
        fit = logistic(np.column_stack([line, np.ones(len(p))]), y, w)
        if fit.problem:
            return {"slope": 1.0, "intercept": 0.0}
        if fit.coefficients[0] < 0:
            return {"slope": 0.0, "intercept": float(logit(np.array([np.average(y, weights=w)]))[0])}
        return {"slope": float(fit.coefficients[0]), "intercept": float(fit.coefficients[1])}
    if method == "beta":
        return _beta(p, y, w)
    if method == "isotonic":
        x, values = isotonic_steps(p, y, w)
        return {"x": tuple(x.tolist()), "y": tuple(values.tolist())}
    x, low, high = venn_abers_steps(p, y, w)
    return {"x": tuple(x.tolist()), "p0": tuple(low.tolist()), "p1": tuple(high.tolist())}


def _beta(p: Floats, y: Floats, w: Floats) -> dict[str, float | tuple[float, ...]]:
    """a ln p - b ln(1 - p) + c with a, b ≥ 0; one that would be negative is dropped and the rest fitted again."""
    held = np.clip(p, _LEAST, 1 - _LEAST)
    columns = {"a": np.log(held), "b": -np.log1p(-held), "c": np.ones(len(p))}
    names = ["a", "b", "c"]
    while True:
        fit = logistic(np.column_stack([columns[name] for name in names]), y, w)
        if fit.problem:
            return {"a": 1.0, "b": 1.0, "c": 0.0}
        found = dict(zip(names, fit.coefficients.tolist(), strict=True))
        negative = [name for name in ("a", "b") if found.get(name, 0.0) < 0]
        if not negative:
            return {name: found.get(name, 0.0) for name in ("a", "b", "c")}
        names.remove(min(negative, key=lambda name: found[name]))


def _curve(method: str, parameters: Mapping[str, Any], p: Floats) -> Floats:
    if method == "temperature":
        return np.asarray(expit(parameters["slope"] * logit(p)))
    if method == "platt":
        return np.asarray(expit(parameters["slope"] * logit(p) + parameters["intercept"]))
    if method == "beta":
        held = np.clip(p, _LEAST, 1 - _LEAST)
        return np.asarray(expit(parameters["a"] * np.log(held) - parameters["b"] * np.log1p(-held) + parameters["c"]))
    if method == "isotonic":
        return np.asarray(np.interp(p, parameters["x"], parameters["y"]))
    low, high = _both(parameters, p)
    return high / (1 - low + high)


def _both(parameters: Mapping[str, Any], p: Floats) -> tuple[Floats, Floats]:
    """The two probabilities: with the item added as wrong (from the step at or below it) and as right (from the step at or above it)."""
    x, low, high = (np.asarray(parameters[name]) for name in ("x", "p0", "p1"))
    below, above = np.searchsorted(x, p, side="right") - 1, np.searchsorted(x, p, side="left")
    return (
        np.where(below >= 0, low[np.maximum(below, 0)], 0.0),
        np.where(above < len(x), high[np.minimum(above, len(x) - 1)], 1.0),
    )


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}
