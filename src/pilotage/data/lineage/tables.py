"""Tables of lineage: what was made of what, column by column, and the OpenLineage events that others sent."""

from sqlalchemy import BigInteger, Column, Index, Text

from pilotage.store import JsonText, table

# ``id`` is made of the two ends and ``via``: recording the same edge twice is one row. ``from_us`` to ``until_us`` is the range of event times of the
# rows that flowed along it (both inclusive; null: not known, so any).
lineage_edge = table(
    "lineage_edge",
    Column("parent_kind", Text, nullable=False),
    Column("parent_id", Text, nullable=False),
    Column("child_kind", Text, nullable=False),
    Column("child_id", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("from_us", BigInteger),
    Column("until_us", BigInteger),
    Column("columns", JsonText, nullable=False),  # [{"child", "parent", "how", "subtype", "text"}]
    # Both hold all that a walk asks for, so it never reads the rows themselves.
    Index("ix_lineage_edge_down", "workspace_id", "parent_kind", "parent_id", "child_kind", "child_id", "from_us", "until_us"),
    Index("ix_lineage_edge_up", "workspace_id", "child_kind", "child_id", "parent_kind", "parent_id", "from_us", "until_us"),
)

openlineage_event = table(
    "openlineage_event",
    Column("producer", Text, nullable=False),
    Column("event_time", BigInteger, nullable=False),
    Column("job", Text, nullable=False),
    Column("run", Text),
    Column("body", JsonText, nullable=False),
)
