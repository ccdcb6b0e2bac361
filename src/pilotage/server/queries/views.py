"""Questions about feature views: what they compute, from which columns, whether they are released, how fresh they are online, and who uses them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from pilotage.core import NotFound, load_settings
from pilotage.core.extras import require
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.features import FeatureView, RegisteredView
    from pilotage.features.replay import Replay

ENTITIES_LOOKED_AT = 2_000
REPLAYS_SHOWN = 10


@dataclass(frozen=True)
class Release:
    """How far a view is: ``state`` is released, pass (replayed and not released), fail, not_assessable, or never (no replay of this definition)."""

    state: str
    replay_id: str | None = None
    released_by: str | None = None
    released_at: int | None = None


@dataclass(frozen=True)
class Online:
    """What the online store holds of a view, seen in at most :data:`ENTITIES_LOOKED_AT` entities; ``more``: there are more than that.

    ``place`` is ``workspace``, or ``elsewhere`` where the setting names another store, which is not read here. ``other`` entities are stored by
    another definition and are not served. Times are when the stored states could last have been told of (available time), µs.
    """

    place: str
    entities: int = 0
    more: bool = False
    other: int = 0
    newest_us: int | None = None
    oldest_us: int | None = None
    written_us: int | None = None


@dataclass(frozen=True)
class ViewLine:
    """A view in the list: its latest version."""

    ref: str
    name: str
    version: int
    versions: int
    source: str
    entity: tuple[str, ...]
    features: int
    owner: str
    description: str
    release: Release
    online: Online


@dataclass(frozen=True)
class Origin:
    """A column of the source behind a feature. ``how``: DIRECT, its values; INDIRECT, they decide which rows count (``why``: filter, key, window)."""

    column: str
    how: str
    why: str
    personal: bool


@dataclass(frozen=True)
class Feature:
    """One feature of a view. ``sort`` is column, aggregate or request; ``how`` its definition in words; ``personal``: made of personal data."""

    name: str
    kind: str
    sort: str
    how: str
    window: str | None
    origins: tuple[Origin, ...]
    personal: bool


@dataclass(frozen=True)
class Changed:
    """One difference between two versions; ``before`` or ``after`` is None where the thing is only in one."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ViewDetail:
    """One version of a view."""

    ref: str
    name: str
    version: int
    hash: str
    description: str
    owner: str
    source: str
    entity: tuple[str, ...]
    request_inputs: dict[str, str]
    sentences: tuple[str, ...]
    features: tuple[Feature, ...]
    yaml: str
    contract: str
    created_at: int
    created_by: str
    siblings: tuple[tuple[int, str], ...]
    release: Release
    online: Online
    personal_key: bool = False
    replays: tuple[Replay, ...] = ()
    compared_with: int | None = None
    changes: tuple[Changed, ...] = field(default=())


def require_features() -> None:
    """Say which extra is missing before anything of features is imported. Raises ``Unavailable``."""
    require("polars", extra="tables")
    require("lance", extra="tables")


def list_views(workspace: Workspace) -> list[ViewLine]:
    """Every view by name, in its latest version. Cost: one query a view for the online store, of at most 2,000 rows."""
    require_features()
    from pilotage.features import views

    by_name: dict[str, list[RegisteredView]] = {}
    for one in views(workspace):
        by_name.setdefault(one.view.name, []).append(one)
    latest = [found[-1].view for found in by_name.values()]
    released = releases(workspace, latest)
    return [
        ViewLine(
            ref=view.ref,
            name=view.name,
            version=view.version,
            versions=len(by_name[view.name]),
            source=view.source,
            entity=view.entity,
            features=len(view.features),
            owner=view.owner,
            description=view.description,
            release=released[view.ref],
            online=online_of(workspace, view),
        )
        for view in latest
    ]


def find_view(workspace: Workspace, ref: str, *, against: int | None = None) -> ViewDetail:
    """One version of a view; ``against``: the version it is compared with (default: the one before it). Raises ``NotFound``."""
    require_features()
    from pilotage.features import registered_view, views

    found = registered_view(workspace, ref)
    view = found.view
    family = [one.view for one in views(workspace) if one.view.name == view.name]
    other = None
    if against is not None:
        other = next((one for one in family if one.version == against), None)
        if other is None:
            raise NotFound(f"There is no {view.name}@{against} to compare with.", mend=f"there are: {', '.join(one.ref for one in family)}")
    elif len(family) > 1:
        other = next((one for one in reversed(family) if one.version < view.version), None)
    personal = personal_columns(workspace, found)
    return ViewDetail(
        ref=view.ref,
        name=view.name,
        version=view.version,
        hash=view.hash,
        description=view.description,
        owner=view.owner,
        source=view.source,
        entity=view.entity,
        request_inputs=dict(view.request_inputs),
        sentences=in_words(view),
        features=features_of(found, personal),
        yaml=as_yaml(view),
        contract=found.contract_id,
        created_at=found.created_at,
        created_by=found.created_by,
        siblings=tuple((one.version, one.hash) for one in family),
        release=releases(workspace, [view])[view.ref],
        online=online_of(workspace, view),
        personal_key=bool(personal.intersection(view.entity)),
        replays=replays_of(workspace, view),
        compared_with=None if other is None else other.version,
        changes=() if other is None else changes(other, view),
    )


