"""Disagreement: items with their causes, answers that are mixed up, agreement with and without suggestions, and what a guideline changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from browserless import Client
from disputes import HOSTILE, dispute
from leading import sign_in_as
from review_workspace import HABITS, Reviewed
from roles import as_somebody

from pilotage.judging import person
from pilotage.ledger import entries, open_workspace
from pilotage.review.measuring import explore, findings
from pilotage.server.queries.disagreement import served_items
from pilotage.store import Workspace

ADDRESS = "/review/disagreement"


@pytest.fixture(scope="module")
def looked(replies_made: tuple[Path, Reviewed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    import shutil

    folder = tmp_path_factory.mktemp("looked") / "workspace"
    shutil.copytree(replies_made[0], folder)
    with open_workspace(folder, actor="ada") as workspace:
        yield workspace


@pytest.fixture
def lead(looked: Workspace) -> Client:
    return as_somebody(looked, "olga", "owner")


@pytest.fixture
def reviewer(looked: Workspace) -> Client:
    return as_somebody(looked, "rita", "reviewer")


def items(text: str) -> list[str]:
    return re.findall(r"/review/disagreement/[^/]+/(itm_\w+)", text)


def test_without_a_project_it_says_what_to_do(newcomer: Client) -> None:
    page = newcomer.get(ADDRESS)
    assert page.status == 200 and "pilotage project create" in page.text


@pytest.mark.parametrize("view", ["items", "answers", "agreement", "guidelines"])
def test_every_way_of_looking_keeps_words_as_text(lead: Client, reviewer: Client, view: str) -> None:
    for client in (lead, reviewer):
        page = client.get(f"{ADDRESS}?view={view}")
        assert page.status == 200 and "<script>evil" not in page.text and "&lt;script&gt;evil" in page.text


def test_who_might_still_be_asked_about_an_item_does_not_see_it(looked: Workspace, lead: Client, reviewer: Client) -> None:
    waiting = {row.item_id for row in explore(looked, "replies", "failure", waiting=True, limit=500).rows}
    assert waiting and waiting <= set(items(lead.get(ADDRESS).text))
    seen = set(items(reviewer.get(ADDRESS).text))
    assert seen and not seen & waiting
    one = sorted(waiting)[0]
    refused = reviewer.get(f"{ADDRESS}/replies/{one}?question=failure")
    assert refused.status == 403 and "still waits" in refused.text
    assert as_somebody(looked, "audrey", "auditor").get(f"{ADDRESS}/replies/{one}?question=failure").status == 200
    # who leads sees what was said, but not by whom, as long as somebody has to decide
    page = lead.get(f"{ADDRESS}/replies/{one}?question=failure").text
    assert "until then nobody sees who said what" in page and not any(f">{login}<" in page for login in HABITS)


def test_what_a_reviewer_was_served_is_not_listed_so_that_known_items_are_not_missed(looked: Workspace) -> None:
    everywhere = {row.item_id for row in explore(looked, "replies", "failure", waiting=False, limit=500).rows}
    listed = {login: set(items(sign_in_as(looked, login).get(ADDRESS).text)) for login in ("ben", "cleo")}
    served = {login: served_items(looked, person(login), sorted(everywhere)) for login in listed}
    assert served["ben"] != served["cleo"] and any(served.values())
    assert all(not served[login] & listed[login] for login in listed)
    had = next(iter(served["ben"]))
    refused = sign_in_as(looked, "ben").get(f"{ADDRESS}/replies/{had}?question=failure")
    assert refused.status == 403 and "you were served" in refused.text


def test_names_are_for_who_leads(looked: Workspace, lead: Client, reviewer: Client) -> None:
    row = explore(looked, "replies", "failure", waiting=False).rows[0]
    page = f"{ADDRESS}/replies/{row.item_id}?question=failure"
    assert any(f">{login}<" in lead.get(page).text for login in HABITS)
    seen = reviewer.get(page)
    assert seen.status == 200 and not any(login in seen.text for login in HABITS)
    assert "withheld" not in seen.text and "suggestion shown" not in seen.text
    for hidden in ("one=ben&other=cleo", "view=agreement&by=pair"):
        assert reviewer.get(f"{ADDRESS}?{hidden}").status == 403
    assert "ben and cleo" in lead.get(f"{ADDRESS}?view=agreement&by=pair").text


def test_items_are_filtered_by_answers_slice_and_people(looked: Workspace, lead: Client) -> None:
    every = set(items(lead.get(ADDRESS).text))
    for query in ("first=no&second=yes", "slice=language%3Dde", "one=ben&other=fay"):
        some = set(items(lead.get(f"{ADDRESS}?project=replies&question=failure&{query}").text))
        assert some < every
    wanted = {row.item_id for row in explore(looked, "replies", "failure", slices={"language": "de"}, limit=500).rows}
    assert set(items(lead.get(f"{ADDRESS}?slice=language%3Dde").text)) == wanted
    assert lead.get(f"{ADDRESS}?slice=none").status == 422
    assert lead.get(f"{ADDRESS}?one=ben&other=nobody").status == 404
    assert lead.get(f"{ADDRESS}?one=ben&other=ben").status == 422


def test_counts_of_mixed_up_answers_lead_to_the_items(lead: Client) -> None:
    page = lead.get(f"{ADDRESS}?view=answers").text
    link = re.search(r'href="(\?[^"]*first=no[^"]*second=yes|\?[^"]*first=yes[^"]*second=no)"', page)
    assert link and items(lead.get(ADDRESS + link[1].replace("&amp;", "&")).text)
    assert "By chance" in page and re.search(r"%.*\[", page)


def test_agreement_stands_beside_itself_with_and_without_suggestions(lead: Client) -> None:
    page = lead.get(f"{ADDRESS}?view=agreement").text
    for name in ("Krippendorff", "Gwet", "Fleiss", "Without a suggestion", "With one in sight", "no verdict", "of 50 units"):
        assert name in page
    assert not re.search(r"substantial|moderate|almost perfect", page)
    assert "guideline 2" in lead.get(f"{ADDRESS}?view=agreement&by=guideline").text


def test_a_new_guideline_is_held_against_the_old(lead: Client) -> None:
    page = lead.get(f"{ADDRESS}?view=guidelines").text
    assert "Guideline 1 to 2" in page and "difference" in page and "<ins>+ The customer" in page


def test_a_large_project_is_worked_out_only_when_asked(lead: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.server.queries import disagreement

    monkeypatch.setattr(disagreement, "MOST_ANSWERS", 1)
    page = lead.get(f"{ADDRESS}?view=agreement").text
    assert "Work it out now" in page and "Krippendorff" not in page
    assert "Krippendorff" in lead.get(f"{ADDRESS}?view=agreement&whole=true").text
    assert items(lead.get(ADDRESS).text)


def test_the_rule_looks_for_causes_and_a_person_overrules_it(fresh: Workspace) -> None:
    dispute(fresh, "choice", items=2)
    lead, reviewer = as_somebody(fresh, "olga", "owner"), as_somebody(fresh, "rita", "reviewer")
    item = explore(fresh, "disputed", "failure").rows[0].item_id
    assert "not looked into <span" in lead.get(ADDRESS).text
    assert lead.post(f"{ADDRESS}/disputed/triage", {"question": "failure"}).status == 303
    here = f"{ADDRESS}/disputed/{quote(item)}"
    said = {"question": "failure", "cause": "ambiguous_item", "note": f"reads both ways {HOSTILE}"}
    assert reviewer.post(f"{here}/cause", said).status == 403
    assert lead.post(f"{here}/cause", {**said, "note": " "}).status == 422
    assert lead.post(f"{here}/cause", {**said, "cause": "nonsense"}).status == 422
    assert lead.post(f"{here}/cause", said).status == 303
    assert [each.made_by for each in findings(fresh, "disputed", [item], "failure")[item]] == ["rule", "olga"]
    assert entries(fresh, type="triage.overruled")[0].actor == "olga"
    page = lead.get(f"{here}?question=failure").text
    assert "no longer holds" in page and "&lt;script&gt;evil" in page and "<script>evil" not in page
    assert "ambiguous item" in lead.get(f"{ADDRESS}?cause=ambiguous_item").text


def test_free_text_and_unknown_things_are_said(fresh: Workspace) -> None:
    dispute(fresh, "edit")
    lead = as_somebody(fresh, "olga", "owner")
    assert "Free text" in lead.get(f"{ADDRESS}?view=answers").text and "Free text" in lead.get(f"{ADDRESS}?view=agreement").text
    assert lead.post(f"{ADDRESS}/disputed/triage", {"question": "rewrite"}).status == 422
    assert lead.get(f"{ADDRESS}?project=none").status == 404
    assert lead.get(f"{ADDRESS}?question=none").status == 422
    assert lead.get(f"{ADDRESS}/disputed/itm_none").status == 404
