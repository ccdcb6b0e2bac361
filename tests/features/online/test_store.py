"""The law all three online stores keep."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import InputError, Unavailable
from pilotage.features.online.entity import entity_key, entity_values
from pilotage.features.online.store import OnlineRow, newest


def row(entity: str, event: int, available: int, blob: bytes = b"x") -> OnlineRow:
    return OnlineRow(entity, event, available, blob)


def test_what_was_written_is_read_back_in_the_order_asked_for(store):
    put = store.put("v@1", "fv_a", [row('["b"]', 2, 3, b"\x00\xff"), row('["a"]', -5, 1, b"")])
    assert (put.written, put.older) == (2, 0)
    a, nobody, b = store.fetch("v@1", ['["a"]', '["nobody"]', '["b"]'])
    assert nobody is None
    assert (a.definition, a.event_us, a.available_us, a.blob) == ("fv_a", -5, 1, b"")
    assert (b.event_us, b.available_us, b.blob) == (2, 3, b"\x00\xff")
    assert b.written_us > 1_600_000_000_000_000
    assert store.fetch("v@1", []) == []


def test_views_and_versions_do_not_see_each_other(store):
    store.put("v@1", "fv_a", [row('["a"]', 1, 1)])
    store.put("v@11", "fv_b", [row('["a"]', 1, 1)])
    assert store.fetch("v@2", ['["a"]']) == [None]
    assert store.drop("v@1") == 1
    assert store.fetch("v@11", ['["a"]'])[0] is not None


@pytest.mark.parametrize(
    ("event", "available", "stands"),
    [(9, 99, "first"), (10, 19, "first"), (10, 20, "second"), (10, 21, "second"), (11, 0, "second"), (-1, 30, "first")],
)
def test_an_older_row_never_replaces_a_newer_one(store, event, available, stands):
    store.put("v@1", "fv_a", [row('["a"]', 10, 20, b"first")])
    put = store.put("v@1", "fv_a", [row('["a"]', event, available, b"second")])
    assert (put.written, put.older) == ((1, 0) if stands == "second" else (0, 1))
    assert store.fetch("v@1", ['["a"]'])[0].blob == stands.encode()


def test_within_one_call_the_newest_row_of_an_entity_stands(store):
    put = store.put("v@1", "fv_a", [row('["a"]', 3, 1, b"new"), row('["a"]', 2, 9, b"old"), row('["b"]', 1, 1)])
    assert (put.written, put.older) == (2, 1)
    assert store.fetch("v@1", ['["a"]'])[0].blob == b"new"


def test_rows_of_another_definition_can_be_taken_away(store):
    store.put("v@1", "fv_old", [row('["a"]', 1, 1), row('["b"]', 1, 1)])
    store.put("v@1", "fv_new", [row('["b"]', 2, 2)])
    assert store.drop("v@1", keep="fv_new") == 1
    assert [found and found.definition for found in store.fetch("v@1", ['["a"]', '["b"]'])] == [None, "fv_new"]


def test_two_writers_leave_the_newest_row_of_every_entity(store):
    entities = [f'["{i}"]' for i in range(50)]

    def write(times: range) -> None:
        for at in times:
            store.put("v@1", "fv_a", [row(entity, at, at, str(at).encode()) for entity in entities])

    threads = [threading.Thread(target=write, args=(times,)) for times in (range(0, 40, 2), range(39, 0, -2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.blob for found in store.fetch("v@1", entities)} == {b"39"}


def test_many_rows_and_many_keys(store):
    rows = [row(f'["{i}"]', i, i, bytes([i % 256])) for i in range(21_000)]
    assert store.put("v@1", "fv_a", rows).written == 21_000
    found = store.fetch("v@1", [each.entity for each in rows[::3]])
    assert [each.event_us for each in found] == list(range(0, 21_000, 3))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-3, 3), st.integers(-3, 3)), max_size=12))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_newest_keeps_the_greatest_pair_of_times_whatever_the_order(rows):
    kept, left_out = newest([row(entity, event, available) for entity, event, available in rows])
    greatest = {entity: max(times[1:] for times in rows if times[0] == entity) for entity in {each[0] for each in rows}}
    assert {each.entity: (each.event_us, each.available_us) for each in kept} == greatest
    assert left_out == len(rows) - len(greatest)


@given(st.lists(st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1, max_size=3))
def test_a_key_can_be_read_back_and_two_keys_are_never_one(values):
    columns = [f"c{i}" for i in range(len(values))]
    key = entity_key(columns, dict(zip(columns, values, strict=True)))
    assert entity_values(key) == values and [type(each) for each in entity_values(key)] == [type(each) for each in values]


@pytest.mark.parametrize("value", [None, 1.0, float("nan"), b"x", 2**64])
def test_a_key_that_names_no_entity_is_refused(value):
    with pytest.raises(InputError):
        entity_key(["customer"], {"customer": value})


def test_a_key_column_that_is_not_given_is_named():
    with pytest.raises(InputError, match="customer"):
        entity_key(["customer"], {"client": 1})


@pytest.mark.redis
def test_a_redis_that_is_away_is_said_to_be(tmp_path):
    pytest.importorskip("redis")
    from pilotage.features.online.redis_store import RedisStore
    from pilotage.ledger import create_workspace

    with create_workspace(str(tmp_path / "workspace"), actor="tester") as workspace:
        store = RedisStore(workspace, "redis://:secret@127.0.0.1:1/0")
        with pytest.raises(Unavailable) as caught:
            store.fetch("v@1", ['["a"]'])
        assert "secret" not in str(caught.value)
