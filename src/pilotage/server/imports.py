"""Files being taken into projects: one thread each, so that a large one holds up no page, and its progress can be looked at.

What is taken stands in the workspace as it is taken, and the same file again goes on where it stopped; kept here is only how far each got and what it
reported, for as long as the server runs.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pilotage.core import Conflict, NotFound, PilotageError, Step, new_id
from pilotage.server.errors import unexpected
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.review.exchange import ImportReport

KEPT = 50  # reports that are remembered
AT_ONCE = 4


@dataclass(frozen=True)
class Import:
    """One file and what became of it. ``records`` are taken so far; ``report`` or ``problem`` once it ended."""

    id: str
    project: str
    format: str
    file: str
    by: str
    bytes: int
    started_at: int
    skip_refused: bool
    records: int = 0
    report: ImportReport | None = None
    problem: dict[str, Any] | None = None

    @property
    def under_way(self) -> bool:
        return self.report is None and self.problem is None


class Imports:
    """The imports of this process. Its methods may be called from any thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Import] = OrderedDict()
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False

    def find(self, project: str, import_id: str) -> Import:
        """How it stands. Raises ``NotFound``, also once it is forgotten."""
        found = self._known.get(import_id)
        if found is None or found.project != project:
            raise NotFound("This import is not remembered.", where=import_id, mend="send the file again: what was taken is not taken twice")
        return found

    def start(self, project: str, format: str, suffix: str, file: BinaryIO, name: str, *, by: str, **options: Any) -> Import:
        """Keep the file and begin. ``options`` are those of ``import_into``. Raises ``Conflict`` while too many are under way."""
        with self._lock:
            if self._closed or sum(one.under_way for one in self._known.values()) >= AT_ONCE:
                raise Conflict(f"{AT_ONCE} files are being taken in now.", mend="wait until one is done, and send it again")
            made = Import(
                new_id("imp", clock=self._workspace.clock),
                project,
                format,
                name,
                by,
                0,
                self._workspace.clock.now_us(),
                bool(options.get("skip_refused")),
            )
            self._known[made.id] = made
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        folder = Path(tempfile.mkdtemp(prefix="pilotage-import-"))
        place = folder / f"import{suffix}"
        try:
            with place.open("wb") as kept:
                shutil.copyfileobj(file, kept, 1 << 20)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            with self._lock:
                self._known.pop(made.id, None)
            raise
        self._change(made.id, bytes=place.stat().st_size)
        thread = threading.Thread(target=self._run, args=(made, place, options), name=f"import-{made.id}", daemon=True)
        self._threads[made.id] = thread
        thread.start()
        return made

    def wait(self, import_id: str, *, timeout_s: float) -> None:
        """Wait until it ended, or ``timeout_s`` have passed."""
        thread = self._threads.get(import_id)
        if thread is not None:
            thread.join(timeout_s)

    def close(self, *, timeout_s: float = 10.0) -> None:
        """Wait for what is under way. What does not end goes on when the file is sent again."""
        with self._lock:
            self._closed = True
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout_s)

    def _run(self, made: Import, place: Path, options: dict[str, Any]) -> None:
        from pilotage.review.exchange import import_into

        try:
            own = self._workspace.acting_as(made.by)
            report = import_into(own, made.project, place, made.format, progress=_Told(self, made.id), **options)
            self._change(made.id, report=report, records=report.records)
        except PilotageError as error:
            # Where we kept it says nothing to who sent it.
            self._change(made.id, problem={**error.to_dict(), "where": (error.where or "").replace(str(place), made.file) or None})
        except Exception as error:
            self._change(made.id, problem=unexpected(error).to_dict())
        finally:
            shutil.rmtree(place.parent, ignore_errors=True)
            self._threads.pop(made.id, None)

    def _change(self, import_id: str, **values: Any) -> None:
        with self._lock:
            if import_id in self._known:
                self._known[import_id] = replace(self._known[import_id], **values)


class _Told:
    """Keeps how far an import got."""

    def __init__(self, imports: Imports, import_id: str) -> None:
        self._imports, self._id = imports, import_id

    def update(self, step: Step) -> None:
        self._imports._change(self._id, records=step.done)

    def finish(self, step: Step) -> None:
        self.update(step)
