"""The requests behind the review screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from browserless import Client

from pilotage.judging import Item, Option, Question, Rubric, judgements, person
from pilotage.review import NewTask, claim, counts, put_task, put_tasks
from pilotage.review.projects import ProjectSettings, change_project, create_project, load_project
from pilotage.server import create_app
from pilotage.store import Workspace

TOKEN = "the-printed-token"
RUBRIC = Rubric(
    name="safety",
    questions=(
        Question(name="failure", prompt="Is this reply a failure?", kind="choice", options=(Option("yes"), Option("no"))),
        Question(name="correction", prompt="What should it have said?", kind="text"),
    ),
)


@pytest.fixture
def queue(empty: Workspace) -> Workspace:
    """Three items wait in the queue 'support'."""

    def fill(tx: Any) -> None:
        for number in range(3):
            item = Item(kind="output", source_id=f"out_{number}", payload={"objective": f"secret {number}", "conversation": []})
            put_task(tx, "support", item, RUBRIC, ["breach_candidate"], priority=-number)

    empty.write(fill)
    return empty


@pytest.fixture
def ask(queue: Workspace) -> Callable[..., Any]:
    """Send JSON as the page does."""
    client = Client(create_app(queue, local_token=TOKEN))
    assert client.get(f"/?token={TOKEN}").status == 303
    csrf = client.csrf_token()

    def send(method: str, path: str, body: dict[str, Any] | None = None, *, token: str = csrf) -> Any:
        headers = {"content-type": "application/json", "accept": "application/json", "x-csrf-token": token}
        return client.send(method, f"/api/v1/review/{path}", body=json.dumps(body).encode() if body else b"", headers=headers)

    return send


def test_a_claim_brings_the_items_their_rubric_and_the_numbers(ask: Callable[..., Any]) -> None:
    told = ask("POST", "claim", {"queue": "support", "n": 2}).json()
    assert [task["payload"]["objective"] for task in told["tasks"]] == ["secret 0", "secret 1"]
    assert [question["name"] for question in told["rubrics"][RUBRIC.id]["questions"]] == ["failure", "correction"]
    assert "counts" not in told and (told["left"], told["more"]) == (3, False) and told["answered"] == 0 and told["standing"] is None


def test_an_answer_sent_twice_is_acknowledged_twice_and_counted_once(ask: Callable[..., Any], queue: Workspace) -> None:
    task_id = ask("POST", "claim", {"queue": "support", "n": 1}).json()["tasks"][0]["task_id"]
    body = {"task_id": task_id, "idempotency_key": "k", "answers": {"failure": "no"}}
    first, again = ask("POST", "answer", body), ask("POST", "answer", body)
    assert (first.status, again.status) == (200, 200)
    assert again.json()["repeated"] and first.json()["judgements"] == again.json()["judgements"]
    assert len(judgements(queue)) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("claim", {"queue": "support", "n": -1}, 422, "cannot be read"),
        ("claim", {"queue": "support", "surprise": 1}, 422, "cannot be read"),
        ("skip", {"task_id": "task_none", "idempotency_key": "k"}, 404, "no such review task"),
        ("undo", {"task_id": "task_none", "idempotency_key": "k"}, 404, "no such review task"),
        ("answer", {"task_id": "task_none", "idempotency_key": "k", "answers": {}}, 404, "no such review task"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_so(ask: Callable[..., Any], path: str, body: dict[str, Any], status: int, says: str) -> None:
    answer = ask("POST", path, body)
    assert answer.status == status
    assert says in answer.json()["what"]


def test_nothing_is_decided_without_the_security_token(ask: Callable[..., Any], queue: Workspace) -> None:
    assert ask("POST", "claim", {"queue": "support"}, token="stale").status == 403
    assert counts(queue, "support").answers == 0


def test_a_past_item_is_shown_only_to_who_was_served_it(ask: Callable[..., Any], queue: Workspace) -> None:
    (theirs,) = claim(queue, "support", person("ben"), n=1)
    assert ask("GET", f"tasks/{theirs.task_id}").status == 403
    mine = ask("POST", "claim", {"queue": "support", "n": 1}).json()["tasks"][0]
    assert ask("GET", f"tasks/{mine['task_id']}").json()["task"]["payload"] == mine["payload"]
    assert ask("GET", "history?queue=support").json() == {"decisions": []}


def test_a_claim_tells_of_the_pause_to_come_and_whether_the_person_agreed(empty: Workspace) -> None:
    declared = {"name": "tone", "consent": "Some are planted.", "caps": {"break_after": 3, "break_for": "10m"}}
    create_project(empty, ProjectSettings.model_validate(declared), rubric=RUBRIC, guideline="Be fair.")
    put_tasks(empty, "tone", [NewTask(Item(kind="output", source_id=f"o{number}", payload={"text": "x"})) for number in range(5)])

    def page() -> Callable[..., Any]:  # another machine each time
        client = Client(create_app(empty, local_token=TOKEN))
        assert client.get(f"/?token={TOKEN}").status == 303
        headers = {"content-type": "application/json", "accept": "application/json", "x-csrf-token": client.csrf_token()}
        return lambda path, body: client.send("POST", f"/api/v1/review/{path}", body=json.dumps(body).encode(), headers=headers).json()

    ask = page()
    told = ask("claim", {"queue": "tone", "n": 1})
    assert told["project"] == {"consent": "Some are planted.", "consented": False, "round": None, "break_for": "10m", "before_break": 3}
    ask("consent", {"queue": "tone", "idempotency_key": "c"})
    ask("answer", {"task_id": told["tasks"][0]["task_id"], "idempotency_key": "k", "answers": {"failure": "no"}})
    told = page()("claim", {"queue": "tone", "n": 1})["project"]
    assert (told["consented"], told["before_break"]) == (True, 2)
    project = load_project(empty, "tone")
    change_project(empty, "tone", number=project.number, settings=project.settings.model_copy(update={"consent": "Another text."}))
    assert page()("claim", {"queue": "tone", "n": 1})["project"]["consented"] is False  # another text is asked about anew
