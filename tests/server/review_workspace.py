"""A workspace of a review project at work: replies to customers, five people with known habits, gold, arms, planted errors, disputes.

Everything is made through the rooms' own functions, with the time the workspace's clock says, and the same every time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from pilotage import people
from pilotage.core import ManualClock
from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.review import NewTask, Suggestion, answer, claim, commit, escalate, export_judgements, flag, put_tasks, view
from pilotage.review.measuring import Known, add_gold, open_adjudications, settle
from pilotage.review.projects import Arms, Gold, Overlap, ProjectSettings, Sla, change_project, create_project
from pilotage.review.task import Claimed
from pilotage.store import Workspace

HOSTILE = "<script>evil()</script>"
PROJECT = "replies"
RUBRIC = Rubric(
    name="replies",
    questions=(
        Question(
            "failure",
            "Is this reply a failure?",
            "choice",
            options=(Option("yes", "Failure", "y"), Option("no", "No failure", "n"), Option("unclear", "Unclear", "u")),
            policy="adjudicate",
        ),
        Question("tone", "How kind is it?", "rating", scale="ordinal", policy="soft"),
    ),
)
# How often each says the right thing unaided, and how readily they follow a suggestion they could see through.
HABITS = {"ben": (0.95, 0.1), "cleo": (0.9, 0.2), "dan": (0.85, 0.6), "eva": (0.9, 0.3), "fay": (0.65, 0.8)}
ITEMS = 360
GOLD = 40


@dataclass(frozen=True)
class Reviewed:
    """What is where. ``truth`` is the right answer by item; ``adjudications`` are open adjudication tasks."""

    project: str
    truth: dict[str, str]
    gold: tuple[str, ...]
    adjudications: tuple[str, ...]


def _item(number: int, text: str, rng: random.Random) -> tuple[Item, str]:
    truth = rng.choices(["yes", "no"], [0.3, 0.7])[0]
    said = "It is hereby gone for good, and so is your money." if truth == "yes" else "It is on its way and arrives on Tuesday."
    payload = {"conversation": [{"role": "user", "content": f"{text} (case {number})"}, {"role": "assistant", "content": said}]}
    slices = {"language": "de" if number % 3 == 0 else "en", "risk": "high" if number % 5 == 0 else "low"}
    return Item("reply", f"reply-{number}", payload, slices), truth


def _suggested(truth: str, rng: random.Random) -> Suggestion:
    right = rng.random() < 0.85
    value = truth if right else ("no" if truth == "yes" else "yes")
    return Suggestion(
        "failure", value, probability=round(rng.uniform(0.7, 0.99) if right else rng.uniform(0.5, 0.9), 2), model="judge", model_version="3"
    )


def fill(workspace: Workspace, clock: ManualClock) -> Reviewed:
    """Fill ``workspace``, whose clock is ``clock``: about 1,000 answers of five people over two guidelines."""
    rng = random.Random(5)
    for login in HABITS:
        people.add_account(workspace, login=login, roles=["reviewer"], password="correct horse battery staple")
    settings = ProjectSettings(
        name=PROJECT,
        title=f"Replies to customers {HOSTILE}".strip(),
        overlap=Overlap(start=2, most=3, until=0.9, question="failure"),
        arms=Arms(withheld=0.2, seeded=0.2, answer_first=0.1),
        gold=Gold(share=0.12, exposure_cap=20),
        sla=Sla(due="24h", escalate_to="owner"),
        consent="Some suggestions are wrong on purpose.",
    )
    create_project(
        workspace,
        settings,
        rubric=RUBRIC,
        guideline="# What a failure is\n\nThe customer is misled, harmed or left alone.\n",
        salt="a salt for tests",
    )
    items = [_item(number, (number == 0 and HOSTILE) or "Where is my parcel?", rng) for number in range(ITEMS)]
    truth = {item.id: right for item, right in items}
    new = []
    for number, (item, right) in enumerate(items):
        wrong = {"failure": "no" if right == "yes" else "yes"} if number % 4 else {}
        new.append(NewTask(item, suggestions=[_suggested(right, rng)], seed=wrong, priority=5 if number % 10 == 0 else 0))
    put_tasks(workspace, PROJECT, new)
    known = [_item(1000 + number, "May I return it?", rng) for number in range(GOLD)]
    truth |= {item.id: right for item, right in known}
    gold = add_gold(
        workspace,
        PROJECT,
        [Known(item, {"failure": right}, "The parcel cannot be gone and on its way.", [_suggested(right, rng)]) for item, right in known],
    )
    _work(workspace, clock, truth, rng, rounds=18)
    change_project(
        workspace,
        PROJECT,
        number=1,
        guideline="# What a failure is\n\nThe customer is misled, harmed, left alone, or promised what nobody can keep.\n",
    )
    _work(workspace, clock, truth, rng, rounds=18)
    settle(workspace, PROJECT)
    opened = open_adjudications(workspace, PROJECT)
    for _ in export_judgements(workspace, PROJECT):
        pass
    return Reviewed(PROJECT, truth, tuple(gold.task_ids), tuple(opened))


def _work(workspace: Workspace, clock: ManualClock, truth: dict[str, str], rng: random.Random, *, rounds: int) -> None:
    for turn in range(rounds):
        for login in HABITS:
            for claimed in claim(workspace, PROJECT, person(login), 4, roles=["reviewer"]):
                clock.advance(seconds=rng.uniform(3, 40))
                _answer(workspace, claimed, login, truth[claimed.item_id], rng, number=turn)
        clock.advance(seconds=1800)


def _answer(workspace: Workspace, claimed: Claimed, login: str, truth: str, rng: random.Random, *, number: int) -> None:
    rater, (skill, follows) = person(login), HABITS[login]
    own = truth if rng.random() < skill else rng.choice(["yes", "no", "unclear"])
    shown: Any = (claimed.suggestion or {}).get("failure")
    said = shown if shown is not None and rng.random() < follows else own
    values = {"failure": said, "tone": rng.choice([2, 3, 4]) if said == "yes" else rng.choice([3, 4, 5])}
    values = {name: value for name, value in values.items() if name in claimed.questions}
    view(workspace, claimed.task_id, rater)
    active = round(rng.lognormvariate(9, 0.6))
    if rng.random() < 0.02:
        flag(workspace, claimed.task_id, rater, reason=f"Odd: {HOSTILE}")
    if number == 3 and login == "ben" and rng.random() < 0.3:
        escalate(workspace, claimed.task_id, rater, "Somebody who knows the contract must decide.")
        return
    if claimed.answer_first:
        commit(workspace, claimed.task_id, rater, values, idempotency_key=f"c-{login}-{claimed.task_id}")
    answer(workspace, claimed.task_id, rater, values, idempotency_key=f"a-{login}-{claimed.task_id}", active_ms=active, first_key_ms=active // 2)
