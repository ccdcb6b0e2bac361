"""Transforms that depend on the data: fitted on the training split only, kept as plain numbers with the training set, the same in batch and request.

``standardise`` (mean 0, standard deviation 1), ``min_max`` (0 to 1 over the training range), ``clip`` (to two quantiles), ``impute`` (mean, median,
most frequent or a constant), ``one_hot``, ``ordinal`` and ``frequency`` (share of the level among training rows; no target is looked at). They are
applied in the order in which they are declared; each is fitted on what the ones before it made.

Fitting does not depend on the order of rows or the number of workers: sums are correctly rounded (``math.fsum``), quantiles are order statistics
without interpolation. Applying is built from row expressions (:mod:`pilotage.features.expression`), so batch and request give the same bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import polars as pl

from pilotage.core import InputError, content_id
from pilotage.features.expression import Expression, call, col, lit
from pilotage.features.rows import kinds_of

TransformKind = Literal["standardise", "min_max", "clip", "impute", "one_hot", "ordinal", "frequency"]
KINDS: Final[tuple[str, ...]] = get_args(TransformKind)
MOST_LEVELS: Final = 200
NUMERIC: Final = frozenset({"standardise", "min_max", "clip"})
LEVELS: Final = frozenset({"one_hot", "ordinal", "frequency"})


@dataclass(frozen=True)
class Transform:
    """What to fit, declared.

    low, high
        For ``clip``: the quantiles, 0 to 1.
    strategy
        For ``impute``: mean, median, most_frequent or constant (with ``value``).
    most_levels
        For ``one_hot`` and ``ordinal``: the most frequent levels that get a place; the others are "other".
    """

    kind: TransformKind
    column: str
    low: float = 0.01
    high: float = 0.99
    strategy: Literal["mean", "median", "most_frequent", "constant"] = "median"
    value: float | int | str | bool | None = None
    most_levels: int = 50

    def __post_init__(self) -> None:
        where = f"transform of '{self.column}'"
        if self.kind not in KINDS:
            raise InputError(f"Unknown transform '{self.kind}'.", where=where, mend=f"use one of: {', '.join(KINDS)}")
        if not 0.0 <= self.low < self.high <= 1.0:
            raise InputError("clip needs two quantiles, 0 <= low < high <= 1.", where=where)
        if not 1 <= self.most_levels <= MOST_LEVELS:
            raise InputError(f"most_levels is 1 to {MOST_LEVELS}.", where=where)
        if (self.value is not None) != (self.kind == "impute" and self.strategy == "constant"):
            raise InputError("'value' belongs to impute with strategy constant, which needs it.", where=where)

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain data: what its kind uses."""
        used: dict[str, tuple[str, ...]] = {"clip": ("low", "high"), "one_hot": ("most_levels",), "ordinal": ("most_levels",)}
        names = used.get(self.kind, ("strategy", "value") if self.kind == "impute" else ())
        return {"kind": self.kind, "column": self.column, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class FittedStep:
    """One transform with what it learned. ``learned`` is plain JSON; ``columns`` are the columns that stand in place of ``column`` afterwards."""

    kind: str
    column: str
    learned: Mapping[str, Any]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class FittedTransforms:
    """Fitted transforms, in order. Plain data: they travel with the training set and with the model."""

    steps: tuple[FittedStep, ...] = ()

    @property
    def id(self) -> str:
        """The content id of what was learned."""
        return content_id("tf", self.to_dict())

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` transformed: the batch path. A column that becomes several is replaced where it stood."""
        for step in self.steps:
            if step.column not in frame.columns:
                raise InputError(f"There is no column '{step.column}' to transform.", mend=f"the columns are: {', '.join(frame.columns)}")
            made = _step_batch(step, frame)
            names = [part for name in frame.columns for part in (step.columns if name == step.column else (name,))]
            frame = frame.with_columns(made).select(names)
        return frame

    def apply_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One row transformed: the request path. The same bits as :meth:`apply`."""
        values = dict(row)
        for step in self.steps:
            if step.column not in values:
                raise InputError(f"There is no value '{step.column}' to transform.", mend=f"the values are: {', '.join(values)}")
            made = _step_row(step, values)
            values = {part: value for name, old in values.items() for part, value in (made.items() if name == step.column else ((name, old),))}
        return values

    def to_dict(self) -> dict[str, Any]:
        """The transforms as plain data."""
        return {
            "steps": [{"kind": each.kind, "column": each.column, "learned": dict(each.learned), "columns": list(each.columns)} for each in self.steps]
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> FittedTransforms:
        """The inverse of :meth:`to_dict`."""
        return cls(tuple(FittedStep(each["kind"], each["column"], each["learned"], tuple(each["columns"])) for each in value["steps"]))


def fit_transforms(frame: pl.DataFrame, transforms: Sequence[Transform]) -> FittedTransforms:
    """Fit ``transforms`` on ``frame``: give it the training split and nothing else.

    Raises
    ------
    InputError
        If a column is missing, has the wrong kind, or holds nothing to learn from.
    """
    fitted = FittedTransforms()
    for transform in transforms:
        where = f"transform '{transform.kind}' of '{transform.column}'"
        if transform.column not in frame.columns:
            raise InputError(f"There is no column '{transform.column}'.", where=where, mend=f"the columns are: {', '.join(frame.columns)}")
        step = _fit(frame[transform.column], transform, where)
        clash = sorted(set(step.columns) & (set(frame.columns) - {step.column}))
        if clash:
            raise InputError(f"The transform would make a column '{clash[0]}' that is there already.", where=where, mend="rename one of them")
        frame = FittedTransforms((step,)).apply(frame)
        fitted = FittedTransforms((*fitted.steps, step))
    return fitted


def _fit(series: pl.Series, transform: Transform, where: str) -> FittedStep:
    kind = kinds_of({"x": series.dtype})["x"]
    if transform.kind in NUMERIC or (transform.kind == "impute" and transform.strategy in ("mean", "median")):
        if kind not in ("int", "float", "bool"):
            raise InputError(f"The column is {kind}, not numbers.", where=where)
    elif kind not in ("int", "bool", "text", *(("float",) if transform.kind == "impute" else ())):
        raise InputError(f"The column is {kind}: it has no levels.", where=where)
    there = series.drop_nulls()
    if transform.value is not None:
        given = lit(transform.value).literal_kind
        if given != kind and not (given in ("int", "float") and kind in ("int", "float")):
            raise InputError(f"The constant {transform.value!r} is {given}, and the column is {kind}.", where=where)
    if not len(there) and not (transform.kind == "impute" and transform.strategy == "constant"):
        raise InputError("Every value of the training split is null.", where=where, why="there is nothing to learn from", mend="leave the column out")
    learned = _learned(there, transform, where)
    columns: tuple[str, ...] = (transform.column,)
    if transform.kind == "one_hot":
        columns = tuple(f"{transform.column}_{place}" for place in range(len(learned["levels"])))
    return FittedStep(transform.kind, transform.column, learned, columns)


def _learned(there: pl.Series, transform: Transform, where: str) -> dict[str, Any]:
    if transform.kind in LEVELS or (transform.kind == "impute" and transform.strategy == "most_frequent"):
        # Most frequent first, ties by the level itself: the same whatever the order of rows.
        counted = sorted(Counter(there.to_list()).items(), key=lambda item: (-item[1], item[0]))
        if transform.kind == "impute":
            return {"value": counted[0][0]}
        if transform.kind == "frequency":
            return {"levels": [level for level, _ in counted], "shares": [count / len(there) for _, count in counted]}
        return {"levels": [level for level, _ in counted[: transform.most_levels]]}
    if transform.kind == "impute" and transform.strategy == "constant":
        return {"value": transform.value}
    numbers = sorted(there.cast(pl.Float64).to_list())
    if transform.kind == "clip":
        return {"low": _order_statistic(numbers, transform.low), "high": _order_statistic(numbers, transform.high)}
    if transform.kind == "impute" and transform.strategy == "median":
        return {"value": _order_statistic(numbers, 0.5)}
    mean = math.fsum(numbers) / len(numbers)
    if transform.kind == "impute":
        return {"value": mean}
    if transform.kind == "min_max":
        low, high = numbers[0], numbers[-1]
        if not high > low:
            raise InputError("Every value of the training split is the same.", where=where, why="it has no range", mend="leave the column out")
        return {"low": low, "range": high - low}
    deviation = math.sqrt(math.fsum((number - mean) * (number - mean) for number in numbers) / len(numbers))
    if not deviation > 0.0:
        raise InputError("Every value of the training split is the same.", where=where, why="its deviation is 0", mend="leave the column out")
    return {"mean": mean, "deviation": deviation}


def _order_statistic(ordered: list[float], share: float) -> float:
    """The smallest value with at least ``share`` of all values at or below it."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _expression(step: FittedStep) -> Expression:
    x = col(step.column)
    learned = step.learned
    match step.kind:
        case "standardise":
            return (x - float(learned["mean"])) / float(learned["deviation"])
        case "min_max":
            return (x - float(learned["low"])) / float(learned["range"])
        case "clip":
            return call("clip", x, float(learned["low"]), float(learned["high"]))
    return call("coalesce", x, lit(learned["value"]))


def _step_batch(step: FittedStep, frame: pl.DataFrame) -> list[pl.Expr | pl.Series]:
    column = frame[step.column]
    kinds = kinds_of(frame.select(step.column).schema)
    if step.kind == "one_hot":
        return [
            (column == level).fill_null(False).cast(pl.Float64).alias(name) for name, level in zip(step.columns, step.learned["levels"], strict=True)
        ]
    if step.kind in LEVELS:
        levels = pl.Series(step.learned["levels"], dtype=column.dtype)
        return [
            column.replace_strict(levels, _numbers(step), default=_other(step), return_dtype=pl.Float64)
            .alias(step.column)
            .set(column.is_null(), None)
        ]
    return [_expression(step).to_polars(kinds).alias(step.column)]


def _step_row(step: FittedStep, values: Mapping[str, Any]) -> dict[str, Any]:
    value = values[step.column]
    if step.kind == "one_hot":
        return {name: float(value is not None and value == level) for name, level in zip(step.columns, step.learned["levels"], strict=True)}
    if step.kind in LEVELS:
        if value is None:
            return {step.column: None}
        places = dict(zip(step.learned["levels"], _numbers(step), strict=True))
        return {step.column: places.get(value, _other(step))}
    return {step.column: _expression(step).to_python()({step.column: value})}


def _numbers(step: FittedStep) -> list[float]:
    if step.kind == "frequency":
        return [float(share) for share in step.learned["shares"]]
    return [float(place) for place in range(len(step.learned["levels"]))]


def _other(step: FittedStep) -> float:
    """A level that was not among those learned: share 0, or the place after the last."""
    return 0.0 if step.kind == "frequency" else float(len(step.learned["levels"]))
