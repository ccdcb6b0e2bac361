"""What another process changes counts from the next request on: here by a second opening of the same workspace, as the command line does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browserless import Client

from pilotage.judging import Item, Option, Question, Rubric
from pilotage.ledger import create_workspace, open_workspace
from pilotage.people import add_account, close_session, disable_account, find_account, issue_token, open_session, revoke_token, set_roles
from pilotage.review import NewTask, grant_skill, put_tasks, revoke_skill
from pilotage.review.projects import ProjectSettings, change_project, create_project, load_project, pause_project, resume_project
from pilotage.server import create_app
from pilotage.store import Workspace

RUBRIC = Rubric(name="tone", questions=(Question(name="tone", prompt="Is it kind?", kind="choice", options=(Option("yes"), Option("no"))),))
PASSWORD = "correct horse battery"


@pytest.fixture
def elsewhere(location: str) -> Iterator[Workspace]:
    """The workspace as another process has it open."""
    with create_workspace(location) as workspace:
        create_project(workspace, ProjectSettings(name="queue"), rubric=RUBRIC, guideline="Go by the text.")
        put_tasks(workspace, "queue", [NewTask(Item("text", str(number), {"text": f"item {number}"}, {"topic": "law"})) for number in range(20)])
        add_account(workspace, login="ann", display_name="Ann", roles=["reviewer"], password=PASSWORD)
        yield workspace


class Ann:
    """The person, with a token, before a server of its own."""

    def __init__(self, server: Workspace, elsewhere: Workspace) -> None:
        self.client = Client(create_app(server))
        self.token = issue_token(elsewhere, find_account(elsewhere, "ann"), name="test")

    def claim(self, n: int = 1) -> Any:
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token.token}"}
        return self.client.send("POST", "/api/v1/review/claim", body=json.dumps({"queue": "queue", "n": n}).encode(), headers=headers)

    def tasks(self) -> list[Any]:
        answer = self.claim()
        assert answer.status == 200, answer.text
        return list(answer.json()["tasks"])


@pytest.fixture
def ann(location: str, elsewhere: Workspace) -> Iterator[Ann]:
    with open_workspace(location) as server:
        ann = Ann(server, elsewhere)
        assert len(ann.tasks()) == 1  # everything that is remembered is remembered by now
        yield ann


def test_a_role_that_is_taken_away_and_given_back(ann: Ann, elsewhere: Workspace) -> None:
    set_roles(elsewhere, find_account(elsewhere, "ann"), roles=["auditor"])
    assert ann.claim().status == 403
    set_roles(elsewhere, find_account(elsewhere, "ann"), roles=["reviewer"])
    assert ann.claim().status == 200


def test_a_token_that_is_revoked(ann: Ann, elsewhere: Workspace) -> None:
    revoke_token(elsewhere, ann.token.id)
    assert ann.claim().status == 401


def test_an_account_that_is_disabled(ann: Ann, elsewhere: Workspace) -> None:
    disable_account(elsewhere, find_account(elsewhere, "ann"))
    assert ann.claim().status == 401


def test_a_session_that_is_ended(ann: Ann, elsewhere: Workspace) -> None:
    session = open_session(elsewhere, account_id=find_account(elsewhere, "ann").id)
    cookie = {"cookie": f"pilotage_session_8321={session.token}", "accept": "application/json"}
    assert ann.client.get("/api/v1/review/history", **cookie).status == 200
    close_session(elsewhere, session.token)
    assert ann.client.get("/api/v1/review/history", **cookie).status == 401


def test_a_project_that_is_paused(ann: Ann, elsewhere: Workspace) -> None:
    pause_project(elsewhere, "queue")
    assert ann.tasks() == []
    resume_project(elsewhere, "queue")
    assert len(ann.tasks()) == 1


def test_settings_guideline_and_consent_that_are_changed(ann: Ann, elsewhere: Workspace) -> None:
    before = load_project(elsewhere, "queue")
    settings = before.settings.model_copy(update={"consent": "Some suggestions are planted.", "lease": "3m"})
    change_project(elsewhere, "queue", number=before.number, settings=settings, guideline="Go by the tone.")
    told = ann.claim().json()
    assert told["project"]["consent"] == "Some suggestions are planted."
    (task,) = told["tasks"]
    assert task["guideline_number"] == 2
    assert task["expires_at"] - elsewhere.clock.now_us() < 181_000_000


def test_a_skill_that_is_asked_for_given_and_taken_away(ann: Ann, elsewhere: Workspace) -> None:
    before = load_project(elsewhere, "queue")
    caps = before.settings.model_validate({**before.settings.model_dump(), "qualification": {"skill": "law", "pass_at": 0.8, "items": 5}})
    change_project(elsewhere, "queue", number=before.number, settings=caps)
    assert ann.tasks() == []
    grant_skill(elsewhere, "ann", "law")
    assert len(ann.tasks()) == 1
    revoke_skill(elsewhere, "ann", "law")
    assert ann.tasks() == []