def personal_columns(workspace: Workspace, found: RegisteredView) -> frozenset[str]:
    """The columns of the view's source that its contract calls personal. A contract that is not kept here calls none."""
    from pilotage.data.contracts import contract_of

    try:
        contract = contract_of(workspace, found.contract_id)
    except NotFound:
        return frozenset()  # registered with a contract that was given and never put into the workspace
    return frozenset(name for name, column in contract.columns.items() if column.personal)


def sees_personal(workspace: Workspace, version_id: str, login: str | None) -> bool:
    """Whether ``login`` asked, on the page of this version, to be shown its personal columns. None: somebody whose roles do not allow it."""
    from pilotage.server.queries.tables import is_personal_shown

    return login is not None and is_personal_shown(workspace, version_id, login)


def personal_features(found: RegisteredView, personal: frozenset[str]) -> frozenset[str]:
    """The features whose values are made of personal columns."""
    return frozenset(name for name, columns in found.view.lineage().items() if personal.intersection(columns))


def features_of(found: RegisteredView, personal: frozenset[str]) -> tuple[Feature, ...]:
    """The view's features, in their order."""
    view, direct = found.view, found.view.lineage()
    made = {each.name: each for each in view.aggregates}
    features = []
    for name in view.features:
        indirect: list[tuple[str, str]] = []
        sort, window = "aggregate", None
        if name in made:
            aggregate = made[name]
            window, how = aggregate.window, _aggregate_words(aggregate)
            indirect += [(column, "filter") for column in (aggregate.where.columns() if aggregate.where is not None else ())]
            direct_columns: Iterable[str] = aggregate.of.columns() if aggregate.of is not None else ()
        else:
            sort = "column" if name in view.columns else "request"
            how = str(view.columns[name] if sort == "column" else view.request[name])
            direct_columns = direct[name]
        if name in made or sort == "column" or direct[name]:
            times = [time for time in (view.event_time, view.available_time) if time is not None]
            indirect += [(column, "key") for column in view.entity] + [(column, "window" if name in made else "as-of join") for column in times]
        origins = [Origin(column, "DIRECT", "value", column in personal) for column in direct_columns]
        origins += [Origin(column, "INDIRECT", why, column in personal) for column, why in indirect]
        features.append(Feature(name, found.kinds[name], sort, how, window, tuple(origins), bool(personal.intersection(direct[name]))))
    return tuple(features)


def _aggregate_words(aggregate: Any) -> str:
    detail = f", k = {aggregate.k}" if aggregate.k is not None else f", q = {aggregate.q}" if aggregate.q is not None else ""
    of = f" of {aggregate.of}" if aggregate.of is not None else " of rows"
    where = f" where {aggregate.where}" if aggregate.where is not None else ""
    return f"{aggregate.function}{of}{where}{detail}"


def in_words(view: FeatureView) -> tuple[str, ...]:
    """What the view says, in sentences."""
    known = f"from its '{view.available_time}' on" if view.available_time is not None else ""
    if view.available_lag is not None:
        known = f"{view.available_lag} after {'that' if known else 'it happened'}" if not known else f"{known} and {view.available_lag} later"
    said = [
        f"One set of features for each {' and '.join(view.entity)}, computed from the rows of '{view.source}'.",
        f"A row happened at its '{view.event_time}' and is known {known}; at a moment T nothing is used that was not known at T.",
    ]
    edge = "before T" if view.closed == "left" else "up to and at T"
    if view.columns:
        expiry = f" unless it is older than {view.ttl}: then they are null" if view.ttl else ""
        said.append(f"Column features come from the latest known row {edge}{expiry}.")
    if view.aggregates:
        said.append(f"Aggregates count the known rows whose event lies {edge} and within their window, which begins at a whole {view.tile}.")
    if view.request:
        inputs = ", ".join(f"{name} ({kind})" for name, kind in view.request_inputs.items())
        said.append(
            f"Request features are computed when asked for, from {inputs or 'the features before them'}{' and other features' if inputs else ''}."
        )
    if view.sequence:
        said.append(f"Rows of one moment are ordered by '{view.sequence}'.")
    return tuple(said)


def as_yaml(view: FeatureView) -> str:
    """The view as a file that ``pilotage features register`` reads back to the same hash."""
    import yaml

    plain: dict[str, Any] = {"name": view.name, "version": view.version}
    for name in ("description", "owner"):
        if getattr(view, name):
            plain[name] = getattr(view, name)
    plain |= {"source": view.source, "entity": list(view.entity)}
    for name in ("event_time", "available_time", "available_lag", "sequence", "ttl"):
        if getattr(view, name) is not None:
            plain[name] = getattr(view, name)
    plain |= {"tile": view.tile, "closed": view.closed}
    if view.columns:
        plain["columns"] = {name: str(expression) for name, expression in view.columns.items()}
    if view.aggregates:
        plain["aggregates"] = [_aggregate_plain(each) for each in view.aggregates]
    if view.request_inputs:
        plain["request_inputs"] = dict(view.request_inputs)
    if view.request:
        plain["request"] = {name: str(expression) for name, expression in view.request.items()}
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120))


