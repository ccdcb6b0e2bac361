"""The client: a method for each thing a program does."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pilotage.client.transport import PIECE, Transport, part
from pilotage.core import InputError, IntegrityError

ITEMS_A_REQUEST = 500
BYTES_A_REQUEST = 900_000  # the server takes 1 MiB


@dataclass(frozen=True)
class Exported:
    """A file that came out: where it is, how many rows, its SHA-256, and how often the format could not express something."""

    path: Path
    rows: int
    sha256: str
    left_out: int


class Client:
    """A workbench, as a program sees it. Not for several threads at once: give each its own.

    Parameters
    ----------
    url
        ``https://host``; ``http`` only on this machine.
    token
        An API token; left out, the environment variable ``PILOTAGE_TOKEN``. It is never shown.
    timeout_s, tries
        How long one try may take to answer, and how many there are.
    """

    def __init__(self, url: str, *, token: str = "", timeout_s: float = 30.0, tries: int = 4) -> None:
        self._url = url
        self._transport = Transport(url, token=token or os.environ.get("PILOTAGE_TOKEN", ""), timeout_s=timeout_s, tries=tries)
        self._holder = f"client-{uuid.uuid4().hex}"

    def me(self) -> dict[str, Any]:
        """Who the token acts as, with their roles."""
        return self._get("/api/v1/me")

    def projects(self, *, archived: bool = False) -> list[dict[str, Any]]:
        """The projects with their queues in numbers."""
        return self._transport.call("GET", "/api/v1/projects", query={"archived": str(archived).lower()})  # type: ignore[no-any-return]

    def project(self, name: str) -> dict[str, Any]:
        """One project. Raises ``NotFound``."""
        return self._get(f"/api/v1/projects/{part(name)}")

    def create_project(self, settings: Mapping[str, Any], *, rubric: Mapping[str, Any] | str, guideline: str = "") -> dict[str, Any]:
        """Make a project. Raises ``Conflict`` where there is one of that name, which is also what a second try meets."""
        body = {"settings": dict(settings), "rubric": rubric if isinstance(rubric, str) else dict(rubric), "guideline": guideline}
        return self._post("/api/v1/projects", body, repeat=False)

    def put(self, project: str, items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Put items before people, as many as there are, some hundreds a request; the sum of the answers.

        Each item is ``{"payload": {…}, "source_id": …, "slices": {…}, "suggestions": [{"question", "value", …}], …}``. The numbers of refused rows
        count all items given. Putting again changes nothing, so a call that failed half-way is simply made again.
        """
        total: dict[str, Any] = {"put": 0, "known": 0, "reopened": 0, "refused": []}
        before = 0
        for group in _groups(items):
            answer = self._post(f"/api/v1/projects/{part(project)}/items", group)
            for name in ("put", "known", "reopened"):
                total[name] += answer[name]
            total["refused"] += [{**row, "row": row["row"] + before} for row in answer["refused"]]
            before += len(group)
        return total

    def claim(self, queue: str, n: int = 3) -> list[dict[str, Any]]:
        """Lease up to ``n`` tasks. A repeated request gives the tasks that the lost answer held."""
        body = {"queue": queue, "n": n, "holder": self._holder}
        return self._post("/api/v1/review/claim", body)["tasks"]  # type: ignore[no-any-return]

    def answer(
        self,
        task_id: str,
        answers: Mapping[str, Any],
        *,
        active_ms: int | None = None,
        reason: str | None = None,
        idempotency_key: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        """Answer a task. The key, made here unless given, is the same for every try, so that one answer is kept."""
        body = {"task_id": task_id, "answers": dict(answers), "idempotency_key": idempotency_key or _key(), **more}
        body |= {name: value for name, value in (("active_ms", active_ms), ("reason", reason)) if value is not None}
        return self._post("/api/v1/review/answer", body)

    def skip(self, task_id: str, *, idempotency_key: str = "") -> dict[str, Any]:
        """Leave a task to others."""
        return self._post("/api/v1/review/skip", {"task_id": task_id, "idempotency_key": idempotency_key or _key()})

    def undo(self, task_id: str, *, idempotency_key: str = "") -> dict[str, Any]:
        """Take one's own answer or skip back."""
        return self._post("/api/v1/review/undo", {"task_id": task_id, "idempotency_key": idempotency_key or _key()})

    def escalate(self, task_id: str, reason: str, *, idempotency_key: str = "") -> dict[str, Any]:
        """Hand a task on to who may decide more."""
        body = {"task_id": task_id, "reason": reason, "idempotency_key": idempotency_key or _key()}
        return self._post("/api/v1/review/escalate", body)

    def release(self, task_ids: Iterable[str]) -> int:
        """Give tasks back unanswered; how many were held."""
        return int(self._post("/api/v1/review/release", {"task_ids": list(task_ids)})["released"])

    def route(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What is to become of an output: the body and the answer are those of ``POST /api/v1/route``.

        The id makes it repeatable: the same output gets the same answer. The same id for another output raises ``Conflict``.
        """
        return self._post("/api/v1/route", dict(body))

    def outcome(self, route_id: str, *, wrong: bool, source: str) -> dict[str, Any]:
        """Tell what came of a routed output. Telling the same again changes nothing."""
        return self._post(f"/api/v1/route/{part(route_id)}/outcome", {"wrong": wrong, "source": source})

    def routed(self, route_id: str) -> dict[str, Any]:
        """The decision and what became of it. Raises ``NotFound``."""
        return self._get(f"/api/v1/route/{part(route_id)}")

    def export(
        self,
        project: str,
        path: str | Path,
        *,
        format: str = "label-studio",
        question: str | None = None,
        anonymous: bool = False,
        for_spreadsheets: bool = False,
    ) -> Exported:
        """Write the project's answers to ``path``, piece by piece; the file gets its name once it is whole and its hash is right.

        ``for_spreadsheets``: CSV and TSV for a person to open, in which no cell is taken for a formula.
        """
        place = Path(path)
        if place.exists():
            raise InputError("Something stands at this place.", where=str(place), mend="move it away")
        body = {"format": format, "question": question, "anonymous": anonymous, "for_spreadsheets": for_spreadsheets}
        whole = hashlib.sha256()
        handle, draft = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        try:
            with (
                os.fdopen(handle, "wb") as file,
                self._transport.open("POST", f"/api/v1/projects/{part(project)}/export", body=body, repeat=True) as answer,
            ):
                while piece := answer.read(PIECE):
                    file.write(piece)
                    whole.update(piece)
                told = answer.headers
            if whole.hexdigest() != told.get("x-pilotage-sha256"):
                raise IntegrityError("The file that came is not the file that was sent.", where=str(place), mend="export again")
            Path(draft).replace(place)
        finally:
            Path(draft).unlink(missing_ok=True)
        return Exported(place, int(told.get("x-pilotage-rows", 0)), whole.hexdigest(), int(told.get("x-pilotage-left-out", 0)))

    def import_file(self, project: str, path: str | Path, *, format: str, question: str | None = None, skip_refused: bool = False) -> dict[str, Any]:
        """Send a file of another tool, at most 1 MiB; what became of it. The same file again changes nothing."""
        query = {"format": format, "question": question, "skip_refused": str(skip_refused).lower()}
        data = Path(path).read_bytes()
        return self._transport.call("POST", f"/api/v1/projects/{part(project)}/import", raw=data, query=query, repeat=True)  # type: ignore[no-any-return]

    def _get(self, path: str) -> dict[str, Any]:
        return self._transport.call("GET", path)  # type: ignore[no-any-return]

    def _post(self, path: str, body: Any, *, repeat: bool = True) -> dict[str, Any]:
        return self._transport.call("POST", path, body=body, repeat=repeat)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._url!r})"


def _key() -> str:
    return f"client-{uuid.uuid4().hex}"


def _groups(items: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Items in requests that the server takes."""
    import json

    rest = iter(items)
    held: list[dict[str, Any]] = []
    size = 0
    for item in rest:
        told = dict(item)
        length = len(json.dumps(told, ensure_ascii=False).encode()) + 1
        if held and (size + length > BYTES_A_REQUEST or len(held) == ITEMS_A_REQUEST):
            yield held
            held, size = [], 0
        held.append(told)
        size += length
    if held:
        yield held
