"""What the tests of measuring share: a project with two questions, and people who answer in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from typing import Any

import pytest

from pilotage.judging import Item, Option, Question, Rubric, ensure_rater, person
from pilotage.review import Claimed, answer
from pilotage.review.choosing import Asking, open_to
from pilotage.review.measuring.known import Known
from pilotage.review.new_task import NewTask, task_id
from pilotage.review.projects import ProjectSettings, create_project, find_terms
from pilotage.review.put import put_tasks
from pilotage.review.serving import load_claimed, serve
from pilotage.review.tables import review_task
from pilotage.store import Workspace, WriteTransaction

QUESTION = Question(name="tone", prompt="Is the tone right?", kind="choice", options=(Option("good"), Option("bad"), Option("odd")))


def rubric_of(*questions: Question) -> Rubric:
    """A rubric of these questions."""
    return Rubric(name="replies", guideline="Be fair.", questions=questions or (QUESTION,))


def serve_only(workspace: Workspace, project: str, login: str, tasks: Collection[str]) -> list[Claimed]:
    """Serve these tasks to somebody if they may have them, whatever stands before them in the queue."""
    rater = person(login)

    def job(tx: WriteTransaction) -> list[Claimed]:
        ensure_rater(tx, rater)
        asking = Asking(rater, project, None, None)
        query = open_to(by_role=False, by_skill=False, skipped_too=False).where(review_task.c.id.in_(sorted(tasks)))
        found = tx.conn.execute(query, asking.parameters(tx.workspace_id)).mappings().all()
        until = tx.clock.now_us() + 600_000_000
        ids = serve(tx, find_terms(tx.conn, tx.workspace_id, project), rater, found, until=until, holder="")
        return load_claimed(tx.conn, tx.workspace_id, rater.id, ids)

    return workspace.write(job)


class Team:
    """A project, and people who answer its items."""

    name = "support"

    def __init__(self, workspace: Workspace, rubric: Rubric, **settings: Any) -> None:
        self.workspace = workspace
        self.rubric = rubric
        settings.setdefault("gold", {"share": 0})
        create_project(workspace, ProjectSettings(name=self.name, **settings), rubric=rubric, salt="salt")
        self._keys = itertools.count()

    def item(self, name: str, **slices: str) -> Item:
        """The item called ``name``."""
        return Item(kind="output", source_id=name, payload={"text": name}, slices=slices)

    def known(self, name: str, explanation: str = "because", slices: dict[str, str] | None = None, **values: Any) -> Known:
        """The item called ``name`` with its right answers."""
        return Known(self.item(name, **(slices or {})), values or {"tone": "good"}, explanation)

    def task(self, name: str, purpose: str = "work", **slices: str) -> str:
        """The id of the item's task."""
        return task_id(self.name, self.item(name, **slices).id, self.rubric.id, purpose=purpose, salt="salt")

    def put(self, name: str, overlap: int = 2, slices: dict[str, str] | None = None, **options: Any) -> str:
        """Put work; the task's id."""
        report = put_tasks(self.workspace, self.name, [NewTask(self.item(name, **(slices or {})), overlap=overlap, **options)])
        assert not report.refused, report.refused
        return self.task(name, options.get("purpose", "work"), **(slices or {}))

    def answer(self, task: str, login: str, value: Any, question: str = "tone", **options: Any) -> None:
        """Have somebody take this task and answer it."""
        serve_only(self.workspace, self.name, login, [task])
        answers = value if question == "" else {question: value}
        answer(self.workspace, task, person(login), answers, idempotency_key=f"key-{next(self._keys)}", **options)

    def judge(self, name: str, slices: dict[str, str] | None = None, **votes: Any) -> str:
        """Put an item before as many people as vote, and have them; the item's id."""
        task = self.put(name, overlap=len(votes), slices=slices)
        for login, value in votes.items():
            self.answer(task, login, value)
        return self.item(name, **(slices or {})).id

    @property
    def guideline_id(self) -> str:
        """The guideline in force."""
        with self.workspace.read() as conn:
            terms = find_terms(conn, self.workspace.id, self.name)
        assert terms is not None
        return terms.guideline_id


MakeTeam = Callable[..., Team]


@pytest.fixture
def make_team(workspace: Workspace) -> MakeTeam:
    """A team with a rubric of these questions and these settings."""

    def make(*questions: Question, **settings: Any) -> Team:
        return Team(workspace, rubric_of(*questions), **settings)

    return make


@pytest.fixture
def team(make_team: MakeTeam) -> Team:
    """A team with one question and no gold mixed in."""
    return make_team()
