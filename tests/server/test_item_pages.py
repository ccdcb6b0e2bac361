"""The items of a project, and one item: who sees what of it, and what who leads can do about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browserless import Client, sign_in
from leading import sign_in_as
from review_workspace import HOSTILE, PROJECT
from sqlalchemy import event, select

from pilotage.judging import Item, Option, Question, Rubric, consensuses, person
from pilotage.judging.tables import judgement as judgement_table
from pilotage.ledger import entries
from pilotage.review import NewTask, Suggestion, answer, claim, put_tasks
from pilotage.review.projects import Arms, Gold, ProjectSettings, change_project, create_project, load_project
from pilotage.review.tables import review_assignment, review_task
from pilotage.server.queries import review_items
from pilotage.store import Workspace

HERE = f"/review/projects/{PROJECT}/items"
T, A, J = review_task.c, review_assignment.c, judgement_table.c


def find(workspace: Workspace, *where: Any) -> list[Any]:
    with workspace.read() as conn:
        return list(conn.execute(select(review_task).where(T.workspace_id == workspace.id, *where).order_by(T.position)))


def served_to(workspace: Workspace, login: str, *states: str) -> set[str]:
    rater = person(login).id
    with workspace.read() as conn:
        query = select(A.task_id).where(A.workspace_id == workspace.id, A.rater_id == rater, A.state.in_(states or ("answered",)))
        return set(conn.execute(query).scalars())


# The list


def test_the_list_leads_through_every_item_once(led: Workspace, lead: Client) -> None:
    expected = {row.item_id for row in find(led, T.state == "open", T.purpose.in_(("work", "adjudication", "audit")))}
    seen: list[str] = []
    address = f"{HERE}?size=40"
    for _ in range(20):
        shown = lead.get(address).text
        seen += re.findall(rf'data-row dir="auto" href="{HERE}/(itm_[0-9a-f]+)"', shown)
        onwards = re.search(r'rel="next" href="([^"]+)"', shown)
        if onwards is None:
            break
        address = onwards[1].replace("&amp;", "&")
    assert set(seen) == expected and len(seen) == len(find(led, T.state == "open", T.purpose.in_(("work", "adjudication", "audit"))))
    back = re.search(r'rel="prev" href="([^"]+)"', shown)
    assert back is not None and lead.get(back[1].replace("&amp;", "&")).status == 200


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ("only=flagged", (T.flags > 0, T.state == "open")),
        ("only=escalated", (T.escalated_at.is_not(None), T.state == "open")),
        ("state=done", (T.state == "done", T.purpose == "work")),
        ("purpose=gold", (T.purpose == "gold", T.state == "open")),
        ("purpose=adjudication", (T.purpose == "adjudication", T.state == "open")),
        ("only=overdue", (T.state == "open", T.purpose.in_(("work", "adjudication", "audit")), T.due_at.is_not(None))),
    ],
)
def test_filters_show_just_what_they_say(led: Workspace, lead: Client, asked: str, where: tuple[Any, ...]) -> None:
    shown = lead.get(f"{HERE}?size=500&{asked}").text
    found = re.findall(rf'data-row dir="auto" href="{HERE}/(itm_[0-9a-f]+)"', shown)
    assert sorted(found) == sorted(row.item_id for row in find(led, *where)) and found


def test_slices_and_disagreement_narrow_the_list(lead: Client) -> None:
    german = lead.get(f"{HERE}?size=500&slice=language%3Dde").text
    assert 0 < german.count('title="language: de"') == german.count('data-label="Slices"')
    divided = lead.get(f"{HERE}?size=500&state=done&only=divided").text
    assert 0 < divided.count("data-row dir") < lead.get(f"{HERE}?size=500&state=done").text.count("data-row dir")
    none = lead.get(f"{HERE}?slice=language%3Dfr")
    assert none.status == 200 and "No item is like that" in none.text
    for wrong in ("state=nonsense", "only=nonsense", "purpose=nonsense", "slice=nonsense"):
        assert lead.get(f"{HERE}?{wrong}").status == 422


def test_what_is_rare_is_looked_for_a_window_at_a_time(lead: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_items, "WINDOW", 30)
    seen, address, pages = 0, f"{HERE}?state=done&only=flagged", 0
    while True:
        shown = lead.get(address).text
        seen += shown.count("data-row dir")
        pages += 1
        onwards = re.search(r'rel="next" href="([^"]+)"', shown)
        if onwards is None:
            break
        assert "go on further down" in shown
        address = onwards[1].replace("&amp;", "&")
    monkeypatch.undo()
    assert pages > 5 and seen == lead.get(f"{HERE}?state=done&only=flagged&size=500").text.count("data-row dir") > 0


def test_a_list_reads_no_payload(led: Workspace, lead: Client) -> None:
    said: list[str] = []
    note = lambda *given: said.append(given[2])
    engine = led.engine if hasattr(led, "engine") else led._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        for page in (HERE, f"{HERE}?only=divided&state=done", "/review", f"/review/projects/{PROJECT}", "/review/audit"):
            assert lead.get(page).status == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert said and not any("item_payload" in statement for statement in said)


def test_who_looks_is_shown_no_tests_and_no_disagreement(led: Workspace, auditor: Client) -> None:
    shown = auditor.get(f"{HERE}?size=500").text
    gold = {row.item_id for row in find(led, T.purpose == "gold")}
    assert not any(item in shown for item in gold) and "divided" not in shown and "escalated" not in shown and "gold" not in shown
    for kept in ("purpose=gold", "purpose=qualification", "only=divided", "only=escalated"):
        assert auditor.get(f"{HERE}?{kept}").status == 422


def test_who_answers_is_led_to_their_own_history_for_a_list_of_work_would_tell_what_is_none(reviewer: Client) -> None:
    for asked in ("", "?state=done", "?purpose=gold", "?only=divided"):
        told = reviewer.get(HERE + asked)
        assert told.status == 303 and told.headers["location"] == f"/review/me?project={PROJECT}#history"
    assert f'href="{HERE}"' not in reviewer.get(f"/review/projects/{PROJECT}").text


# One item


def test_who_leads_sees_everything_that_was_said(led: Workspace, lead: Client) -> None:
    task = find(led, T.state == "done", T.purpose == "work")[0]
    shown = lead.get(f"{HERE}/{task.item_id}").text
    for part in (
        "What people see",
        "What machines propose",
        "What people said",
        "What their answers became",
        "Its trail",
        "Arm",
        "Guideline",
        "judge",
    ):
        assert part in shown
    assert any(f">{login}</a>" in shown for login in ("ben", "cleo", "dan", "eva", "fay"))
    assert re.search(r"judgement\.made", shown) and f"/review/audit?item={task.item_id}" in shown


def test_an_auditor_sees_answers_without_names_arms_or_tests(led: Workspace, auditor: Client) -> None:
    task = find(led, T.state == "done", T.purpose == "work")[0]
    shown = auditor.get(f"{HERE}/{task.item_id}").text
    said = shown.partition('id="said"')[2].partition("</section>")[0]
    assert "somebody 1" in said and not any(login in said for login in ("ben", "cleo", "dan", "eva", "fay"))
    assert "withheld" not in said and "Raise" not in shown and "Make it gold" not in shown
    gold = find(led, T.purpose == "gold")[0]
    assert auditor.get(f"{HERE}/{gold.item_id}").status == 404


def test_who_answers_opens_only_what_they_were_served(led: Workspace, reviewer: Client) -> None:
    mine = served_to(led, "ben", "claimed", "answered", "skipped", "released")
    fresh = next(row for row in find(led, T.state == "open", T.purpose == "work") if row.id not in mine)
    told = reviewer.get(f"{HERE}/{fresh.item_id}")
    assert told.status == 403 and "have not been served this item yet" in told.text and "Where is my parcel" not in told.text
    assert reviewer.post(f"{HERE}/{fresh.item_id}/reveal").status == 403


def test_everything_somebody_answered_looks_alike_to_them_done_or_waiting_known_or_planted(led: Workspace, reviewer: Client) -> None:
    mine = served_to(led, "ben")
    found = {(row.purpose, row.state): row for row in find(led) if row.id in mine}
    with led.read() as conn:
        planted = conn.execute(select(J.item_id).where(J.workspace_id == led.id, J.rater_id == person("ben").id, J.purpose == "seeded").limit(1))
        items = [row.item_id for row in found.values()] + [planted.scalar_one()]
    assert {("work", "open"), ("work", "done")} <= set(found) and any(purpose == "gold" for purpose, _ in found)
    skeletons, states = set(), set()
    for item in items:
        shown = reviewer.get(f"{HERE}/{item}")
        text = shown.text.lower()
        assert shown.status == 200 and "gold" not in text and "known" not in text and "what machines propose" not in text
        assert ">you<" in text and "somebody" not in text and "its trail" not in text and "withheld" not in text
        skeletons.add(
            tuple(re.sub(r"\s+", " ", head) for heads in re.findall(r"<h2[^>]*>(.*?)</h2>|<th[^>]*>(.*?)</th>", shown.text) for head in heads)
        )
        states.add(
            re.search(r'data-label="State">(.*?)</td>.*?data-label="Due">(.*?)</td>.*?data-label="Priority">(.*?)</td>', shown.text, re.S).groups()
        )  # type: ignore[union-attr]
    assert len(skeletons) == len(states) == 1


def test_where_nothing_is_known_or_planted_others_are_shown_once_the_item_waits_for_nobody(leading: Workspace) -> None:
    project = load_project(leading, PROJECT)
    calm = project.settings.model_copy(update={"arms": Arms(), "gold": Gold(share=0)})
    change_project(leading, PROJECT, number=project.number, settings=calm)
    reviewer, mine = sign_in_as(leading, "ben"), served_to(leading, "ben")
    waits = next(row for row in find(leading, T.state == "open", T.purpose == "work") if row.id in mine)
    shown = reviewer.get(f"{HERE}/{waits.item_id}").text
    assert "What machines propose" not in shown and "What their answers became" not in shown and "not shown to you" in shown
    with_disputes = {row.item_id for row in find(leading, T.purpose == "adjudication")}
    done = next(row for row in find(leading, T.state == "done", T.purpose == "work") if row.id in mine and row.item_id not in with_disputes)
    after = reviewer.get(f"{HERE}/{done.item_id}").text
    assert "What machines propose" in after and "somebody 1" in after and "Its trail" not in after and "withheld" not in after


def test_a_planted_answer_is_not_called_so_to_who_gave_it(led: Workspace, reviewer: Client) -> None:
    with led.read() as conn:
        seeded = conn.execute(
            select(J.item_id).where(J.workspace_id == led.id, J.rater_id == person("ben").id, J.purpose == "seeded").limit(1)
        ).scalar_one()
    shown = reviewer.get(f"{HERE}/{seeded}").text
    assert ">you<" in shown and "seeded" not in shown and "planted" not in shown


def test_untrusted_text_stays_text(led: Workspace, lead: Client) -> None:
    with led.read() as conn:
        from pilotage.judging.tables import item as item_table

        zero = conn.execute(select(item_table.c.id).where(item_table.c.workspace_id == led.id, item_table.c.source_id == "reply-0")).scalar_one()
    shown = lead.get(f"{HERE}/{zero}").text
    assert HOSTILE not in shown and "&lt;script&gt;evil()" in shown
    assert lead.get(f"{HERE}/itm_nothing").status == 404
    assert lead.get(f"/review/projects/nothing/items/{zero}").status == 404


def test_what_the_screen_does_not_show_of_an_item_is_not_looked_up_here(leading: Workspace) -> None:
    """What a machine said, what stands behind a pair's sides, and a name that known items do not have."""
    rubric = Rubric("sides", (Question("better", "Which?", "pair"),))
    create_project(leading, ProjectSettings(name="sides"), rubric=rubric, guideline="Be fair.")
    sides = {"a": {"text": "Here.", "model": "harbour"}, "b": {"text": "There.", "model": "lighthouse", "model_version": "9"}}
    payload = {"prompt": "Where?", **sides, "verdict": {"value": "foretold"}, "proposed_correction": "put-right"}
    put_tasks(leading, "sides", [NewTask(Item("pair", "named-elsewhere", payload))])
    [task] = claim(leading, "sides", person("ben"), 1)
    page, secrets = f"/review/projects/sides/items/{task.item_id}", ("harbour", "lighthouse", "foretold", "put-right", "named-elsewhere")
    for done in (False, True):
        if done:
            answer(leading, task.task_id, person("ben"), {"better": {"preferred": "a"}}, idempotency_key="k")
        shown = sign_in_as(leading, "ben").get(page)
        assert shown.status == 200 and "There." in shown.text and not any(secret in shown.text for secret in secrets)
    assert all(secret in sign_in_as(leading, "lena").get(page).text for secret in secrets)


