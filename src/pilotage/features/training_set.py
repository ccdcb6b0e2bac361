"""Training sets: a spine of rows with a moment and a label each, and their features as known at that moment; built again, the same bytes.

A training set is a version of a table dataset. Its operation records everything it was made from (the spine's version, ``as_of``, the label's delay,
each view's hash and its source's version, the split, the seed and the fitted transforms), and :func:`rebuild_training_set` makes it again from that
record and compares digests.

What is promised: only versions that passed their gate are read; no feature was computed from what was not known at the row's moment (checked, see
:mod:`pilotage.features.point_in_time`); a label is used only where it was known at ``as_of``; every row of the spine that is left out is counted and
has its reason; transforms saw the training split only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pilotage.core import InputError, Refused, canonical_json, iso, parse_duration
from pilotage.data import Card, Operation, Version, load_version
from pilotage.data.contracts import Column, Contract, contracts, put_contract
from pilotage.data.lineage import ColumnOrigin, Node
from pilotage.data.quality import require_passed
from pilotage.data.tabular import contract_of_version, publish_table, read_table, scan
from pilotage.features.definition import FeatureView
from pilotage.features.point_in_time import point_in_time
from pilotage.features.registry import registered_view
from pilotage.features.rows import check_keys, check_source, kinds_of, microseconds
from pilotage.features.split import TRAIN, Split
from pilotage.features.transforms import FittedTransforms, Transform, fit_transforms
from pilotage.store import Workspace

SPINE_ROW, SPLIT = "spine_row", "split"
OPERATION = "training_set"


@dataclass(frozen=True)
class Label:
    """The column to learn, and when its value becomes known.

    available_time
        The spine's column that says when; null there: not yet known.
    available_lag
        Or how long after the row's moment: ``"7d"``. ``"0s"`` says, explicitly, at once.
    """

    column: str
    available_time: str | None = None
    available_lag: str | None = None

    def __post_init__(self) -> None:
        if (self.available_time is None) == (self.available_lag is None):
            raise InputError(
                "A label says when it becomes known: by a column or by a lag, one of the two.",
                where=f"label '{self.column}'",
                why="labels of the last days are not yet known, and those rows would all look harmless",
                mend="add available_time: <column>, or available_lag: '7d' ('0s' if it is known at once)",
            )
        if self.available_lag is not None:
            parse_duration(self.available_lag, where=f"label '{self.column}'")

    def to_dict(self) -> dict[str, Any]:
        """The label as plain data."""
        return {"column": self.column, "available_time": self.available_time, "available_lag": self.available_lag}


@dataclass(frozen=True)
class TrainingSet:
    """A training set: the version of its rows, the record of what it was made from, and the transforms that go with the model."""

    version: Version
    record: Mapping[str, Any]
    fitted: FittedTransforms

    @property
    def features(self) -> tuple[str, ...]:
        """The columns a model learns from, in their order."""
        return tuple(self.record["features"])

    @property
    def label(self) -> str:
        """The column to learn."""
        return str(self.record["label"]["column"])

    @property
    def left_out(self) -> Mapping[str, int]:
        """Reason -> how many rows of the spine."""
        found: Mapping[str, int] = self.record["left_out"]
        return found

    def __str__(self) -> str:
        gone = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items() if count)
        return (
            f"{self.version.ref}: {self.version.rows} rows, {len(self.features)} features, label {self.label}{f'; left out: {gone}' if gone else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The training set as plain data, without its rows."""
        return {"version": self.version.to_dict(), "record": dict(self.record), "transforms": self.fitted.to_dict()}


@dataclass(frozen=True)
class Rebuilt:
    """Whether building again gave the same rows. ``digest`` is what it gave, ``expected`` what the version has."""

    same: bool
    digest: str
    expected: str
    version: Version


@dataclass(frozen=True)
class _View:
    view: FeatureView
    source: Version

    def prefixed(self, name: str) -> str:
        return f"{self.view.name}__{name}"


