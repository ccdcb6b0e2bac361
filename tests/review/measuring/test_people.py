"""What people see of themselves and leads of their team; agreement with and without suggestions in sight."""

from __future__ import annotations

import pytest

from pilotage.core import InputError, NotFound
from pilotage.review.measuring import add_gold, my_page, project_agreement, team_page
from pilotage.review.new_task import Suggestion

from .conftest import MakeTeam, Team


def test_a_team_page_has_work_accuracy_agreement_and_drift(make_team: MakeTeam) -> None:
    team = make_team(gold={"share": 0, "floor": 0.8})
    tasks = add_gold(team.workspace, team.name, [team.known(f"gold {n}") for n in range(40)]).task_ids
    for n, task in enumerate(tasks):
        team.answer(task, "ann", "good" if n < 20 else "bad")
    for n in range(20):
        team.judge(f"work {n}", ann="good", ben="good", cem="good" if n else "bad")
    page = team_page(team.workspace, team.name)
    ann, ben, cem = page.members
    assert (ann.login, ann.answered, ben.answered) == ("ann", 20, 20)
    assert ann.accuracy[0].estimate == 0.5 and ben.accuracy == ()
    assert ann.drift[0].changed is True
    assert cem.agreement[0].share == 0.95
    assert (ben.agreement[0].n, ben.agreement[0].share) == (19, None)  # on one item the others have no majority
    assert [alert.login for alert in page.alerts] == ["ann"]


def test_a_person_sees_nothing_of_others(team: Team) -> None:
    team.judge("one", ann="good", ben="bad")
    mine = my_page(team.workspace, team.name, "ann")
    assert (mine.login, mine.answered) == ("ann", 1)
    assert "ben" not in str(mine)
    assert my_page(team.workspace, team.name, "nobody").answered == 0


def test_agreement_is_shown_beside_that_of_people_who_saw_no_suggestion(make_team: MakeTeam) -> None:
    team = make_team(arms={"withheld": 0.5})
    for n in range(10):
        task = team.put(f"work {n}", overlap=3, suggestions=[Suggestion("tone", "good", model="m", model_version="1")])
        for login, value in (("ann", "good"), ("ben", "good"), ("cem", "bad")):
            team.answer(task, login, value)
    [found] = project_agreement(team.workspace, team.name, "tone")
    assert 0 < found.aided < 30 and found.all.n_units == 10 and found.unaided.n_units < 10
    assert "without a suggestion" in str(found)


def test_agreement_by_slice_guideline_and_pair(team: Team) -> None:
    for n in range(6):
        team.judge(f"work {n}", slices={"language": "de" if n % 2 else "en"}, ann="good" if n < 3 else "bad", ben="good" if n != 1 else "bad")
    whole, de, en = project_agreement(team.workspace, team.name, "tone", by="slice", slice="language")
    assert (whole.all.n_units, de.part, de.all.n_units, en.part) == (6, "de", 3, "en")
    assert whole.all.status == "too_few_for_a_verdict"
    assert [each.part for each in project_agreement(team.workspace, team.name, "tone", by="guideline")] == ["", team.guideline_id]
    assert len(project_agreement(team.workspace, team.name, "tone", by="pair")) == 2


def test_agreement_of_nobody_is_not_assessable_and_of_nothing_known_refused(team: Team) -> None:
    [found] = project_agreement(team.workspace, team.name, "tone")
    assert found.all.estimate is None and found.all.reason
    with pytest.raises(InputError):
        project_agreement(team.workspace, team.name, "tone", by="weather")
    with pytest.raises(InputError):
        project_agreement(team.workspace, team.name, "tone", by="slice")
    with pytest.raises(NotFound):
        project_agreement(team.workspace, "nowhere", "tone")
