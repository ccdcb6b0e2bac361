"""The team's pages: figures with bounds or what is missing, proposals, skills; for who leads only."""

from __future__ import annotations

import re

import pytest
from browserless import Client
from leading import sign_in_as, told
from review_workspace import HABITS, HOSTILE, PROJECT

from pilotage.judging import Item
from pilotage.ledger import entries, payload
from pilotage.review.measuring import Known, confusion, open_round, team_accuracy
from pilotage.review.measuring.accuracy import Accuracy
from pilotage.review.projects import Gold, Round, change_project, load_project
from pilotage.review.skills import grant_skill, skills_of
from pilotage.server.pages import team as team_page
from pilotage.store import Workspace

GRADES = re.compile(r"\b(slight|fair|moderate|substantial|almost perfect|excellent|poor|bad worker|worst|best|ranking|top)\b", re.I)


def body(text: str) -> str:
    return re.sub(r"<head>.*?</head>", "", text, flags=re.S)


def of(workspace: Workspace, login: str) -> Accuracy:
    """How often this person was right on known items."""
    return team_accuracy(workspace, PROJECT, login=login, question="failure")[0]


def test_the_team_is_listed_by_name_with_bounds_or_what_is_missing(lead: Client, led: Workspace) -> None:
    shown = lead.get("/review/team").text
    assert re.findall(r'<td data-label="Person"><a href="/review/team/(\w+)\?', shown) == sorted(HABITS)
    measured, missing = of(led, "fay"), of(led, "ben")
    assert measured.estimate is not None and missing.estimate is None, "the fixture has both"
    assert f"{100 * measured.estimate:.1f} %" in shown and told(measured.lower, measured.upper) in shown and f"n = {measured.n}" in shown
    assert f"{missing.n} known items answered; a figure needs 20" in shown and f"{20 - missing.n} more are needed" in shown
    assert re.search(r"Computed <time [^>]+>just now</time>", shown) and "Median time" in shown
    assert HOSTILE not in shown and "&lt;script&gt;evil()" in shown


def test_figures_over_time_are_drawn_on_one_scale(lead: Client) -> None:
    shown = lead.get("/review/team").text
    assert shown.count('class="small-multiple"') == 2 and "No week has 20 known items." in shown
    assert 'aria-label="fay, failure, by week: week of' in shown


def test_no_page_grades_people(lead: Client) -> None:
    for address in ("/review/team", *(f"/review/team/{login}" for login in HABITS)):
        assert not GRADES.search(re.sub(r"<[^>]+>", " ", body(lead.get(address).text))), address


def test_one_person_is_shown_by_slice_with_what_they_mix_up_and_with_whom_they_agree(lead: Client, led: Workspace) -> None:
    shown = lead.get("/review/team/fay?by=language").text
    [table] = confusion(led, PROJECT, "failure", login="fay")
    same_as_known = max(row.get(right, 0) for right, row in table.counts.items())
    assert re.search(r'data-label="Part" dir="auto">de<', shown) and "6 known items answered; a figure needs 20" in shown
    assert "What was given where what was right" in shown and re.search(rf'<td class="same">{same_as_known}</td>', shown)
    for other in set(HABITS) - {"fay"}:
        assert f'<a href="/review/team/{other}?project=replies">{other}</a>' in shown
    assert "Where neither saw a suggestion" in shown and "a verdict needs 50" in shown
    assert "Older half" in shown and "9 more are needed" in shown
    assert "Answers by hour of the day (UTC)" in shown and "The longest run of such" in shown
    assert lead.get("/review/team/fay?by=nonsense").status == 200
    assert lead.get("/review/team/nobody").status == 404 and lead.get("/review/team?project=nothing").status == 404


def test_an_alert_proposes_and_does_nothing(leading: Workspace) -> None:
    project = load_project(leading, PROJECT)
    settings = project.settings.model_copy(update={"gold": Gold(share=0.12, exposure_cap=20, floor=0.95)})
    change_project(leading, PROJECT, number=project.number, settings=settings)
    client = sign_in_as(leading, "lena")
    before = len(entries(leading, limit=100_000))
    shown = client.get("/review/team").text
    assert "Worth a look" in shown and "even the upper bound" in shown and "Nothing follows from it by itself" in shown
    assert re.search(r'<li class="notice wait"><a href="/review/team/fay', shown)
    assert "A reason to look and to talk" in client.get("/review/team/fay").text
    assert len(entries(leading, limit=100_000)) == before and skills_of(leading, "fay") == []


