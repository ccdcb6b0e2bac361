"""The HTTP API of projects, through the Python client and without it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from browserless import Client as Browserless
from browserless import sign_in

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "review" / "routing"))
from routed import NAME, answer_audits, put_in_force

from pilotage import people
from pilotage.client import Client
from pilotage.client import transport as wire
from pilotage.core import Conflict, InputError, NotFound, Refused, Unavailable
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"
SETTINGS = {"name": "tickets", "title": "Tickets"}
RUBRIC = {
    "name": "tone",
    "guideline": "Polite is polite.",
    "questions": [{"name": "polite", "prompt": "Is it polite?", "kind": "choice", "options": ["yes", "no"]}],
}
HOSTILE = "<script>alert(1)</script>"


def token_for(workspace: Workspace, login: str, *roles: str) -> str:
    if not people.has_accounts(workspace):
        people.add_account(workspace, login="root", roles=["admin"], password=PASSWORD)
    account = people.add_account(workspace, login=login, roles=list(roles), password=PASSWORD)
    return people.issue_token(workspace, account, name="program").token


class Served:
    """The application on a loopback port."""

    def __init__(self, app: Any) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def served(fresh: Workspace) -> Iterator[str]:
    one = Served(create_app(fresh))
    yield one.url
    one.stop()


@pytest.fixture
def client(fresh: Workspace, served: str) -> Iterator[Client]:
    with Client(served, token=token_for(fresh, "olga", "owner")) as made:
        yield made


def items(count: int) -> list[dict[str, Any]]:
    return [
        {
            "payload": {"text": f"{HOSTILE} {n}"},
            "source_id": str(n),
            "slices": {"language": "en"},
            "suggestions": [{"question": "polite", "value": "no", "model": "m", "probability": 0.75}],
        }
        for n in range(count)
    ]


def test_a_project_is_made_filled_answered_and_let_out_by_a_program(client: Client, fresh: Workspace, tmp_path: Path) -> None:
    assert client.me()["login"] == "olga"
    made = client.create_project(SETTINGS, rubric=RUBRIC)
    assert (made["number"], made["state"], made["guideline"]) == (1, "active", "Polite is polite.")
    report = client.put("tickets", items(7))
    assert (report["put"], report["known"], report["refused"]) == (7, 0, [])
    assert client.put("tickets", items(7))["known"] == 7
    tasks = client.claim("tickets", 2)
    assert len(tasks) == 2 and HOSTILE in tasks[0]["payload"]["text"]
    first = client.answer(tasks[0]["task_id"], {"polite": "yes"}, active_ms=900, idempotency_key="k1")
    again = client.answer(tasks[0]["task_id"], {"polite": "yes"}, active_ms=900, idempotency_key="k1")
    assert again["repeated"] and again["judgements"] == first["judgements"]
    client.skip(tasks[1]["task_id"])
    assert [(line["name"], line["open"], line["done"]) for line in client.projects()] == [("tickets", 6, 1)]
    out = client.export("tickets", tmp_path / "out.json")
    told = json.loads(out.path.read_text())
    assert out.rows == 7 and sum(len(task["annotations"]) for task in told) == 1
    assert told[0]["annotations"][0]["completed_by"] == "olga" and told[0]["predictions"][0]["model_version"] == "m"
    exported = list(entries(fresh, type="review.exported"))
    assert len(exported) == 1 and exported[0].actor == "olga"


def test_items_that_do_not_fit_are_named_and_the_others_are_put(client: Client) -> None:
    client.create_project(SETTINGS, rubric=RUBRIC)
    wrong = {"payload": {"text": "x"}, "suggestions": [{"question": "rude", "value": "yes"}]}
    report = client.put("tickets", [*items(1), wrong])
    assert report["put"] == 1
    (refused,) = report["refused"]
    assert refused["row"] == 2 and "rude" in refused["field"]


def test_a_change_from_an_old_version_is_refused(client: Client, fresh: Workspace) -> None:
    client.create_project(SETTINGS, rubric=RUBRIC)
    post = client._post
    assert post("/api/v1/projects/tickets/changes", {"number": 1, "guideline": "Be strict."})["guideline_number"] == 2
    with pytest.raises(Conflict, match="changed by somebody else"):
        post("/api/v1/projects/tickets/changes", {"number": 1, "guideline": "Be mild."})
    for act, state in (("pause", "paused"), ("resume", "active"), ("archive", "archived")):
        assert post(f"/api/v1/projects/tickets/{act}", None)["state"] == state
    with pytest.raises(Refused):
        client.put("tickets", items(1))


def test_errors_come_back_as_our_classes(client: Client) -> None:
    with pytest.raises(NotFound, match="no project"):
        client.project("nothing")
    with pytest.raises(InputError):
        client.create_project({"name": "a/b"}, rubric=RUBRIC)
    with pytest.raises(InputError):
        client.create_project({"name": "x"}, rubric={"name": "r", "questions": [{"name": "q", "kind": "choice"}]})
    with pytest.raises(InputError, match="Unknown format"):
        client.create_project(SETTINGS, rubric=RUBRIC)
        client._transport.call("POST", "/api/v1/projects/tickets/export", body={"format": "xml"})


def test_a_reviewer_may_not_make_projects_nor_let_them_out(fresh: Workspace, served: str, client: Client, tmp_path: Path) -> None:
    client.create_project(SETTINGS, rubric=RUBRIC)
    with Client(served, token=token_for(fresh, "rita", "reviewer")) as reviewer:
        told = reviewer.project("tickets")
        assert (told["open"], told["done"], told["answers"]) == (None, None, None) and told["mine"] == {"answered": 0, "left": 0, "more": False}
        assert "arms" not in told["settings"] and "gold" not in told["settings"]
        assert [(line["open"], line["mine"]["left"]) for line in reviewer.projects()] == [(None, 0)]
        with pytest.raises(Refused):
            reviewer.create_project({"name": "other"}, rubric=RUBRIC)
        with pytest.raises(Refused):
            reviewer.export("tickets", tmp_path / "out.json")
    assert not list(tmp_path.glob("*out*"))
    with pytest.raises(Refused), Client(served, token="plt_wrong") as stranger:
        stranger.me()


def test_how_much_is_known_or_planted_is_told_to_who_may_change_it_alone(fresh: Workspace, served: str, client: Client) -> None:
    client.create_project({**SETTINGS, "arms": {"seeded": 0.1}, "gold": {"share": 0.2}}, rubric=RUBRIC)
    assert client.project("tickets")["settings"]["arms"]["seeded"] == 0.1 and client.project("tickets")["mine"] is None
    for login, role, told in (("otto", "operator", True), ("uma", "auditor", False), ("adam", "admin", False), ("rita", "reviewer", False)):
        with Client(served, token=token_for(fresh, login, role)) as somebody:
            settings = somebody.project("tickets")["settings"]
            assert ("arms" in settings and "gold" in settings) is told, role


def test_a_file_is_imported_over_http_and_its_raters_are_no_people(client: Client) -> None:
    client.create_project(SETTINGS, rubric=RUBRIC)
    body = b"task,worker,label\na,w1,yes\na,w2,no\n"
    query = {"format": "table-csv"}
    report = client._transport.call("POST", "/api/v1/projects/tickets/import", raw=body, query=query)
    assert (report["records"], report["answers"], report["raters"]) == (2, 2, ["w1", "w2"])
    bad = client._transport.call("POST", "/api/v1/projects/tickets/import", raw=b"task,worker,label\nb,w1,maybe\n", query=query)
    assert bad["records"] == 0 and bad["refused"][0]["field"] == "label" and bad["refused"][0]["row"] == 2


class Flaky:
    """An ASGI application that fails as often as told before it lets a request through."""

    def __init__(self, app: Any, status: int, times: int) -> None:
        self.app, self.status, self.times, self.seen = app, status, times, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen += 1
        if self.seen <= self.times:
            await send({"type": "http.response.start", "status": self.status, "headers": [(b"retry-after", b"0"), (b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)


def test_a_program_routes_outputs_and_follows_what_became_of_them(client: Client, fresh: Workspace, served: str) -> None:
    put_in_force(fresh)
    asked = {
        "policy": NAME,
        "id": "order 7/a",
        "payload": {"question": "May I return it?", "reply": HOSTILE},
        "confidence": 0.4,
        "slices": {"language": "en"},
        "model": "tgt_1",
        "prompt": "p1",
    }
    with Client(served, token=token_for(fresh, "shop", "operator")) as shop:
        told = shop.route(asked)
        assert (told["action"], told["reasons"], told["recorded"], told["repeated"]) == ("review", ["below_threshold"], "before", False)
        assert shop.route(asked) == {**told, "repeated": True}
        with pytest.raises(Conflict, match="another request"):
            shop.route({**asked, "confidence": 0.99})
        with pytest.raises(InputError):
            shop.route({**asked, "id": ""})
        with pytest.raises(NotFound):
            shop.route({**asked, "policy": "nothing"})
        assert shop.routed(told["id"])["state"] == "waiting"
        answer_audits(fresh, lambda _: True)
        assert shop.routed(told["id"])["answers"] == {"correct": ["no"]}
        for _ in range(2):
            assert shop.outcome(told["id"], wrong=True, source="chargeback")["wrong"] is True
        with pytest.raises(Conflict):
            shop.outcome(told["id"], wrong=False, source="chargeback")
        with pytest.raises(NotFound):
            shop.routed("rte_nothing")
        assert len(shop.routed(told["id"])["outcomes"]) == 1
    with Client(served, token=token_for(fresh, "rita", "reviewer")) as reviewer, pytest.raises(Refused):
        reviewer.route(asked)


def test_a_program_hands_a_task_on_once_and_is_not_served_it_again(client: Client, fresh: Workspace) -> None:
    settings = {**SETTINGS, "sla": {"due": "1h", "escalate_to": "owner", "raise_priority": 5}}
    client.create_project(settings, rubric=RUBRIC)
    client.put("tickets", items(1))
    task = client.claim("tickets", 1)[0]["task_id"]
    with pytest.raises(InputError, match="reason"):
        client.escalate(task, " ")
    first = client.escalate(task, "sarcasm, I think", idempotency_key="k1")
    assert client.escalate(task, "sarcasm, I think", idempotency_key="k1")["decision_id"] == first["decision_id"]
    with pytest.raises(Conflict, match="skipped"):
        client.escalate(task, "again")
    assert client.claim("tickets", 1) == []
    assert len(list(entries(fresh, type="review.escalated"))) == 1
    with pytest.raises(NotFound):
        client.escalate("tsk_nothing", "why")


def test_what_may_be_repeated_is_tried_again_and_then_given_up(fresh: Workspace) -> None:
    token = token_for(fresh, "olga", "owner")
    flaky = Flaky(create_app(fresh), 503, 2)
    one = Served(flaky)
    with Client(one.url, token=token) as client:
        assert client.me()["login"] == "olga" and flaky.seen == 3
        flaky.times = 99
        with pytest.raises(Unavailable):
            client.me()
    one.stop()
    with pytest.raises(Unavailable, match="cannot be reached"), Client(one.url, token=token, tries=1) as gone:
        gone.me()


def test_a_token_never_travels_in_the_clear_nor_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="https"):
        Client("http://pilotage.example.org", token="plt_x")
    with pytest.raises(InputError, match="token"):
        monkeypatch.delenv("PILOTAGE_TOKEN", raising=False)
        Client("http://127.0.0.1")
    assert "plt_x" not in repr(Client("https://pilotage.example.org", token="plt_x"))
    assert wire.part("a/b?c") == "a%2Fb%3Fc"


def test_an_export_over_http_leaves_nothing_behind(newcomer: Browserless, empty: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    client = sign_in(empty)
    headers = {"content-type": "application/json", "x-csrf-token": client.csrf_token()}
    made = client.send("POST", "/api/v1/projects", body=json.dumps({"settings": SETTINGS, "rubric": RUBRIC}).encode(), headers=headers)
    assert made.status == 201
    answer = client.send("POST", "/api/v1/projects/tickets/export", body=b'{"format":"prodigy"}', headers=headers)
    assert answer.status == 200 and answer.headers["x-pilotage-rows"] == "0" and answer.headers["content-disposition"].startswith("attachment")
    assert set(tmp_path.iterdir()) == before
