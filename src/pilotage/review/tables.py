"""Tables of the review queue: what waits for people, who holds it, until when, and what each of them decided.

The numbers a page shows are kept in the row of the thing itself (``review_task``) and in ``review_counter``, and change in the transaction that
changes the thing, so that listing and counting never read an item's payload nor walk the queue.
"""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, Text, UniqueConstraint, text

from pilotage.store import JsonText, table

MAX_PRIORITY = 1_000_000


def _position(context: Any) -> str:
    row = context.get_current_parameters()
    return position_of(row["priority"], row["created_at"], row["id"])


def position_of(priority: int, created_at: int, task_id: str) -> str:
    """Where a task stands: by priority, highest first, then by age. As one text, so that a page of a list is one index range."""
    return f"{MAX_PRIORITY - priority:07d}.{created_at:016d}.{task_id}"


review_task = table(
    "review_task",
    Column("queue", Text, nullable=False),  # the pilot's name
    Column("item_id", Text, nullable=False),
    Column("rubric_id", Text, nullable=False),
    Column("role", Text, nullable=False, default=""),  # who may answer: a role, or '' for anybody who reviews; escalation may hand it to another
    Column("asks", Text, nullable=False, default="", server_default=""),  # whose questions are asked, where those of a rubric are for several roles
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
    Column("escalated_at", BigInteger),
    # work | gold | qualification | calibration | adjudication | audit. Never shown to who answers: a known test measures nothing.
    Column("purpose", Text, nullable=False, default="work", server_default="work"),
    Column("skill", Text, nullable=False, default="", server_default=""),  # what who answers must be able to do, or '' for nothing special
    Column("selected_by", Text, nullable=False, default="order", server_default="order"),  # how it came to be asked: order | random | uncertainty | …
    Column("route_id", Text),  # the routing decision that sent it here
    # The item first, so that it also answers what is put about an item, and a queue's tasks by item: each further index of random keys costs
    # an import a page written per row.
    UniqueConstraint("workspace_id", "item_id", "queue", "rubric_id", "asks", "purpose"),
    # The law of the queue: never more people on a task than it asks for, whatever the program does.
    CheckConstraint("claims >= 0 AND answers >= 0 AND claims + answers <= overlap", name="places"),
    Index("ix_review_task_next", "workspace_id", "queue", "state", "position"),
    Index(
        "ix_review_task_due", "workspace_id", "state", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")
    ),
    Index("ix_review_task_purpose", "workspace_id", "queue", "purpose", "state", "position"),
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
    Column("served_at", BigInteger),
    Column("arm", Text),  # suggestion_shown | withheld | seeded | answer_first; null where there was nothing to show
    Column("shown", JsonText),  # the suggestion this person is shown, {question: value}; null where none is
    Column(
        "committed", Integer, nullable=False, default=0, server_default="0"
    ),  # answer_first: the first answer is in, and the suggestion may be shown
    Column("sides", Text),  # ab | ba: which of a pair stands on the left
    Column("served_order", JsonText),  # {question: the candidates of a ranking, as they stood from the top}; null where nothing is ranked
    Column("guideline_id", Text),  # the guideline in force when it was served
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
    Column("kind", Text, nullable=False),  # answered | committed | skipped | escalated | flagged | unflagged | undone | refused
    Column("key", Text, nullable=False),  # the request's idempotency key, of this rater
    Column("request", Text, nullable=False),  # digest of what was asked, to tell a repetition from another request
    Column("answers", JsonText, nullable=False),  # {question: value}, without free text
    Column("judgements", JsonText, nullable=False),  # {question: judgement id}
    Column("note", Text),
    Column("arm", Text),
    Column("active_ms", BigInteger),
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

# A queue with settings of its own. A queue without a project has the defaults. Each change of the settings is a version, never an edit.
review_project = table(
    "review_project",  # the id is the queue's name
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),  # active | paused | archived
    Column("salt", Text, nullable=False),  # arms, sides and gold turns are drawn from it; never shown
)
review_project_version = table(
    "review_project_version",
    Column("number", Integer, nullable=False),
    Column("settings", JsonText, nullable=False),
    Column("rubric_id", Text, nullable=False),
    Column("guideline_id", Text, nullable=False),
    Column("author", Text, nullable=False),
    key=("project", "number"),
)
review_guideline = table(
    "review_guideline",
    Column("project", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    UniqueConstraint("workspace_id", "project", "number"),
)

# What a person was found able to do, by exam or by who leads the project.
review_skill = table(
    "review_skill",
    Column("source", Text, nullable=False),  # exam | granted
    Column("granted_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    key=("login", "skill"),
)

# What machines propose: many per item. ``probability`` is calibrated, ``score`` is as the machine gave it. Rows are short and asked for by item, so
# on SQLite they lie in the order of the key: one tree to write instead of three.
suggestion = table(
    "suggestion",
    Column("value", JsonText, nullable=False),
    Column("score", Float),
    Column("probability", Float),
    key=("item_id", "question", "model", "model_version"),
)
suggestion.dialect_kwargs["sqlite_with_rowid"] = False

# A wrong suggestion, planted to see whether people notice. In a table of its own, which nothing that faces a reviewer reads.
review_seed = table(
    "review_seed",
    Column("planted", JsonText, nullable=False),  # {question: the wrong value}
    Column("made_from", Text, nullable=False),  # second_choice | confusion | given
    key="task_id",
)

# What is known to be right, and why: the answers of gold, qualification and calibration tasks.
review_gold = table(
    "review_gold",
    Column("value", JsonText, nullable=False),
    Column("explanation", Text, nullable=False, default=""),
    Column("state", Text, nullable=False),  # active | retired
    key=("task_id", "question"),
)

# What servers do by themselves, and which of them does it now: several servers over one workspace need not all do it.
review_duty = table(
    "review_duty",
    Column("holder", Text, nullable=False),
    Column("held_until", BigInteger, nullable=False),
    key="name",
)
