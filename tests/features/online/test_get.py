"""From rows of a source through the store to the values of a request."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import InputError, Refused
from pilotage.features.algebra import Order, aggregator_for
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.engines import evaluate_rows
from pilotage.features.expression import col, parse_expression
from pilotage.features.online import OnlineReader, copy_online, get_online, materialize, online_rows, upsert_online
from pilotage.ledger import create_workspace, entries

MINUTE = 60_000_000
NOON = 1_767_268_800_000_000  # 2026-01-01 12:00 UTC


def view(**changes: Any) -> FeatureView:
    given = {
        "name": "card_activity",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "columns": {"amount_eur": col("amount") / 100, "country": col("country"), "hour_of": parse_expression("hour(at)")},
        "aggregates": (
            Aggregate("n_1h", "count", window="1h"),
            Aggregate("spent_1h", "sum", of=col("amount"), window="1h"),
            Aggregate("refunds_1d", "count", window="1d", where=parse_expression("amount < 0")),
            Aggregate("largest_1d", "max", of=col("amount"), window="1d"),
            Aggregate("countries_1d", "distinct", of=col("country"), window="1d"),
        ),
        "ttl": "1h",
    }
    return FeatureView(**{**given, **changes})


def table(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows of (card, minutes before noon, minutes until known, amount, country)."""
    return pl.DataFrame(
        {
            "card": [row[0] for row in rows],
            "at": [NOON - row[1] * MINUTE for row in rows],
            "known_at": [NOON + (row[2] - row[1]) * MINUTE for row in rows],
            "amount": [row[3] for row in rows],
            "country": [row[4] for row in rows],
        },
        schema={"card": pl.String, "at": pl.Int64, "known_at": pl.Int64, "amount": pl.Float64, "country": pl.String},
    ).with_columns(pl.col("at", "known_at").cast(pl.Datetime("us", "UTC")))