def build_training_set(
    workspace: Workspace,
    *,
    name: str,
    spine: str,
    time: str,
    label: Label,
    views: Sequence[str],
    as_of: int,
    transforms: Sequence[Transform] = (),
    split: Split | None = None,
    seed: int = 0,
    sources: Mapping[str, str] | None = None,
    card: Card | None = None,
    owner: str = "",
) -> TrainingSet:
    """Build a training set and publish it as a version of the table dataset ``name``.

    The rows have ``spine_row`` (their place in the spine), ``split``, the entities, the moment, the label, and for each view its features, named
    ``<view>__<feature>``. Building the same again finds the version that is there.

    Parameters
    ----------
    spine
        Ref of a table version: one row a decision, with the entities, a moment and the label.
    time
        Its column of moments.
    views
        Refs of registered views, ``name@version``; the entities must be columns of the spine.
    as_of
        The moment (µs since the epoch) as of which labels are taken. Rows after it, and rows whose label was not yet known, are left out and counted.
    split
        Default: by time, the last fifth tests.
    sources
        View's source -> the ref of the version to read. Default: the latest.
    card
        Default: the spine's card.

    Raises
    ------
    Refused
        If a version has not passed its gate, ``as_of`` lies in the future, or the label is among the features.
    NotFound
        If a view is not registered, or there is no such version.
    InputError
        If columns are missing or do not fit, or no row is left.

    Cost: one point-in-time join a view (see there), and the rows in memory.
    """
    if as_of > workspace.clock.now_us():
        raise Refused(
            f"as_of lies in the future: {iso(as_of)}.",
            why="what will be known then is not known now, and the set could not be built again to the same rows",
            mend="use a moment that has passed",
        )
    split = split or Split()
    spine_version = load_version(workspace, spine)
    require_passed(workspace, spine_version)
    found = _views(workspace, views, sources or {})
    frame = pl.DataFrame(read_table(workspace, spine_version.id)).with_row_index(SPINE_ROW).with_columns(pl.col(SPINE_ROW).cast(pl.Int64))
    _require_no_label_inside(found, label, spine_version)
    _require_free_names(frame, found)
    kept, gone = _with_known_labels(frame, label, time=time, as_of=as_of)
    if not kept.height:
        raise InputError(
            f"No row of {spine_version.ref} has a label that was known at {iso(as_of)}.",
            where=", ".join(f"{count} {reason}" for reason, count in gone.items()),
            mend="use a later as_of, or look at the label's delay",
        )
    entities = list(dict.fromkeys(key for each in found for key in each.view.entity))
    check_keys(kept, tuple(entities), what=f"spine {spine_version.ref}")
    made, features = _features(workspace, kept, found, time=time)
    made = made.with_columns(split.assign(moments=microseconds(made, time, what="spine"), entities=made.select(entities), seed=seed).alias(SPLIT))
    fitted = fit_transforms(made.filter(pl.col(SPLIT) == TRAIN).select(features), transforms)
    transformed = fitted.apply(made.select(features))
    spine_contract = contract_of_version(spine_version)
    # The person a row is about stays in it, so that a withdrawal finds the training set's rows too.
    subject = [spine_contract.subject] if spine_contract.subject is not None else []
    table = (
        made.select(list(dict.fromkeys([SPINE_ROW, SPLIT, *entities, *subject, time, label.column])))
        .hstack(transformed.get_columns())
        .sort(SPINE_ROW)
    )
    record = {
        "spine": {"id": spine_version.id, "ref": spine_version.ref, "digest": spine_version.digest},
        "time": time,
        "entities": entities,
        "label": label.to_dict(),
        "as_of": str(as_of),
        "views": [
            {"ref": each.view.ref, "hash": each.view.hash, "source": {"id": each.source.id, "ref": each.source.ref, "digest": each.source.digest}}
            for each in found
        ],
        "transforms": [each.to_dict() for each in transforms],
        "fitted": fitted.to_dict(),
        "transforms_id": fitted.id,
        "split": split.to_dict(),
        "features": list(transformed.columns),
        "left_out": dict(gone),
    }
    canonical_json(record)
    version = publish_table(
        workspace,
        table.to_arrow(),
        dataset=name,
        contract=_kept(workspace, _contract(name, table, time=time, entities=entities, label=label, spine=spine_contract, owner=owner)),
        card=card or spine_version.card,
        operation=Operation(
            name=OPERATION,
            params=record,
            counts={"in": frame.height, "changed": kept.height, "dropped": frame.height - kept.height},
            seed=seed,
        ),
        parents=list(dict.fromkeys([spine_version.id, *(each.source.id for each in found)])),
        origins=_origins(spine_version, kept.columns[1:], found, fitted, names=table.columns),
    )
    return TrainingSet(version=version, record=record, fitted=fitted)


