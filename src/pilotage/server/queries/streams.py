"""Questions about event sources and the streams that work them off: how far behind, who holds them, what came late, what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from pilotage.core import NotFound
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.views import personal_columns, require_features
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.features.streams import StreamStatus

SOURCES_SHOWN = 200


@dataclass(frozen=True)
class SourceLine:
    """A source of events. ``taken`` counts every event that was offered, ``duplicates`` those that were known; ``waiting`` for its slowest stream."""

    name: str
    columns: int
    taken: int
    duplicates: int
    watermark_us: int | None
    available_us: int | None
    backlog: int
    waiting: int | None


@dataclass(frozen=True)
class LateLine:
    """An event that came after the watermark had passed it; ``behind_us`` by how much. ``entity`` is None where the key is personal."""

    position: int
    entity: str | None
    event_us: int
    available_us: int
    behind_us: int


@dataclass(frozen=True)
class RefusedLine:
    """An event the view could not count."""

    position: int
    event: str
    reason: str
    at: int


def list_sources(workspace: Workspace) -> list[SourceLine]:
    """Every source by name."""
    require_features()
    from pilotage.features.tables import event_source, feature_stream

    s, f = event_source.c, feature_stream.c
    with workspace.read() as conn:
        rows = conn.execute(select(event_source).where(s.workspace_id == workspace.id).order_by(s.name).limit(SOURCES_SHOWN)).all()
        places = conn.execute(select(f.source, f.next_position).where(f.workspace_id == workspace.id)).all()
    slowest: dict[str, int] = {}
    for source, position in places:
        slowest[source] = min(position, slowest.get(source, position))
    return [
        SourceLine(
            row.name,
            len(row.declared["columns"]),
            row.next_position,
            row.duplicates,
            row.watermark_us,
            row.available_us if row.available_us > 0 else None,
            row.declared["backlog"],
            row.next_position - slowest[row.name] if row.name in slowest else None,
        )
        for row in rows
    ]


def list_streams(workspace: Workspace) -> list[StreamStatus]:
    """Every stream by view. Cost: one read of the log a stream."""
    require_features()
    from pilotage.features.streams import stream_status
    from pilotage.features.tables import feature_stream

    c = feature_stream.c
    with workspace.read() as conn:
        names = list(conn.execute(select(c.view).where(c.workspace_id == workspace.id).order_by(c.view).limit(SOURCES_SHOWN)).scalars())
    return [stream_status(workspace, name) for name in names]


def find_stream(workspace: Workspace, view: str) -> StreamStatus:
    """One stream. Raises ``NotFound``."""
    require_features()
    from pilotage.features.streams import stream_status

    return stream_status(workspace, view)


def list_late(workspace: Workspace, view: str, *, turn: Turn | None = None) -> Page[LateLine]:
    """Late events, the newest first."""
    from pilotage.features import registered_view
    from pilotage.features.tables import feature_late as t

    try:
        found = registered_view(workspace, view)
        masked = bool(personal_columns(workspace, found).intersection(found.view.entity))
    except NotFound:
        masked = True  # a stream of a view that is not registered: what its key is, nobody has said
    statement = select(t).where(t.c.workspace_id == workspace.id, t.c.view == view)
    with workspace.read() as conn:
        page = turn_page(conn, statement, keys=[t.c.position], turn=turn or Turn(), descending=True)
    return page.map(
        lambda rows: [LateLine(row.position, None if masked else row.entity, row.event_us, row.available_us, row.behind_us) for row in rows]
    )


def list_refused(workspace: Workspace, view: str, *, limit: int = 50) -> list[RefusedLine]:
    """The newest events the view could not count."""
    from pilotage.features.tables import feature_refused as t

    with workspace.read() as conn:
        rows: list[Any] = list(
            conn.execute(select(t).where(t.c.workspace_id == workspace.id, t.c.view == view).order_by(t.c.position.desc()).limit(limit))
        )
    return [RefusedLine(row.position, row.event, row.reason, row.created_at) for row in rows]
