"""Tables of what is judged, by whom, under which rubric, and what was said. Judgements are append-only."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

# The thing shown to a rater. The payload is apart so that list and count queries cannot read it by accident.
item = table(
    "item",
    Column("kind", Text, nullable=False),  # output | row | ...
    Column("source_id", Text, nullable=False),  # the output (or row) it shows
    Column("slices", JsonText, nullable=False),
    Index("ix_item_source", "workspace_id", "source_id"),
)
item_payload = table("item_payload", Column("payload", JsonText, nullable=False), key="item_id")

# A person, a model or a rule. A machine never counts as a person.
rater = table(
    "rater",
    Column("kind", Text, nullable=False),  # person | model | rule | import
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("config", JsonText, nullable=False),
    UniqueConstraint("workspace_id", "kind", "name", "version"),
)

# Addressed by content: another wording is another version.
rubric = table(
    "rubric",
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("questions", JsonText, nullable=False),
    Column("guideline", Text, nullable=False),
    UniqueConstraint("workspace_id", "name", "number"),
)

judgement = table(
    "judgement",
    Column("item_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("rater_id", Text, nullable=False),
    Column("rubric_id", Text, nullable=False),
    Column("value", JsonText),  # null where the rater abstained
    Column("abstained", Integer, nullable=False, default=0),
    Column("confidence", Float),
    Column("reason", Text),
    Column("supersedes", Text, nullable=False),  # "" for the first of a chain: a null would escape the unique constraint below
    Column("suggestion", JsonText),  # what the rater was shown as a proposal, or null
    Column("arm", Text),  # suggestion_shown | withheld | ...
    Column("active_ms", BigInteger),
    Column("first_key_ms", BigInteger),  # from the first sight of the item to the first key
    Column("sides", Text),  # ab | ba: how a pair was shown
    Column("served_order", JsonText),  # a ranking's candidates as they stood, from the top
    Column("guideline_id", Text),  # the project's guideline in force
    # work | gold | qualification | calibration | seeded | adjudication | audit. Only work, adjudication and audit say anything about the item;
    # the rest say something about the rater, and never leave the house.
    Column("purpose", Text, nullable=False, default="work", server_default="work"),
    Column("idempotency_key", Text, nullable=False),
    UniqueConstraint("workspace_id", "idempotency_key"),
    Index("ix_judgement_rater", "workspace_id", "rater_id", "purpose", "created_at"),
    Index("ix_judgement_question", "workspace_id", "question", "rubric_id"),
    # One chain per rater, item, question and rubric: one first judgement, and each superseded at most once.
    UniqueConstraint("workspace_id", "item_id", "question", "rater_id", "rubric_id", "supersedes"),
)

consensus = table(
    "consensus",
    Column("item_id", Text, nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("value", JsonText),  # null for a tie, whose distribution is in ``support``
    Column("support", JsonText, nullable=False),
    Column("inputs_hash", Text, nullable=False),
    UniqueConstraint("workspace_id", "item_id", "question", "method", "inputs_hash"),
)
