"""Disputes of every kind of question: what two people said of one item, put before an adjudicator."""

from __future__ import annotations

from typing import Any

from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.review import NewTask, answer, claim, put_tasks
from pilotage.review.measuring import open_adjudications, settle
from pilotage.review.projects import Gold, Overlap, ProjectSettings, create_project
from pilotage.store import Workspace

TEXT = "Maria Lopez wrote from Lisbon that her parcel never came."
HOSTILE = "<script>evil()</script>"
FAILURE = Question(
    "failure",
    "Is this a failure?",
    "choice",
    options=(Option("yes", "Failure", "y"), Option("no", "No failure", "n")),
    policy="adjudicate",
)
QUESTIONS: dict[str, Question] = {
    "choice": FAILURE,
    "rating": Question("tone", "How kind is it?", "rating", scale="ordinal", policy="adjudicate"),
    "spans": Question("names", "Mark the names", "spans", options=(Option("person", "Person"), Option("place", "Place")), policy="adjudicate"),
    "pair": Question("better", "Which is better?", "pair", policy="adjudicate"),
    "ranking": Question("order", "Put them in order", "ranking", policy="adjudicate"),
    "edit": Question("rewrite", "Put it right", "edit", of="text", policy="adjudicate"),
}
SAID: dict[str, tuple[Any, Any]] = {
    "choice": ("yes", "no"),
    "rating": (2, 5),
    "spans": ([{"start": 0, "end": 11, "label": "person"}], [{"start": 0, "end": 5, "label": "person"}, {"start": 23, "end": 29, "label": "place"}]),
    "pair": ({"preferred": "a", "strength": None}, {"preferred": "b", "strength": None}),
    "ranking": ([["x"], ["y"], ["z"]], [["y"], ["x", "z"]]),
    "edit": (TEXT.replace("never came", "has not come yet"), TEXT.replace("wrote", "told us")),
}
PAYLOAD = {
    "text": TEXT,
    "prompt": "Where is my parcel?",
    "candidates": [{"id": "x", "text": "Soon"}, {"id": "y", "text": "Today"}, {"id": "z", "text": "Never"}],
    "verdict": {"value": "yes", "reason": "what the machine said"},
}
SIDES = {"a": {"content": "It comes on Tuesday.", "model": "secret-one"}, "b": {"content": "No idea.", "model": "secret-two"}}


def dispute(workspace: Workspace, *kinds: str, items: int = 1, agreed: tuple[str, ...] = (), opened: bool = True) -> list[str]:
    """A project ``disputed`` that asks a question of each kind, which ben and cleo answered differently (alike where ``agreed``); the tasks."""
    questions = tuple(QUESTIONS[kind] for kind in kinds)
    create_project(
        workspace,
        ProjectSettings(name="disputed", title=f"Disputed {HOSTILE}", overlap=Overlap(start=2), gold=Gold(share=0)),
        rubric=Rubric(name="disputed", questions=questions),
        guideline="Be fair.",
        salt="salt",
    )
    put_tasks(
        workspace,
        "disputed",
        [NewTask(Item("reply", f"item-{n}", {**PAYLOAD, **(SIDES if "pair" in kinds else {}), "case": n})) for n in range(items)],
    )
    for place, login in enumerate(("ben", "cleo")):
        for claimed in claim(workspace, "disputed", person(login), 20):
            said = {QUESTIONS[kind].name: SAID[kind][0 if kind in agreed else place] for kind in kinds}
            answer(
                workspace, claimed.task_id, person(login), said, idempotency_key=f"{login}-{claimed.task_id}", reason=f"{login[0]}-reason {HOSTILE}"
            )
    settle(workspace, "disputed")
    return open_adjudications(workspace, "disputed") if opened else []
