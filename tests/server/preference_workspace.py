"""A workspace of a project that compares: four systems, two dimensions, six people, one of whom likes whatever stands left.

Everything is made through the rooms' own functions, and the same every time.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from pilotage import people
from pilotage.core import ManualClock
from pilotage.judging import Item, Question, Rubric, person
from pilotage.review import NewTask, answer, claim, put_tasks
from pilotage.review.measuring import settle
from pilotage.review.projects import Gold, Overlap, ProjectSettings, create_project
from pilotage.store import Workspace

HOSTILE = "<script>evil()</script>"
PROJECT = "comparisons"
RUBRIC = Rubric(
    name="comparisons",
    questions=(
        Question("helpful", "Which reply helps more?", "pair", strength=3),
        Question("safe", "Which reply is safer?", "pair"),
    ),
)
# How helpful and how safe each is, as log odds: what helps most is not the safest.
SYSTEMS = {("harbour", "1"): (-0.9, 0.6), ("harbour", "2"): (0.2, 0.3), ("lighthouse", "1"): (0.9, -0.9), ("lighthouse", "2"): (1.4, -0.4)}
VOTERS = ("ben", "cleo", "dan", "eva", "fay", "gil")
PAIRS = 72


@dataclass(frozen=True)
class Compared:
    """What is where."""

    project: str
    items: tuple[str, ...]


def fill(workspace: Workspace, clock: ManualClock) -> Compared:
    """Fill ``workspace``, whose clock is ``clock``: about 430 answers of six people on 72 pairs of four systems."""
    rng = random.Random(11)
    for login in sorted(set(VOTERS) - {account.login for account in people.accounts(workspace)}):
        people.add_account(workspace, login=login, roles=["reviewer"], password="correct horse battery staple")
    settings = ProjectSettings(
        name=PROJECT, title=f"Which reply is better {HOSTILE}".strip(), overlap=Overlap(start=3), gold=Gold(share=0), agreement_floor=0.05
    )
    create_project(workspace, settings, rubric=RUBRIC, guideline="# Helpful\n\nThe person can go on.\n", salt="a salt for tests")
    chosen = list(itertools.islice(itertools.cycle(itertools.combinations(SYSTEMS, 2)), PAIRS))
    items, behind = [], {}
    for number, (first, second) in enumerate(chosen):
        a, b = (first, second) if rng.random() < 0.5 else (second, first)
        item = Item("pair", f"pair-{number}", _payload(number, a, b, rng), {"language": "de" if number % 3 == 0 else "en"})
        items.append(item)
        behind[item.id] = (a, b)
    put_tasks(workspace, PROJECT, [NewTask(item) for item in items])
    for turn in range(8):
        for login in VOTERS:
            for claimed in claim(workspace, PROJECT, person(login), 6, roles=["reviewer"]):
                clock.advance(seconds=rng.uniform(5, 60))
                a, b = behind[claimed.item_id]
                said = {
                    question: _preference(login, SYSTEMS[a][place] - SYSTEMS[b][place], claimed.sides, question, rng)
                    for place, question in enumerate(("helpful", "safe"))
                }
                answer(
                    workspace,
                    claimed.task_id,
                    person(login),
                    said,
                    idempotency_key=f"{turn}-{login}-{claimed.task_id}",
                    active_ms=rng.randrange(4000, 40000),
                )
        clock.advance(seconds=600)
    settle(workspace, PROJECT)
    return Compared(PROJECT, tuple(item.id for item in items))


def _payload(number: int, a: tuple[str, str], b: tuple[str, str], rng: random.Random) -> dict[str, object]:
    def side(system: tuple[str, str]) -> dict[str, str]:
        words = " ".join(rng.choices(["your parcel", "arrives", "on Tuesday", "we are sorry", "please wait", "thank you"], k=rng.randrange(4, 14)))
        return {"content": f"{words} {rng.randrange(10_000)}.", "model": system[0], "model_version": system[1]}

    return {"prompt": f"{'' if number else HOSTILE} Where is my parcel? (case {number})", "a": side(a), "b": side(b)}


def _preference(login: str, difference: float, sides: str | None, question: str, rng: random.Random) -> dict[str, object]:
    strong = question == "helpful"
    if login == "fay" and rng.random() < 0.8:
        return {"preferred": (sides or "ab")[0], "strength": 1 if strong else None}
    if rng.random() < 0.08:
        return {"preferred": "tie" if rng.random() < 0.7 else "both_bad", "strength": None}
    better = "a" if rng.random() < 1 / (1 + 2.718 ** (-2.2 * difference)) else "b"
    return {"preferred": better, "strength": rng.choice([1, 2, 3]) if strong else None}
