"""The serving API: what a model is given, who may ask, and what is refused with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browserless import Answer, Client
from feature_workspace import ACTIVITY, NOW, VISITOR, Bank

from pilotage import people
from pilotage.features.online import materialize
from pilotage.features.replay import release_view, replay
from pilotage.features.serving import serve_vector
from pilotage.features.serving_log import served
from pilotage.server import create_app
from pilotage.store import Workspace

ASKED: dict[str, Any] = {"views": ["activity@1"], "entities": [{"card": "c1"}, {"card": "c2"}], "request": {"amount": 12}}


@pytest.fixture(scope="module")
def ready(bank: tuple[Workspace, Bank]) -> tuple[Workspace, Bank]:
    """With two released views in the online store, and people with roles."""
    workspace, _ = bank
    materialize(workspace, ACTIVITY)
    materialize(workspace, VISITOR)
    assert replay(workspace, VISITOR, entities=2, moments=3).passed
    release_view(workspace, VISITOR)
    for role in ("admin", "operator", "reviewer"):
        people.add_account(workspace, login=role, roles=[role], password="correct horse battery staple")
    return bank


@pytest.fixture(scope="module")
def token(ready: tuple[Workspace, Bank]) -> str:
    return people.issue_token(ready[0], people.find_account(ready[0], "operator"), name="model").token


@pytest.fixture
def program(ready: tuple[Workspace, Bank], token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("PILOTAGE_SERVED_SHARE", "1")
    app = create_app(ready[0])
    yield Client(app, headers={"authorization": f"Bearer {token}"})
    app.state.serving.close()


def ask(client: Client, asked: Any = ASKED, **changes: Any) -> Answer:
    body = asked if isinstance(asked, bytes) else json.dumps({**asked, **changes}).encode()
    return client.send("POST", "/api/v1/features/get", body=body, headers={"content-type": "application/json"})


def test_the_answer_is_what_the_online_path_computes_with_ages_and_flags(program: Client, ready: tuple[Workspace, Bank]) -> None:
    answer = ask(program)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    told = answer.json()
    direct = serve_vector(ready[0], [ACTIVITY], ASKED["entities"], {"amount": 12.0})
    assert told["views"] == ["activity@1"] and told["features"] == list(direct.features)
    assert [row["values"] for row in told["rows"]] == json.loads(json.dumps(direct.rows))
    assert [row["entity"] for row in told["rows"]] == ASKED["entities"]
    assert told["rows"][0]["flags"] == {"activity@1": "ok"} and told["rows"][0]["ages_us"]["activity__last_amount"] > 0
    assert "activity__times_usual" not in told["rows"][0]["ages_us"], "a feature of the request has no age"


def test_an_entity_that_is_not_stored_is_flagged_and_the_order_is_that_of_the_question(program: Client) -> None:
    rows = ask(program, entities=[{"card": "nobody"}, {"card": "c1"}]).json()["rows"]
    assert [row["flags"]["activity@1"] for row in rows] == ["missing", "ok"]
    assert rows[0]["values"]["activity__travel_7d"] == 0 and rows[0]["values"]["activity__last_amount"] is None


def test_what_is_served_is_logged_without_what_is_personal(program: Client, ready: tuple[Workspace, Bank]) -> None:
    assert ask(program, views=["visitor@1"], entities=[{"person": "grace-1"}], request=None).json()["rows"][0]["values"]["visitor__last_email"]
    assert ask(program).status == 200
    program.app.state.serving.close()  # type: ignore[attr-defined]
    visitors = served(ready[0], "visitor@1", from_us=0, to_us=2**60)
    assert [(vector.entity, set(vector.values)) for vector in visitors.vectors] == [("", {"visits_7d"})]
    cards = served(ready[0], "activity@1", from_us=NOW + 60_000_000, to_us=2**60)
    assert {vector.entity for vector in cards.vectors} >= {'["c1"]', '["c2"]'}


REFUSED = [
    ({"views": ["activity@2"]}, 403, "not released"),
    ({"views": ["nothing@1"]}, 404, "no feature view"),
    ({"views": []}, 422, "views"),
    ({"views": ["activity@1", "activity@1"]}, 422, "asked for twice"),
    ({"entities": [{"card": "c"}] * 101}, 422, "entities"),
    ({"entities": []}, 422, "entities"),
    ({"entities": [{"card": 7}]}, 422, "'card' is text"),
    ({"entities": [{"card": None}]}, 422, "'card' is text"),
    ({"entities": [{"shop": "c1"}]}, 422, "exactly: card"),
    ({"entities": [{"card": "c1", "shop": "x"}]}, 422, "exactly: card"),
    ({"request": {}}, 422, "'amount' is missing"),
    ({"request": {"amount": "much"}}, 422, "must be a number"),
    ({"request": {"amount": float("nan")}}, 422, "no number"),
    ({"request": {"amount": 1, "more": 2}}, 422, "more"),
    ({"request": [{"amount": 1}]}, 422, "2 entities came with 1"),
    ({"surprise": 1}, 422, "surprise"),
]


@pytest.mark.parametrize(("changes", "status", "said"), REFUSED)
def test_a_wrong_question_is_refused_with_its_reason(program: Client, changes: dict[str, Any], status: int, said: str) -> None:
    answer = ask(program, **changes)
    assert answer.status == status, answer.text
    assert said in json.dumps(answer.json())


def test_what_is_no_json_is_refused(program: Client) -> None:
    assert ask(program, b"{").status == 422


def test_only_who_may_take_data_out_may_ask(ready: tuple[Workspace, Bank]) -> None:
    stranger = Client(create_app(ready[0]))
    assert ask(stranger).status == 401
    reviewer = people.issue_token(ready[0], people.find_account(ready[0], "reviewer"), name="r").token
    asking = Client(create_app(ready[0]), headers={"authorization": f"Bearer {reviewer}"})
    refused = ask(asking)
    assert refused.status == 403 and "export" in refused.text
    assert asking.get("/api/v1/features/views").status == 200


def test_a_browser_needs_its_csrf_token(newcomer: Client) -> None:
    assert ask(newcomer).status == 403


def test_the_list_of_views_says_what_may_be_served(program: Client) -> None:
    found = {one["ref"]: one for one in program.get("/api/v1/features/views").json()}
    assert {ref: one["released"] for ref, one in found.items()} == {"activity@1": True, "activity@2": False, "visitor@1": True}
    assert found["activity@1"]["kinds"]["spent_7d"] == "float" and found["activity@1"]["lineage"]["spent_7d"] == ["amount"]
    assert "/api/v1/features/get" in program.get("/api/openapi.json").json()["paths"]


def test_a_log_that_cannot_write_holds_nobody_up(ready: tuple[Workspace, Bank], program: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from pilotage.features.serving_log import ServingLog

    held = threading.Event()
    monkeypatch.setattr(ServingLog, "_write_group", lambda self: held.wait(20) and False)
    try:
        assert [ask(program).status for _ in range(3)] == [200, 200, 200]
    finally:
        held.set()


def test_a_share_that_is_none_is_refused(ready: tuple[Workspace, Bank], token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_SERVED_SHARE", "some")
    answer = ask(Client(create_app(ready[0]), headers={"authorization": f"Bearer {token}"}))
    assert answer.status == 422 and "served_share" in answer.text
