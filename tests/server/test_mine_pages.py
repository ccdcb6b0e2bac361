"""My page: one's own work, exams, rounds, skills and history; nothing of anybody else, and nothing that tells a known item from work."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browserless import Client
from leading import sign_in_as
from review_workspace import HABITS, HOSTILE, PROJECT, Reviewed

from pilotage.core import ManualClock
from pilotage.judging import Item, person
from pilotage.ledger import entries, open_workspace
from pilotage.review import answer, claim, consent, grant_skill, undo
from pilotage.review.measuring import Known, feedback, open_exam, open_round
from pilotage.review.projects import Gold, Qualification, Round, change_project, load_project
from pilotage.store import Workspace

EXAM = Qualification(skill="replies", items=4, pass_at=0.75, tries=2, wait="1h", valid_for="30d")
BECAUSE = f"It is gone for good. {HOSTILE}"


@pytest.fixture
def timed(replies_made: tuple[Path, Reviewed], tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    """The reviewed workspace on a clock that stands an hour after the last answer."""
    shutil.copytree(replies_made[0], tmp_path / "timed")
    with open_workspace(tmp_path / "timed", actor="ada") as opened:
        last = max(entry.created_at for entry in entries(opened, limit=100_000))
    clock.advance(last / 1e6 - clock.now_us() / 1e6 + 3600)
    with open_workspace(tmp_path / "timed", actor="ada", clock=clock) as opened:
        yield opened


def settle_on(workspace: Workspace, **changes: object) -> None:
    """Another version of the project's settings."""
    project = load_project(workspace, PROJECT)
    change_project(workspace, PROJECT, number=project.number, settings=project.settings.model_copy(update=changes))


def known(count: int, name: str = "exam") -> list[Known]:
    return [Known(Item("reply", f"{name}-{n}", {"conversation": []}), {"failure": "no", "tone": 4}, BECAUSE) for n in range(count)]


def with_exam(workspace: Workspace) -> None:
    settle_on(workspace, qualification=EXAM)
    open_exam(workspace, PROJECT, known(10))


def sit(workspace: Workspace, wrong: int) -> None:
    """Ben answers what is in his hands."""
    for n, task in enumerate(claim(workspace, PROJECT, person("ben"), 10, take_over=True, holder="page")):
        given = {"failure": "yes" if n < wrong else "no", "tone": 4}
        answer(workspace, task.task_id, person("ben"), given, idempotency_key=f"exam-{task.task_id}")


def test_my_page_counts_my_answers_by_day_and_says_how_fast_i_am(timed: Workspace) -> None:
    shown = sign_in_as(timed, "ben").get("/review/me").text
    assert re.search(r"142 <span class=\"muted\">answered, 2 skipped", shown)
    assert "142 in the last four weeks" in shown and 'class="little-columns"' in shown
    assert "half of your items took less than" in shown and "n = 142" in shown
    assert "Some suggestions are wrong on purpose." in shown and "(not yet)" in shown
    assert HOSTILE not in shown and "&lt;script&gt;evil()" in shown


def test_nothing_of_anybody_else_and_nothing_that_tells_gold_from_work_is_on_my_page(led: Workspace, replies: Reviewed) -> None:
    shown = sign_in_as(led, "ben").get("/review/me?size=500").text
    for other in set(HABITS) - {"ben"}:
        assert other not in shown
    for word in ("gold", "seed", "planted", "arm", "withheld", "purpose", "known answers", "Right, "):
        assert word not in re.sub(r"<head>.*?</head>", "", shown, flags=re.S).replace("harm", "").replace("wrong on purpose", ""), word
    rows = re.findall(r'<tr><td data-label="When">.*?</tr>', shown, re.S)
    of_gold = [row for row in rows if any(task in row for task in replies.gold)]
    shapes = {re.sub(r"task_\w+|<time.*?</time>|<strong.*?</strong>|\d{4}-.*?UTC", "", row) for row in rows if "answered" in row}
    assert len(of_gold) >= 10 and len(shapes) == 1, "a known item's line looks as any other's"


def test_what_i_was_told_is_there_where_the_project_tells(timed: Workspace, replies: Reviewed) -> None:
    settle_on(timed, gold=Gold(share=0.12, exposure_cap=20, feedback=True))
    before = sign_in_as(timed, "fay").get("/review/me").text
    assert "What you were told" not in before and "Right, failure" in before
    answered = [each for each in replies.gold if f'value="{each}"' in sign_in_as(timed, "fay").get("/review/me?size=500").text]
    told = [one for task in answered[:5] for one in feedback(timed, task, person("fay"))]
    shown = sign_in_as(timed, "fay").get("/review/me").text
    assert "What you were told of your last 5 known answers" in shown and "The parcel cannot be gone" in shown
    assert shown.count(">right<") == sum(one.was_right for one in told)
    assert "What you were told" not in sign_in_as(timed, "ben").get("/review/me").text