@pytest.fixture
def odd(empty: Workspace) -> dict[str, str]:
    """A project of pairs and marks with one harmful item: item ids by name."""
    options = (Option("place", "Place", "p"),)
    rubric = Rubric("odd", (Question("better", "Which?", "pair"), Question("where", "Mark it", "spans", options=options, of="text", required=False)))
    create_project(empty, ProjectSettings(name="odd"), rubric=rubric, guideline="Be fair.")
    payloads: dict[str, dict[str, Any]] = {
        "plain": {
            "prompt": "Where?",
            "a": "Here.",
            "b": [{"role": "assistant", "content": "There."}],
            "text": "Hamburg",
            "extra": {"deep": [1, None]},
        },
        "harmful": {"prompt": "How to hurt?", "a": "So.", "b": "No.", "text": "x"},
    }
    put_tasks(
        empty,
        "odd",
        [
            NewTask(
                Item("pair", name, payload),
                [Suggestion("better", {"preferred": "a", "strength": None}, probability=0.8, model="m")],
                harmful=name == "harmful",
            )
            for name, payload in payloads.items()
        ],
    )
    for claimed in claim(empty, "odd", person("ada"), 5):
        given = {"better": {"preferred": "tie", "strength": None}, "where": [{"start": 0, "end": 1, "label": "place"}]}
        answer(empty, claimed.task_id, person("ada"), given, idempotency_key=claimed.task_id)
    with empty.read() as conn:
        from pilotage.judging.tables import item as item_table

        return {row.source_id: row.id for row in conn.execute(select(item_table.c.source_id, item_table.c.id))}


