"""Questions about training sets: what they were built from, what was left out and why, and which models learned from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqlalchemy import String, select, type_coerce

from pilotage.core import InputError, NotFound, PilotageError
from pilotage.data.tables import dataset, dataset_version
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.views import personal_columns, personal_features, require_features, sees_personal
from pilotage.server.words import exact_time
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.features import FeatureView, TrainingSet

ROWS_A_PAGE = 15
USES_SHOWN = 50
PROBED = "features.probed"
_MADE = '{"name":"training_set"%'


@dataclass(frozen=True)
class SetLine:
    """A training set in a list."""

    dataset: str
    number: int
    version_id: str
    rows: int
    features: int
    views: tuple[str, ...]
    label: str
    as_of: int
    left_out: int
    created_at: int


@dataclass(frozen=True)
class ModelLine:
    """A model that was trained on it."""

    id: str
    pipeline: str
    kind: str
    rows: int
    created_at: int


@dataclass(frozen=True)
class UsedView:
    """A view of a training set, with the version of its source that was read."""

    ref: str
    hash: str
    source: str
    source_id: str
    source_dataset: str
    source_number: str


@dataclass(frozen=True)
class Cell:
    """A cell of a row. ``inspect`` leads to why the value is what it is; ``masked``: personal."""

    text: str | None
    masked: bool = False
    inspect: str | None = None


@dataclass(frozen=True)
class SomeRows:
    """A page of rows, or why there is none."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    total: int = 0
    masked: tuple[str, ...] = ()
    problem: dict[str, str | None] | None = None


@dataclass(frozen=True)
class SetDetail:
    """A training set."""

    line: SetLine
    digest: str
    seed: int
    created_by: str
    spine: tuple[str, str]
    time: str
    entities: tuple[str, ...]
    label: dict[str, Any]
    views: tuple[UsedView, ...]
    split: dict[str, Any]
    counts: tuple[tuple[str, int], ...]
    left_out: tuple[tuple[str, int], ...]
    spine_rows: int
    transforms: tuple[tuple[str, str, tuple[tuple[str, str], ...], tuple[str, ...]], ...]
    features: tuple[str, ...]
    models: tuple[ModelLine, ...]
    siblings: tuple[int, ...]
    leaks: dict[str, Any] | None = None
    probed_at: int | None = None
    problem: dict[str, str | None] | None = field(default=None)


def list_sets(workspace: Workspace, *, turn: Turn | None = None) -> Page[SetLine]:
    """Training sets, the newest first."""
    v, d = dataset_version.c, dataset.c
    statement = (
        select(v.id, v.number, v.rows, v.operation, v.created_at, d.name)
        .join(dataset, (d.workspace_id == v.workspace_id) & (d.id == v.dataset_id))
        .where(v.workspace_id == workspace.id, type_coerce(v.operation, String).like(_MADE))
    )
    with workspace.read() as conn:
        return turn_page(conn, statement, keys=[v.created_at, v.id], turn=turn or Turn(), descending=True).map(
            lambda rows: [_line(row) for row in rows]
        )


def sets_using(workspace: Workspace, view_hash: str) -> list[SetLine]:
    """The newest training sets that hold the features of exactly this definition. Cost: one pass over the versions' records."""
    v, d = dataset_version.c, dataset.c
    text = type_coerce(v.operation, String)
    statement = (
        select(v.id, v.number, v.rows, v.operation, v.created_at, d.name)
        .join(dataset, (d.workspace_id == v.workspace_id) & (d.id == v.dataset_id))
        .where(v.workspace_id == workspace.id, text.like(_MADE), text.contains(f'"hash":"{view_hash}"', autoescape=True))
        .order_by(v.created_at.desc(), v.id.desc())
        .limit(USES_SHOWN)
    )
    with workspace.read() as conn:
        return [_line(row) for row in conn.execute(statement)]


