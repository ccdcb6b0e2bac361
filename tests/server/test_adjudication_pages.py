"""Adjudication: what is disputed and who decides it, opened and reopened by who leads, decided by who did not take part."""

from __future__ import annotations

import json

import pytest
from browserless import Client
from disputes import HOSTILE, dispute
from review_workspace import HABITS, Reviewed
from roles import as_somebody

from pilotage.judging import person
from pilotage.ledger import entries
from pilotage.review import answer, claim
from pilotage.review.measuring import adjudications, settle
from pilotage.review.projects import change_project, load_project
from pilotage.store import Workspace


def claimed(client: Client, **body: object) -> dict[str, object]:
    sent = {"queue": "disputed", "purpose": "adjudication", **body}
    headers = {"x-csrf-token": client.csrf_token(), "content-type": "application/json"}
    return client.send("POST", "/api/v1/review/claim", body=json.dumps(sent).encode(), headers=headers).json()


def decide(workspace: Workspace, login: str, value: str) -> None:
    for task in claim(workspace, "disputed", person(login), 20, purposes={"adjudication"}):
        answer(workspace, task.task_id, person(login), {"failure": value}, idempotency_key=f"{login}-{task.task_id}")


def test_without_a_project_it_says_what_to_do(newcomer: Client) -> None:
    page = newcomer.get("/review/adjudication")
    assert page.status == 200 and "pilotage project create" in page.text


def test_who_leads_sees_what_waits_and_every_word_of_people_stays_text(reviewed_copy: Workspace, replies: Reviewed) -> None:
    page = as_somebody(reviewed_copy, "olga", "owner").get("/review/adjudication")
    assert page.status == 200
    assert "<script>evil" not in page.text and "&lt;script&gt;evil" in page.text
    assert f"{len(replies.adjudications)} <span" in page.text and "Start adjudicating" in page.text
    assert not any(login in page.text for login in HABITS)


def test_who_answered_an_item_is_not_asked_to_decide_it_and_is_told_why(fresh: Workspace) -> None:
    dispute(fresh, "choice", items=2)
    ben, olga = as_somebody(fresh, "ben", "reviewer"), as_somebody(fresh, "olga", "owner")
    page = ben.get("/review/adjudication")
    ids = [each.item_id for each in adjudications(fresh, "disputed")]
    assert len(ids) == 2 and not any(item in page.text for item in ids), "what they answered and find disputed was work"
    assert all(item in olga.get("/review/adjudication").text for item in ids)
    assert "2 you answered yourself: somebody else decides them" in page.text and "Start adjudicating" not in page.text
    told = claimed(ben)
    assert told["tasks"] == [] and told["standing"]["own_work"] == 2
    [first, *_] = claimed(olga, n=1)["tasks"]
    assert first["context"]["questions"] == ["failure"] and [one["alias"] for one in first["context"]["answers"]] == ["A", "B"]
    told = str(first)
    assert "'ben'" not in told and "'cleo'" not in told and "what the machine said" not in told
    headers = {"x-csrf-token": ben.csrf_token(), "content-type": "application/json"}
    body = f'{{"task_id": "{first["task_id"]}", "answers": {{"failure": "yes"}}, "idempotency_key": "k"}}'.encode()
    refused = ben.send("POST", "/api/v1/review/answer", body=body, headers=headers)
    assert refused.status == 403 and "took part" in refused.text


def test_one_is_told_when_another_role_decides(fresh: Workspace) -> None:
    dispute(fresh, "choice")
    settings = load_project(fresh, "disputed").settings
    change_project(fresh, "disputed", number=1, settings=settings.model_copy(update={"adjudicator": "owner"}))
    page = as_somebody(fresh, "dan", "reviewer").get("/review/adjudication")
    assert "your role does not review as owner" in page.text and "Start adjudicating" not in page.text
    assert "for you" in as_somebody(fresh, "olga", "owner").get("/review/adjudication").text


@pytest.mark.parametrize("role", ["reviewer", "auditor"])
def test_only_who_leads_opens_and_reopens(fresh: Workspace, role: str) -> None:
    dispute(fresh, "choice")
    client = as_somebody(fresh, "somebody", role)
    assert client.get("/review/adjudication").status == 200
    assert client.post("/review/adjudication/disputed/open", {"limit": "5"}).status == 403
    assert client.post("/review/adjudication/disputed/reopen", {"task_id": "x", "reason": "y"}).status == 403


def test_disputes_are_opened_decided_counted_and_reopened(fresh: Workspace) -> None:
    dispute(fresh, "choice", items=3, opened=False)
    olga = as_somebody(fresh, "olga", "owner")
    assert "3</strong> disputed items are before nobody yet" in olga.get("/review/adjudication").text
    assert olga.post("/review/adjudication/disputed/open", {"limit": "2"}).status == 303
    page = olga.get("/review/adjudication").text
    assert "1</strong> disputed item is before nobody yet" in page and len(adjudications(fresh, "disputed")) == 2
    assert "Not assessable: nothing was decided yet" in page
    decide(fresh, "dan", "yes")
    assert "2 answered: the decisions stand once the project is" in olga.get("/review/adjudication").text
    settle(fresh, "disputed")
    page = olga.get("/review/adjudication?state=decided").text
    assert "not assessable" in page and page.count("Have somebody else decide") == 2  # ties have no majority to overturn
    task = adjudications(fresh, "disputed")[0].task_id
    assert olga.post("/review/adjudication/disputed/reopen", {"task_id": task, "reason": " "}).status == 422
    assert olga.post("/review/adjudication/disputed/reopen", {"task_id": task, "reason": f"odd {HOSTILE}"}).status == 303
    assert entries(fresh, type="adjudication.reopened")[0].actor == "olga"
    assert "reopened" in olga.get("/review/adjudication?state=reopened").text


def test_an_unknown_project_or_state_is_said(reviewed_copy: Workspace) -> None:
    client = as_somebody(reviewed_copy, "olga", "owner")
    assert client.get("/review/adjudication?project=none").status == 404
    assert client.get("/review/adjudication?state=none").status == 422
    assert client.post("/review/adjudication/none/open", {"limit": "5"}).status == 404


def test_the_list_is_turned_by_key(fresh: Workspace) -> None:
    dispute(fresh, "choice", items=5)
    client = as_somebody(fresh, "olga", "owner")
    first = client.get("/review/adjudication?size=3").text
    assert first.count("/review/disagreement/disputed/itm_") == 3 and 'rel="next"' in first
