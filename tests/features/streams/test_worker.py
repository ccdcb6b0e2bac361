"""The stream loop: one holder at a time, everything of a step in one transaction, late and refused events accounted for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from pilotage.core import InputError, Refused
from pilotage.core.clock import ManualClock
from pilotage.features import Aggregate, col
from pilotage.features.algebra import PROPERTIES, Properties
from pilotage.features.definition import FeatureView
from pilotage.features.online import OnlineOutput, get_online
from pilotage.features.streams import (
    EntityState,
    LeaseLost,
    StreamWorker,
    append,
    declare_source,
    entity_values,
    features_at,
    open_stream,
    stored_tiles,
    stream_status,
)
from pilotage.features.streams.log import read_log
from pilotage.features.tables import feature_late, feature_refused, feature_tail
from pilotage.ledger import create_workspace, entries
from pilotage.store import Workspace, WriteTransaction

from .card_events import CARDS, MINUTE, START, card_view

COUNT = (Aggregate("n", "count", window="20m"), Aggregate("total", "sum", of=col("amount"), window="20m"))
KEY = '["c"]'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def cards(location: str, clock: ManualClock) -> Iterator[Workspace]:
    with create_workspace(location, actor="tester", clock=clock) as workspace:
        declare_source(workspace, CARDS)
        yield workspace


def payment(name: str, *, minute: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"id": name, "at": START + round(minute * MINUTE), "card": "c", "amount": 1.0, "shop": "s", **more}


def rows_of(workspace: Workspace, table: Any) -> list[Any]:
    with workspace.read() as conn:
        return list(conn.execute(select(table).where(table.c.workspace_id == workspace.id)).all())


class Kept:
    """An online store that remembers what it was given, and fails when told to."""

    def __init__(self) -> None:
        self.given: list[tuple[int, Sequence[EntityState]]] = []
        self.fails = False

    def write(self, tx: WriteTransaction, view: FeatureView, entities: Sequence[EntityState], *, as_of_us: int) -> None:
        if self.fails:
            raise RuntimeError("the online store is gone")
        self.given.append((as_of_us, entities))


def test_only_one_worker_has_a_stream_until_its_lease_runs_out(cards: Workspace, clock: ManualClock) -> None:
    first = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", lease="30s")
    second = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", lease="30s")
    append(cards, "payments", [payment("a")])
    assert first.acquire() and not second.acquire()
    with pytest.raises(LeaseLost):
        second.step()
    clock.advance(31)
    assert second.acquire()
    with pytest.raises(LeaseLost, match="has another worker"):
        first.step()  # it stood still, and does not know; the fence does
    assert second.step().events == 1
    with cards.read() as conn:
        assert [states[0] for states in stored_tiles(conn, cards.id, "card@1").values()] == [1]


def test_a_sign_of_life_keeps_the_lease(cards: Workspace, clock: ManualClock) -> None:
    first = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", lease="30s")
    second = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", lease="30s")
    assert first.acquire()
    for _ in range(4):
        clock.advance(20)
        first.step()
        assert not second.acquire()
    first.close()
    assert second.acquire()


def test_two_workers_side_by_side_count_each_event_once(cards: Workspace) -> None:
    stop = threading.Event()
    workers = [StreamWorker(cards, card_view(aggregates=COUNT), source="payments", batch=3, lease="1ms") for _ in range(2)]
    threads = [threading.Thread(target=worker.run, args=(stop,), kwargs={"poll_s": 0.001}) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for index in range(20):
            append(cards, "payments", [payment(f"e{index}"), payment(f"f{index}")])
        for _ in range(2_000):
            if stream_status(cards, "card@1").waiting == 0:
                break
            stop.wait(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    with cards.read() as conn:
        assert [states[0] for states in stored_tiles(conn, cards.id, "card@1").values()] == [40]


def test_a_step_that_cannot_hand_over_its_outputs_changes_nothing(cards: Workspace) -> None:
    kept = Kept()
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", online=kept)
    append(cards, "payments", [payment("a"), payment("b", minute=-300)])
    kept.fails = True
    with pytest.raises(RuntimeError):
        worker.step()
    status = stream_status(cards, "card@1")
    assert (status.position, status.waiting, status.late, rows_of(cards, feature_tail)) == (0, 2, 0, [])
    kept.fails = False
    worker.step()
    assert stream_status(cards, "card@1").waiting == 0
    ((_, states),) = kept.given
    assert entity_values(worker.plan, states[0], at_us=START + MINUTE)["n"] == 1


def test_late_events_are_counted_kept_corrected_and_served_again(cards: Workspace, clock: ManualClock) -> None:
    kept = Kept()
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", online=kept, lateness="5m")
    append(cards, "payments", [payment("a"), payment("in time", minute=-4)])
    worker.step()
    clock.advance(1)
    append(cards, "payments", [payment("late", minute=-9)])
    done = worker.step()
    assert (done.late, stream_status(cards, "card@1").late) == (1, 1)
    (row,) = rows_of(cards, feature_late)
    assert (row.position, row.entity, row.behind_us, row.available_us) == (2, KEY, 4 * MINUTE, START + 1_000_000)
    assert features_at(cards, worker.plan, [KEY], at_us=START + 2_000_000)[0]["n"] == 3
    assert len(kept.given) == 2
    assert kept.given[1][1][0].entity == KEY


def test_which_events_are_late_does_not_depend_on_the_batches(cards: Workspace) -> None:
    minutes = [0, -3, -12, 0, -11, -30]
    append(cards, "payments", [payment(f"e{index}", minute=minute) for index, minute in enumerate(minutes)])
    for version, batch in ((1, 1), (2, 100)):
        StreamWorker(cards, card_view(aggregates=COUNT, version=version), source="payments", lateness="10m", batch=batch).catch_up()
    late = {view: [row.position for row in rows_of(cards, feature_late) if row.view == view] for view in ("card@1", "card@2")}
    assert sorted(late["card@1"]) == sorted(late["card@2"]) == [2, 4, 5]


def test_one_wrong_clock_does_not_make_all_others_late(cards: Workspace) -> None:
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", lateness="10m")
    append(cards, "payments", [payment("next year", minute=500_000), payment("now")])
    assert worker.step().late == 0


def test_an_event_that_cannot_be_counted_is_listed_with_its_reason(cards: Workspace) -> None:
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments")
    append(cards, "payments", [payment("fine"), payment("huge", amount=1e12), payment("nobody", card=None)])
    assert (worker.step().refused, stream_status(cards, "card@1").refused) == (2, 2)
    found = {row.event: row.reason for row in rows_of(cards, feature_refused)}
    assert found["nobody"] == "the entity's key is null"
    assert "1000000000000.0" in found["huge"] and "2**53 steps" in found["huge"]
    assert features_at(cards, worker.plan, [KEY], at_us=START + 1)[0] == {"latest_amount": 0.01, "latest_shop": "s", "n": 1, "total": 1.0}


def test_raw_rows_go_when_their_tile_is_complete(cards: Workspace, clock: ManualClock) -> None:
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments")
    append(cards, "payments", [payment("a")])
    worker.step()
    assert len(rows_of(cards, feature_tail)) == 1
    clock.advance(600)
    append(cards, "payments", [payment("b", minute=10)])
    worker.step()
    assert [row.tile_us for row in rows_of(cards, feature_tail)] == [START + 10 * MINUTE]
    assert features_at(cards, worker.plan, [KEY], at_us=START + 10 * MINUTE + 1)[0]["n"] == 2


def test_a_stream_does_not_answer_for_the_past(cards: Workspace) -> None:
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments")
    append(cards, "payments", [payment("a", minute=-1)])
    worker.step()
    with pytest.raises(Refused, match="does not answer for the past"):
        features_at(cards, worker.plan, [KEY], at_us=START - 1)
    assert features_at(cards, worker.plan, ['["nobody"]'], at_us=START)[0] == {"latest_amount": None, "latest_shop": None, "n": 0, "total": None}


def test_the_status_says_how_far_behind_it_is(cards: Workspace, clock: ManualClock) -> None:
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments")
    append(cards, "payments", [payment("a")])
    clock.advance(7)
    behind = stream_status(cards, "card@1")
    assert (behind.waiting, behind.lag_us) == (1, 7_000_000)
    worker.step()
    caught_up = stream_status(cards, "card@1")
    assert (caught_up.waiting, caught_up.lag_us, caught_up.events, caught_up.watermark_us) == (0, 0, 1, START)


def test_what_a_stream_hands_over_is_what_the_online_store_serves(cards: Workspace, clock: ManualClock) -> None:
    view = card_view()
    worker = StreamWorker(cards, view, source="payments", online=OnlineOutput())
    append(cards, "payments", [payment(f"e{index}", minute=-index, amount=index / 3) for index in range(15)])
    worker.step()
    clock.advance(30)
    (served,) = get_online(cards, [view], [{"card": "c"}])
    wanted = features_at(cards, worker.plan, [KEY], at_us=cards.clock.now_us())[0]
    assert {name: served[f"card__{name}"] for name in wanted} == wanted


def test_a_stream_keeps_its_definition(cards: Workspace) -> None:
    open_stream(cards, card_view(aggregates=COUNT), source="payments")
    open_stream(cards, card_view(aggregates=COUNT), source="payments")
    with pytest.raises(Refused, match="another definition"):
        open_stream(cards, card_view(aggregates=COUNT[:1]), source="payments")
    assert [entry.type for entry in entries(cards)].count("features.stream.opened") == 1


def test_an_aggregate_without_a_merge_is_refused(cards: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROPERTIES, "sum", Properties(mergeable=False, reversible=False, bounded=False, exact=True, note="for this test"))
    with pytest.raises(Refused, match="'total' cannot run in a stream: sum has no merge"):
        open_stream(cards, card_view(aggregates=COUNT), source="payments")


def test_a_view_must_fit_the_source(cards: Workspace) -> None:
    with pytest.raises(InputError, match="no column 'colour'"):
        open_stream(cards, card_view(aggregates=(Aggregate("n", "last", of=col("colour"), window="1h"),)), source="payments")


def test_a_view_that_knows_rows_at_other_moments_than_the_log_is_refused(cards: Workspace) -> None:
    view = card_view(aggregates=COUNT)
    for changed in ({"available_time": None, "available_lag": "1h"}, {"available_time": "at"}):
        with pytest.raises(Refused, match="The view says its rows are known by") as refusal:
            open_stream(cards, replace(view, **changed), source="payments")
        assert "skew" in str(refusal.value)


def test_the_log_writes_down_when_it_took_an_event(cards: Workspace, clock: ManualClock) -> None:
    append(cards, "payments", [payment("a")])
    clock.advance(5)
    append(cards, "payments", [payment("b", known_at=START - 1)])
    with cards.read() as conn:
        found = read_log(conn, cards.id, CARDS, from_position=0, limit=10)
    assert found is not None
    assert found["known_at"].to_physical().to_list() == [START, START]


def test_events_taken_and_worked_off_in_one_transaction_count_once(cards: Workspace) -> None:
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments")
    append(cards, "payments", [payment("waiting")])
    done = worker.ingest_and_process([payment("a"), payment("b"), payment("a")], producer="p", sequence=0)
    assert (done.appended.taken, done.appended.duplicates, done.step.events, done.step.waiting) == (2, 1, 3, 0)
    again = worker.ingest_and_process([payment("a"), payment("b"), payment("a")], producer="p", sequence=0)
    assert again.appended.repeated and again.step.events == 0
    assert worker.ingest_and_process([payment("b"), payment("waiting")]).step.events == 0
    with cards.read() as conn:
        assert list(stored_tiles(conn, cards.id, worker.view.ref).values()) == [(3, (3, 3 * 2**20))]


def test_what_cannot_be_handed_over_is_not_in_the_log_either(cards: Workspace) -> None:
    online = Kept()
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments", online=online)
    online.fails = True
    with pytest.raises(RuntimeError):
        worker.ingest_and_process([payment("a")])
    with cards.read() as conn:
        assert read_log(conn, cards.id, CARDS, from_position=0, limit=1) is None
        assert stored_tiles(conn, cards.id, worker.view.ref) == {}
    online.fails = False
    done = worker.ingest_and_process([payment("a")])
    assert (done.appended.taken, done.appended.duplicates, done.step.events) == (1, 0, 1)


def test_a_worker_that_was_overtaken_takes_no_events(cards: Workspace, clock: ManualClock) -> None:
    view = card_view(aggregates=COUNT)
    slow, quick = (StreamWorker(cards, view, source="payments", lease="30s") for _ in range(2))
    slow.ingest_and_process([payment("a")])
    clock.advance(60 * 1_000_000)
    quick.ingest_and_process([payment("b")])
    with pytest.raises(LeaseLost):
        slow.ingest_and_process([payment("c")])
    assert quick.ingest_and_process([payment("c")]).appended.taken == 1


def test_tiles_that_another_worker_went_on_with_are_read_anew(cards: Workspace) -> None:
    view = card_view(aggregates=COUNT)
    first, second = (StreamWorker(cards, view, source="payments") for _ in range(2))
    for turn, worker in enumerate((first, second, first, second)):
        worker.ingest_and_process([payment(f"{turn}")])
        worker.close()
    with cards.read() as conn:
        assert list(stored_tiles(conn, cards.id, view.ref).values()) == [(4, (4, 4 * 2**20))]


def test_more_tiles_than_are_kept_in_memory_are_counted_too(cards: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.features.streams.worker._TILES_KEPT", 3)
    worker = StreamWorker(cards, card_view(aggregates=COUNT), source="payments")
    for turn in range(3):
        worker.ingest_and_process([payment(f"{turn}-{card}", card=f"c{card}") for card in range(turn, turn + 3)])
    with cards.read() as conn:
        kept = stored_tiles(conn, cards.id, worker.view.ref)
    assert {entity: states[0] for (entity, _), states in kept.items()} == {f'["c{card}"]': n for card, n in enumerate((1, 2, 3, 2, 1))}
