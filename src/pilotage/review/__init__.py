"""The queue: what waits for people, in whose hands it is, and what they decided.

:func:`put_task` sends an item before people under a rubric. :func:`claim` leases tasks to one person; a lease lapses and nobody is served a task
twice, nor their own work, nor more people than a task asks for. :func:`answer` turns their values into judgements; :func:`skip`, :func:`undo`,
:func:`flag` and :func:`reveal` are the rest of what they can do. Nothing is deleted: undoing supersedes. Each decision is in the ledger.

:func:`counts`, :func:`waiting`, :func:`standing`, :func:`tasks` and :func:`history` look at the queue without reading what is judged.
"""

from pilotage.review.answer import answer, commit
from pilotage.review.claim import claim, release, release_expired
from pilotage.review.marking import flag, reveal
from pilotage.review.new_task import NewTask, PutReport, RefusedRow, Suggestion, task_id
from pilotage.review.overview import answered_by, counts, history, look, standing, tasks, waiting
from pilotage.review.put import put_task, put_tasks
from pilotage.review.skills import Skill, grant_skill, revoke_skill, skills_of
from pilotage.review.task import CORRECTION, Answered, Claimed, Counts, Decision, Standing, SuggestedBy, TaskPage, TaskRow, Waiting
from pilotage.review.undo import skip, undo
from pilotage.review.withdraw import withdraw

__all__ = [
    "CORRECTION",
    "Answered",
    "Claimed",
    "Counts",
    "Decision",
    "NewTask",
    "PutReport",
    "RefusedRow",
    "Skill",
    "Standing",
    "SuggestedBy",
    "Suggestion",
    "TaskPage",
    "TaskRow",
    "Waiting",
    "answer",
    "answered_by",
    "claim",
    "commit",
    "counts",
    "flag",
    "grant_skill",
    "history",
    "look",
    "put_task",
    "put_tasks",
    "release",
    "release_expired",
    "reveal",
    "revoke_skill",
    "skills_of",
    "skip",
    "standing",
    "task_id",
    "tasks",
    "undo",
    "waiting",
    "withdraw",
]
