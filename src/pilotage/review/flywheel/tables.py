"""Tables of frozen slices: items on which models are compared for good, and which nothing may learn from."""

from sqlalchemy import Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import table

review_slice = table(
    "review_slice",
    Column("project", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("pool", Integer, nullable=False),  # how many it was drawn from
    Column("seed", Integer, nullable=False),
    Column("digest", Text, nullable=False),  # of the item ids: what "frozen" means
    UniqueConstraint("workspace_id", "project", "name"),
)
review_slice_item = table(
    "review_slice_item",
    Index("ix_review_slice_item", "workspace_id", "item_id"),
    key=("slice_id", "item_id"),
)
