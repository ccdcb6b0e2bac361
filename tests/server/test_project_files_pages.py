"""Files into a project and out of it: nothing half-taken, every refused row named, progress of what takes long, and the floor of agreement."""

from __future__ import annotations

import json
from typing import Any

import pytest
from browserless import Answer, Client, sign_in
from leading import sign_in_as
from review_workspace import PROJECT
from roles import as_somebody

from pilotage import people
from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.ledger import entries
from pilotage.review import NewTask, answer, claim, counts, put_tasks
from pilotage.review.exchange import importing
from pilotage.review.projects import Overlap, ProjectSettings, create_project
from pilotage.server import guard
from pilotage.server.pages import project_files
from pilotage.store import Workspace

RUBRIC = Rubric("letters", (Question("kind", "Is it kind?", "choice", options=(Option("yes"), Option("no"))),))
BOUNDARY = "a-boundary-of-tests"


@pytest.fixture
def client(empty: Workspace) -> Client:
    create_project(empty, ProjectSettings(name="letters", agreement_floor=0.5), rubric=RUBRIC, guideline="Be kind.")
    return sign_in(empty)


def tasks(*choices: str, start: int = 0) -> list[dict[str, Any]]:
    found = []
    for number, choice in enumerate(choices, start=start):
        result = [{"from_name": "kind", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}]
        found.append({"id": number, "data": {"text": f"Letter {number}"}, "annotations": [{"id": number, "completed_by": "x", "result": result}]})
    return found


