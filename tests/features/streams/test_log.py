"""The event log: each event once, availability that never runs back, producers that are held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from pilotage.core import Conflict, InputError, IntegrityError, NotFound
from pilotage.core.clock import ManualClock
from pilotage.features.streams import Busy, EventSource, StreamWorker, append, declare_source, forget_ids, source_of, stored_tiles
from pilotage.features.streams import worker as worker_module
from pilotage.features.streams.log import read_log
from pilotage.features.tables import event_id, event_log
from pilotage.ledger import create_workspace
from pilotage.store import Workspace

from .card_events import CARDS, MINUTE, START, card_view


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


def logged(workspace: Workspace) -> list[dict[str, Any]]:
    with workspace.read() as conn:
        found = read_log(conn, workspace.id, CARDS, from_position=0, limit=10**6)
    return [] if found is None else found.to_dicts()


def test_an_event_is_in_the_log_once_however_often_it_is_delivered(cards: Workspace) -> None:
    first = append(cards, "payments", [payment("a"), payment("b"), payment("a")])
    again = append(cards, "payments", [payment("b"), payment("c")])
    assert (first.taken, first.duplicates) == (2, 1)
    assert (again.taken, again.duplicates) == (1, 1)
    assert [event["id"] for event in logged(cards)] == ["a", "b", "c"]


def test_a_higher_revision_replaces_and_a_lower_one_is_a_duplicate(cards: Workspace) -> None:
    append(cards, "payments", [payment("a")])
    done = append(cards, "payments", [payment("a", revision=2, amount=5.0), payment("a", revision=1), payment("a", revision=3)])
    assert (done.taken, done.duplicates, done.corrections) == (3, 0, 3)
    late = append(cards, "payments", [payment("a", revision=3), payment("a", revision=2)])
    assert (late.taken, late.duplicates) == (0, 2)


def test_a_numbered_batch_is_taken_once_and_a_missing_one_is_noticed(cards: Workspace) -> None:
    assert append(cards, "payments", [payment("a")], producer="p", sequence=0).taken == 1
    assert append(cards, "payments", [payment("b")], producer="p", sequence=0).repeated
    with pytest.raises(Conflict, match="batch 1 has not arrived"):
        append(cards, "payments", [payment("c")], producer="p", sequence=2)
    assert append(cards, "payments", [payment("c")], producer="p", sequence=1).taken == 1
    assert [event["id"] for event in logged(cards)] == ["a", "c"]


def test_what_was_known_never_shrinks(cards: Workspace, clock: ManualClock) -> None:
    append(cards, "payments", [payment("a")])
    clock.advance(-60)  # a clock set back
    append(cards, "payments", [payment("b"), payment("c", known_at=START - 5 * MINUTE)])
    known = [event["__available"] for event in logged(cards)]
    assert known == sorted(known) and known[0] == START


def test_an_event_from_the_future_of_knowledge_is_refused_whole(cards: Workspace) -> None:
    with pytest.raises(InputError, match="available in the future") as refusal:
        append(cards, "payments", [payment("a"), payment("b", known_at=START + 1)])
    assert "event 2" in str(refusal.value)
    assert logged(cards) == []


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"id": "a", "at": datetime(2024, 1, 1)}, "no time zone"),  # noqa: DTZ001
        ({"id": "a", "at": "2024-01-01T00:00:00"}, "no time zone"),
        ({"id": "a", "at": "yesterday"}, "is no time"),
        ({"id": "a", "at": None}, "'at' is missing"),
        ({"id": None, "at": START}, "'id' is missing"),
        ({"id": 5, "at": START}, "'id' must be text"),
        ({"id": "a", "at": START, "amount": "5"}, "'amount' must be float"),
        ({"id": "a", "at": START, "colour": "red"}, "'colour' is not declared"),
    ],
)
def test_an_event_that_does_not_fit_is_refused_with_its_place(cards: Workspace, event: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as refusal:
        append(cards, "payments", [payment("fine"), event])
    assert "event 2" in str(refusal.value)
    assert logged(cards) == []


def test_times_in_any_zone_mean_the_same(cards: Workspace) -> None:
    noon = datetime(2023, 11, 14, 12, tzinfo=UTC)
    append(cards, "payments", [payment("a") | {"at": noon}, payment("b") | {"at": "2023-11-14T13:00:00+01:00"}])
    assert {event["__event"] for event in logged(cards)} == {int(noon.timestamp()) * 1_000_000}


def test_a_frame_is_taken_like_rows_and_one_without_a_zone_is_not(cards: Workspace) -> None:
    rows = [payment("a"), payment("b", minute=1)]
    frame = pl.DataFrame(rows).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    assert append(cards, "payments", frame).taken == 2
    assert append(cards, "payments", rows).duplicates == 2
    with pytest.raises(InputError, match="without a zone"):
        append(cards, "payments", frame.with_columns(pl.col("at").dt.replace_time_zone(None)))


def test_producers_wait_when_a_stream_is_behind(location: str) -> None:
    with create_workspace(location, actor="tester") as workspace:
        declare_source(workspace, EventSource(**{**CARDS.to_dict(), "backlog": 3}))
        worker = StreamWorker(workspace, card_view(), source="payments")
        for index in range(4):
            append(workspace, "payments", [payment(f"e{index}")])
        with pytest.raises(Busy, match="4 events wait") as busy:
            append(workspace, "payments", [payment("one more")])
        assert (busy.value.http_status, busy.value.retry_after_s) == (429, 1)
        worker.catch_up()
        assert append(workspace, "payments", [payment("one more")]).taken == 1


def test_ids_leave_their_index_and_are_still_recognised(cards: Workspace) -> None:
    worker = StreamWorker(cards, card_view(), source="payments")
    append(cards, "payments", [payment("old"), payment("older", minute=-5)])
    append(cards, "payments", [payment("new", minute=8 * 24 * 60)])
    assert forget_ids(cards, "payments") == 2
    done = append(cards, "payments", [payment("old"), payment("older", minute=-5), payment("new", minute=8 * 24 * 60), payment("unseen", minute=-1)])
    assert (done.taken, done.duplicates) == (1, 3)
    # A correction finds what it replaces, wherever that lies.
    forget_ids(cards, "payments")
    assert append(cards, "payments", [payment("older", minute=3, revision=1, amount=7.0)]).corrections == 1
    worker.catch_up()
    with cards.read() as conn:
        tiles = stored_tiles(conn, cards.id, "card@1")
    assert sum(states[0] for states in tiles.values()) == 4


def test_a_worker_forgets_ids_now_and_then(cards: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_STEPS_BETWEEN_SWEEPS", 1)
    worker = StreamWorker(cards, card_view(), source="payments")
    append(cards, "payments", [payment("old", known_at=START - MINUTE)])
    worker.step()
    append(cards, "payments", [payment("new", minute=8 * 24 * 60)])
    worker.step()
    with cards.read() as conn:
        kept = conn.execute(select(event_id.c.event).where(event_id.c.workspace_id == cards.id)).scalars().all()
    assert kept == ["new"]


def test_a_source_cannot_change_its_columns_but_its_limits(cards: Workspace) -> None:
    changed = EventSource(**{**CARDS.to_dict(), "backlog": 5, "remember": "1d"})
    declare_source(cards, changed)
    with cards.read() as conn:
        assert source_of(conn, cards.id, "payments") == changed
    with pytest.raises(Conflict, match="other columns"):
        declare_source(cards, EventSource(**{**CARDS.to_dict(), "columns": {**CARDS.columns, "more": "int"}}))


def test_a_source_that_nobody_declared_is_not_found(cards: Workspace) -> None:
    with pytest.raises(NotFound):
        append(cards, "nothing", [payment("a")])


@pytest.mark.parametrize("role", ["event_id", "event_time", "revision", "deleted", "available_time"])
def test_a_role_must_name_a_column_of_its_kind(role: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must name a column of kind"):
        EventSource(**{**CARDS.to_dict(), role: "amount"})


def test_a_value_that_no_column_holds_refuses_the_batch_with_its_column() -> None:
    source = EventSource("odd", {"id": "text", "at": "timestamp", "day": "date"}, event_id="id", event_time="at")
    for odd, column in (({"day": "someday"}, "day"), ({"at": 2**70}, "at"), ({"id": "\ud800"}, "id")):
        with pytest.raises(InputError, match=f"'{column}'"):
            source.frame([{"id": "a", "at": START}, {"id": "b", "at": START, **odd}])


def test_events_delivered_again_are_no_backlog(cards: Workspace) -> None:
    declare_source(cards, replace(CARDS, backlog=3))
    worker = StreamWorker(cards, card_view(), source="payments")
    append(cards, "payments", [payment("a"), payment("b")])
    worker.catch_up()
    for _ in range(4):
        assert append(cards, "payments", [payment("a"), payment("b")]).duplicates == 2
    assert append(cards, "payments", [payment("c")]).taken == 1
    assert worker.step().waiting == 0


def test_events_of_the_log_are_read_as_they_were_written(cards: Workspace) -> None:
    sent = [payment("a", shop=None, amount=-0.0), payment("ü", shop="", revision=1, gone=True), payment("c", amount=None, minute=-1e9)]
    append(cards, "payments", sent)
    for event, kept in zip(sent, logged(cards), strict=True):
        assert {name: kept[name] for name in ("id", "amount", "shop")} == {name: event[name] for name in ("id", "amount", "shop")}
        assert (kept["revision"], kept["gone"], kept["__event"]) == (event.get("revision"), event.get("gone"), event["at"])


def test_a_log_that_was_damaged_is_not_read_on(cards: Workspace) -> None:
    append(cards, "payments", [payment("a"), payment("b")])
    with cards.read() as conn:
        data = bytes(conn.execute(select(event_log.c.data).where(event_log.c.workspace_id == cards.id)).scalar_one())
    assert CARDS.unpack(data).height == 2
    for broken in (b"", data[:40], data[: len(data) // 2]):
        with pytest.raises(IntegrityError, match="cannot be read"):
            CARDS.unpack(broken)
