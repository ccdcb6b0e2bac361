"""The queue: what waits for people, in whose hands it is, and what they decided.

:func:`put_task` sends an item before people under a rubric. :func:`claim` leases tasks to one person; a lease lapses and nobody is served a task
twice, nor their own work, nor more people than a task asks for. :func:`answer` turns their values into judgements; :func:`skip`, :func:`undo`,
:func:`flag` and :func:`reveal` are the rest of what they can do. Nothing is deleted: undoing supersedes. Each decision is in the ledger.

:func:`counts`, :func:`waiting`, :func:`standing`, :func:`tasks` and :func:`history` look at the queue without reading what is judged.
"""

from pilotage.review.answer import answer, flag, reveal, skip, undo
from pilotage.review.claim import claim, release, release_expired
from pilotage.review.overview import answered_by, counts, history, look, standing, tasks, waiting
from pilotage.review.put import put_task, withdraw
from pilotage.review.task import CORRECTION, Answered, Claimed, Counts, Decision, Standing, TaskPage, TaskRow, Waiting

__all__ = [
    "CORRECTION",
    "Answered",
    "Claimed",
    "Counts",
    "Decision",
    "Standing",
    "TaskPage",
    "TaskRow",
    "Waiting",
    "answer",
    "answered_by",
    "claim",
    "counts",
    "flag",
    "history",
    "look",
    "put_task",
    "release",
    "release_expired",
    "reveal",
    "skip",
    "standing",
    "tasks",
    "undo",
    "waiting",
    "withdraw",
]
