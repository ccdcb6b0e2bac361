"""Known items, the exam and the calibration round, as who leads a project sets them up."""

from __future__ import annotations

import json
import re

import pytest
from browserless import Client
from leading import sign_in_as
from review_workspace import HOSTILE, PROJECT, Reviewed

from pilotage.judging import Item, item_refs, judgements, person
from pilotage.ledger import entries
from pilotage.review import NewTask, answer, claim, put_tasks
from pilotage.review.measuring import current_exam, current_round, gold_items, settle
from pilotage.review.projects import Gold, Overlap, Qualification, Round, change_project, load_project
from pilotage.store import Workspace

HERE = f"/review/projects/{PROJECT}"


def settle_on(workspace: Workspace, **changes: object) -> None:
    project = load_project(workspace, PROJECT)
    change_project(workspace, PROJECT, number=project.number, settings=project.settings.model_copy(update=changes))


def agreed_on(workspace: Workspace, count: int) -> list[str]:
    """Items about which three people said the same."""
    settle_on(workspace, gold=Gold(share=0), overlap=Overlap(start=3))
    items = [Item("reply", f"agreed-{n}", {"conversation": []}) for n in range(count)]
    put_tasks(workspace, PROJECT, [NewTask(item, priority=900_000) for item in items])
    for login in ("ben", "cleo", "eva"):
        for task in claim(workspace, PROJECT, person(login), count):
            assert task.item_id in {item.id for item in items}
            answer(workspace, task.task_id, person(login), {"failure": "no", "tone": 4}, idempotency_key=task.task_id)
    settle(workspace, PROJECT)
    return [item.id for item in items]


def test_the_page_says_how_often_each_was_seen_of_how_often_it_may_be(lead: Client, replies: Reviewed) -> None:
    shown = lead.get(f"{HERE}/gold?size=500").text
    assert len(re.findall(r'data-label="Seen by">\d+ of 20<', shown)) == len(replies.gold)
    assert re.search(r'data-label="Right">\d of \d<', shown) and "The parcel cannot be gone" in shown
    assert "0 gold answers were given by at least 6 people each; the test needs 10" in shown
    assert HOSTILE not in shown


def test_the_list_is_paged(lead: Client) -> None:
    first = lead.get(f"{HERE}/gold?size=10").text
    assert first.count('data-label="Seen by"') == 10 and 'rel="next"' in first


def test_an_item_is_made_known_by_hand(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    form = {"payload": json.dumps({"text": HOSTILE}), "answer.failure": "yes", "answer.tone": "2", "explanation": f"Because {HOSTILE}", "cap": "7"}
    assert client.post(f"{HERE}/gold/add", {**form, "slices": "language=de\nrisk = high\n"}).status == 303
    [made] = [each for each in gold_items(leading, PROJECT) if each.most == 7]
    [ref] = item_refs(leading, ids=[made.item_id])
    assert (ref.kind, dict(ref.slices)) == ("reply", {"language": "de", "risk": "high"}), "it looks like work"
    assert made.questions == ("failure", "tone") and made.exposures == 0
    shown = client.get(f"{HERE}/gold?size=500").text
    assert "0 of 7" in shown and "not answered" in shown and HOSTILE not in shown
    assert entries(leading, type="gold.added", limit=100)[-1].actor == "lena"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"answer.failure": "yes"}, "one of the two"),
        ({"payload": "{", "answer.failure": "yes"}, "is not JSON"),
        ({"payload": "{}", "slices": "german", "answer.failure": "yes"}, "line 1"),
        ({"payload": "[]", "answer.failure": "yes"}, "is an object"),
        ({"payload": "[" * 100_000, "answer.failure": "yes"}, "is not JSON"),
        ({"payload": "{}"}, "at least one right answer"),
        ({"payload": "{}", "answer.tone": "high"}, "cannot be read"),
        ({"payload": "{}", "answer.failure": "perhaps"}, "perhaps"),
        ({"item": "itm_nothing", "answer.failure": "yes"}, "no such item"),
        ({"payload": "{}", "answer.failure": "yes", "cap": "many"}, "cannot see an item"),
    ],
)
def test_what_cannot_be_known_is_refused_with_how_to_mend_it(leading: Workspace, form: dict[str, str], words: str) -> None:
    before = len(gold_items(leading, PROJECT))
    answered = sign_in_as(leading, "lena").post(f"{HERE}/gold/add", form)
    assert answered.status in (404, 422) and words in answered.text and "<dt>Mend</dt>" in answered.text
    assert len(gold_items(leading, PROJECT)) == before


@pytest.mark.parametrize("act", ["exam", "round"])
def test_lines_nested_too_deep_are_refused(leading: Workspace, act: str) -> None:
    answered = sign_in_as(leading, "lena").post(f"{HERE}/{act}/open", {"lines": "[" * 100_000})
    assert answered.status == 422 and "is not JSON" in answered.text