def models_of(workspace: Workspace, version_ids: list[str]) -> dict[str, list[ModelLine]]:
    """Training set (version id) -> the models that learned from it, the newest first."""
    from pilotage.pipelines.tables import trained_model

    m = trained_model.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(m.id, m.pipeline, m.kind, m.rows, m.created_at, m.training_set)
            .where(m.workspace_id == workspace.id, m.training_set.in_(version_ids))
            .order_by(m.created_at.desc(), m.id)
            .limit(USES_SHOWN)
        ).all()
    found: dict[str, list[ModelLine]] = {}
    for row in rows:
        found.setdefault(row.training_set, []).append(ModelLine(row.id, row.pipeline, row.kind, row.rows, row.created_at))
    return found


def find_set(workspace: Workspace, name: str, number: int) -> SetDetail:
    """One training set. Raises ``NotFound``; ``InputError`` if the version is none."""
    require_features()
    from pilotage.data import versions
    from pilotage.features import load_training_set

    made = load_training_set(workspace, f"{name}@{number}")
    record, version = made.record, made.version
    counts, problem = _split_counts(workspace, made)
    probe = _last_probe(workspace, version.id)
    line = SetLine(
        version.dataset,
        version.number,
        version.id,
        version.rows,
        len(record["features"]),
        tuple(each["ref"] for each in record["views"]),
        made.label,
        int(record["as_of"]),
        sum(made.left_out.values()),
        version.created_at,
    )
    return SetDetail(
        line=line,
        digest=version.digest,
        seed=version.operation.seed or 0,
        created_by=version.created_by,
        spine=_named(record["spine"]["ref"]),
        time=record["time"],
        entities=tuple(record["entities"]),
        label=record["label"],
        views=tuple(
            UsedView(each["ref"], each["hash"], each["source"]["ref"], each["source"]["id"], *_named(each["source"]["ref"]))
            for each in record["views"]
        ),
        split=record["split"],
        counts=counts,
        left_out=tuple(made.left_out.items()),
        spine_rows=int(version.operation.counts.get("in", 0)),
        transforms=tuple(
            (step.kind, step.column, tuple((key, _learned(value)) for key, value in step.learned.items()), step.columns) for step in made.fitted.steps
        ),
        features=made.features,
        models=tuple(models_of(workspace, [version.id]).get(version.id, [])),
        siblings=tuple(one.number for one in versions(workspace, version.dataset) if one.operation.name == version.operation.name),
        leaks=None if probe is None else probe[0],
        probed_at=None if probe is None else probe[1],
        problem=problem,
    )


def rows_of(workspace: Workspace, name: str, number: int, *, start: int = 0, login: str | None = None) -> SomeRows:
    """A page of rows, each feature's cell with the address that says why it is what it is.

    Personal cells are masked unless ``login`` has asked to see them; where the entity's key is personal, addresses name the row and not the key.
    """
    require_features()
    from pilotage.data.contracts import Contract
    from pilotage.data.tabular import table_page
    from pilotage.features import load_training_set, registered_view

    made = load_training_set(workspace, f"{name}@{number}")
    try:
        found = table_page(workspace, made.version.id, offset=start, limit=ROWS_A_PAGE)
    except PilotageError as error:
        return SomeRows(problem=error.to_dict())
    contract = Contract.from_dict(made.version.contract or {})
    shown = sees_personal(workspace, made.version.id, login)
    masked = {column for column in found.columns if column in contract.columns and contract.columns[column].personal}
    came_from: dict[str, tuple[FeatureView, str, str, bool]] = {}
    for each in made.record["views"]:
        try:
            view = registered_view(workspace, each["hash"])
        except NotFound:
            continue  # the workspace was made from parts of another: values stand, without a way to look behind them
        personal = personal_columns(workspace, view)
        hidden = personal_features(view, personal)
        for feature in view.view.features:
            for column in _became(made, f"{view.view.name}__{feature}"):
                if feature in hidden:
                    masked.add(column)
                came_from[column] = (view.view, each["source"]["id"], feature, bool(personal.intersection(view.view.entity)))
    masked = set() if shown else masked
    rows = tuple(
        tuple(_cell(row, column, masked, _address(row, came_from.get(column), made, start + place)) for column in found.columns)
        for place, row in enumerate(found.rows)
    )
    return SomeRows(found.columns, rows, found.total, masked=tuple(column for column in found.columns if column in masked))