def upload(
    client: Client, content: bytes, *, token: str | None = None, first: bool = True, address: str = "/review/projects/letters/import", **fields: str
) -> Answer:
    given = {"format": "label-studio", "question": "", "queue": "all", **fields}
    parts = [("csrf_token", client.csrf_token() if token is None else token), *given.items()]
    parts = parts if first else parts[1:] + parts[:1]
    body = b"".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in parts)
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="=cmd.json"\r\nContent-Type: application/json\r\n\r\n'.encode()
    body += file + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return client.send("POST", address, body=body, headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"})


def report(client: Client, sent: Answer) -> Answer:
    assert sent.status == 303, sent.text
    return client.get(sent.headers["location"])


def test_a_file_is_taken_and_what_became_of_it_is_told(client: Client, empty: Workspace) -> None:
    assert "Label Studio JSON" in client.get("/review/projects/letters/import").text
    shown = report(client, upload(client, json.dumps(tasks("yes", "no", "yes")).encode())).text
    assert "3 records were taken" in shown and "=cmd.json" in shown
    assert counts(empty, "letters").open == 3
    again = report(client, upload(client, json.dumps(tasks("yes", "no", "yes")).encode())).text
    assert "was taken before" in again and counts(empty, "letters").open == 3
    assert [entry.actor for entry in entries(empty, type="review.imported")] == ["ada"]


def test_one_row_that_cannot_be_taken_refuses_the_file_and_is_named(client: Client, empty: Workspace) -> None:
    content = json.dumps(tasks("yes", "<script>evil()</script>", "no", "=1+1")).encode()
    shown = report(client, upload(client, content))
    assert "2 rows cannot be taken, so nothing was" in shown.text and "<script>evil" not in shown.text
    assert counts(empty, "letters").open == 0, "nothing is half-taken"
    csv_address = shown.text.partition('refused.csv"')[0].rpartition('href="')[2] + "refused.csv"
    listed = client.get(csv_address)
    lines = listed.text.splitlines()
    assert lines[0] == "row,field,reason" and len(lines) == 3 and listed.headers["content-disposition"].startswith("attachment")
    assert not any(cell.startswith(("=", "+", "@")) for line in lines[1:] for cell in line.replace('"', "").split(","))
    skipped = report(client, upload(client, content, skip_refused="yes")).text
    assert "2 records were taken; 2 rows were left out" in skipped and counts(empty, "letters").open == 2


def test_a_file_of_another_kind_is_told_without_our_own_paths(client: Client, empty: Workspace) -> None:
    told = report(client, upload(client, b"{not json"))
    assert "Nothing was taken" in told.text and "=cmd.json" in told.text and "pilotage-import" not in told.text
    assert upload(client, b"[]", format="nonsense").status == 422
    assert "is a folder" in upload(client, b"[]", format="argilla-hf").text
    assert upload(client, b"[]", queue="everything").status == 422
    nothing = client.send(
        "POST",
        "/review/projects/letters/import",
        body=f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{client.csrf_token()}\r\n--{BOUNDARY}--\r\n'.encode(),
        headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"},
    )
    assert nothing.status == 422 and "No file was chosen" in nothing.text
    assert client.get("/review/projects/letters/import/imp_nothing").status == 404


def test_a_large_file_shows_how_far_it_is(client: Client, empty: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    go_on, arrived = threading.Event(), threading.Event()
    real = importing.put_tasks

    def slow(*given: Any, **more: Any) -> Any:
        if counts(empty, "letters").open >= 500:
            arrived.set()
            go_on.wait(30)
        return real(*given, **more)

    monkeypatch.setattr(importing, "CHUNK", 500)
    monkeypatch.setattr(importing, "put_tasks", slow)
    monkeypatch.setattr(project_files, "PATIENCE_S", 0.0)
    sent = upload(client, json.dumps(tasks(*["yes"] * 700)).encode())
    assert sent.status == 303 and arrived.wait(30)
    under_way = client.get(sent.headers["location"])
    assert "500" in under_way.text and "records taken so far" in under_way.text
    assert 'hx-trigger="every 1s"' in client.get(f"{sent.headers['location']}/live").text
    go_on.set()
    client.app.state.jobs.wait("import", "letters", sent.headers["location"].rpartition("/")[2], timeout_s=30)  # type: ignore[attr-defined]
    assert "700 records were taken" in client.get(sent.headers["location"]).text.replace("\u202f", "")


def test_a_form_with_a_file_needs_its_token_first_and_the_right_one(client: Client, empty: Workspace) -> None:
    content = json.dumps(tasks("yes")).encode()
    assert upload(client, content, token="wrong").status == 403
    assert upload(client, content, token="").status == 403
    assert upload(client, content, first=False).status == 403
    elsewhere = client.send(
        "POST",
        "/review/projects/letters/import",
        body=b"",
        headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}", "origin": "http://evil.test"},
    )
    assert elsewhere.status == 403 and counts(empty, "letters").open == 0
    assert upload(client, content, address="/review/projects/new").status == 403, "elsewhere no token is read from such a form"


def test_only_who_may_take_items_in_sends_more_than_other_forms(client: Client, empty: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_UPLOAD_BYTES", guard.MAX_BODY_BYTES * 3)
    large = json.dumps([*tasks(*["yes"] * 10), {"id": 99, "data": {"text": "x" * guard.MAX_BODY_BYTES}}]).encode()
    assert "11 records were taken" in report(client, upload(client, large)).text
    assert upload(client, b" " * (guard.MAX_BODY_BYTES * 3)).status in (400, 413)
    people.add_account(empty, login="ben", roles=["reviewer"], password="correct horse battery staple")
    assert upload(sign_in_as(empty, "ben"), large).status in (400, 403, 413)


def test_a_table_taken_on_the_page_is_for_a_person_to_open_unless_they_say_otherwise(empty: Workspace) -> None:
    rubric = Rubric("r", (Question("q", "Which?", "choice", options=(Option("+1"), Option("-1"))),))
    create_project(empty, ProjectSettings(name="p"), rubric=rubric, guideline="Be fair.")
    lead = as_somebody(empty, "lena", "owner")
    put_tasks(empty, "p", [NewTask(Item("record", "=1+1", {"text": "x"}))])
    (item,) = claim(empty, "p", person("ann"), n=1)
    answer(empty, item.task_id, person("ann"), {"q": "+1"}, idempotency_key="k")
    here = "/review/projects/p/export"
    opened = lead.post(here, {"format": "table-csv"}).text
    as_said = lead.post(here, {"format": "table-csv", "loss_free": "yes"}).text
    assert opened != as_said and opened.replace("'", "") == as_said
    assert lead.post(here, {"format": "label-studio"}).status == 200
    assert "read by a program" in lead.get(here).text


def test_an_export_is_a_file_and_on_record(led: Workspace) -> None:
    lead = sign_in_as(led, "lena")
    assert "How far people agree" in lead.get(f"/review/projects/{PROJECT}/export").text
    sent = lead.post(f"/review/projects/{PROJECT}/export", {"format": "label-studio", "anonymous": "yes"})
    assert sent.status == 200 and sent.headers["content-disposition"] == 'attachment; filename="replies.json"'
    rows = json.loads(sent.body)
    assert len(rows) == 360 and "ben" not in sent.text and int(sent.headers["x-pilotage-rows"]) == 360
    assert [entry.actor for entry in entries(led, type="review.exported")][-1] == "lena"
    assert lead.post(f"/review/projects/{PROJECT}/export", {"format": "nonsense"}).status == 422
    needs_one = lead.post(f"/review/projects/{PROJECT}/export", {"format": "table-csv"})
    assert needs_one.status == 422 and 'name="question"' in needs_one.text
    assert sign_in_as(led, "ben").post(f"/review/projects/{PROJECT}/export", {"format": "label-studio"}).status == 403


def test_preferences_below_the_floor_of_agreement_do_not_leave(empty: Workspace) -> None:
    rubric = Rubric("pairs", (Question("better", "Which is better?", "pair"),))
    from pilotage.judging import Item
    from pilotage.review import NewTask, put_tasks

    create_project(empty, ProjectSettings(name="pairs", agreement_floor=0.5, overlap=Overlap(start=2)), rubric=rubric, guideline="Be fair.")
    put_tasks(empty, "pairs", [NewTask(Item("pair", f"p{number}", {"prompt": "Hi", "a": "Hello.", "b": f"Hey {number}."})) for number in range(60)])
    for login in ("ada", "bob"):
        for claimed in claim(empty, "pairs", person(login), 50) + claim(empty, "pairs", person(login), 10):
            preferred = "a" if login == "ada" or claimed.item_id < "itm_8" else "b"
            given = {"better": {"preferred": preferred, "strength": None}}
            answer(empty, claimed.task_id, person(login), given, idempotency_key=f"{login}-{claimed.task_id}")
    client = sign_in(empty)
    shown = client.get("/review/projects/pairs/export").text
    assert "below the floor" in shown and "reaches 0.50" in shown
    told = client.post("/review/projects/pairs/export", {"format": "dpo"})
    assert told.status == 403 and "below the floor of 0.5" in told.text and "sharpen the guideline" in told.text
    assert not entries(empty, type="review.exported")
    assert client.post("/review/projects/pairs/export", {"format": "label-studio"}).status == 200, "the answers themselves may leave"