def _origins(
    spine: Version, spine_columns: Sequence[str], views: Sequence[_View], fitted: FittedTransforms, *, names: Sequence[str]
) -> dict[Node, list[ColumnOrigin]]:
    """For lineage: where each column of the training set comes from. The spine's are as they were; a feature comes from its view and its source.

    A feature that a transform made into several columns is the origin of each of them.
    """

    def became(name: str) -> list[str]:
        columns = [name]
        for step in fitted.steps:
            columns = [part for column in columns for part in (step.columns if column == step.column else (column,))]
        return columns

    found: dict[Node, list[ColumnOrigin]] = {Node("version", spine.id): [ColumnOrigin(name, name) for name in names if name in spine_columns]}
    for each in views:
        of_view = found.setdefault(Node("view", each.view.ref), [])
        of_source = found.setdefault(Node("version", each.source.id), [])
        origins = each.view.origins()
        for name in each.view.features:
            mine = [origin for origin in origins if origin.child == name]
            text = next((origin.text for origin in mine if origin.text), "")
            for child in became(each.prefixed(name)):
                of_source += [replace(origin, child=child) for origin in mine]
                of_view.append(ColumnOrigin(child, name, text=text))
                of_view += [replace(origin, child=child) for origin in mine if origin.how == "INDIRECT"]
    return {node: list(dict.fromkeys(origins)) for node, origins in found.items()}


@dataclass(frozen=True)
class Computed:
    """Rows with their features, ``<view>__<feature>``, and the names of these."""

    rows: pl.DataFrame
    features: tuple[str, ...]


def compute_features(
    workspace: Workspace, rows: pl.DataFrame, *, views: Sequence[str], time: str, sources: Mapping[str, str] | None = None
) -> Computed:
    """The features of ``rows`` as known at each row's moment: the batch path, as a training set has it, for rows of any origin.

    ``rows`` has the views' entities, ``time`` and what their request expressions take. Raises as :func:`build_training_set`.
    """
    found = _views(workspace, views, sources or {})
    _require_free_names(rows, found)
    check_keys(rows, tuple(dict.fromkeys(key for each in found for key in each.view.entity)), what="rows")
    made, names = _features(workspace, rows, found, time=time)
    return Computed(made, tuple(names))


def load_training_set(workspace: Workspace, ref: str) -> TrainingSet:
    """The training set of a version. Raises ``InputError`` if the version is none."""
    version = load_version(workspace, ref)
    if version.operation.name != OPERATION:
        raise InputError(
            f"{version.ref} is no training set: it was made by '{version.operation.name}'.", mend="name a version made by 'features train'"
        )
    record = version.operation.params
    return TrainingSet(version=version, record=record, fitted=FittedTransforms.from_dict(record["fitted"]))


