"""Truth: how far each question is settled and by what, settling from the page, and the methods side by side."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import Any

import pytest
from browserless import Client
from disputes import FAILURE, dispute
from leading import sign_in_as
from roles import as_somebody
from sqlalchemy import select

from pilotage.core import Conflict
from pilotage.judging import Rubric, person
from pilotage.judging.aggregation import Disagreement
from pilotage.ledger import entries
from pilotage.review.measuring import adjudications, consensus_of, explore
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.tables import review_assignment, review_task
from pilotage.server.jobs import Jobs
from pilotage.store import Workspace

ADDRESS = "/review/projects/replies/truth"


def background(client: Client) -> Jobs:
    app: Any = client.app
    return app.state.jobs


def test_each_question_says_its_policy_and_what_stands(reviewed_copy: Workspace) -> None:
    lead = as_somebody(reviewed_copy, "olga", "owner")
    page = lead.get(ADDRESS)
    assert page.status == 200 and "<script>evil" not in page.text
    assert "else an adjudicator decides" in page.text and "never made one value" in page.text
    assert "40 known items; choosing a method by them takes 50" in page.text
    soft = lead.get(f"{ADDRESS}?question=tone").text
    assert soft.count('class="shares"') >= 20 and "the distribution" in soft
    assert "to adjudicate" in lead.get(f"{ADDRESS}?state=adjudicate").text
    assert lead.get(f"{ADDRESS}?question=none").status == 404 and lead.get("/review/projects/none/truth").status == 404


def test_a_reviewer_sees_no_item_that_waits_and_no_method(reviewed_copy: Workspace) -> None:
    reviewer = as_somebody(reviewed_copy, "rita", "reviewer")
    waiting = {row.item_id for row in explore(reviewed_copy, "replies", "failure", waiting=True, limit=500).rows}
    page = reviewer.get(f"{ADDRESS}?state=adjudicate").text
    assert waiting and not set(re.findall(r"(itm_\w+)\?question", page)) & waiting
    assert "Methods compared" not in page and "Settle what is new" not in page
    for act in ("settle", "compare", "adjudicate"):
        assert reviewer.post(f"{ADDRESS}/{act}", {"method": "policy", "question": "failure", "reason": "r"}).status == 403


def test_what_a_reviewer_was_served_is_not_listed_so_that_known_items_are_not_missed(reviewed_copy: Workspace) -> None:
    a, t = review_assignment.c, review_task.c
    mine = select(t.item_id).join(review_assignment, (a.task_id == t.id) & (a.workspace_id == t.workspace_id)).where(a.rater_id == person("ben").id)
    with reviewed_copy.read() as conn:
        served = set(conn.execute(mine.where(t.workspace_id == reviewed_copy.id)).scalars())
    seen = {
        login: set(re.findall(r"(itm_\w+)\?question", sign_in_as(reviewed_copy, login).get(f"{ADDRESS}?size=500").text)) for login in ("ben", "cleo")
    }
    assert served and seen["ben"] and not served & seen["ben"] and served & seen["cleo"]


def test_settling_goes_on_in_the_background_and_says_what_it_did(fresh: Workspace) -> None:
    dispute(fresh, "choice", "rating")
    lead = as_somebody(fresh, "olga", "owner")
    here = "/review/projects/disputed/truth"
    assert lead.post(f"{here}/settle", {"method": "nonsense"}).status == 422
    assert lead.post(f"{here}/settle", {"method": "policy"}).status == 303
    background(lead).wait("settle", "disputed", timeout_s=30)
    page = lead.get(f"{here}/live").text
    assert "Settled" in page and "by olga" in page and "<html" not in page
    assert lead.post(f"{here}/settle", {"method": "one_coin"}).status == 303  # adjudications are open: nothing is left to weigh
    background(lead).wait("settle", "disputed", timeout_s=30)
    assert "no answers to weigh" in lead.get(here).text


def test_methods_are_compared_and_what_they_differ_on_goes_to_adjudicators(reviewed_copy: Workspace) -> None:
    lead = as_somebody(reviewed_copy, "olga", "owner")
    assert lead.post(f"{ADDRESS}/adjudicate", {"question": "failure", "reason": "r"}).status == 404
    assert lead.post(f"{ADDRESS}/compare", {"question": "failure"}).status == 303
    background(lead).wait("compare", "replies", "failure", timeout_s=60)
    page = lead.get(ADDRESS).text
    compared: Any = background(lead).of("compare", "replies", "failure").result  # type: ignore[union-attr]
    assert compared.choice.banner.split(" (")[0] in page
    assert compared.n_items > 100 and compared.n_gold > 0 and not any(str(each.unit).startswith("gold") for each in compared.differing)
    assert "same label" in page or "methods differ" in page
    settled = [row.item_id for row in explore(reviewed_copy, "replies", "failure", state="settled", waiting=False).rows[:3]]
    labels = {"majority": "yes", "mace": "no"}
    differing = tuple(Disagreement(item, labels, dict.fromkeys(labels, 0.6)) for item in settled)
    told = replace(compared, differing=differing, n_differing=3)
    background(lead).start(("compare", "replies", "failure"), lambda *_: told, by="olga")
    background(lead).wait("compare", "replies", "failure", timeout_s=20)
    assert "3 items on which the methods differ" in lead.get(ADDRESS).text
    before = len(adjudications(reviewed_copy, "replies", limit=500))
    assert lead.post(f"{ADDRESS}/adjudicate", {"question": "failure", "reason": " "}).status == 422
    sent = lead.post(f"{ADDRESS}/adjudicate", {"question": "failure", "reason": "they differ"})
    assert sent.status == 303 and sent.headers["location"] == "/review/adjudication?project=replies"
    now = {each.item_id for each in adjudications(reviewed_copy, "replies", limit=500)}
    assert set(settled) <= now and len(now) == before + 3
    assert all(consensus_of(reviewed_copy, "replies", item, "failure").value is not None for item in settled)  # stands until somebody decides
    assert entries(reviewed_copy, type="settlement.disputed")[0].actor == "olga"


def test_gold_enough_shows_how_each_method_did_on_it(reviewed_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.judging.aggregation import choose

    monkeypatch.setattr(choose, "ENOUGH_GOLD", 10)
    lead = as_somebody(reviewed_copy, "olga", "owner")
    lead.post(f"{ADDRESS}/compare", {"question": "failure"})
    background(lead).wait("compare", "replies", "failure", timeout_s=60)
    page = lead.get(ADDRESS).text
    assert "Right on gold" in page and "was chosen on" in page and page.count("Log score") >= 2


def test_the_same_work_is_not_begun_twice_and_an_error_is_told(fresh: Workspace) -> None:
    gate, work = threading.Event(), Jobs(fresh)
    work.start(("x",), lambda *_: gate.wait(20), by="olga")
    with pytest.raises(Conflict, match="under way"):
        work.start(("x",), lambda *_: None, by="rita")
    gate.set()
    work.wait("x", timeout_s=20)
    work.start(("y",), lambda *_: 1 / 0, by="olga")
    work.wait("y", timeout_s=20)
    found = work.of("y")
    assert found is not None and found.problem is not None and "ZeroDivision" not in found.problem["what"]
    work.close()
    with pytest.raises(Conflict, match="stopping"):
        work.start(("z",), lambda *_: None, by="olga")


def test_nothing_settled_says_what_comes_first(fresh: Workspace) -> None:

    create_project(fresh, ProjectSettings(name="fresh"), rubric=Rubric(name="fresh", questions=(FAILURE,)), guideline="Be fair.")
    page = as_somebody(fresh, "olga", "owner").get("/review/projects/fresh/truth")
    assert page.status == 200 and "Nothing is settled yet" in page.text and "Nobody answered yet" in page.text
