"""The bias board and what belongs to it: figures or how many answers are missing, planting in numbers only, and printing."""

from __future__ import annotations

import re

import pytest
from browserless import Client
from leading import sign_in_as, told
from review_workspace import HABITS, HOSTILE, PROJECT, Reviewed
from sqlalchemy import delete, select

from pilotage.ledger import entries
from pilotage.review.bias import board, compare_settings
from pilotage.review.measuring.agreement import people_said
from pilotage.review.projects import Arms, change_project, load_project
from pilotage.review.tables import review_seed
from pilotage.server.pages import team as team_page
from pilotage.server.queries.bias_board import Pace, PlanAsked, plan
from pilotage.server.queries.judges import judge_figures, judges_of
from pilotage.server.words import figure
from pilotage.store import Workspace

HERE = f"/review/bias?project={PROJECT}"


def settle_on(workspace: Workspace, **changes: object) -> None:
    project = load_project(workspace, PROJECT)
    change_project(workspace, PROJECT, number=project.number, settings=project.settings.model_copy(update=changes))


def seeded(workspace: Workspace) -> set[str]:
    s = review_seed.c
    with workspace.read() as conn:
        return set(conn.execute(select(s.task_id).where(s.workspace_id == workspace.id)).scalars())


def unseed(workspace: Workspace) -> None:
    """Take the fixture's seeds out, so that planting has open tasks to choose from."""
    workspace.write(lambda tx: tx.conn.execute(delete(review_seed).where(review_seed.c.workspace_id == tx.workspace_id)))


def test_each_figure_has_an_interval_over_persons_and_n_or_says_what_is_missing(lead: Client, led: Workspace) -> None:
    shown = lead.get(f"{HERE}&by=language").text
    found = board(led, PROJECT, slice_by="language")
    for arm, words in (("seeded", "saw a planted error"), ("withheld", "saw none"), ("answer_first", "answered first")):
        assert found.arms[arm] > 0 and f"{found.arms[arm]} {words}" in shown
    missed = found.team.miss_rate
    assert missed.estimate is not None and missed.n == found.arms["seeded"], "the fixture has enough seeds for the team"
    assert (
        f'<strong>{100 * missed.estimate:.1f} %</strong> <span class="muted nowrap">{told(missed.lower, missed.upper)}</span>'
        f' <span class="n nowrap">n = {missed.n}, 5 people'
    ) in shown
    for login in HABITS:
        had = found.people[login].miss_rate.n
        assert f"not enough seeds: {had} of 97 needed" in shown and f"{97 - had} more are needed" in shown
    assert "only the arm &#39;answer_first&#39; tells" in shown and "none yet: they come from random audits" in shown
    for login in HABITS:
        assert re.search(rf'data-label="Person" dir="auto">{login}<', shown)
    assert "By language" in shown and f"not enough seeds: {found.slices['en'].miss_rate.n} of 97 needed" in shown
    assert "No hour has enough seeds" in shown and "Each hour" in shown
    assert HOSTILE not in shown and "&lt;script&gt;evil()" in shown


def test_what_is_declared_and_the_words_of_the_regulation_are_there(lead: Client) -> None:
    shown = lead.get(HERE).text
    assert "20 % see no suggestion, 20 % are dealt the planted value" in shown and "Some suggestions are wrong on purpose." in shown
    assert "Art. 14(4)(b)" in shown and "automation bias" in shown and "It is no certificate." in shown


def test_which_items_carry_a_seed_is_nowhere(lead: Client, led: Workspace, replies: Reviewed) -> None:
    pages = [lead.get(address).text for address in (HERE, f"/review/bias/planting?project={PROJECT}&question=failure", "/review/team/ben")]
    there = seeded(led)
    assert len(there) > 200
    for page in pages:
        assert not any(task in page for task in there) and not any(item in page for item in replies.truth)


def test_two_versions_of_the_settings_are_compared(lead: Client, led: Workspace) -> None:
    before = compare_settings(led, PROJECT, before=1, after=2).before
    assert before.estimate is not None
    shown = lead.get(f"{HERE}&before=1&after=2").text
    assert "Version 1 of the settings against 2" in shown and "what else changed may be the cause" in shown
    assert f"{100 * before.estimate:.1f} %" in shown and told(before.lower, before.upper) in shown
    assert re.search(r'<option value="1" selected>1, since', shown)
    assert lead.get(f"{HERE}&before=2&after=1").status == 422 and lead.get(f"{HERE}&before=1&after=9").status == 404


def test_the_planner_says_how_many_and_how_long(lead: Client) -> None:
    shown = lead.get(f"{HERE}&at=0.2&half_width=0.08&rate=0.03&people=10&per_day=200").text
    assert "<strong>97 seeds</strong> give ±8 points at a miss rate of 20 %" in shown and "324 from each person: 2 days" in shown
    assert "26% from 53% takes 48" in shown and "10% from 20% takes 197" in shown
    assert "can never give" in lead.get(f"{HERE}&people=2&icc=0.5").text
    assert lead.get(f"{HERE}&half_width=0").status == 422


def test_how_long_until_there_is_a_figure_follows_from_the_pace() -> None:
    asked = PlanAsked(at=0.2, half_width=0.08, rate=0.03, people=5, per_day=50, icc=0.0)
    assert plan(asked, have=97, pace=Pace(5, 100.0, 4.0, 3)).waiting_days == 0
    assert plan(asked, have=57, pace=Pace(5, 100.0, 4.0, 3)).waiting_days == 10
    assert plan(asked, have=57, pace=Pace(5, 100.0, 0.0, 3)).waiting_days is None