def rebuild_training_set(workspace: Workspace, ref: str) -> Rebuilt:
    """Build a training set again from its record, under the same name, and compare. Nothing new is published where the rows are the same.

    Raises as :func:`build_training_set`: a source that was withdrawn since is said to be so.
    """
    known = load_training_set(workspace, ref)
    record = known.record
    again = build_training_set(
        workspace,
        name=known.version.dataset,
        spine=record["spine"]["id"],
        time=record["time"],
        label=Label(**record["label"]),
        views=[each["hash"] for each in record["views"]],
        as_of=int(record["as_of"]),
        transforms=[Transform(**each) for each in record["transforms"]],
        split=Split(**record["split"]),
        seed=known.version.operation.seed or 0,
        sources={each["hash"]: each["source"]["id"] for each in record["views"]},
        card=known.version.card,
    )
    same = again.version.digest == known.version.digest and again.record["transforms_id"] == record["transforms_id"]
    return Rebuilt(same=same, digest=again.version.digest, expected=known.version.digest, version=again.version)


def _views(workspace: Workspace, refs: Sequence[str], sources: Mapping[str, str]) -> list[_View]:
    if not refs:
        raise InputError("A training set needs at least one feature view.", mend="register a view and name it")
    found: list[_View] = []
    for ref in refs:
        view = registered_view(workspace, ref).view
        if any(each.view.name == view.name for each in found):
            raise InputError(f"The view '{view.name}' is named twice.", mend="use one version of it")
        source = load_version(workspace, sources.get(view.hash) or sources.get(view.source) or view.source)
        require_passed(workspace, source)
        found.append(_View(view, source))
    return found


def _require_no_label_inside(views: Sequence[_View], label: Label, spine: Version) -> None:
    """Refuse the label as a feature: by name, and by a view that reads it from the spine's own dataset before it is known."""
    for each in views:
        view = each.view
        if label.column in view.features or label.column in view.request_inputs:
            raise Refused(
                f"The label '{label.column}' is among the features of {view.ref}.",
                why="a model would learn to copy it and know nothing when it is served",
                mend="take it out of the view, or give the feature another name if it is something else",
            )
        if view.source != spine.dataset:
            continue
        reading = [name for name, columns in view.lineage().items() if label.column in columns]
        if reading and not _waits_for_label(view, label):
            raise Refused(
                f"'{reading[0]}' of {view.ref} reads the label '{label.column}' as if it were known with its row.",
                why="when served, the label of a recent row is not there yet: the feature would be better in training than it can ever be",
                mend=f"read labels from a view whose {_waiting(label)}",
            )


def _waits_for_label(view: FeatureView, label: Label) -> bool:
    if label.available_time is not None:
        return view.available_time == label.available_time
    lag = parse_duration(label.available_lag or "0s")
    return lag == 0 or (view.available_time is None and (view.lag_us or 0) >= lag)


def _waiting(label: Label) -> str:
    return f"available_time is {label.available_time}" if label.available_time is not None else f"available_lag is at least {label.available_lag}"


def _require_free_names(frame: pl.DataFrame, views: Sequence[_View]) -> None:
    taken = {*frame.columns, SPLIT}
    for each in views:
        for name in each.view.features:
            if each.prefixed(name) in taken:
                raise InputError(f"The spine already has a column '{each.prefixed(name)}'.", mend="rename it in the spine")


