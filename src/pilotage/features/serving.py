"""The request path: stored features, request-time features, transforms, and the log, in one call.

What a model is given here is what it was trained on: stored features by the rule of the batch path, request features by the same expressions
(compiled once to plain Python, proven equal to the frame's by property tests), and then the transforms that were fitted on the training split and
stored with the training set. Nothing here is random or depends on the order of entities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.features.definition import FeatureView
from pilotage.features.online import OnlineReader, OnlineRows, OnlineStore, OnlineVector
from pilotage.features.online.get import feature_name
from pilotage.features.serving_log import ServedVector, ServingLog
from pilotage.features.transforms import FittedTransforms
from pilotage.store import Workspace

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Served:
    """The answer to a request: for each entity its features and, with transforms, the model's inputs made of them."""

    features: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    inputs: tuple[dict[str, Any], ...]
    online: OnlineRows

    @property
    def flags(self) -> list[tuple[str, ...]]:
        """One flag a view for each entity: ok, stale, missing or version."""
        return self.online.flags

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data."""
        ages = [dict(zip(self.online.features, row, strict=True)) for row in self.online.ages_us]
        flags = [dict(zip(self.online.views, row, strict=True)) for row in self.flags]
        return {
            "entities": [
                {"features": features, "inputs": inputs, "ages_us": age, "flags": flag}
                for features, inputs, age, flag in zip(self.rows, self.inputs, ages, flags, strict=True)
            ]
        }


class FeatureServer:
    """Serves the same views again and again; made once, used from any thread.

    Parameters
    ----------
    views
        The views, in the order in which the model was given their features.
    kinds
        For each view (``name@version``) the kinds of its source's columns, so that request features that mix whole numbers and floats come out as in
        the batch path. Without them such features are floats only where the expression itself says so.
    transforms
        As stored with the training set.
    log
        Where served vectors are sampled to; the caller closes it.
    """

    def __init__(
        self,
        workspace: Workspace,
        views: Sequence[FeatureView],
        *,
        kinds: Mapping[str, Mapping[str, str]] | None = None,
        transforms: FittedTransforms | None = None,
        store: OnlineStore | None = None,
        log: ServingLog | None = None,
    ) -> None:
        self._reader = OnlineReader(workspace, views, store=store)
        self._views = tuple(views)
        self._requests = [_RequestFeatures(view, (kinds or {}).get(view.ref)) for view in views]
        self._transforms = transforms
        self._log = log
        self._workspace = workspace
        self._inputs = frozenset(name for view in views for name in view.request_inputs)
        self.features = tuple(feature_name(view, name) for view in views for name in view.features)

    def serve(self, entities: Sequence[Values], request_values: Sequence[Values] | Values | None = None, *, now_us: int | None = None) -> Served:
        """The features of ``entities`` at ``now_us`` (default: the workspace's clock).

        Parameters
        ----------
        request_values
            What only the request knows: one mapping for all entities, or one for each.

        Raises
        ------
        InputError
            If a key or a request value is missing, is not declared, or does not fit.

        Cost: as :meth:`OnlineReader.get`, and some 2 µs an entity and request feature.
        """
        given = self._given(entities, request_values)
        online = self._reader.get(entities, now_us=now_us)
        rows = tuple(self._row(vectors, values) for vectors, values in zip(online.vectors, given, strict=True))
        if self._log is not None:
            self._log.offer(self._served(online, rows, given))
        inputs = rows if self._transforms is None else tuple(self._transforms.apply_row(row) for row in rows)
        return Served(self.features, rows, inputs, online)

    def _given(self, entities: Sequence[Values], request_values: Sequence[Values] | Values | None) -> list[Values]:
        if request_values is None:
            given: list[Values] = [{}] * len(entities)
        elif isinstance(request_values, Mapping):
            given = [request_values] * len(entities)
        else:
            given = list(request_values)
        if len(given) != len(entities):
            raise InputError(f"{len(entities)} entities came with {len(given)} sets of request values.", mend="give one set for all, or one for each")
        for values in given:
            if values.keys() != self._inputs:
                missing, unknown = sorted(self._inputs - values.keys()), sorted(values.keys() - self._inputs)
                raise InputError(
                    f"The request value '{missing[0]}' is missing." if missing else f"No view takes the request value '{unknown[0]}'.",
                    why="a value that is left out in silence is a null the model never saw in training" if missing else None,
                    mend="give it, or null where it is not known" if missing else f"give only: {', '.join(sorted(self._inputs)) or 'none'}",
                )
        return given

    def _row(self, vectors: Sequence[OnlineVector], values: Values) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for vector, request in zip(vectors, self._requests, strict=True):
            row.update({f"{request.prefix}{name}": value for name, value in request.of(vector.values, values).items()})
        return row

    def _served(self, online: OnlineRows, rows: Sequence[Values], given: Sequence[Values]) -> list[ServedVector]:
        return [
            ServedVector(
                view=view.ref,
                definition=request.definition,
                entity=vector.entity,
                at_us=vector.as_of_us,
                flag=vector.flag,
                event_us=vector.event_us,
                available_us=vector.available_us,
                values={name: row[feature_name(view, name)] for name in view.features},
                request_values={name: values[name] for name in view.request_inputs},
            )
            for vectors, row, values in zip(online.vectors, rows, given, strict=True)
            for vector, view, request in zip(vectors, self._views, self._requests, strict=True)
        ]


def serve_vector(
    workspace: Workspace,
    views: Sequence[FeatureView],
    entities: Sequence[Values],
    request_values: Sequence[Values] | Values | None = None,
    *,
    now_us: int | None = None,
    kinds: Mapping[str, Mapping[str, str]] | None = None,
    transforms: FittedTransforms | None = None,
    store: OnlineStore | None = None,
    log: ServingLog | None = None,
) -> Served:
    """:meth:`FeatureServer.serve` for a single call."""
    server = FeatureServer(workspace, views, kinds=kinds, transforms=transforms, store=store, log=log)
    return server.serve(entities, request_values, now_us=now_us)


class _RequestFeatures:
    """A view's request features, compiled."""

    def __init__(self, view: FeatureView, source_kinds: Mapping[str, str] | None) -> None:
        self.definition = view.hash
        self.prefix = feature_name(view, "")
        self._stored = (*view.columns, *(aggregate.name for aggregate in view.aggregates))
        kinds = {**view.kinds(source_kinds), **view.request_inputs} if source_kinds is not None else dict(view.request_inputs)
        self._compiled: list[tuple[str, Callable[[Values], Any]]] = [(name, expression.to_python(kinds)) for name, expression in view.request.items()]
        self._numbers = [name for name, kind in view.request_inputs.items() if kind == "float"]
        self._checks = [(name, *_ACCEPTED[kind]) for name, kind in view.request_inputs.items() if kind in _ACCEPTED]

    def of(self, stored: Sequence[Any], values: Values) -> dict[str, Any]:
        """All features of the view, by name."""
        row = dict(zip(self._stored, stored, strict=True))
        if not self._compiled:
            return row
        for name, types, shown in self._checks:
            value = values[name]
            if value is not None and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
                raise InputError(f"The request value '{name}' must be {shown}, not {type(value).__name__}.")
        known = {**row, **values}
        for name in self._numbers:
            if type(known[name]) is int:
                known[name] = float(known[name])
        for name, compute in self._compiled:
            row[name] = known[name] = compute(known)
        return row


_ACCEPTED: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "text": ((str,), "text"),
}
