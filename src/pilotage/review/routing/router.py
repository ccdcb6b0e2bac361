"""The live router: in-process, any number of threads, one policy.

What is promised when :meth:`Router.route` returns: a decision whose ``recorded`` is ``before`` is durable, with its task where a person must look.
One whose ``recorded`` is ``behind`` lets an output out that was not drawn for audit, and is written within moments; a crash may lose it, and then
the same request gets the same answer, because the decision depends on nothing but the request and the policy. Everything else is written before.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError

from pilotage.core import Conflict, InputError, Unavailable
from pilotage.review.routing.compiling import Loaded, load_compiled, revision_of
from pilotage.review.routing.deciding import CompiledPolicy
from pilotage.review.routing.known_ids import KnownIds
from pilotage.review.routing.recording import Entry, find_decision, is_full, write_batch, write_one
from pilotage.review.routing.request import RouteDecision, RouteRequest
from pilotage.store import Workspace, WriteTransaction

_REMEMBERED = 20_000
_BATCH = 512
_MOST_BEHIND = 8_192
_EVERY_S = 0.05
LONGEST_ID = 200

_encode = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode


@dataclass(frozen=True)
class _Moved:
    """The policy changed while a decision was on its way."""


class Router:
    """Routes live outputs under one policy. Made by :meth:`load`; :meth:`close` it, or use it as a context manager."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace, self._name = workspace, name
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, tuple[str, RouteDecision]] = OrderedDict()
        self._behind: list[Entry] = []
        self._writing: Future[Any] | None = None
        self._failed: BaseException | None = None
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._ids = KnownIds(workspace)
        self._loaded: Loaded = load_compiled(workspace, name)
        self._looked = time.monotonic()

    @classmethod
    def load(cls, workspace: Workspace, policy: str) -> Router:
        """A router of the policy in force.

        Raises
        ------
        NotFound
            If there is no such policy.
        Refused
            If no version of it is active.
        IntegrityError
            If its calibration report was changed after it was stored.
        """
        return cls(workspace, policy)

    @property
    def compiled(self) -> CompiledPolicy:
        """The policy in force, as last read."""
        return self._loaded.compiled

    def route(self, request: RouteRequest) -> RouteDecision:
        """What is to be done with this output. The same id again gets the same answer.

        Raises
        ------
        InputError
            If the request has no id, or its payload is no JSON.
        Conflict
            If the id was used for another request.

        Where nothing can be written, the answer is what the policy says for that (``fallback.degraded``), with the reason ``not_recorded``; that is
        the one answer which a repetition may change.
        """
        encoded = _checked(request)
        now = self._workspace.clock.now_us()
        try:
            self._refresh()
            compiled = self._loaded.compiled
            decision = compiled.decide(request, now_us=now)
            digest = compiled.digest(request, encoded)
            known = self._known(decision.id, digest)
            if known is not None:
                return known
            # While what is behind cannot be written, nothing more goes behind: it is written first, or not accepted.
            if compiled.policy.record == "behind" and decision.action == "accept" and not decision.audit and self._failed is None:
                return self._record_behind(decision, digest)
            return self._record_before(request, digest)
        except (DBAPIError, Unavailable):
            compiled = self._loaded.compiled
            return compiled.degraded(compiled.decide(request, now_us=now))

    def flush(self) -> None:
        """Wait until everything decided so far is durable. Raises ``Unavailable`` if it could not be written."""
        while True:
            with self._lock:
                pending, writing = bool(self._behind), self._writing
            if not pending and writing is None:
                break
            if writing is not None:
                writing.exception()
            self._write_behind()
            if self._failed is not None:
                raise Unavailable(
                    "Some decisions could not be written.", why=str(self._failed), mend="see the disk, then flush again"
                ) from self._failed

    def close(self) -> None:
        """Write what is pending and stop."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
        finally:
            self._ids.close()

    def __enter__(self) -> Router:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _refresh(self) -> None:
        compiled = self._loaded.compiled
        if time.monotonic() - self._looked < compiled.refresh_s:
            return
        with self._workspace.read() as conn:
            revision = revision_of(conn, self._workspace.id, self._name, compiled.policy.category)
        if revision != self._loaded.revision:
            self._reload()
        self._looked = time.monotonic()

    def _reload(self) -> None:
        self._loaded = load_compiled(self._workspace, self._name)
        self._looked = time.monotonic()

    def _known(self, route_id: str, digest: str) -> RouteDecision | None:
        with self._lock:
            found = self._remembered.get(route_id)
        if found is None and self._loaded.compiled.policy.record == "behind" and self._stands(route_id):
            with self._workspace.read() as conn:
                found = find_decision(conn, self._workspace.id, route_id)
        if found is None:
            return None
        return _repeated(found, digest)

    def _stands(self, route_id: str) -> bool:
        """Whether the database may know the id: True where asking the short way failed, so that the usual way says what is wrong."""
        try:
            return route_id in self._ids
        except Exception:
            return True

    def _record_before(self, request: RouteRequest, digest: str) -> RouteDecision:
        for _ in range(5):
            loaded = self._loaded
            compiled = loaded.compiled

            def job(
                tx: WriteTransaction, loaded: Loaded = loaded, compiled: CompiledPolicy = compiled
            ) -> RouteDecision | tuple[str, RouteDecision] | _Moved:
                # The policy is read again where the decision is written: nothing is let out on a policy that was tightened a moment ago.
                if revision_of(tx.conn, tx.workspace_id, self._name, compiled.policy.category) != loaded.revision:
                    return _Moved()
                found = find_decision(tx.conn, tx.workspace_id, compiled.route_id(request.id))
                if found is not None:
                    return found
                decision = compiled.decide(request, now_us=tx.clock.now_us())
                if decision.action not in ("accept", "block") and is_full(tx.conn, tx.workspace_id, compiled.policy):
                    decision = compiled.when_full(decision)
                return write_one(tx, compiled, request, replace(decision, recorded="before"), digest)

            done = self._workspace.write(job)
            if isinstance(done, _Moved):
                self._reload()
                continue
            if isinstance(done, tuple):
                return _repeated(done, digest)
            self._remember(done, digest)
            return done
        raise Unavailable("The policy keeps changing.", where=self._name, mend="try again")

    def _record_behind(self, decision: RouteDecision, digest: str) -> RouteDecision:
        made = replace(decision, recorded="behind")
        with self._lock:
            first = self._remembered.get(made.id)
            if first is not None:
                return _repeated(first, digest)
            self._behind.append(Entry(made, digest, self._workspace.clock.now_us()))
            waiting = len(self._behind)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="pilotage-router", daemon=True)
                self._thread.start()
        self._remember(made, digest)
        if waiting >= _MOST_BEHIND:  # the database is slower than the traffic: wait for it rather than grow without end
            self._write_behind(wait=True)
        elif waiting >= _BATCH:
            self._wake.set()
        return made

    def _remember(self, decision: RouteDecision, digest: str) -> None:
        with self._lock:
            self._remembered[decision.id] = (digest, decision)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _work(self) -> None:
        while not self._closed:
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            self._write_behind()

    def _write_behind(self, *, wait: bool = True) -> None:
        with self._lock:
            if self._writing is not None:
                writing, batch = self._writing, None
            else:
                batch, self._behind = self._behind, []
                if not batch:
                    return
                compiled = self._loaded.compiled
                writing = self._writing = self._workspace.submit(lambda tx: write_batch(tx, compiled, batch or []))
        failed = writing.exception() if wait else None
        if batch is not None:
            # In one step, by who sent it: whoever looks in between must not find nothing written, nothing pending and nothing failed.
            with self._lock:
                self._writing = None
                self._failed = failed
                if failed is not None:
                    self._behind[:0] = batch  # kept, and tried again


def _repeated(found: tuple[str, RouteDecision], digest: str) -> RouteDecision:
    before, decision = found
    if before != digest:
        raise Conflict(
            "This id was used for another request.",
            where=decision.request_id,
            why="one id is one output: an answer given twice must be the same",
            mend="give each output an id of its own",
        )
    return replace(decision, repeated=True)


def _checked(request: RouteRequest) -> bytes:
    if not isinstance(request.id, str) or not 0 < len(request.id) <= LONGEST_ID or not request.id.isprintable():
        raise InputError(f"A request needs an id of 1 to {LONGEST_ID} printable characters.", mend="name each output once, by an id of your own")
    try:
        return _encode(
            (request.payload, request.confidence, request.slices, request.context, request.model, request.prompt, request.text, request.authors)
        )
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
        raise InputError(f"The request is no JSON: {error}.", where=request.id) from error
