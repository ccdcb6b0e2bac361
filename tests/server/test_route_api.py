"""The routing API: what a production system is told, who may ask, and what is refused with its reason."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import Answer, Client

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "review" / "routing"))
from routed import NAME, answer_audits, put_in_force

from pilotage import people
from pilotage.server import create_app
from pilotage.store import Workspace

ASKED: dict[str, Any] = {
    "policy": NAME,
    "payload": {"question": "May I return it?", "reply": "Yes."},
    "confidence": 0.97,
    "slices": {"language": "en"},
    "model": "tgt_1",
    "prompt": "p1",
}


@pytest.fixture
def service(fresh: Workspace) -> Iterator[Client]:
    put_in_force(fresh)
    for role in ("operator", "reviewer"):
        people.add_account(fresh, login=role, roles=[role], password="correct horse battery staple")
    token = people.issue_token(fresh, people.find_account(fresh, "operator"), name="shop").token
    app = create_app(fresh)
    yield Client(app, headers={"authorization": f"Bearer {token}"})
    app.state.routing.close()


def post(client: Client, path: str, body: Any) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.send("POST", path, body=data, headers={"content-type": "application/json"})


def route(client: Client, name: str, **changes: Any) -> Answer:
    return post(client, "/api/v1/route", {**ASKED, "id": name, **changes})


def test_an_output_is_routed_and_its_story_can_be_followed(service: Client, fresh: Workspace) -> None:
    answer = route(service, "m1", confidence=0.4)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["action"], told["reasons"], told["policy"], told["policy_version"]) == ("review", ["below_threshold"], NAME, 1)
    assert told["recorded"] == "before" and not told["repeated"]
    assert route(service, "m1", confidence=0.4).json() == {**told, "repeated": True}
    place = f"/api/v1/route/{told['id']}"
    assert service.get(place).json()["state"] == "waiting"
    answer_audits(fresh, lambda _: True)
    story = service.get(place).json()
    assert (story["state"], story["answers"]) == ("answered", {"correct": ["no"]})
    for _ in range(2):
        assert post(service, f"{place}/outcome", {"wrong": True, "source": "chargeback"}).json()["wrong"] is True
    assert [one["source"] for one in service.get(place).json()["outcomes"]] == ["chargeback"]


def test_the_caller_is_not_told_what_is_audited(service: Client) -> None:
    told = [route(service, f"a{number}").json() for number in range(30)]
    assert {one["action"] for one in told} == {"accept"}
    assert len({frozenset(one) for one in told}) == 1 and not {"audit", "inclusion", "item_id"} & set(told[0])


@pytest.mark.parametrize("confidence", [None, "high", True, 1.5, -0.1])
def test_a_confidence_that_is_none_sends_the_output_to_a_person(service: Client, confidence: Any) -> None:
    told = route(service, "x", confidence=confidence).json()
    assert told["action"] == "review" and told["reasons"][0].startswith("confidence_")


def test_what_does_not_fit_is_refused_with_its_reason(service: Client) -> None:
    assert route(service, "").status == 422
    assert route(service, "x", extra=1).status == 422
    assert route(service, "x", payload="text").status == 422
    assert post(service, "/api/v1/route", b"{").status == 422
    assert route(service, "x", policy="nothing").status == 404
    assert service.get("/api/v1/route/rte_nothing").status == 404
    assert post(service, "/api/v1/route/rte_nothing/outcome", {"wrong": True, "source": "x"}).status == 404
    assert route(service, "y").status == 200
    assert route(service, "y", confidence=0.1).status == 409


def test_who_may_not_run_may_not_route(service: Client, fresh: Workspace) -> None:
    token = people.issue_token(fresh, people.find_account(fresh, "reviewer"), name="curious").token
    reviewer = Client(service.app, headers={"authorization": f"Bearer {token}"})
    assert route(reviewer, "x").status == 403
    told = route(service, "x").json()
    assert reviewer.get(f"/api/v1/route/{told['id']}").status == 403
    assert Client(service.app).send("POST", "/api/v1/route", body=b"{}").status == 401