def test_every_kind_of_item_is_shown_as_people_see_it(empty: Workspace, odd: dict[str, str]) -> None:
    shown = sign_in(empty).get(f"/review/projects/odd/items/{odd['plain']}").text
    for part in ("<h3>A</h3>", "Here.", "There.", "Hamburg", "More about this item", "<dt>Prompt</dt>", "tie", "0.80"):
        assert part in shown, part


def test_what_may_hurt_is_not_sent_before_it_is_asked_for_and_that_is_on_record(empty: Workspace, odd: dict[str, str]) -> None:
    client, address = sign_in(empty), f"/review/projects/odd/items/{odd['harmful']}"
    veiled = client.get(address).text
    assert "How to hurt?" not in veiled and "This may be harmful to read." in veiled
    for _ in range(2):
        assert client.post(f"{address}/reveal").status == 303
    assert "How to hurt?" in client.get(address).text
    assert len(entries(empty, subject=odd["harmful"], type="item.revealed")) == 1


# What who leads can do


def test_an_item_is_served_sooner_or_called_back_and_both_are_on_record(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    task = find(leading, T.state == "open", T.purpose == "work", T.priority == 0)[-1]
    address = f"{HERE}/{task.item_id}"
    assert client.post(f"{address}/priority", {"task_id": task.id, "priority": "5000"}).status == 303
    assert find(leading, T.state == "open", T.purpose == "work")[0].id == task.id
    out_of_range = client.post(f"{address}/priority", {"task_id": task.id, "priority": "2000000"})
    assert out_of_range.status == 422 and "out of range" in out_of_range.text and "What people see" in out_of_range.text
    assert client.post(f"{address}/withdraw", {"task_id": task.id}).status == 303
    assert find(leading, T.id == task.id)[0].state == "withdrawn"
    told = [entry.type for entry in entries(leading, subject=task.id) if entry.actor == "lena"]
    assert told == ["review.prioritised", "review.withdrawn"]
    other = find(leading, T.state == "open", T.purpose == "work")[0]
    assert client.post(f"{address}/withdraw", {"task_id": other.id}).status == 404, "a task of another item"
    assert find(leading, T.id == other.id)[0].state == "open"


def test_what_people_said_alike_becomes_gold_and_what_is_disputed_does_not(leading: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.review.measuring.gold.ENOUGH_VOTES", 2)  # here nobody asks a third person where two agree
    client = sign_in_as(leading, "lena")
    done = [row.item_id for row in find(leading, T.state == "done", T.purpose == "work")]
    settled = consensuses(leading, item_ids=done, question="failure")
    sure = next(each.item_id for each in settled if each.unanimous and each.n >= 2)
    assert client.post(f"{HERE}/{sure}/gold", {"explanation": "Both said so."}).status == 303
    assert [row.item_id for row in find(leading, T.purpose == "gold", T.item_id == sure)] == [sure]
    disputed = find(leading, T.purpose == "adjudication")[0].item_id
    told = client.post(f"{HERE}/{disputed}/gold", {})
    assert told.status == 403 and "cannot become gold" in told.text and "have it adjudicated" in told.text


def test_a_dispute_is_put_before_somebody_else_once(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    disputed = find(leading, T.purpose == "adjudication")[0].item_id
    told = client.post(f"{HERE}/{disputed}/adjudicate", {})
    assert told.status == 403 and "nothing to decide" in told.text and "put before somebody already" in told.text


def test_only_who_leads_changes_an_item(led: Workspace, reviewer: Client, auditor: Client) -> None:
    task = find(led, T.state == "done", T.purpose == "work")[0]
    for client in (reviewer, auditor):
        for act in ("priority", "withdraw", "gold", "adjudicate"):
            assert client.post(f"{HERE}/{task.item_id}/{act}", {"task_id": task.id, "priority": "1"}).status == 403
