"""The pages of projects: the index, one project, its versions, its guideline, its state."""

from __future__ import annotations

import re

import pytest
from browserless import Client
from leading import sign_in_as
from review_workspace import HOSTILE, PROJECT
from sqlalchemy import select

from pilotage.core import ManualClock
from pilotage.judging import Question, Rubric
from pilotage.ledger import entries, open_workspace
from pilotage.review.projects import ProjectSettings, change_project, create_project, load_project
from pilotage.review.tables import review_task
from pilotage.store import Workspace

HERE = f"/review/projects/{PROJECT}"


def test_the_index_says_what_waits_for_whom_and_how_far_people_agree(lead: Client) -> None:
    shown = lead.get("/review").text
    assert f'href="{HERE}"' in shown and f'href="/review/{PROJECT}"' in shown
    assert re.search(r"0\.\d\d <span class=\"muted\">\[0\.\d\d, 0\.\d\d\]", shown) and "n = " in shown
    assert "for the owner" in shown and "flagged" in shown and "New project" in shown
    assert HOSTILE not in shown and "&lt;script&gt;evil()" in shown
    assert 'data-key="1"' in shown, "reviewing begins with one key"


def test_only_who_may_do_it_is_offered_it(reviewer: Client, auditor: Client) -> None:
    assert "New project" not in reviewer.get("/review").text and "Begin" in reviewer.get("/review").text
    assert "Begin" not in auditor.get("/review").text


def test_an_empty_workspace_says_what_to_do_first(newcomer: Client) -> None:
    shown = newcomer.get("/review").text
    assert "Nothing waits" in shown and "pilotage run" in shown and 'href="/review/projects/new"' in shown
    assert newcomer.get("/review/projects").headers["location"] == "/review"