def test_an_exam_is_begun_answered_finished_and_explained(timed: Workspace, clock: ManualClock) -> None:
    with_exam(timed)
    ben = sign_in_as(timed, "ben")
    assert 'href="/review/me/exams/replies"' in ben.get("/review/me").text
    page = "/review/me/exams/replies"
    assert "Begin the exam" in ben.get(page).text and BECAUSE not in ben.get(page).text
    assert ben.post(f"{page}/begin").headers["location"] == "/review/replies?held"
    assert "4 items are not answered yet" in ben.get(page).text and "Go on answering" in ben.get(page).text
    assert ben.post(f"{page}/finish").status == 409
    sit(timed, wrong=3)
    assert "Every item is answered" in ben.get(page).text and "right is" not in ben.get(page).text
    assert ben.post(f"{page}/finish").headers["location"] == page
    shown = ben.get(page).text
    assert "not passed" in shown and "1 of 4 items right" in shown and shown.count("right is <strong") == 3
    assert "It is gone for good. &lt;script&gt;" in shown and HOSTILE not in shown
    assert "The next try may begin" in shown and ben.post(f"{page}/begin").status == 403
    clock.advance(3601)
    assert "Begin another try" in ben.get(page).text
    ben.post(f"{page}/begin")
    sit(timed, wrong=1)
    ben.post(f"{page}/finish")
    assert "You passed" in ben.get(page).text and "passed" in ben.get("/review/me").text
    assert "by exam" not in ben.get("/review/me").text and "an exam" in ben.get("/review/me").text  # the skill, and where it is from


def test_giving_up_counts_what_is_not_answered_as_wrong(timed: Workspace) -> None:
    with_exam(timed)
    ben = sign_in_as(timed, "ben")
    ben.post("/review/me/exams/replies/begin")
    ben.post("/review/me/exams/replies/finish", {"give_up": "true"})
    assert "0 of 4 items right, 4 not answered" in ben.get("/review/me/exams/replies").text


def test_a_project_without_an_exam_says_so_and_one_that_is_not_there_is_not_found(led: Workspace) -> None:
    ben = sign_in_as(led, "ben")
    assert "No exam is open" in ben.get("/review/me/exams/replies").text
    assert ben.get("/review/me/exams/nothing").status == 404


def test_a_round_that_is_due_shows_what_changed_in_the_guideline(timed: Workspace) -> None:
    settle_on(timed, calibration_round=Round(items=2))
    open_round(timed, PROJECT, known(3, "round"), needed=2)
    shown = sign_in_as(timed, "ben").get("/review/me").text
    assert "a new guideline to practise" in shown and "you have answered 0" in shown and "Begin the round" in shown
    assert 'class="added"' in shown and "promised what nobody can keep" in shown and 'class="removed"' in shown
    for task in claim(timed, PROJECT, person("ben"), 2):
        answer(timed, task.task_id, person("ben"), {"failure": "no", "tone": 4}, idempotency_key=task.task_id)
    assert "a new guideline to practise" not in sign_in_as(timed, "ben").get("/review/me").text


def test_skills_say_when_they_end(timed: Workspace, clock: ManualClock) -> None:
    day = 86_400_000_000
    grant_skill(timed, "ben", f"german {HOSTILE}", expires_at=clock.now_us() + 3 * day)
    grant_skill(timed, "ben", "english")
    grant_skill(timed, "ben", "french", expires_at=clock.now_us() - day)
    shown = sign_in_as(timed, "ben").get("/review/me").text
    assert "ends soon" in shown and "without an end" in shown and "lapsed" in shown and HOSTILE not in shown
    assert "You hold no skill" in sign_in_as(timed, "eva").get("/review/me").text


def test_an_answer_is_taken_back_and_in_hand_again(timed: Workspace) -> None:
    ben = sign_in_as(timed, "ben")
    shown = ben.get("/review/me").text
    task, queue = re.search(r'name="task_id" value="(\w+)"><input type="hidden" name="queue" value="(\w+)"', shown).groups()  # type: ignore[union-attr]
    assert ben.post("/review/me/undo", {"task_id": task, "queue": queue}).headers["location"] == "/review/replies?held"
    again = ben.get("/review/me").text
    assert "taken back" in again and f'value="{task}"' not in again
    assert ben.post("/review/me/undo", {"task_id": task, "queue": queue}).status == 403
    assert [one.task_id for one in claim(timed, PROJECT, person("ben"), 1, take_over=True)] == [task]


def test_nobody_takes_back_what_another_said(timed: Workspace, replies: Reviewed) -> None:
    undo(timed, next(iter(_answered_by(timed, "eva"))), person("eva"))
    mine = _answered_by(timed, "ben")
    other = next(task for task in _answered_by(timed, "eva") if task not in mine)
    assert sign_in_as(timed, "ben").post("/review/me/undo", {"task_id": other, "queue": PROJECT}).status == 403


def _answered_by(workspace: Workspace, login: str) -> list[str]:
    return re.findall(r'name="task_id" value="(\w+)"', sign_in_as(workspace, login).get("/review/me?size=500").text)


def test_the_history_is_paged_and_filtered(led: Workspace) -> None:
    ben = sign_in_as(led, "ben")
    first = ben.get("/review/me?size=5").text
    assert first.count('data-label="When"') == 5
    after = re.search(r'rel="next" href="([^"]+)"', first)
    assert after is not None
    second = ben.get(after[1].replace("&amp;", "&")).text
    assert second.count('data-label="When"') == 5 and 'rel="prev"' in second
    assert "Nothing here" in ben.get("/review/me?project=another").text


def test_what_i_agreed_to_is_there_with_when(timed: Workspace) -> None:
    consent(timed, PROJECT, person("ben"), text=load_project(timed, PROJECT).settings.consent)
    shown = sign_in_as(timed, "ben").get("/review/me").text
    assert "You agreed" in shown and "(not yet)" not in shown
    settle_on(timed, consent="Another text.")
    assert "(not yet)" in sign_in_as(timed, "ben").get("/review/me").text  # what was agreed to was another text


def test_who_has_done_nothing_is_told_where_to_begin(newcomer: Client, leading: Workspace) -> None:
    assert "Nothing of yours yet" in newcomer.get("/review/me").text
    assert "Nothing of yours yet" in sign_in_as(leading, "lena").get("/review/me").text
    assert sign_in_as(leading, "aldo").get("/review/me").status == 403
