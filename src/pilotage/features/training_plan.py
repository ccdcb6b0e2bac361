"""A training set as a file declares it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pilotage.core import Declared, InputError, read_declared
from pilotage.features.expression import timestamp_us
from pilotage.features.split import Split
from pilotage.features.training_set import Label, TrainingSet, build_training_set
from pilotage.features.transforms import KINDS, Transform
from pilotage.store import Workspace

_FIELDS = ("name", "spine", "time", "label", "views", "as_of", "transforms", "split", "seed", "sources", "owner")


@dataclass(frozen=True)
class TrainingPlan:
    """What :func:`pilotage.features.build_training_set` is to be called with."""

    name: str
    spine: str
    time: str
    label: Label
    views: tuple[str, ...]
    as_of: int
    transforms: tuple[Transform, ...]
    split: Split
    seed: int
    sources: dict[str, str]
    owner: str


def load_training_plan(path: str | Path) -> TrainingPlan:
    """Read a plan.

    Example::

        name: fraud_training
        spine: transactions@3
        time: at
        label: {column: fraud, available_time: fraud_known_at}
        views: [card_activity@1]
        as_of: 2026-03-01T00:00:00Z
        transforms:
          - {kind: standardise, column: card_activity__spent_7d}
        split: {by: time, test: 0.2}
        seed: 7

    Raises
    ------
    InputError
        Naming file, line and field.
    """
    declared = read_declared(path)
    given = declared.mapping(known=_FIELDS, required=("name", "spine", "time", "label", "views", "as_of"))
    label = given["label"].mapping(known=("column", "available_time", "available_lag"), required=("column",))
    split = given["split"].mapping(known=("by", "validation", "test")) if "split" in given else {}
    return TrainingPlan(
        name=given["name"].text(),
        spine=given["spine"].text(),
        time=given["time"].text(),
        label=_made(given["label"], Label, {name: value.text() for name, value in label.items()}),
        views=tuple(each.text() for each in given["views"].entries()),
        as_of=_moment(given["as_of"]),
        transforms=tuple(_transform(each) for each in given["transforms"].entries()) if "transforms" in given else (),
        split=_made(
            given.get("split", declared),
            Split,
            {
                name: value.text(one_of=("time", "entity", "none")) if name == "by" else value.number(at_least=0, at_most=1)
                for name, value in split.items()
            },
        ),
        seed=given["seed"].whole() if "seed" in given else 0,
        sources={name: each.text() for name, each in given["sources"].value.items()} if "sources" in given else {},
        owner=given["owner"].text() if "owner" in given else "",
    )


def build_from_plan(workspace: Workspace, plan: TrainingPlan) -> TrainingSet:
    """Build the training set that ``plan`` declares."""
    return build_training_set(workspace, **{each.name: getattr(plan, each.name) for each in fields(plan)})


def _transform(declared: Declared) -> Transform:
    given = declared.mapping(known=tuple(each.name for each in fields(Transform)), required=("kind", "column"))
    plain: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("low", "high"):
            plain[name] = value.number()
        elif name == "most_levels":
            plain[name] = value.whole(at_least=1)
        elif name == "value":
            plain[name] = value.value
        else:
            plain[name] = value.text(
                one_of=KINDS if name == "kind" else ("mean", "median", "most_frequent", "constant") if name == "strategy" else ()
            )
    made: Transform = _made(declared, Transform, plain)
    return made


def _moment(declared: Declared) -> int:
    try:
        return timestamp_us(dt.datetime.fromisoformat(declared.text()))
    except ValueError:
        declared.refuse("Not a moment.", mend="write 2026-03-01T00:00:00Z")
    except InputError as error:
        declared.refuse(error.what, why=error.why, mend="write 2026-03-01T00:00:00Z")


def _made(declared: Declared, kind: type[Any], plain: dict[str, Any]) -> Any:
    try:
        return kind(**plain)
    except InputError as error:
        raise InputError(error.what, where=f"{declared.where}{': ' + error.where if error.where else ''}", why=error.why, mend=error.mend) from error
