"""A small project whose people answer without having seen what a model suggested."""

from __future__ import annotations

from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.review import NewTask, Suggestion, answer, claim, put_tasks
from pilotage.review.projects import Arms, ProjectSettings, create_project
from pilotage.store import Workspace

RUBRIC = Rubric(
    name="small",
    questions=(Question("correct", "Is it right?", "choice", options=(Option("yes", "Right", "y"), Option("no", "Wrong", "n"))),),
)


def fill_project(workspace: Workspace, *, name: str, items: int, answered: int, withheld: float = 1.0, selected_by: str = "order") -> list[str]:
    """``items`` with a suggestion 'yes' at rising probability; the first ``answered`` are answered, every fourth 'no'. Returns the ids, in order."""
    create_project(
        workspace, ProjectSettings(name=name, arms=Arms(withheld=withheld)), rubric=RUBRIC, guideline="# Right\n\nAs it is.\n", salt="fixed"
    )
    made = [Item("reply", f"{name}-{number}", {"text": f"reply {number}"}, {"language": "de" if number % 2 else "en"}) for number in range(items)]
    put_tasks(
        workspace,
        name,
        [
            NewTask(
                item,
                suggestions=[Suggestion("correct", "yes", probability=0.5 + 0.4 * number / items, model="judge", model_version="3")],
                selected_by=selected_by,
            )
            for number, item in enumerate(made)
        ],
    )
    place = {item.id: number for number, item in enumerate(made)}
    rita, left = person("rita"), answered
    while left and (claimed := claim(workspace, name, rita, min(left, 20))):
        for task in claimed:
            value = "no" if place[task.item_id] % 4 == 0 else "yes"
            answer(workspace, task.task_id, rita, {"correct": value}, idempotency_key=f"{name}-{task.task_id}")
            left -= 1
    return [item.id for item in made]
