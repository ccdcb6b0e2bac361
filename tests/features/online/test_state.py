"""A stored state gives, at any later moment, what a look at all rows would."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import IntegrityError
from pilotage.features.algebra import Order, aggregator
from pilotage.features.online.state import KnownRow, Layout, TailRow, encode_state, in_tail, latest_rows, read_state

TILE = 10
AGGREGATORS = {
    "n": aggregator("count"),
    "total": aggregator("sum"),
    "spread": aggregator("var"),
    "least": aggregator("min"),
    "latest": aggregator("last"),
    "lately": aggregator("last_k", k=2),
    "kinds": aggregator("distinct"),
    "middle": aggregator("quantile", q=0.5),
}
WINDOWS = (10, 30, 100, 30, 100, 30, 100, 30)

rows = st.lists(
    st.tuples(st.integers(-150, 120), st.integers(0, 60), st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False))),
    max_size=25,
).map(lambda given: [(event, event + lag, sequence, value) for sequence, (event, lag, value) in enumerate(given)])


def layout(*, closed_right: bool = False, ttl: int | None = None, aggregates: bool = True) -> Layout:
    return Layout(("x",), AGGREGATORS if aggregates else {}, WINDOWS if aggregates else (), TILE, closed_right, ttl)


def blob_of(shape: Layout, given_rows: list[tuple[int, int, int, float | None]], as_of: int) -> bytes:
    tiles: dict[int, list[object]] = {}
    tail = []
    for event, available, sequence, value in given_rows:
        if in_tail(shape, event, available, as_of):
            tail.append(TailRow(event, available, sequence, (value,) * len(AGGREGATORS)))
            continue
        start = event - event % TILE
        states = tiles.setdefault(start, [each.init() for each in AGGREGATORS.values()])
        for i, each in enumerate(AGGREGATORS.values()):
            states[i] = each.update(states[i], value, Order(event, available, sequence))
    known = latest_rows([KnownRow(e, a, s, (v,)) for e, a, s, v in given_rows], shape, as_of)
    return encode_state(shape, as_of_us=as_of, known=known, tiles=tiles, tail=tail)


def by_looking_at_all(shape: Layout, given_rows: list[tuple[int, int, int, float | None]], at: int) -> list[object]:
    seen = [row for row in given_rows if row[1] <= at and (row[0] <= at if shape.closed_right else row[0] < at)]
    latest = max(seen, key=lambda row: row[:3], default=None)
    fresh = latest is not None and (shape.ttl_us is None or at - latest[0] <= shape.ttl_us)
    values: list[object] = [latest[3] if fresh else None]
    for each, window in zip(shape.aggregators.values(), shape.windows, strict=True):
        start = (at - window) // TILE * TILE
        state = each.init()
        for event, available, sequence, value in sorted(seen):
            if event >= start:
                state = each.update(state, value, Order(event, available, sequence))
        values.append(each.finalize(state))
    return values


@given(rows, st.integers(0, 100), st.integers(0, 120), st.booleans(), st.sampled_from([None, 0, 40]))
@settings(deadline=None, max_examples=200)
def test_a_state_read_later_equals_a_look_at_all_rows_bit_for_bit(given_rows, as_of, later, closed_right, ttl):
    shape = layout(closed_right=closed_right, ttl=ttl)
    read = read_state(shape, blob_of(shape, given_rows, as_of), as_of + later)
    assert repr(read.values) == repr(by_looking_at_all(shape, given_rows, as_of + later))
    assert read.as_of_us == as_of + later


@given(rows, st.integers(0, 100), st.integers(1, 50))
@settings(deadline=None, max_examples=50)
def test_a_reader_whose_clock_is_behind_reads_as_of_the_writers_moment_and_says_so(given_rows, as_of, behind):
    shape = layout()
    read = read_state(shape, blob_of(shape, given_rows, as_of), as_of - behind)
    assert repr(read.values) == repr(by_looking_at_all(shape, given_rows, as_of))
    assert read.as_of_us == as_of


def test_a_row_that_is_not_yet_known_waits_in_the_blob():
    shape = layout(aggregates=False)
    blob = encode_state(shape, as_of_us=100, known=latest_rows([KnownRow(50, 50, 0, (1,)), KnownRow(90, 150, 1, (2,))], shape, 100))
    assert [read_state(shape, blob, at).values for at in (100, 149, 150)] == [[1], [1], [2]]


def test_a_value_comes_back_as_what_it_was():
    values = (1, 1.0, -0.0, True, None, "é", b"\x00", [1, None, "a"], 2**63 - 1, 5e-324)
    shape = Layout(tuple(f"c{i}" for i in range(len(values))), {}, (), TILE, False, None)
    blob = encode_state(shape, as_of_us=1, known=[KnownRow(0, 0, 0, values)])
    assert repr(read_state(shape, blob, 1).values) == repr(list(values))


def test_tiles_before_every_window_are_not_kept():
    shape = layout()
    old = {start: [each.init() for each in AGGREGATORS.values()] for start in range(-100_000, -1_000, TILE)}
    assert len(encode_state(shape, as_of_us=0, known=[], tiles=old)) == len(encode_state(shape, as_of_us=0, known=[]))


@pytest.mark.parametrize("blob", [b"", b"\x00", b"\xff\xff", b"\x92\x01\x02"])
def test_bytes_that_are_no_state_are_refused(blob):
    with pytest.raises(IntegrityError):
        read_state(layout(), blob, 1)
