"""The HTTP API of what comes in: pushes, events with backpressure, batches and pipelines as JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from browserless import Answer, Client, sign_in
from deliveries_workspace import HOSTILE, rows

from pilotage import people
from pilotage.data.ingest import batches
from pilotage.features.streams import Busy, EventSource, declare_source
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.server.guard import MAX_BODY_BYTES
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"
EVENTS = EventSource("clicks", {"id": "text", "at": "timestamp", "day": "date", "n": "int", "x": "float"}, event_id="id", event_time="at")


def program(workspace: Workspace, role: str) -> Client:
    """A program with a token of somebody who has the role."""
    if not people.has_accounts(workspace):
        people.add_account(workspace, login="root", roles=["admin"], password=PASSWORD)
    account = people.add_account(workspace, login=role, roles=[role], password=PASSWORD)
    token = people.issue_token(workspace, account, name="feed").token
    return Client(create_app(workspace), headers={"authorization": f"Bearer {token}", "accept": "application/json"})


def send(client: Client, address: str, value: Any, **headers: str) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return client.send("POST", address, body=body, headers={"content-type": "application/json", **headers})


@pytest.fixture
def feed(deciding: Workspace) -> Client:
    declare_source(deciding, EVENTS)
    return program(deciding, "operator")


def test_rows_are_pushed_and_the_answer_is_the_batch(feed: Client, deciding: Workspace) -> None:
    sent = [*rows(2_500, 150), {"id": "bad", "at": "never", "amount": 1.0}]
    answer = send(feed, "/api/v1/ingest/payments", sent, idempotency_key="monday")
    assert answer.status == 201
    batch = answer.json()
    assert (batch["state"], batch["rows_in"], batch["kept"], batch["quarantined"]) == ("published", 151, 150, 1)
    assert (batch["batch_key"], batch["created_by"], batch["again"]) == ("monday", "operator", False)
    again = feed.get(f"/api/v1/batches/{batch['id']}").json()
    assert again == batch
    assert {one.actor for one in entries(deciding, type="ingest.batch") if one.subject == batch["id"]} == {"operator"}


def test_the_same_push_is_one_batch_and_other_rows_under_its_key_are_refused(feed: Client, deciding: Workspace) -> None:
    first = send(feed, "/api/v1/ingest/payments", rows(30_000, 120), idempotency_key="monday")
    before = len(batches(deciding))
    for headers in ({"idempotency_key": "monday"}, {}):
        again = send(feed, "/api/v1/ingest/payments", rows(30_000, 120), **headers)
        assert (again.status, again.json()["id"], again.json()["again"]) == (200, first.json()["id"], True)
    other = send(feed, "/api/v1/ingest/payments", rows(40_000, 120), idempotency_key="monday")
    assert other.status == 409 and "used for other rows" in other.json()["what"]
    assert len(batches(deciding)) == before


def test_a_push_whose_gate_fails_is_held(feed: Client) -> None:
    answer = send(feed, "/api/v1/ingest/payments", rows(30_000, 120, times=1000))
    assert answer.status == 201 and answer.json()["state"] == "held" and answer.json()["version"] is None


@pytest.mark.parametrize("role", ["reviewer", "auditor"])
def test_only_who_may_import_pushes(deciding: Workspace, role: str) -> None:
    declare_source(deciding, EVENTS)
    client = program(deciding, role)
    before = len(batches(deciding))
    assert send(client, "/api/v1/ingest/payments", rows(30_000, 3)).status == 403
    assert send(client, "/api/v1/events/clicks", [{"id": "e1", "at": 1}]).status == 403
    assert len(batches(deciding)) == before and client.get("/api/v1/batches").status == 200


def test_a_browser_needs_its_security_token_to_push(deciding: Workspace) -> None:
    assert send(sign_in(deciding), "/api/v1/ingest/payments", rows(30_000, 3)).status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'"rows"',
        b"[",
        b'[{"id": "x", "at": "never"}]',
        b"[1, 2, null]",
        b'[{"id": "\\ud800", "at": "2025-01-01T00:00:00Z", "amount": 1}]',
        b'[{"id": "x", "at": "2025-01-01T00:00:00Z", "amount": ' + b"9" * 400 + b"}]",
        b'[{"id": "x", "at": "2025-01-01T00:00:00Z", "amount": NaN}]',
        b'[{"id": "\\u0000", "at": {"a": []}, "amount": [[[]]]}]',
        b"[" * 50_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_rows_is_refused_and_nothing_is_published(feed: Client, deciding: Workspace, body: bytes) -> None:
    before = len(batches(deciding, state="published"))
    for address in ("/api/v1/ingest/payments", "/api/v1/events/clicks"):
        answer = send(feed, address, body)
        assert answer.status in (400, 422), f"{address} {answer.status} {answer.text[:300]}"
        assert "Traceback" not in answer.text and deciding.location not in answer.text
    assert len(batches(deciding, state="published")) == before


def test_no_rows_are_an_empty_batch(feed: Client) -> None:
    answer = send(feed, "/api/v1/ingest/payments", [])
    assert answer.status == 201 and answer.json()["state"] == "empty"


def test_a_push_larger_than_the_limit_or_to_nowhere_is_refused(feed: Client) -> None:
    assert send(feed, "/api/v1/ingest/payments", b"[" + b" " * MAX_BODY_BYTES + b"]", content_length=str(MAX_BODY_BYTES + 2)).status == 413
    for address in ("/api/v1/ingest/nothing", "/api/v1/events/nothing"):
        assert send(feed, address, [{"id": "x"}]).status == 404
    assert send(feed, "/api/v1/ingest/payments", [], idempotency_key="k" * 201).status == 422


def test_batches_are_listed_a_page_at_a_time_as_json(looking: Client, has: Any) -> None:
    first = looking.get("/api/v1/batches?size=5").json()
    assert len(first["rows"]) == 5 and first["previous"] is None
    second = looking.get(f"/api/v1/batches?size=5&after={quote(first['next'])}").json()
    ids = [one["id"] for one in first["rows"] + second["rows"]]
    assert len(set(ids)) == len(ids) and {has.good, has.refused} <= set(ids)
    assert {one["state"] for one in looking.get("/api/v1/batches?state=held").json()["rows"]} == {"held"}
    assert looking.get("/api/v1/batches/ib_nothing").status == 404


def test_a_refused_push_does_not_say_what_was_personal(feed: Client) -> None:
    answer = send(feed, "/api/v1/ingest/payments", [{"id": "x", "at": "never", "amount": 1.0, "person": "ann-the-customer"}])
    assert answer.status == 422 and "ann-the-customer" not in answer.text


def test_events_are_appended_once_however_often_they_are_sent(feed: Client) -> None:
    events = [{"id": f"e{n}", "at": "2025-01-01T00:00:00Z", "n": n} for n in range(5)]
    assert send(feed, "/api/v1/events/clicks", events).json()["taken"] == 5
    again = send(feed, "/api/v1/events/clicks", events).json()
    assert (again["taken"], again["duplicates"]) == (0, 5)
    numbered = "/api/v1/events/clicks?producer=web&sequence=0"
    assert send(feed, numbered, events).json()["repeated"] is False
    assert send(feed, numbered, events).json()["repeated"] is True
    assert send(feed, "/api/v1/events/clicks?producer=web&sequence=7", events).status == 409
    assert send(feed, "/api/v1/events/clicks?producer=web", events).status == 422


def test_an_event_that_does_not_fit_refuses_all_of_them(feed: Client) -> None:
    good = {"id": "e1", "at": "2025-01-01T00:00:00Z"}
    for bad in ({"at": 1}, {"id": "e2", "at": "2025-01-01T00:00:00"}, {"id": "e2", "at": 1, "n": "many"}, {"id": "e2", "at": 1, "other": HOSTILE}):
        answer = send(feed, "/api/v1/events/clicks", [good, bad])
        assert answer.status == 422 and answer.headers["content-type"] == "application/json"
    for odd in ({"day": "someday"}, {"n": 2**70}, {"at": 2**70}, {"at": -(2**62)}, {"x": 1e308 * 10}, {"id": "\ud800"}, {"at": "9999-99-99"}):
        answer = send(feed, "/api/v1/events/clicks", [{**good, **odd}])
        assert answer.status in (200, 422), f"{odd}: {answer.status} {answer.text}"
    assert send(feed, "/api/v1/events/clicks", [good]).json()["next_position"] <= 3


def test_producers_are_held_back_with_429_and_when_to_come_again(feed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def behind(*_: object, **__: object) -> None:
        raise Busy("The streams of 'clicks' are behind.", retry_after_s=7, where="source 'clicks'")

    monkeypatch.setattr("pilotage.features.streams.append", behind)
    answer = send(feed, "/api/v1/events/clicks", [{"id": "e1", "at": 1}])
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["mend"] == "send it again in 7 s"


def test_a_source_whose_streams_are_behind_takes_no_more(deciding: Workspace) -> None:
    from pilotage.features import Aggregate, FeatureView
    from pilotage.features.streams import StreamWorker

    columns = {"id": "text", "at": "timestamp", "known": "timestamp", "who": "text"}
    times = {"event_time": "at", "available_time": "known"}
    declare_source(deciding, EventSource("taps", columns, event_id="id", backlog=10, **times))
    count = Aggregate("n", "count", None, "1h")
    view = FeatureView(name="taps", version=1, source="taps", entity=("who",), aggregates=(count,), **times)
    StreamWorker(deciding, view, source="taps")
    client = program(deciding, "operator")
    events = [{"id": f"e{n}", "at": "2025-01-01T00:00:00Z", "who": "a"} for n in range(30)]
    assert send(client, "/api/v1/events/taps", events).status == 200
    held_back = send(client, "/api/v1/events/taps", [{"id": "one more", "at": "2025-01-01T00:00:00Z", "who": "a"}])
    assert held_back.status == 429 and int(held_back.headers["retry-after"]) >= 1


def test_pipelines_are_told_as_json(looking: Client, has: Any) -> None:
    assert [one["name"] for one in looking.get("/api/v1/pipelines").json()] == ["card-fraud"]
    told = looking.get("/api/v1/pipelines/card-fraud").json()
    assert told["champion"]["id"] == has.champion and len(told["runs"]["rows"]) == 3
    assert told["challenges"][0]["waits"] is True and told["decisions"][0]["triggers"][0]["limit"] == 0.05
    assert looking.get("/api/v1/pipelines/nothing").status == 404


def test_all_of_it_is_described(looking: Client) -> None:
    paths = looking.get("/api/openapi.json").json()["paths"]
    assert {"200", "201", "403", "409", "413"} <= set(paths["/api/v1/ingest/{source}"]["post"]["responses"])
    assert {"200", "429"} <= set(paths["/api/v1/events/{source}"]["post"]["responses"])
    named = {one["name"] for one in paths["/api/v1/ingest/{source}"]["post"]["parameters"]}
    assert "idempotency-key" in {name.lower() for name in named}
    for path in ("/api/v1/batches", "/api/v1/batches/{batch_id}", "/api/v1/pipelines", "/api/v1/pipelines/{name}"):
        assert paths[path]["get"]["description"]