def row_asked(workspace: Workspace, ref: str, place: int, view: FeatureView) -> tuple[dict[str, Any], int, str]:
    """The entity, the moment (µs) and the source's version (id) behind the features of ``view`` in row ``place`` of a training set."""
    from pilotage.data.tabular import table_page
    from pilotage.features import load_training_set
    from pilotage.features.expression import timestamp_us

    made = load_training_set(workspace, ref)
    used = next((each for each in made.record["views"] if each["hash"] == view.hash), None)
    if used is None:
        raise InputError(f"{made.version.ref} does not hold the features of {view.ref}.", mend="start from a cell of the training set")
    found = table_page(workspace, made.version.id, offset=place, limit=1)
    if not found.rows:
        raise NotFound(f"{made.version.ref} has no row {place}.", mend=f"it has {found.total} rows, from 0")
    row = found.rows[0]
    return {name: row[name] for name in view.entity}, timestamp_us(row[made.record["time"]]), used["source"]["id"]


def inspect_address(view: str, entity: Mapping[str, Any], at_us: int, *, source: str, feature: str = "") -> str:
    """The address of the inspector for an entity and a moment."""
    asked = [(f"entity.{column}", str(value)) for column, value in entity.items()]
    return f"/features/{view}/inspect?{urlencode([*asked, ('at', exact_time(at_us)), ('source', source)])}" + (
        f"#feature-{feature}" if feature else ""
    )


def _address(row: Mapping[str, Any], origin: tuple[FeatureView, str, str, bool] | None, made: TrainingSet, place: int) -> str | None:
    if origin is None:
        return None
    from pilotage.features.expression import timestamp_us

    view, source, feature, personal_key = origin
    if personal_key:  # an address is kept in histories and logs
        return f"/features/{view.ref}/inspect?{urlencode({'of': made.version.ref, 'row': place})}#feature-{feature}"
    entity = {name: row[name] for name in view.entity}
    return inspect_address(view.ref, entity, timestamp_us(row[made.record["time"]]), source=source, feature=feature)


def _cell(row: Mapping[str, Any], column: str, masked: set[str], address: str | None) -> Cell:
    if column in masked:
        return Cell(None, masked=True, inspect=address)
    value = row[column]
    return Cell(None if value is None else _text(value), inspect=address)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return iso_of(value) if isinstance(value, datetime) else str(value)


def iso_of(moment: datetime) -> str:
    """A moment to the second, or finer where it is."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{moment.microsecond:06d}" if moment.microsecond else "")


def _became(made: TrainingSet, column: str) -> list[str]:
    """What the transforms made of a column."""
    names = [column]
    for step in made.fitted.steps:
        names = [part for name in names for part in (step.columns if name == step.column else (name,))]
    return names


def _split_counts(workspace: Workspace, made: TrainingSet) -> tuple[tuple[tuple[str, int], ...], dict[str, str | None] | None]:
    import polars as pl

    from pilotage.data.tabular import scan
    from pilotage.features.split import SPLITS
    from pilotage.features.training_set import SPLIT

    try:
        counted = scan(workspace, made.version.id, columns=[SPLIT]).group_by(SPLIT).agg(pl.len()).collect()
    except PilotageError as error:
        return (), error.to_dict()
    found = dict(counted.iter_rows())
    return tuple((name, int(found.get(name, 0))) for name in SPLITS), None


def _last_probe(workspace: Workspace, version_id: str) -> tuple[dict[str, Any], int] | None:
    from pilotage.server.queries.acts import list_acts

    found = list_acts(workspace, type=PROBED, subject=version_id, turn=Turn(size=1)).rows
    return (found[0].body["report"], found[0].created_at) if found else None


def _learned(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(_learned(each) for each in value[:8])
        return f"{shown} and {len(value) - 8} more" if len(value) > 8 else shown
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _named(ref: str) -> tuple[str, str]:
    name, _, number = ref.rpartition("@")
    return name, number


def _line(row: Any) -> SetLine:
    record = row.operation["params"]
    return SetLine(
        row.name,
        row.number,
        row.id,
        row.rows,
        len(record["features"]),
        tuple(each["ref"] for each in record["views"]),
        record["label"]["column"],
        int(record["as_of"]),
        sum(record["left_out"].values()),
        row.created_at,
    )