def test_what_is_paused_or_put_away_stands_apart(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    assert "Nothing new is served" in client.get(f"{HERE}/state?to=paused").text
    assert client.post(f"{HERE}/state", {"to": "paused"}).headers["location"] == HERE
    shown = client.get("/review").text
    assert "Paused and put away" in shown and "Begin" not in shown
    assert "Resume it" in client.get(HERE).text
    client.post(f"{HERE}/state", {"to": "archived"})
    assert load_project(leading, PROJECT).state == "archived"
    assert client.post(f"{HERE}/guideline", {"number": "2", "guideline": "Be kind."}).status == 403
    client.post(f"{HERE}/state", {"to": "active"})
    assert [entry.actor for entry in entries(leading, subject=PROJECT, type="project.resumed")] == ["lena"]
    assert client.post(f"{HERE}/state", {"to": "nonsense"}).status == 422


def test_a_project_is_told_in_figures_with_the_rows_behind_them(lead: Client) -> None:
    shown = lead.get(HERE).text
    for part in (
        "Who is waited for",
        "Answers a day",
        "Agreement",
        "Gold in service",
        "Some suggestions are wrong on purpose.",
        "Is this reply a failure?",
    ):
        assert part in shown
    for rows in ("items?only=overdue", "items?state=done", "items?only=flagged", "items?purpose=gold"):
        assert f'href="{HERE}/{rows}"' in shown
    assert "Decide what people could not" in shown and "seeded 20 %" in shown
    assert HOSTILE not in shown


def test_who_answers_is_told_nothing_of_gold_and_arms(reviewer: Client) -> None:
    for page in ("", "/versions", "/versions/diff?before=1&after=2", "/guideline", "/items"):
        shown = reviewer.get(HERE + page).text.lower()
        assert "gold" not in shown and "seeded" not in shown and "withheld" not in shown, page
    assert reviewer.get(f"{HERE}/settings").status == 403


def test_who_answers_is_told_how_far_they_are_and_no_number_of_the_queue(reviewer: Client, auditor: Client) -> None:
    here, index = reviewer.get(HERE).text, reviewer.get("/review").text
    assert "You answered" in here and "Left for you" in here and "answered by you" in index and "for you" in index
    for counted in ("Flags", "Overdue", "Who is waited for", "Answers a day", "Krippendorff"):
        assert counted not in here and counted in auditor.get(HERE).text
    assert "flagged" not in index and "n = " not in index


def test_a_project_that_nobody_answered_is_not_assessable_and_says_so(empty: Workspace) -> None:
    rubric = Rubric("asked", (Question("kind", "How kind is it?", "rating", scale="ordinal"), Question("why", "Why?", "text")))
    create_project(empty, ProjectSettings(name="odd name: 1 % & more"), rubric=rubric, guideline="Be kind.")
    from browserless import sign_in

    client = sign_in(empty)
    address = "/review/projects/odd%20name%3A%201%20%25%20%26%20more"
    shown = client.get(address).text
    assert shown.count("not assessable") == 2 and "Bring items in" in shown and "Nothing was answered in the last 14 days" in shown
    assert f'href="{address}/import"' in shown or f'href="{address.replace("%3A", ":")}/import"' in shown
    assert client.get(f"{address}/items").status == 200
    assert client.get("/review/projects/nothing").status == 404


def test_versions_and_guidelines_say_what_changed_and_by_whom(lead: Client) -> None:
    versions = lead.get(f"{HERE}/versions").text
    assert "versions/diff?before=1&amp;after=2" in versions and ">the guideline<" in versions
    diff = lead.get(f"{HERE}/versions/diff?before=1&after=2").text
    assert 'class="came"' in diff and "promised what nobody can keep" in diff
    guideline = lead.get(f"{HERE}/guideline?number=2&since=1").text
    assert 'class="went"' in guideline and "in force" in guideline
    assert lead.get(f"{HERE}/guideline?number=1").text.count("in force") == 1
    assert lead.get(f"{HERE}/guideline?number=9").status == 404
    assert lead.get(f"{HERE}/versions/diff?before=1&after=9").status == 404


def test_a_guideline_is_changed_as_a_version_and_of_two_who_do_it_at_once_one_is_told(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    assert client.post(f"{HERE}/guideline", {"number": "2", "guideline": "Be kind.\r\n\r\nAlways.\r\n"}).status == 303
    project = load_project(leading, PROJECT)
    assert (project.number, project.guideline.number, project.guideline.text) == (3, 3, "Be kind.\n\nAlways.\n")
    told = client.post(f"{HERE}/guideline", {"number": "2", "guideline": f"Mine {HOSTILE}"})
    assert told.status == 409 and "Somebody changed it in the meantime" in told.text and "lena made version 3" in told.text
    assert "Always." in told.text and "Mine &lt;script&gt;" in told.text and HOSTILE not in told.text
    empty = client.post(f"{HERE}/guideline", {"number": "3", "guideline": "  "})
    assert empty.status == 422 and "has no guideline" in empty.text


def test_agreement_is_counted_again_only_when_something_was_answered(leading: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    from pilotage.review import measuring
    from pilotage.server.queries import agreeing

    real = measuring.project_agreement
    monkeypatch.setattr(measuring, "project_agreement", lambda *given, **more: counted.append(given[2]) or real(*given, **more), raising=False)
    known, project = agreeing.Agreements(), load_project(leading, PROJECT)
    for _ in range(3):
        assert known.of(leading, project, 508)[0].all.n_units > 50
    assert counted == ["failure", "tone"]
    known.of(leading, project, 509)
    assert len(counted) == 4
    change_project(leading, PROJECT, number=2, settings=project.settings.model_copy(update={"title": "Other"}))
    known.of(leading, load_project(leading, PROJECT), 509, first=True)
    assert len(counted) == 6
    assert known.of(leading, load_project(leading, PROJECT), 5_000_000, first=True), "a list shows what was counted before, and counts nothing large"
    assert len(counted) == 6


def test_overdue_items_are_counted_without_tests_among_them(leading: Workspace) -> None:
    from pilotage.server.queries.queues import MOST_COUNTED, count_overdue

    with open_workspace(leading.location, actor="ada", clock=ManualClock(1_700_000_000_000_000 + 30 * 3600 * 1_000_000)) as later:
        t = review_task.c
        late = select(t.purpose).where(t.workspace_id == later.id, t.state == "open", t.due_at <= later.clock.now_us())
        with later.read() as conn:
            purposes = list(conn.execute(late).scalars())
        assert "gold" in purposes
        assert count_overdue(later, PROJECT) == sum(purpose != "gold" for purpose in purposes) < MOST_COUNTED
