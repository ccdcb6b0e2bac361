"""Tables of chosen batches: what was drawn from which pool, how each item was chosen, and how likely the draw was to take it."""

from sqlalchemy import Column, Float, Index, Integer, Text

from pilotage.store import JsonText, table

review_batch = table(
    "review_batch",
    Column("project", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, … within the project and question
    Column("pool", Integer, nullable=False),  # how many items there were to choose from
    Column("settings", JsonText, nullable=False),  # strategies, random share, seed
    Index("ix_review_batch_project", "workspace_id", "project", "question", "number"),
)
review_batch_item = table(
    "review_batch_item",
    Column("position", Integer, nullable=False),
    Column("selected_by", Text, nullable=False),
    Column("probability", Float),  # of the random draw; null where it was chosen
    Column("score", Float),
    key=("batch_id", "item_id"),
)