def test_planting_says_how_many_and_plants_them_once(leading: Workspace) -> None:
    unseed(leading)
    client = sign_in_as(leading, "lena")
    shown = client.get(f"/review/bias/planting?project={PROJECT}&question=failure&rate=0.05").text
    number = int(re.search(r"<h1>(\d+) seeds would be planted", shown)[1])  # type: ignore[index]
    assert number > 0 and seeded(leading) == set()
    form = {"project": PROJECT, "question": "failure", "rate": "0.05"}
    assert client.post("/review/bias/plant", form).headers["location"] == f"/review/bias?project={PROJECT}&planted={number}#seeds"
    assert len(seeded(leading)) == number
    assert f"{number} planted. Which ones is told nowhere." in client.get(f"{HERE}&planted={number}").text
    [entry] = entries(leading, type="review.seeded")
    assert entry.actor == "lena" and entry.body["count"] == number and not any(task in str(entry.body) for task in seeded(leading))


def test_nothing_is_planted_without_consent_beyond_the_rate_or_where_nobody_is_dealt_it(leading: Workspace) -> None:
    unseed(leading)
    client = sign_in_as(leading, "lena")
    form = {"project": PROJECT, "question": "failure", "rate": "0.03"}
    assert client.post("/review/bias/plant", {**form, "rate": "0.2"}).status == 422
    assert client.post("/review/bias/plant", {**form, "question": "nothing"}).status == 422
    settle_on(leading, consent="")
    assert "Nothing is planted before people were told" in client.get(HERE).text
    assert client.post("/review/bias/plant", form).status == 403
    settle_on(leading, consent="Told.", arms=Arms(withheld=0.1))
    assert "Nobody is dealt the planted arm" in client.get(HERE).text
    assert client.post("/review/bias/plant", form).status == 422
    assert seeded(leading) == set()


def test_who_only_reviews_plants_nothing(leading: Workspace) -> None:
    unseed(leading)
    form = {"project": PROJECT, "question": "failure"}
    for login in ("ben", "aldo"):
        assert sign_in_as(leading, login).post("/review/bias/plant", form).status == 403
    assert seeded(leading) == set()


def test_the_printed_board_says_where_it_is_from(lead: Client, led: Workspace) -> None:
    shown = lead.get(HERE).text
    assert "data-print hidden>Print for the evidence pack" in shown
    printed = re.search(r'<p class="print-only">(.*?)</p>', shown, re.S)
    assert printed and "settings version 2, guideline 2" in printed[1] and re.search(r"chain [0-9a-f]{64}", printed[1])


def test_of_a_large_project_the_board_comes_after_its_page(leading: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_page, "AT_ONCE", 10)
    client = sign_in_as(leading, "lena")
    missed = board(leading, PROJECT).team.miss_rate
    interval = told(missed.lower, missed.upper)
    shown = client.get(HERE).text
    assert 'hx-get="/review/bias?project=replies&amp;part=1"' in shown and interval not in shown
    part = client.get(f"{HERE}&part=1").text
    assert interval in part and "<html" not in part


def test_model_judges_are_held_to_people_who_did_not_see_them(lead: Client, led: Workspace) -> None:
    shown = lead.get(f"/review/projects/{PROJECT}/judges").text
    question, given = people_said(led, PROJECT, "failure")
    unaided = [each for each in given if each.suggestion is None]
    project = load_project(led, PROJECT)
    [judge] = judges_of(led, project)
    found = judge_figures(led, project, question, judge, pool="skilled", value="yes")
    assert (found.human_items, found.aided) == (len({each.item_id for each in unaided}), len(given) - len(unaided))
    assert "judge 3 (suggests, 360)" in shown and f"{found.aided} answers are left aside" in shown and f"{found.human_items} items" in shown
    assert found.test.winning_rate is None and found.test.reason in shown and "the test needs 3" in shown
    assert "shared items; a comparison needs 30" in shown
    assert "People among themselves: the ceiling" in shown and (found.ceiling.reason or figure(found.ceiling.estimate)) in shown
    assert found.mean.estimate is not None and found.alone is not None, "the fixture has enough of both"
    assert f"{100 * found.mean.estimate:.1f} %" in shown and told(found.mean.lower, found.mean.upper) in shown
    assert "People alone" in shown and told(*found.alone[1:]) in shown
    assert re.search(r"standard deviations \d\.\d\d between items and \d\.\d\d between people", shown)
    assert HOSTILE not in shown


def test_the_other_question_value_and_pool_can_be_asked_for(lead: Client) -> None:
    here = f"/review/projects/{PROJECT}/judges"
    assert "the share of “no”" in lead.get(f"{here}?value=no").text
    assert "ε = 0.2" in lead.get(f"{here}?pool=expert").text
    shown = lead.get(f"{here}?question=tone").text
    assert "the mean score" in shown and "not assessable" in shown
    assert lead.get(f"{here}?pool=anybody").status == 422
    assert lead.get(f"{here}?judge=nobody&question=nothing&value=maybe").status == 200
    assert re.search(r"data-label=\"Items\">2\u202f39\d<", lead.get(f"{here}?share=0.02").text)