SOME = table(
    [
        ("a", 90, 0, 100.0, "DE"),
        ("a", 30, 1, 250.0, "FR"),
        ("a", 20, 40, -75.0, None),  # known only 20 minutes after noon
        ("b", 300, 0, 5.0, "DE"),
    ]
)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the view's name before each feature's."""
    return {name.partition("__")[2]: value for name, value in row.items()}


@pytest.fixture
def local(tmp_path):
    with create_workspace(str(tmp_path / "local"), actor="tester") as opened:
        yield opened


def by_looking_at_all(of: FeatureView, source: pl.DataFrame, card: str, at: int) -> dict[str, Any]:
    rows = evaluate_rows(of, source).filter(pl.col("card") == card).to_dicts()
    seen = [row for row in rows if row["__available"] <= at and (row["__event"] <= at if of.closed == "right" else row["__event"] < at)]
    latest = max(seen, key=lambda row: (row["__event"], row["__available"], row["__sequence"]), default=None)
    fresh = latest is not None and (of.ttl_us is None or at - latest["__event"] <= of.ttl_us)
    values = {name: latest[name] if fresh else None for name in of.columns}
    for aggregate in of.aggregates:
        algebra = aggregator_for(aggregate)
        start = (at - aggregate.window_us) // of.tile_us * of.tile_us
        state = algebra.init()
        for row in seen:
            if row["__event"] >= start:
                state = algebra.update(state, row[aggregate.name], Order(row["__event"], row["__available"], row["__sequence"]))
        values[aggregate.name] = algebra.finalize(state)
    return values


def test_what_is_served_is_what_was_known_with_its_age_and_flag(workspace):
    done = materialize(workspace, view(), SOME.lazy(), as_of_us=NOON)
    assert (done.entities, done.written, done.older, done.dropped) == (2, 2, 0, 0)
    assert [entry.type for entry in entries(workspace)][-1] == "features.materialized"
    found = get_online(workspace, [view()], [{"card": "b"}, {"card": "nobody"}, {"card": "a"}], now_us=NOON)
    assert found.flags == [("stale",), ("missing",), ("ok",)]
    assert found.features[0] == "card_activity__amount_eur"
    b, nobody, a = map(plain, found)
    assert a == {
        "amount_eur": 2.5, "country": "FR", "hour_of": 11,
        "n_1h": 1, "spent_1h": 250.0, "refunds_1d": 0, "largest_1d": 250.0, "countries_1d": 2,
    }  # fmt: skip
    assert b["amount_eur"] is None and b["largest_1d"] == 5.0, "a ttl is about the latest row, not about windows"
    assert nobody["n_1h"] == 0 and nobody["spent_1h"] is None and nobody["country"] is None
    assert found.ages_us[2][0] == 30 * MINUTE and found.ages_us[1] == (None,) * 8
    assert "1 ok" in str(found) and "1 stale" in str(found)


def test_a_row_counts_from_the_moment_it_is_known_without_anybody_writing(local):
    materialize(local, view(), SOME.lazy(), as_of_us=NOON)
    reader = OnlineReader(local, [view()])
    before, after = (plain(next(iter(reader.get([{"card": "a"}], now_us=NOON + late * MINUTE)))) for late in (19, 20))
    assert (before["refunds_1d"], before["amount_eur"]) == (0, 2.5)
    assert (after["refunds_1d"], after["amount_eur"], after["country"]) == (1, -0.75, None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(-90, 1600),
            st.integers(-5, 120),
            st.one_of(st.none(), st.floats(-1e6, 1e6)),
            st.sampled_from(["DE", "FR", None]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 200),
    st.sampled_from(["left", "right"]),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_store_serves_the_bits_of_the_batch_path(local, rows, later, closed):
    of, source = view(closed=closed), table(rows)
    at = NOON + later * MINUTE
    made = list(online_rows(of, evaluate_rows(of, source), as_of_us=NOON))
    local.write(lambda tx: upsert_online(tx, of.ref, of.hash, made))
    cards = sorted(set(source["card"]))
    try:
        found = get_online(local, [of], [{"card": card} for card in cards], now_us=at)
        assert [repr(plain(each)) for each in found] == [repr(by_looking_at_all(of, source, card, at)) for card in cards]
    finally:
        from pilotage.features.online import drop_online

        local.write(lambda tx: drop_online(tx, of.ref))


def test_a_blob_of_another_definition_is_never_served_and_goes_with_the_next_filling(local):
    other = view(columns={"amount_eur": col("amount") / 1000})
    materialize(local, other, SOME.lazy(), as_of_us=NOON)
    found = get_online(local, [view()], [{"card": "a"}], now_us=NOON)
    assert found.flags == [("version",)] and set(found.values[0]) == {None} and set(found.ages_us[0]) == {None}
    assert materialize(local, view(), SOME.lazy(), as_of_us=NOON).dropped == 2
    assert get_online(local, [view()], [{"card": "a"}], now_us=NOON).flags == [("ok",)]


def test_filling_does_not_undo_what_a_stream_wrote_meanwhile(local):
    newer = table([("a", 1, 0, 9.0, "DE")])
    rows = list(online_rows(view(), evaluate_rows(view(), newer), as_of_us=NOON))
    local.write(lambda tx: upsert_online(tx, view().ref, view().hash, rows))
    done = materialize(local, view(), SOME.filter(pl.col("at") < dt.datetime(2026, 1, 1, 11, 50, tzinfo=dt.UTC)).lazy(), as_of_us=NOON)
    assert (done.written, done.older) == (1, 1)
    assert get_online(local, [view()], [{"card": "a"}], now_us=NOON).values[0][0] == 0.09


def test_an_online_write_that_is_part_of_a_job_is_undone_with_it(local):
    rows = list(online_rows(view(), evaluate_rows(view(), SOME), as_of_us=NOON))

    def job(tx):
        upsert_online(tx, view().ref, view().hash, rows)
        raise InputError("the offset does not fit")

    with pytest.raises(InputError):
        local.write(job)
    assert get_online(local, [view()], [{"card": "a"}], now_us=NOON).flags == [("missing",)]


def test_two_views_are_read_at_once_and_may_have_other_entities(local):
    shops = view(name="shops", entity=("country",), columns={"shop_amount": col("amount")}, aggregates=(), ttl=None)
    materialize(local, view(), SOME.lazy(), as_of_us=NOON)
    materialize(local, shops, SOME.drop_nulls().lazy(), as_of_us=NOON)
    found = get_online(local, [view(), shops], [{"card": "a", "country": "DE"}], now_us=NOON)
    assert found.features[-1] == "shops__shop_amount" and found.values[0][-1] == 100.0 and found.flags == [("ok", "ok")]
    with pytest.raises(InputError, match="twice"):
        OnlineReader(local, [view(), view(version=2)])


def test_a_source_with_a_row_that_belongs_to_nobody_is_refused(local):
    with pytest.raises(InputError, match="no key 'card'"):
        materialize(local, view(), table([(None, 1, 0, 1.0, "DE")]).lazy(), as_of_us=NOON)


def test_the_store_is_not_filled_for_a_moment_to_come(local):
    with pytest.raises(Refused):
        materialize(local, view(), SOME.lazy(), as_of_us=local.clock.now_us() + 3_600_000_000)


@pytest.mark.redis
def test_rows_are_copied_to_redis_and_read_there(local, redis_url):
    from pilotage.features.online import open_store

    store = open_store(local, where=redis_url)
    materialize(local, view(), SOME.lazy(), as_of_us=NOON)
    assert copy_online(local, view(), to=store) == 2
    asked = [{"card": card} for card in ("a", "b", "nobody")]
    there, here = get_online(local, [view()], asked, now_us=NOON, store=store), get_online(local, [view()], asked, now_us=NOON)
    assert there.values == here.values and there.flags == here.flags
    store.close()


def test_an_online_store_that_is_none_is_refused_without_showing_its_password(local):
    from pilotage.features.online import open_store

    with pytest.raises(InputError) as caught:
        open_store(local, where="memcached://user:secret@host")
    assert "secret" not in str(caught.value)
