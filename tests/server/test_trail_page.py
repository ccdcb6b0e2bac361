"""The audit trail: every serve, view, answer, change and export, by person, project, item, kind and time."""

from __future__ import annotations

import re

import pytest
from browserless import Client
from leading import sign_in_as
from review_workspace import HOSTILE, PROJECT
from sqlalchemy import select

from pilotage.ledger.tables import ledger_entry
from pilotage.review.tables import review_task
from pilotage.server.pages.asking import Turn
from pilotage.server.queries import trail
from pilotage.server.queries.trail import ALL, KINDS, list_steps
from pilotage.store import Workspace

HERE = "/review/audit"


def test_each_act_leads_to_its_entry(auditor: Client) -> None:
    shown = auditor.get(HERE).text
    seqs = [int(seq) for seq in re.findall(r'href="/ledger\?after=\[(\d+)\]#entry-\d+"', shown)]
    assert len(seqs) == 50 and seqs == sorted(seqs, reverse=True)
    ledger = auditor.get(f"/ledger?after=[{seqs[0]}]").text
    assert f'id="entry-{seqs[0] - 1}"' in ledger
    assert HOSTILE not in shown


def test_the_whole_trail_is_walked_without_a_gap(led: Workspace, auditor: Client) -> None:
    e = ledger_entry.c
    with led.read() as conn:
        wanted = list(conn.execute(select(e.seq).where(e.workspace_id == led.id, e.type.in_(ALL))).scalars())
    seen: list[int] = []
    turn = Turn(size=500)
    while True:
        page = list_steps(led, turn=turn).page
        seen += [step.seq for step in page.rows]
        if page.next is None:
            break
        turn = Turn(after=page.next, size=500)
    assert seen == sorted(wanted, reverse=True)


def test_what_is_rare_is_looked_for_a_window_at_a_time_and_time_is_found_at_once(led: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "WINDOW", 400)
    monkeypatch.setattr(trail, "_SLACK", 0)
    seen, turn, pages = [], Turn(size=500), 0
    while True:
        found = list_steps(led, kind="declared", turn=turn)
        seen += [step.seq for step in found.page.rows]
        pages += 1
        if found.page.next is None:
            break
        turn = Turn(after=found.page.next, size=500)
    assert pages > 4 and seen == [step.seq for step in list_steps(led, kind="declared", who="ada", turn=Turn(size=500)).page.rows]
    first_day = list_steps(led, kind="put", until="2023-11-14", turn=Turn(size=500))
    assert first_day.page.rows and not first_day.cut, "the first day is at the far end of the ledger"
    upwards = list_steps(led, kind="declared", turn=Turn(before="[1]", size=500))
    assert [step.seq for step in upwards.page.rows] == [seq for seq in seen if 1 < seq < 401] and upwards.page.previous


def test_an_items_trail_says_who_was_served_it_who_looked_and_who_answered(led: Workspace) -> None:
    t = review_task.c
    with led.read() as conn:
        item = conn.execute(select(t.item_id).where(t.workspace_id == led.id, t.state == "done", t.purpose == "work").limit(1)).scalar_one()
    found = list_steps(led, item=item, turn=Turn(size=500)).page.rows
    by_word = {word: {step.who for step in found if step.word == word} for word in ("served", "viewed", "answered")}
    assert by_word["served"] == by_word["viewed"] == by_word["answered"] and len(by_word["served"]) >= 2
    assert all(item in step.items for step in found if step.word == "served")


def test_filters_narrow_the_trail(led: Workspace, auditor: Client) -> None:
    every = {step.seq for step in list_steps(led, project=PROJECT, turn=Turn(size=500)).page.rows}
    assert len(every) == 500
    ben = list_steps(led, who="ben", kind="answered", project=PROJECT, turn=Turn(size=500)).page.rows
    assert ben and all(step.who == "ben" and step.word == "answered" and step.project == PROJECT for step in ben)
    for kind in KINDS:
        assert auditor.get(f"{HERE}?kind={kind.replace(' ', '+')}").status == 200
    first_day = list_steps(led, since="2023-11-14", until="2023-11-14", turn=Turn(size=500)).page.rows
    assert first_day and not {step.seq for step in list_steps(led, since="2023-11-15", turn=Turn(size=500)).page.rows} & {
        step.seq for step in first_day
    }
    assert "No act is like that" in auditor.get(f"{HERE}?who=nobody").text
    assert "No act is like that" in auditor.get(f"{HERE}?project=other").text


def test_what_cannot_be_asked_is_told_above_the_filters(auditor: Client) -> None:
    for wrong in ("kind=nonsense", "since=yesterday", "until=2023-13-45", "since=9999-99-99", "after=nonsense"):
        told = auditor.get(f"{HERE}?{wrong}")
        assert told.status == 422 and "Mend" in told.text and 'name="kind"' in told.text
    assert HOSTILE not in auditor.get(f"{HERE}?who=%3Cscript%3Eevil()%3C/script%3E").text


def test_who_answers_does_not_read_it(led: Workspace) -> None:
    ben = sign_in_as(led, "ben")
    assert ben.get(HERE).status == 403
    assert HERE not in ben.get("/review").text, "nor is it offered to them"
    assert sign_in_as(led, "lena").get(HERE).status == 200


def test_an_empty_workspace_says_where_to_begin(newcomer: Client) -> None:
    assert "Nothing has happened yet" in newcomer.get(HERE).text
