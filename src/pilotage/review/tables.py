"""Tables of the review queue: what waits for people, who holds it, until when."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

review_task = table(
    "review_task",
    Column("queue", Text, nullable=False),  # the pilot's id
    Column("item_id", Text, nullable=False),
    Column("rubric_id", Text, nullable=False),
    Column("why", JsonText, nullable=False),  # reason codes: why a person must look
    Column("suggestion", JsonText),  # what a machine proposes
    Column("harmful", Integer, nullable=False, default=0),  # blur until revealed
    Column("priority", Integer, nullable=False, default=0),
    Column("overlap", Integer, nullable=False, default=1),
    Column("answers", Integer, nullable=False, default=0),
    Column("state", Text, nullable=False),  # open | done | withdrawn
    Column("due_at", BigInteger),
    UniqueConstraint("workspace_id", "queue", "item_id", "rubric_id"),
    Index("ix_review_task_next", "workspace_id", "queue", "state", "priority", "id"),
)

# One row per person and task: a claim while ``state`` is claimed and not expired; an answer once it is answered.
review_assignment = table(
    "review_assignment",
    Column("task_id", Text, nullable=False),
    Column("rater_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # claimed | answered | skipped | released
    Column("expires_at", BigInteger, nullable=False),
    Column("flagged", Integer, nullable=False, default=0),
    UniqueConstraint("workspace_id", "task_id", "rater_id"),
    Index("ix_review_assignment_rater", "workspace_id", "rater_id", "state"),
)
