"""Tables of measuring the people who answer: exams, calibration rounds, feedback given, what was settled and why people disagreed."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

# A new guideline is practised on items whose answers are known before work is served under it.
review_round = table(
    "review_round",
    Column("project", Text, nullable=False),
    Column("guideline_id", Text, nullable=False),
    Column("needed", Integer, nullable=False),  # how many each person answers
    Column("state", Text, nullable=False),  # open | closed
    UniqueConstraint("workspace_id", "project", "guideline_id"),
)
review_round_task = table("review_round_task", key=("round_id", "task_id"))

# An exam, per guideline. Its terms are part of it: other terms are another exam.
review_exam = table(
    "review_exam",
    Column("project", Text, nullable=False),
    Column("guideline_id", Text, nullable=False),
    Column("skill", Text, nullable=False),
    Column("terms", JsonText, nullable=False),
    Column("state", Text, nullable=False),  # open | closed
    Index("ix_review_exam_project", "workspace_id", "project", "state"),
)
review_exam_task = table("review_exam_task", key=("exam_id", "task_id"))
review_exam_try = table(
    "review_exam_try",
    Column("exam_id", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("tasks", JsonText, nullable=False),
    Column("state", Text, nullable=False),  # running | passed | failed
    Column("until", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("right", Integer),
    Column("n", Integer),
    Column("rate", Float),
    Column("lower", Float),
    UniqueConstraint("workspace_id", "exam_id", "login", "number"),
)

# Who was told the right answer of what, and since when: what they answer of it afterwards measures nothing.
review_feedback = table("review_feedback", key=("task_id", "rater_id"))

# How far the answers about an item have become one. A row per item and question, changed in place; the consensuses themselves are append-only.
review_settlement = table(
    "review_settlement",
    Column("rubric_id", Text, nullable=False),
    Column("inputs", Text, nullable=False),  # digest of the judgements it was made from
    Column("state", Text, nullable=False),  # settled | adjudicate
    Column("method", Text, nullable=False),
    Column("consensus_id", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("disagreement", Float, nullable=False),  # 0 all said the same … 1 as divided as can be
    Column("position", Text, nullable=False),  # most divided first, as one text for keyset paging
    Column("pair", Text, nullable=False, default=""),  # the two answers it is between, as text, if it is between two
    Column("cause", Text, nullable=False, default=""),  # annotator_error | ambiguous_item | unclear_guideline | plurality | unknown | ''
    Column("cause_by", Text, nullable=False, default=""),  # rule, or the login of who overruled it
    Index("ix_review_settlement_explorer", "workspace_id", "project", "question", "position"),
    Index("ix_review_settlement_state", "workspace_id", "project", "state"),
    key=("project", "item_id", "question"),
)
review_settlement_run = table(
    "review_settlement_run",
    Column("until", BigInteger, nullable=False),  # judgements made before this are in
    key=("project", "question", "rubric_id"),
)

# Why people disagreed about an item, as a rule found it or a person says. Append-only: the newest holds.
review_triage = table(
    "review_triage",
    Column("project", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("made_by", Text, nullable=False),  # rule, or a login
    Column("evidence", JsonText, nullable=False),
    Column("note", Text),
    Index("ix_review_triage_item", "workspace_id", "project", "item_id", "question"),
)

# What the adjudicator of an item is shown: the answers of the others under aliases, as they were when the task was opened.
review_adjudication = table(
    "review_adjudication",
    Column("project", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("questions", JsonText, nullable=False),
    Column("answers", JsonText, nullable=False),  # [{alias, answers, reason}]
    Column("before", JsonText, nullable=False),  # {question: what the majority said, or null}
    Column("state", Text, nullable=False),  # open | decided
    Index("ix_review_adjudication_project", "workspace_id", "project", "state"),
    key="task_id",
)
