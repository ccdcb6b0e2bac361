"""Tables of features: what is served online, what was served, and what the comparison with the batch path said."""

from sqlalchemy import BigInteger, Column, Float, Index, LargeBinary, Text

from pilotage.store import JsonText, TimeUs, table

# One blob per view and entity. ``view`` is ``name@version``; ``entity`` is the JSON array of the key's values; ``created_at`` is when it was written.
# A row is replaced only by one that is not older in (event_us, available_us). A blob of another ``definition`` than the reader's is never served.
feature_online = table(
    "feature_online",
    Column("view", Text),
    Column("entity", Text),
    Column("definition", Text, nullable=False),
    Column("event_us", TimeUs, nullable=False),
    Column("available_us", TimeUs, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    key=("view", "entity"),
)
# A look-up then descends one tree and not two: the index and, through it, the rows.
feature_online.dialect_kwargs["sqlite_with_rowid"] = False

# A served vector, as it was served, without personal columns. ``entity_digest`` decides the sample and stands for a key that is personal.
feature_served = table(
    "feature_served",
    Column("view", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("at_us", TimeUs, nullable=False),
    Column("entity", Text),
    Column("entity_digest", Text, nullable=False),
    Column("flag", Text, nullable=False),
    Column("event_us", TimeUs),
    Column("available_us", TimeUs),
    Column("served_values", LargeBinary, nullable=False),
    Column("request_values", JsonText, nullable=False),
    Index(None, "workspace_id", "view", "at_us"),
)

# What the log lost to backpressure, so that a report can say what it has not seen.
feature_served_dropped = table(
    "feature_served_dropped",
    Column("view", Text, nullable=False),
    Column("from_us", TimeUs, nullable=False),
    Column("to_us", TimeUs, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Index(None, "workspace_id", "view", "from_us"),
)

feature_skew_report = table(
    "feature_skew_report",
    Column("view", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("source_version", Text, nullable=False),
    Column("from_us", TimeUs, nullable=False),
    Column("to_us", TimeUs, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("max_rate", Float, nullable=False),
    Column("report", JsonText, nullable=False),
    Index(None, "workspace_id", "view", "created_at"),
)
