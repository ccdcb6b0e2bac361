"""The queue: what waits for people, in whose hands it is, and what they decided.

:func:`put_tasks` sends items before people under a rubric, with what machines suggest. :func:`claim` leases tasks to one person; a lease lapses and
nobody is served a task twice, nor their own work, nor more people than a task asks for. What each person is shown is drawn then and kept, so that
:func:`answer`, which turns values into judgements, stamps what was shown without asking who answers; :func:`commit` keeps the first answer where the
suggestion comes after it. :func:`skip`, :func:`undo`, :func:`flag`, :func:`escalate` and :func:`reveal` are the rest of what people can do. Nothing
is deleted: undoing supersedes. Each act is in the ledger; :func:`events` reads it back, and :func:`export_judgements` hands judgements out. How an
item was shown stands there as a commitment only, which :func:`check_seals` compares with the tables.

A queue's settings are its project's (:mod:`pilotage.review.projects`). :func:`counts`, :func:`waiting`, :func:`standing`, :func:`tasks`,
:func:`history` and :func:`workload` look at the queue without reading what is judged.
"""

from pilotage.review.answer import answer, commit
from pilotage.review.claim import claim, release, release_expired
from pilotage.review.escalation import Overdue, escalate, escalate_overdue
from pilotage.review.exporting import Event, ExportedJudgement, events, export_judgements
from pilotage.review.marking import flag, reveal
from pilotage.review.new_task import NewTask, PutReport, RefusedRow, Suggestion, task_id
from pilotage.review.overview import answered_by, counts, history, look, progress, standing, tasks, waiting
from pilotage.review.prioritise import prioritise
from pilotage.review.put import put_task, put_tasks
from pilotage.review.reading import read_items
from pilotage.review.sealing import SealCheck, check_seals
from pilotage.review.skills import Skill, grant_skill, revoke_skill, skills_of
from pilotage.review.task import CORRECTION, Answered, Claimed, Counts, Decision, Progress, Standing, SuggestedBy, TaskPage, TaskRow, Waiting
from pilotage.review.undo import skip, undo
from pilotage.review.viewing import consent, view
from pilotage.review.withdraw import withdraw
from pilotage.review.workload import Workload, workload

__all__ = [
    "CORRECTION",
    "Answered",
    "Claimed",
    "Counts",
    "Decision",
    "Event",
    "ExportedJudgement",
    "NewTask",
    "Overdue",
    "Progress",
    "PutReport",
    "RefusedRow",
    "SealCheck",
    "Skill",
    "Standing",
    "SuggestedBy",
    "Suggestion",
    "TaskPage",
    "TaskRow",
    "Waiting",
    "Workload",
    "answer",
    "answered_by",
    "check_seals",
    "claim",
    "commit",
    "consent",
    "counts",
    "escalate",
    "escalate_overdue",
    "events",
    "export_judgements",
    "flag",
    "grant_skill",
    "history",
    "look",
    "prioritise",
    "progress",
    "put_task",
    "put_tasks",
    "read_items",
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
    "view",
    "waiting",
    "withdraw",
    "workload",
]
