"""Why people disagree: slips, unclear words, ambiguous items and real plurality told apart, and looked through a page at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotage.core import InputError, NotFound
from pilotage.judging import Judgement, Question
from pilotage.ledger import entries
from pilotage.review.measuring import confusion_between, explore, findings, overrule, settle, triage
from pilotage.review.measuring.divergence import Reliability, confused_pairs
from pilotage.review.measuring.triaging import _Ground, cause_of

from .conftest import QUESTION, MakeTeam, Team

GOOD, POOR = Reliability(0.95, 0.9, 0.99, 60, "gold"), Reliability(0.5, 0.4, 0.6, 60, "gold")


def said(**answers: str) -> list[Judgement]:
    return [Judgement(item_id="i", question="tone", rater_id=rater, rubric_id="r", value=value) for rater, value in answers.items()]


def ground(question: Question = QUESTION, groups: dict[str, str] | None = None, **reliable: Reliability) -> _Ground:
    return _Ground(question, reliable, {}, {}, {}, groups or {})


def test_one_poor_rater_against_good_ones_made_a_slip() -> None:
    found = cause_of(ground(a=GOOD, b=GOOD, c=POOR), "i", said(a="good", b="good", c="bad"), {})
    assert found.cause == "annotator_error" and found.evidence["dissenter"] == "c"


def test_a_good_rater_who_stands_alone_made_no_slip() -> None:
    found = cause_of(ground(a=GOOD, b=GOOD, c=GOOD), "i", said(a="good", b="good", c="bad"), {})
    assert found.cause == "ambiguous_item"


def test_of_two_people_nobody_is_called_wrong() -> None:
    assert cause_of(ground(a=GOOD, b=POOR), "i", said(a="good", b="bad"), {}).cause == "unknown"


def test_people_nothing_is_known_of_give_no_cause() -> None:
    assert cause_of(ground(), "i", said(a="good", b="good", c="bad"), {}).cause == "unknown"


def test_opinions_are_plural_and_so_are_groups_that_agree_among_themselves() -> None:
    assert cause_of(ground(replace(QUESTION, policy="soft")), "i", said(a="good", b="bad"), {}).cause == "plurality"
    groups = {"a": "north", "b": "north", "c": "south", "d": "south"}
    found = cause_of(ground(groups=groups, a=GOOD, b=GOOD, c=POOR, d=POOR), "i", said(a="good", b="good", c="bad", d="bad"), {})
    assert found.cause == "plurality" and found.evidence["groups"] == {"north": "good", "south": "bad"}


def test_a_slice_with_surely_more_disagreement_points_at_the_guideline(team: Team) -> None:
    for n in range(12):
        team.judge(f"en {n}", slices={"language": "en"}, ann="good", ben="good")
        team.judge(f"de {n}", slices={"language": "de"}, ann="good", ben="bad" if n % 4 else "good")
    settle(team.workspace, team.name)
    assert triage(team.workspace, team.name, "tone").counts == {"tone": {"unclear_guideline": 9}}
    item = team.item("de 1", language="de").id
    [found] = findings(team.workspace, team.name, [item], "tone")[item]
    assert found.evidence["slice"] == {"language": "de"} and found.evidence["p"] < 0.05


def test_two_answers_mixed_up_beyond_chance_are_found_with_examples() -> None:
    by_item = {}
    for n in range(30):
        by_item[f"mixed {n}"] = said(a="good", b="odd")
        by_item[f"clear {n}"] = said(a="bad", b="bad")
        by_item[f"also {n}"] = said(a="good", b="good")
    by_item["rare"] = said(a="bad", b="good")
    first, rare = confused_pairs(QUESTION, by_item)
    assert (first.first, first.second, first.n, first.concentrated) == ("good", "odd", 30, True)
    assert len(first.examples) == 5
    assert not rare.concentrated


def test_with_two_answers_all_disagreement_is_one_pair_and_proves_nothing() -> None:
    [pair] = confused_pairs(QUESTION, {f"i{n}": said(a="good", b="bad") for n in range(40)})
    assert pair.share == 1 and not pair.concentrated


def test_a_person_overrules_the_rule_and_everything_stays_on_record(team: Team) -> None:
    item = team.judge("one", ann="good", ben="bad")
    settle(team.workspace, team.name)
    triage(team.workspace, team.name, "tone")
    overrule(team.workspace, team.name, item, "tone", "ambiguous_item", login="lea", note="both can be meant")
    assert triage(team.workspace, team.name, "tone").overruled == 1
    assert [(each.cause, each.made_by) for each in findings(team.workspace, team.name, [item], "tone")[item]] == [
        ("unknown", "rule"),
        ("ambiguous_item", "lea"),
    ]
    [row] = explore(team.workspace, team.name, "tone", cause="ambiguous_item").rows
    assert row.cause_by == "lea"
    told = [entry for entry in entries(team.workspace) if entry.type == "triage.overruled"]
    assert len(told) == 1 and "both can be meant" not in str(told[0].body)


def test_what_a_person_said_outlives_another_settlement(team: Team) -> None:
    task = team.put("one", overlap=2)
    team.answer(task, "ann", "good")
    team.answer(task, "ben", "bad")
    settle(team.workspace, team.name)
    item = team.item("one").id
    overrule(team.workspace, team.name, item, "tone", "plurality", login="lea")
    from pilotage.judging import person
    from pilotage.review import undo

    undo(team.workspace, task, person("ben"))
    team.answer(task, "ben", "odd")
    assert settle(team.workspace, team.name).written == 1
    [row] = explore(team.workspace, team.name, "tone").rows
    assert (row.cause, row.cause_by) == ("plurality", "lea")


def test_a_cause_that_is_none_and_an_item_that_is_not_settled_are_refused(team: Team) -> None:
    with pytest.raises(InputError):
        overrule(team.workspace, team.name, "itm_x", "tone", "laziness", login="lea")
    with pytest.raises(NotFound):
        overrule(team.workspace, team.name, "itm_x", "tone", "plurality", login="lea")


def test_the_explorer_goes_from_most_to_least_divided_without_repeating_or_losing_an_item(team: Team) -> None:
    for n in range(5):
        team.judge(f"even {n}", ann="good", ben="bad")
        team.judge(f"less {n}", ann="good", ben="good", cem="bad")
        team.judge(f"none {n}", ann="good", ben="good")
    settle(team.workspace, team.name)
    seen: list[str] = []
    after = None
    while True:
        page = explore(team.workspace, team.name, "tone", after=after, limit=3)
        seen += [row.item_id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 10
    assert set(seen[:5]) == {team.item(f"even {n}").id for n in range(5)}


def test_the_explorer_filters_by_state_pair_and_slice(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    team.judge("one", slices={"language": "de", "note": '100% "sure"_'}, ann="good", ben="bad")
    team.judge("two", slices={"language": "en"}, ann="good", ben="odd")
    settle(team.workspace, team.name)

    def found(**filters: object) -> list[str]:
        return [row.item_id for row in explore(team.workspace, team.name, "tone", **filters).rows]  # type: ignore[arg-type]

    one = team.item("one", language="de", note='100% "sure"_').id
    assert found(pair=("good", "bad")) == [one]
    assert found(slices={"language": "de"}) == [one]
    assert found(slices={"note": '100% "sure"_', "language": "de"}) == [one]
    assert found(slices={"note": "100%"}) == []
    assert len(found(state="adjudicate")) == 2 and found(state="settled") == []
    assert len(found(cause="")) == 2


def test_which_answers_people_mix_up(team: Team) -> None:
    item = team.judge("one", ann="good", ben="bad")
    [pair] = confusion_between(team.workspace, team.name, "tone")
    assert (pair.first, pair.second, pair.examples) == ("bad", "good", (item,))
