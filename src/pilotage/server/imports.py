"""Files being taken into projects, as jobs: a large one holds up no page, and its progress can be looked at.

What is taken stands in the workspace as it is taken, and the same file again goes on where it stopped.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pilotage.core import NotFound, PilotageError, new_id
from pilotage.server.jobs import Handle, Job, Jobs
from pilotage.store import Workspace

AT_ONCE = 4


@dataclass(frozen=True)
class Upload:
    """The file a job takes in: what a job of this kind is ``about``. The job's result is the ``ImportReport``."""

    id: str
    project: str
    format: str
    file: str
    bytes: int


def start_import(
    jobs: Jobs, workspace: Workspace, project: str, format: str, suffix: str, file: BinaryIO, name: str, *, by: str, **options: Any
) -> str:
    """Keep the file, begin, and return the import's id. ``options``: of ``import_into``. Raises ``Conflict`` while too many are under way."""
    import_id = new_id("imp", clock=workspace.clock)
    folder = Path(tempfile.mkdtemp(prefix="pilotage-import-"))
    place = folder / f"import{suffix}"

    def work(acting: Workspace, handle: Handle) -> Any:
        from pilotage.review.exchange import import_into

        try:
            return import_into(acting, project, place, format, progress=handle, **options)
        except PilotageError as error:
            error.where = (error.where or "").replace(str(place), name) or None  # where we kept it says nothing to who sent it
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    try:
        with place.open("wb") as kept:
            shutil.copyfileobj(file, kept, 1 << 20)
        about = Upload(import_id, project, format, name, place.stat().st_size)
        jobs.start(("import", project, import_id), work, by=by, about=about, at_once=AT_ONCE)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return import_id


def find_import(jobs: Jobs, project: str, import_id: str) -> Job:
    """How it stands. Raises ``NotFound``, also once it is forgotten."""
    found = jobs.of("import", project, import_id)
    if found is None:
        raise NotFound("This import is not remembered.", where=import_id, mend="send the file again: what was taken is not taken twice")
    return found
