"""The people of the walk. They are simulated: programs with known habits that answer through the functions people's answers come through.

Each reads an item by themselves with a skill of their own, and some follow what is shown without reading. What measures them knows nothing of that.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from generate import Reply

from pilotage.judging import person
from pilotage.review import Claimed, answer, claim
from pilotage.store import Workspace

LEASE_S = 3600.0


class Calendar:
    """A clock that can be moved on: what takes people weeks is over in seconds, and the pages show weeks."""

    def __init__(self, start_us: int) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        self._now_us += 1
        return self._now_us

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now_us += round(seconds * 1_000_000)


@dataclass(frozen=True)
class Habits:
    """How somebody works.

    skill
        How often they read an item rightly by themselves. ``trust``: how often they follow what is shown without reading. ``lenient``: how they read
        promises and advice while the guideline says nothing of them. ``seconds`` an item.
    """

    login: str
    skill: float
    trust: float
    lenient: bool
    seconds: float


TEAM = (
    Habits("ada", 0.98, 0.05, False, 14),
    Habits("ben", 0.97, 0.10, True, 11),
    Habits("cem", 0.96, 0.10, False, 12),
    Habits("dora", 0.97, 0.05, False, 16),
    Habits("eva", 0.95, 0.15, True, 10),
    Habits("max", 0.95, 0.80, True, 6),  # confirms what he is shown
)


class Crowd:
    """Simulated people who know the items only by what they are shown."""

    def __init__(self, clock: Calendar, seed: int) -> None:
        self.clock, self.seed = clock, seed
        self.replies: dict[str, Reply] = {}
        self.items: dict[str, Reply] = {}  # what was on somebody's screen, by item
        self.guideline = 1

    def know(self, *replies: Reply) -> None:
        """What reading these properly would tell."""
        self.replies.update({each.request: each for each in replies})

    def reply_of(self, task: Claimed) -> Reply:
        """What is on the screen."""
        return self.items.setdefault(task.item_id, self.replies[task.payload["conversation"][0]["content"]])

    def read(self, who: Habits, task: Claimed) -> tuple[str, float]:
        """Their answer and how many seconds it took."""
        reply = self.reply_of(task)
        draw = random.Random(f"{self.seed}-{who.login}-{reply.id}")
        follows, reads, pace = draw.random() < who.trust, draw.random() < who.skill, draw.lognormvariate(0, 0.3)
        shown = (task.suggestion or {}).get("failure")
        if shown is not None and follows:
            return shown, 1.4 * pace
        lenient = self.guideline == 1 and reply.contested and who.lenient
        right = reply.failure and not lenient
        return ("yes" if right == reads else "no"), who.seconds * pace

    def answer(self, workspace: Workspace, who: Habits, task: Claimed) -> None:
        """Answer one item, with what it should have said if it fails."""
        value, seconds = self.read(who, task)
        given: dict[str, Any] = {"failure": value}
        if value == "yes":
            given["correction"] = self.reply_of(task).right
        self.give(workspace, who.login, task, given, seconds)

    def give(self, workspace: Workspace, login: str, task: Claimed, given: Mapping[str, Any], seconds: float) -> None:
        """Hand in an answer after that time."""
        self.clock.move(seconds)
        took = round(seconds * 1000)
        answer(workspace, task.task_id, person(login), given, idempotency_key=f"{login}-{task.task_id}", active_ms=took, first_key_ms=took // 2)

    def work(self, workspace: Workspace, project: str, team: tuple[Habits, ...] = TEAM, *, at_a_time: int = 15, roles: Collection[str] = ()) -> int:
        """Everybody takes turns until nothing is left for anybody; how many answers that made."""
        done, before = 0, -1
        while done != before:
            before = done
            for who in team:
                for task in claim(workspace, project, person(who.login), at_a_time, LEASE_S, roles=roles):
                    self.answer(workspace, who, task)
                    done += 1
        return done
