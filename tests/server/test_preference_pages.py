"""Preferences: a ranking a dimension, what pulls at those who compare, and an export that is refused where it must be."""

from __future__ import annotations

import json

import pytest
from browserless import Client
from preference_workspace import PAIRS, VOTERS
from roles import as_somebody

from pilotage.data import load_version
from pilotage.judging import person
from pilotage.review import claim, history, look
from pilotage.review.flywheel import rank_preferences
from pilotage.review.projects import change_project, load_project
from pilotage.store import Workspace

ADDRESS = "/review/projects/comparisons/preferences"
CARD = {"licence": "CC-BY-4.0", "consent": "written for this test", "personal": "no"}


@pytest.fixture
def lead(compared_copy: Workspace) -> Client:
    return as_somebody(compared_copy, "olga", "owner")


def test_each_dimension_has_its_own_ranking_with_intervals(compared_copy: Workspace, lead: Client) -> None:
    helpful, safe = (lead.get(f"{ADDRESS}?question={name}") for name in ("helpful", "safe"))
    assert helpful.status == safe.status == 200 and "<script>evil" not in helpful.text
    best = rank_preferences(compared_copy, "comparisons", "helpful").ranking
    assert best is not None and best.strengths[0].item == "lighthouse@2" and best.strengths[-1].item == "harbour@1"
    assert helpful.text.index("<strong>lighthouse@2") < helpful.text.index("<strong>harbour@1")
    assert safe.text.index("<strong>harbour@") < safe.text.index("<strong>lighthouse@1")
    for word in ("Davidson", "The left one was preferred", "The longer one was preferred", "25 % by chance", f">{PAIRS}<", "Reliability"):
        assert word in helpful.text
    assert "dimensions are never made one" in helpful.text


def test_who_compares_is_not_told_what_stood_behind_a_side(compared_copy: Workspace) -> None:
    served = [task for login in VOTERS for task in claim(compared_copy, "comparisons", person(login), 20)]
    ben = person("ben")
    task = look(compared_copy, history(compared_copy, ben)[0].task_id, ben)
    assert set(task.payload["a"]) == {"content"} and "harbour" not in json.dumps(task.payload) and "lighthouse" not in json.dumps(task.payload)
    assert all(set(each.payload["a"]) == {"content"} for each in served)


def test_names_of_those_who_compared_are_for_who_leads(compared_copy: Workspace, lead: Client) -> None:
    assert any(f">{login}<" in lead.get(ADDRESS).text for login in VOTERS)
    seen = as_somebody(compared_copy, "rita", "reviewer").get(ADDRESS).text
    assert "person 1" in seen and not any(f">{login}<" in seen for login in VOTERS) and "Publish and take it away" not in seen


def test_preferences_leave_as_a_published_file(compared_copy: Workspace, lead: Client) -> None:
    sent = lead.post(f"{ADDRESS}/export", {"question": "helpful", "format": "dpo", **CARD})
    assert sent.status == 200, sent.text
    rows = [json.loads(line) for line in sent.text.splitlines()]
    assert len(rows) == int(sent.headers["x-pilotage-rows"]) > 30
    assert {"prompt", "chosen", "rejected", "vote_share", "alpha", "dimension"} <= set(rows[0]) and rows[0]["dimension"] == "helpful"
    assert load_version(compared_copy, sent.headers["x-pilotage-version"]).created_by == "olga"
    assert sent.headers["x-pilotage-version"] in lead.get(ADDRESS).text


def test_below_the_floor_the_page_says_so_and_the_export_is_refused(compared_copy: Workspace, lead: Client) -> None:
    settings = load_project(compared_copy, "comparisons").settings
    change_project(compared_copy, "comparisons", number=1, settings=settings.model_copy(update={"agreement_floor": 0.9}))
    page = lead.get(ADDRESS).text
    assert "An export would be refused" in page and "People agree too little" in page and "Publish and take it away" not in page
    refused = lead.post(f"{ADDRESS}/export", {"question": "helpful", **CARD})
    assert refused.status == 403 and "People agree too little" in refused.text


@pytest.mark.parametrize("card", [{**CARD, "licence": ""}, {**CARD, "personal": ""}])
def test_a_card_that_says_too_little_is_refused(lead: Client, card: dict[str, str]) -> None:
    assert lead.post(f"{ADDRESS}/export", {"question": "helpful", **card}).status == 403


def test_only_who_may_export_does(compared_copy: Workspace) -> None:
    for role in ("reviewer", "auditor"):
        assert as_somebody(compared_copy, f"a-{role}", role).post(f"{ADDRESS}/export", {"question": "helpful", **CARD}).status == 403


def test_a_project_without_pairs_says_how_to_compare(reviewed_copy: Workspace) -> None:
    page = as_somebody(reviewed_copy, "olga", "owner").get("/review/projects/replies/preferences")
    assert page.status == 200 and "does not compare" in page.text
