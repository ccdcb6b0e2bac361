"""Tables of the review queue: what waits for people, who holds it, until when, and what each of them decided.

The numbers a page shows are kept in the row of the thing itself (``review_task``) and in ``review_counter``, and change in the transaction that
changes the thing, so that listing and counting never read an item's payload nor walk the queue.
"""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

MAX_PRIORITY = 1_000_000


def _position(context: Any) -> str:
    """Where a new task stands: by priority, highest first, then by age. As one text, so that a page of a list is one index range."""
    row = context.get_current_parameters()
    return f"{MAX_PRIORITY - row['priority']:07d}.{row['created_at']:016d}.{row['id']}"


review_task = table(
    "review_task",
    Column("queue", Text, nullable=False),  # the pilot's name
    Column("item_id", Text, nullable=False),
    Column("rubric_id", Text, nullable=False),
    Column("role", Text, nullable=False, default=""),  # who may answer: a role, or '' for anybody who reviews
    Column("why", JsonText, nullable=False),  # reason codes: why a person must look
    Column("suggestion", JsonText),  # what a machine proposes: {question: value}
    Column("harmful", Integer, nullable=False, default=0),  # blur until revealed
    Column("priority", Integer, nullable=False, default=0),
    Column("position", Text, nullable=False, default=_position),  # the order of service
    Column("overlap", Integer, nullable=False, default=1),  # how many people are to answer
    Column("claims", Integer, nullable=False, default=0),  # people who hold it
    Column("answers", Integer, nullable=False, default=0),  # people who answered it
    Column("flags", Integer, nullable=False, default=0),
    Column("state", Text, nullable=False),  # open | done | withdrawn
    Column("due_at", BigInteger),
    UniqueConstraint("workspace_id", "queue", "item_id", "rubric_id"),
    # The law of the queue: never more people on a task than it asks for, whatever the program does.
    CheckConstraint("claims >= 0 AND answers >= 0 AND claims + answers <= overlap", name="places"),
    Index("ix_review_task_item", "workspace_id", "item_id"),
    Index("ix_review_task_next", "workspace_id", "queue", "state", "position"),
    Index("ix_review_task_oldest", "workspace_id", "state", "queue", "role", "created_at"),
)

# Whose work the item is. They are never served it.
review_author = table("review_author", key=("task_id", "login"))

# One row per person and task: a claim while ``state`` is claimed, an answer once it is answered.
review_assignment = table(
    "review_assignment",
    Column("queue", Text, nullable=False),
    Column("state", Text, nullable=False),  # claimed | answered | skipped | released
    Column("expires_at", BigInteger, nullable=False),
    Column("holder", Text, nullable=False, default=""),  # the page or program that claimed it for the person
    Column("flagged", Integer, nullable=False, default=0),
    Column("revealed", Integer, nullable=False, default=0),
    Index("ix_review_assignment_rater", "workspace_id", "rater_id", "queue", "state"),
    Index("ix_review_assignment_expiry", "workspace_id", "state", "expires_at"),
    key=("task_id", "rater_id"),
)

# Every decision of every person, in order: their history, and what makes a repeated request a no-op.
review_decision = table(
    "review_decision",
    Column("task_id", Text, nullable=False, index=True),
    Column("queue", Text, nullable=False),
    Column("rater_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # answered | skipped | flagged | unflagged | undone | refused
    Column("key", Text, nullable=False),  # the request's idempotency key, of this rater
    Column("request", Text, nullable=False),  # digest of what was asked, to tell a repetition from another request
    Column("answers", JsonText, nullable=False),  # {question: value}, without free text
    Column("judgements", JsonText, nullable=False),  # {question: judgement id}
    Column("note", Text),
    Column("late", Integer, nullable=False, default=0),
    Column("undone", Integer, nullable=False, default=0),
    UniqueConstraint("workspace_id", "rater_id", "key"),
    Index("ix_review_decision_history", "workspace_id", "rater_id", "queue", "id"),
)

review_counter = table(
    "review_counter",
    Column("open", Integer, nullable=False, default=0),
    Column("done", Integer, nullable=False, default=0),
    Column("withdrawn", Integer, nullable=False, default=0),
    Column("answers", Integer, nullable=False, default=0),
    Column("flags", Integer, nullable=False, default=0),
    key=("queue", "role"),
)