def test_skills_are_granted_and_taken_away_with_a_reason(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    given = {"project": PROJECT, "login": "ben", "skill": "german"}
    assert client.post("/review/team/skills/grant", given).status == 422  # no reason
    assert client.post("/review/team/skills/grant", {**given, "reason": "He grew up with it.", "days": "30"}).headers["location"].endswith("#skills")
    [skill] = skills_of(leading, "ben")
    assert (skill.skill, skill.granted_by) == ("german", "lena") and skill.expires_at is not None
    assert re.search(r'<th scope="row">ben</th><td><span class="chip good">granted</span>', client.get("/review/team").text)
    assert client.post("/review/team/skills/revoke", {**given, "reason": "He asked for it."}).status == 303
    assert skills_of(leading, "ben") == []
    assert client.post("/review/team/skills/revoke", {**given, "reason": "Again."}).status == 422
    told = [entry for entry in entries(leading, limit=100_000) if entry.type.startswith("review.skill_")]
    assert [(entry.type, entry.actor, entry.subject) for entry in told] == [
        ("review.skill_granted", "lena", "ben"),
        ("review.skill_revoked", "lena", "ben"),
    ]
    assert "He grew up" not in str([entry.body for entry in told])  # personal: behind a commitment
    assert payload(leading, str(told[0].commitment)) == {"reason": "He grew up with it."}


def test_a_lapsed_skill_is_shown_as_lapsed(leading: Workspace) -> None:
    grant_skill(leading, "ben", "german", expires_at=1)
    assert re.search(r'<span class="chip plain">lapsed</span>', sign_in_as(leading, "lena").get("/review/team").text)


def test_who_has_to_practise_is_named(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    assert "No round is open for guideline 2" in client.get("/review/team").text
    project = load_project(leading, PROJECT)
    settings = project.settings.model_copy(update={"calibration_round": Round(items=2)})
    change_project(leading, PROJECT, number=project.number, settings=settings)
    known = [Known(Item("reply", f"round-{n}", {"conversation": []}), {"failure": "no"}) for n in range(2)]
    open_round(leading, PROJECT, known)
    assert all(f"<strong>{login}</strong>" in client.get("/review/team").text.partition("have not finished")[2] for login in HABITS)


def test_of_a_large_project_the_page_comes_first_and_its_figures_after(leading: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_page, "AT_ONCE", 10)
    client = sign_in_as(leading, "lena")
    measured = of(leading, "fay")
    figure = told(measured.lower, measured.upper)
    shown = client.get("/review/team").text
    assert 'hx-get="/review/team?part=1&amp;project=replies"' in shown and figure not in shown and "Skills" in shown
    part = client.get("/review/team?part=1&project=replies").text
    assert figure in part and "<html" not in part
    assert figure in client.get("/review/team").text, "once made they are there at once"


def test_a_page_says_when_it_was_computed_and_offers_to_compute_again(leading: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.server.kept.PATIENCE", 1e9)
    client = sign_in_as(leading, "lena")
    assert "something was written since" not in client.get("/review/team").text
    grant_skill(leading, "ben", "german")
    shown = client.get("/review/team").text
    assert "something was written since" in shown and 'href="/review/team?again=1"' in shown
    assert "something was written since" not in client.get("/review/team?again=1").text


@pytest.mark.parametrize(
    "address",
    ["/review/team", "/review/team/ben", "/review/bias", "/review/bias/planting?project=replies&question=failure"]
    + [f"/review/projects/replies/{tab}" for tab in ("gold", "exam", "round", "judges")],
)
def test_who_does_not_lead_is_refused_and_told_what_to_do(led: Workspace, address: str) -> None:
    for login in ("ben", "aldo"):
        answer = sign_in_as(led, login).get(address)
        assert answer.status == 403 and "ask somebody who is" in answer.text
    assert sign_in_as(led, "olga").get(address).status == 200


def test_the_navigation_offers_only_what_opens(led: Workspace) -> None:
    assert 'href="/review/team"' not in sign_in_as(led, "ben").get("/review/me").text
    assert 'href="/review/bias"' in sign_in_as(led, "lena").get("/review/me").text


def test_without_projects_the_page_says_what_to_do_first(newcomer: Client) -> None:
    for address in ("/review/team", "/review/bias", "/review/team/ada"):
        assert "No projects yet" in newcomer.get(address).text and "pilotage project create" in newcomer.get(address).text