def _aggregate_plain(aggregate: Any) -> dict[str, Any]:
    from pilotage.features.definition import DEFAULT_RESOLUTION

    plain: dict[str, Any] = {"name": aggregate.name, "function": aggregate.function}
    for name in ("of", "where"):
        if getattr(aggregate, name) is not None:
            plain[name] = str(getattr(aggregate, name))
    plain["window"] = aggregate.window
    for name in ("k", "q"):
        if getattr(aggregate, name) is not None:
            plain[name] = getattr(aggregate, name)
    if aggregate.resolution != DEFAULT_RESOLUTION:
        plain["resolution"] = aggregate.resolution
    return plain


def changes(before: FeatureView, after: FeatureView) -> tuple[Changed, ...]:
    """What ``after`` computes otherwise than ``before``, feature by feature. Empty where both compute the same."""
    found = []
    for name in ("source", "entity", "event_time", "available_time", "available_lag", "sequence", "ttl", "tile", "closed", "request_inputs"):
        old, new = (_shown(getattr(view, name)) for view in (before, after))
        if old != new:
            found.append(Changed(name.replace("_", " "), old, new))
    old_features, new_features = _definitions(before), _definitions(after)
    for name in dict.fromkeys([*old_features, *new_features]):
        was, now = old_features.get(name), new_features.get(name)
        if was != now:
            found.append(Changed(f"feature {name}", was, now))
    if not found and list(old_features) != list(new_features):
        found.append(Changed("order of features", ", ".join(old_features), ", ".join(new_features)))
    return tuple(found)


def _shown(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return ", ".join(f"{name}: {kind}" for name, kind in value.items()) if hasattr(value, "items") else ", ".join(value)


def _definitions(view: FeatureView) -> dict[str, str]:
    found = {name: f"latest {expression}" for name, expression in view.columns.items()}
    for each in view.aggregates:
        grid = f", on a grid of {each.resolution}" if each.function in ("sum", "mean", "var") else ""
        found[each.name] = f"{_aggregate_words(each)} over {each.window}{grid}"
    found.update({name: f"on request {expression}" for name, expression in view.request.items()})
    return found


def releases(workspace: Workspace, views: Iterable[FeatureView]) -> dict[str, Release]:
    """For each view (by ref) whether exactly its definition is released, else what its newest replay said."""
    from pilotage.features.tables import feature_release, feature_replay

    views = list(views)
    r, p = feature_release.c, feature_replay.c
    with workspace.read() as conn:
        released = {row.view: row for row in conn.execute(select(feature_release).where(r.workspace_id == workspace.id))}
        newest = select(func.max(p.id)).where(p.workspace_id == workspace.id).group_by(p.view, p.view_hash)
        reports = {
            (row.view, row.view_hash): row.report
            for row in conn.execute(
                select(p.view, p.view_hash, p.report).where(
                    p.workspace_id == workspace.id, p.id.in_(newest.scalar_subquery()), p.view_hash.in_([view.hash for view in views])
                )
            )
        }
    found = {}
    for view in views:
        row, report = released.get(view.ref), reports.get((view.ref, view.hash))
        if row is not None and row.view_hash == view.hash:
            found[view.ref] = Release("released", row.replay_id, row.created_by, row.created_at)
        else:
            found[view.ref] = Release("never") if report is None else Release(report["verdict"], report["id"])
    return found


def replays_of(workspace: Workspace, view: FeatureView) -> tuple[Replay, ...]:
    """The newest replays of exactly this definition."""
    from pilotage.features.replay import Replay
    from pilotage.features.tables import feature_replay

    c = feature_replay.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(c.report)
            .where(c.workspace_id == workspace.id, c.view == view.ref, c.view_hash == view.hash)
            .order_by(c.id.desc())
            .limit(REPLAYS_SHOWN)
        )
        return tuple(Replay.from_dict(row.report) for row in rows)


def online_of(workspace: Workspace, view: FeatureView) -> Online:
    """What the online store holds of the view. Cost: at most 2,000 rows, whatever the store holds."""
    if load_settings().online != "workspace":
        return Online("elsewhere")
    from pilotage.features.online.tables import feature_online

    c = feature_online.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(c.definition, c.available_us, c.created_at).where(c.workspace_id == workspace.id, c.view == view.ref).limit(ENTITIES_LOOKED_AT + 1)
        ).all()
    more = len(rows) > ENTITIES_LOOKED_AT
    rows = rows[:ENTITIES_LOOKED_AT]
    mine = [row for row in rows if row.definition == view.hash]
    if not mine:
        return Online("workspace", other=len(rows), more=more)
    return Online(
        "workspace",
        entities=len(mine),
        more=more,
        other=len(rows) - len(mine),
        newest_us=max(row.available_us for row in mine),
        oldest_us=min(row.available_us for row in mine),
        written_us=max(row.created_at for row in mine),
    )