def _with_known_labels(frame: pl.DataFrame, label: Label, *, time: str, as_of: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows whose label was known at ``as_of``, and how many were left out for which reason."""
    for column in (label.column, *((label.available_time,) if label.available_time else ())):
        if column not in frame.columns:
            raise InputError(
                f"The spine has no column '{column}'.", where=f"label '{label.column}'", mend=f"its columns are: {', '.join(frame.columns)}"
            )
    moment = pl.Series(microseconds(frame, time, what="spine"))
    if label.available_time is None:
        known = moment + parse_duration(label.available_lag or "0s")
    else:
        there = frame[label.available_time]
        known = (
            pl.Series([None] * frame.height, dtype=pl.Int64) if there.null_count() == frame.height else there.dt.cast_time_unit("us").to_physical()
        )
        if isinstance(there.dtype, pl.Datetime) and there.dtype.time_zone is None:
            microseconds(frame.filter(there.is_not_null()), label.available_time, what="spine")
    later = (moment > as_of).fill_null(False)
    unknown = ~later & (known > as_of).fill_null(True)
    missing = ~later & ~unknown & frame[label.column].is_null()
    gone = {"after as_of": int(later.sum()), "label not yet known at as_of": int(unknown.sum()), "no label": int(missing.sum())}
    return frame.filter(~(later | unknown | missing)), gone


def _features(workspace: Workspace, spine: pl.DataFrame, views: Sequence[_View], *, time: str) -> tuple[pl.DataFrame, list[str]]:
    made, names = spine, []
    for each in views:
        view = each.view
        source = _source(workspace, each)
        taken = [*view.entity, time, *view.request_inputs]
        for name in taken:
            if name not in spine.columns:
                raise InputError(
                    f"{view.ref} needs the column '{name}' of the spine, which is not there.",
                    why="its entity, the moment and what its request features take come from the row itself",
                    mend=f"the spine's columns are: {', '.join(spine.columns)}",
                )
        joined = point_in_time(spine.select(list(dict.fromkeys(taken))), source, view, time=time)
        features = joined.select(pl.col(name).alias(each.prefixed(name)) for name in view.features)
        features = features.with_columns(_storable(features[name]) for name in features.columns)
        made = made.hstack(features.get_columns())
        names += features.columns
    return made, names


def _source(workspace: Workspace, each: _View) -> pl.DataFrame:
    """The source's rows, after making sure that the view claims none of them earlier than its contract says it was available."""
    view, contract = each.view, contract_of_version(each.source)
    promised = contract.available_time
    if promised is None or promised == view.available_time:
        return scan(workspace, each.source.id, columns=view.source_columns()).collect()
    frame = scan(workspace, each.source.id, columns=list(dict.fromkeys([*view.source_columns(), promised]))).collect()
    later = frame[promised].to_physical() > pl.Series(check_source(frame, view).available)
    if early := int(later.fill_null(True).sum()):
        raise Refused(
            f"{view.ref} claims {early} of {frame.height} rows of {each.source.ref} before they were available.",
            why=f"the contract {contract.ref} says they are available at '{promised}'",
            mend=f"set available_time: {promised}, or a column that is never earlier",
        )
    return frame


def _storable(series: pl.Series) -> pl.Series:
    """Lists (last_k) as JSON text, which is how contracts keep lists."""
    if isinstance(series.dtype, pl.List):
        texts = [None if value is None else canonical_json(value).decode() for value in series.to_list()]
        return pl.Series(series.name, texts, dtype=pl.String)
    return series.cast(pl.Int64) if series.dtype.is_integer() else series


def _contract(name: str, table: pl.DataFrame, *, time: str, entities: Sequence[str], label: Label, spine: Contract, owner: str) -> Contract:
    kinds = kinds_of(table.schema)
    columns: dict[str, Any] = {}
    for column in table.columns:
        if column in spine.columns:
            columns[column] = Column(
                type=spine.columns[column].type,
                nullable=spine.columns[column].nullable,
                personal=spine.columns[column].personal,
                description=spine.columns[column].description,
            )
        else:
            columns[column] = Column(type=kinds[column], nullable=column not in (SPINE_ROW, SPLIT))
    return Contract(
        name=name,
        version=1,
        owner=owner or spine.owner,
        description=f"Training set: label {label.column}, features as known at {time}",
        columns=columns,
        key=(SPINE_ROW,),
        subject=spine.subject,
    )


def _kept(workspace: Workspace, contract: Contract) -> Contract:
    """The contract as the workspace keeps it: the version with these columns, or the next one."""
    known = contracts(workspace, name=contract.name)
    same = next((each for each in known if each.model_copy(update={"version": contract.version}).id == contract.id), None)
    return same or put_contract(workspace, contract.model_copy(update={"version": max((each.version for each in known), default=0) + 1}))
