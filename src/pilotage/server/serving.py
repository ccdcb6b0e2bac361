"""The online path of the HTTP API: one server a set of views, made once, and one log of what was served.

Serving never waits for the log (:mod:`pilotage.features.serving_log`): what it cannot take is counted and said in the next skew report.
"""

from __future__ import annotations

import datetime as dt
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError, Refused, load_settings
from pilotage.server.queries.views import personal_columns, personal_features, require_features
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.features import RegisteredView
    from pilotage.features.online import OnlineStore
    from pilotage.features.serving import FeatureServer, Served
    from pilotage.features.serving_log import ServingLog

MOST_KEYS = 100
MOST_VIEWS = 20
_SETS_KEPT = 64
_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "int": (int,), "bool": (bool,)}


@dataclass(frozen=True)
class _Prepared:
    """Views that are served together; ``entity`` and ``inputs`` are column -> kind."""

    server: FeatureServer
    entity: Mapping[str, str]
    inputs: Mapping[str, str]


class Serving:
    """Answers requests for features over one workspace, from any thread. Nothing is opened before the first request."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._sets: dict[tuple[str, ...], _Prepared] = {}
        self._store: OnlineStore | None = None
        self._log: ServingLog | None = None

    def get(self, refs: Sequence[str], entities: Sequence[Mapping[str, Any]], request_values: Any = None) -> Served:
        """The features of ``entities`` now.

        Raises
        ------
        InputError
            If a key or a request value is missing, of another kind, or no number; if a view is named twice.
        NotFound
            If there is no such view.
        Refused
            If a view is not released.
        """
        prepared = self._prepare(refs)
        keys = [_fitting(entity, prepared.entity, what="entity", exact=True) for entity in entities]
        if isinstance(request_values, Mapping):
            request_values = _fitting(request_values, prepared.inputs, what="request value")
        elif request_values is not None:
            request_values = [_fitting(values, prepared.inputs, what="request value") for values in request_values]
        return prepared.server.serve(keys, request_values)

    def close(self) -> None:
        """Write what the log holds, and close the store."""
        with self._lock:
            self._sets.clear()
            if self._log is not None:
                self._log.close()
            if self._store is not None:
                self._store.close()
            self._log = self._store = None

    def _prepare(self, refs: Sequence[str]) -> _Prepared:
        require_features()
        named = tuple(refs)
        # A name with its version never changes what it means, and a release is never taken back: those need not be looked up again.
        if all("@" in ref for ref in named) and (known := self._sets.get(named)) is not None:
            return known
        from pilotage.features import registered_view
        from pilotage.features.replay import is_released

        found = [registered_view(self._workspace, ref) for ref in named]
        resolved = tuple(one.view.ref for one in found)
        if (known := self._sets.get(resolved)) is not None:
            return known
        for one in found:
            if not is_released(self._workspace, one.view):
                raise Refused(
                    f"{one.view.ref} is not released.",
                    why="models are served only what batch, stream and request were shown to compute alike",
                    mend=f"pilotage features replay {one.view.ref} --release",
                )
        with self._lock:
            prepared = self._made(found)
            if len(self._sets) >= _SETS_KEPT:
                self._sets.pop(next(iter(self._sets)))
            self._sets[resolved] = prepared
        return prepared

    def _made(self, found: Sequence[RegisteredView]) -> _Prepared:
        from pilotage.features.online import open_store
        from pilotage.features.serving import FeatureServer
        from pilotage.features.serving_log import ServingLog

        if self._store is None:
            self._store = open_store(self._workspace)
        if self._log is None:
            self._log = ServingLog(self._workspace, rate=_share(load_settings().served_share))
        for one in found:
            personal = personal_columns(self._workspace, one)
            hidden = personal_features(one, personal) | (personal & set(one.view.request_inputs))
            self._log.leave_out(one.view.ref, frozenset(hidden), key=bool(personal.intersection(one.view.entity)))
        server = FeatureServer(
            self._workspace,
            [one.view for one in found],
            kinds={one.view.ref: one.source_kinds for one in found},
            store=self._store,
            log=self._log,
        )
        return _Prepared(
            server,
            {column: one.source_kinds[column] for one in found for column in one.view.entity},
            {name: kind for one in found for name, kind in one.view.request_inputs.items()},
        )


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"The setting 'served_share' is not a number: {text!r}.", mend="use a share from 0 to 1, say 0.1") from error


def _fitting(values: Mapping[str, Any], kinds: Mapping[str, str], *, what: str, exact: bool = False) -> dict[str, Any]:
    """``values`` in the kinds they are declared in. JSON has no dates and moments: they come as ISO 8601.

    A key of another kind would name another entity and find nothing, in silence: ``exact`` refuses it here.
    """
    fitted = dict(values)
    if exact and values.keys() != kinds.keys():
        raise InputError(f"An entity is named by exactly: {', '.join(kinds)}.", where=f"given: {', '.join(map(str, values)) or 'nothing'}")
    for name, value in values.items():
        kind = kinds.get(name)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"The {what} '{name}' is no number.", why="NaN and infinity are not values", mend="give null where it is not known")
        if kind in ("date", "timestamp") and isinstance(value, str):
            fitted[name] = _time(value, kind, f"{what} '{name}'")
        elif exact and kind in _TYPES and (not isinstance(value, _TYPES[kind]) or (kind == "int" and isinstance(value, bool))):
            raise InputError(f"The key '{name}' is {kind}.", where=f"given: {type(value).__name__}", mend="give it in its own kind")
    return fitted


def _time(text: str, kind: str, what: str) -> dt.date | dt.datetime:
    try:
        if kind == "date":
            return dt.date.fromisoformat(text)
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"The {what} is no {kind}: {text[:40]!r}.", mend="write it as ISO 8601") from error
    if moment.tzinfo is None:
        raise InputError(f"The {what} has no zone.", why="it could be any of a day's moments", mend="write 2026-03-01T12:00:00Z")
    return moment
