"""Card payments as events: a source, a view with every aggregate, and the answer by brute force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pilotage.features import Aggregate, FeatureView, col
from pilotage.features.algebra import Order, aggregator_for
from pilotage.features.streams import EventSource

MINUTE = 60_000_000
START = 1_700_000_000_000_000 // (5 * MINUTE) * 5 * MINUTE

CARDS = EventSource(
    name="payments",
    columns={
        "id": "text",
        "at": "timestamp",
        "known_at": "timestamp",
        "card": "text",
        "amount": "float",
        "shop": "text",
        "revision": "int",
        "gone": "bool",
    },
    event_id="id",
    event_time="at",
    available_time="known_at",
    revision="revision",
    deleted="gone",
)


def card_view(*, tile: str = "5m", closed: Any = "left", aggregates: tuple[Aggregate, ...] | None = None, version: int = 1) -> FeatureView:
    """A view over the payments of a card, with every aggregate there is unless told which."""
    amount = col("amount")
    every = (
        Aggregate("n", "count", window="20m"),
        Aggregate("n_large", "count", window="10m", where=amount > 100.0),
        Aggregate("total", "sum", of=amount, window="20m"),
        Aggregate("average", "mean", of=amount, window="1h"),
        Aggregate("spread", "var", of=amount, window="1h"),
        Aggregate("lowest", "min", of=amount, window="10m"),
        Aggregate("highest", "max", of=amount, window="1h"),
        Aggregate("first_shop", "first", of=col("shop"), window="20m"),
        Aggregate("last_shop", "last", of=col("shop"), window="1h"),
        Aggregate("last_three", "last_k", of=amount, window="1h", k=3),
        Aggregate("shops", "distinct", of=col("shop"), window="1h"),
        Aggregate("median", "quantile", of=amount, window="20m", q=0.5),
    )
    return FeatureView(
        name="card",
        version=version,
        source="payments",
        entity=("card",),
        event_time="at",
        available_time="known_at",
        columns={"latest_amount": amount / 100.0, "latest_shop": col("shop")},
        aggregates=every if aggregates is None else aggregates,
        ttl="30m",
        tile=tile,
        closed=closed,
    )


@cache
def closure(expression: Any) -> Any:
    """The expression as a function of an event."""
    return expression.to_python(CARDS.columns)


def brute_force(view: FeatureView, events: Iterable[Mapping[str, Any]], card: str, *, at_us: int) -> dict[str, Any]:
    """The features of ``card`` at ``at_us``, from the events known by then: each event's highest revision, the first of equal ones.

    ``events`` are in the order of the log, with ``position`` and ``available_us``.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for event in events:
        if event["available_us"] <= at_us:
            held = known.get(event["id"])
            if held is None or (event.get("revision") or 0) > (held.get("revision") or 0):
                known[event["id"]] = event
    rows = [
        event
        for event in known.values()
        if not event.get("gone") and event["card"] == card and (event["at"] < at_us or (view.closed == "right" and event["at"] == at_us))
    ]
    rows.sort(key=lambda event: (event["at"], event["available_us"], event["position"]))
    latest = rows[-1] if rows and at_us - rows[-1]["at"] <= (view.ttl_us or 2**62) else {}
    found: dict[str, Any] = {name: (None if not latest else closure(expression)(latest)) for name, expression in view.columns.items()}
    for aggregate in view.aggregates:
        algebra = aggregator_for(aggregate)
        start = (at_us - aggregate.window_us) // view.tile_us * view.tile_us
        state = algebra.init()
        for event in rows:
            if event["at"] < start or (aggregate.where is not None and closure(aggregate.where)(event) is not True):
                continue
            value = True if aggregate.of is None else closure(aggregate.of)(event)
            state = algebra.update(state, value, Order(event["at"], event["available_us"], event["position"]))
        found[aggregate.name] = algebra.finalize(state)
    return found
