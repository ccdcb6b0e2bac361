"""The rows of a dataset version, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilotage import data
from pilotage.core import PilotageError
from pilotage.store import Workspace

ROWS_A_PAGE = 25


@dataclass(frozen=True)
class Rows:
    """Some rows, or why they cannot be shown: a version whose file is gone still has its card and its lineage."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    problem: dict[str, str | None] | None = None


def list_rows(workspace: Workspace, version_id: str, *, start: int = 0, size: int = ROWS_A_PAGE) -> Rows:
    """``size`` rows from ``start`` on."""
    try:
        return Rows(list(data.rows_page(workspace, version_id, offset=start, limit=size).rows))
    except PilotageError as error:
        return Rows(problem=error.to_dict())