def test_what_people_settled_becomes_known(leading: Workspace) -> None:
    agreed = agreed_on(leading, 3)
    client = sign_in_as(leading, "lena")
    shown = client.get(f"{HERE}/gold").text
    assert all(f'value="{item_id}"' in shown for item_id in agreed)
    assert client.post(f"{HERE}/gold/settled", {"items": agreed[0], "explanation": "All said so."}).headers["location"] == f"{HERE}/gold"
    assert f'value="{agreed[0]}"' not in client.get(f"{HERE}/gold").text
    [made] = [each for each in gold_items(leading, PROJECT) if each.item_id == agreed[0]]
    assert made.questions == ("failure",), "the tone is kept as a distribution, so no value of it is known"


def test_a_known_item_is_retired_with_a_reason_and_counts_no_more(leading: Workspace, replies: Reviewed) -> None:
    client = sign_in_as(leading, "lena")
    task = replies.gold[0]
    assert client.post(f"{HERE}/gold/retire", {"task_id": task}).status == 422
    assert client.post(f"{HERE}/gold/retire", {"task_id": task, "reason": "The key was wrong."}).status == 303
    assert f'value="{task}"' not in client.get(f"{HERE}/gold?size=500").text
    assert client.get(f"{HERE}/gold?state=retired").text.count('data-label="Seen by"') == 1
    [entry] = entries(leading, type="gold.retired")
    assert entry.actor == "lena" and "The key" not in str(entry.body)
    work = next(each.item_id for each in judgements(leading, question="failure"))
    assert client.post(f"{HERE}/gold/retire", {"task_id": work, "reason": "x"}).status == 404


def test_an_exam_is_opened_from_lines_and_settled_items_and_its_results_are_listed(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    assert "This project asks for no exam" in client.get(f"{HERE}/exam").text
    agreed = agreed_on(leading, 2)
    settle_on(leading, qualification=Qualification(skill="replies", items=3, pass_at=0.5))
    assert "until an exam is open, nobody without it can be served work" in client.get(f"{HERE}/exam").text
    line = json.dumps({"item": {"kind": "reply", "source_id": "e1", "payload": {}}, "values": {"failure": "no"}})
    assert client.post(f"{HERE}/exam/open", {"lines": line}).status == 422  # too few
    assert client.post(f"{HERE}/exam/open", {"lines": "not json"}).text.count("field &#39;lines&#39;:1") == 1
    form = f"csrf_token={client.csrf_token()}&items={agreed[0]}&items={agreed[1]}&lines={line.replace('&', '')}"
    sent = {"content-type": "application/x-www-form-urlencoded"}
    assert client.send("POST", f"{HERE}/exam/open", body=form.encode(), headers=sent).status == 303
    assert current_exam(leading, PROJECT).pool == 3
    assert "Nobody has begun it yet" in client.get(f"{HERE}/exam").text
    dan = sign_in_as(leading, "dan")
    dan.post("/review/me/exams/replies/begin")
    dan.post("/review/me/exams/replies/finish", {"give_up": "true"})
    shown = client.get(f"{HERE}/exam").text
    assert 'href="/review/team/dan?project=replies"' in shown and "not passed" in shown and "0 of 3" in shown


def test_a_round_is_opened_reported_and_closed(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    shown = client.get(f"{HERE}/round").text
    assert "declare no <code>calibration_round</code>" in shown and "Guideline 2 against 1" in shown and 'class="added"' in shown
    settle_on(leading, calibration_round=Round(items=2))
    lines = "\n".join(json.dumps({"item": {"kind": "reply", "source_id": f"r{n}", "payload": {}}, "values": {"failure": "no"}}) for n in range(3))
    assert client.post(f"{HERE}/round/open", {"lines": lines, "needed": "2"}).status == 303
    for task in claim(leading, PROJECT, person("ben"), 1):
        answer(leading, task.task_id, person("ben"), {"failure": "yes", "tone": 3}, idempotency_key="r")
    shown = client.get(f"{HERE}/round").text
    assert "Each person answers 2 of 3 items" in shown and "1 of 2" in shown and "1 known items answered; a figure needs 20" in shown
    assert "before the guideline and under it" in shown and re.search(r'data-label="Difference"><strong>-?\d', shown)
    assert client.post(f"{HERE}/round/open", {"lines": lines}).status == 409
    assert client.post(f"{HERE}/round/close").status == 303
    assert current_round(leading, PROJECT).state == "closed" and "closed" in client.get(f"{HERE}/round").text


def test_a_project_that_is_not_there_is_not_found(lead: Client) -> None:
    for tab in ("gold", "exam", "round", "judges"):
        assert lead.get(f"/review/projects/nothing/{tab}").status == 404
