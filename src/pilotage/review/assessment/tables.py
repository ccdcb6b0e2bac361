"""Tables of oversight: which level was decided for what, by whom, why, and what has made it doubtful since. Both are append-only."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

review_assessment = table(
    "review_assessment",
    Column("category", Text, nullable=False),
    Column("slice", Text, nullable=False),  # 'language=de,tier=gold'; '' for the category as a whole
    Column("number", Integer, nullable=False),  # from 1; the highest is in force
    Column("level", Text, nullable=False),
    Column("decided_by", Text, nullable=False),  # the rule; '' where none fired
    Column("answers", JsonText, nullable=False),
    Column("profile", JsonText, nullable=False),  # the answers settled, with the figures as they were read
    Column("findings", JsonText, nullable=False),  # every rule and whether it fired
    Column("model", Text, nullable=False),  # the fingerprint it is about; '' where none was given
    Column("signed_by", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "category", "slice", "number"),
)

# Why an assessment must be made again. What is due ends with the next assessment of the same category and slice, never by an edit.
review_reassessment = table(
    "review_reassessment",
    Column("category", Text, nullable=False),
    Column("slice", Text, nullable=False),
    Column("number", Integer, nullable=False),  # the assessment it put in doubt; 0 where there was none
    Column("cause", Text, nullable=False),  # model_changed | alarm | asked
    Column("subject", Text, nullable=False),  # the fingerprint, the alarm, …
    Index("ix_review_reassessment_category", "workspace_id", "category", "slice", "number"),
)
