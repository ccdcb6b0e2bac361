"""Tables of features: the event log and the streams that work it off."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Text

from pilotage.store import JsonText, TimeUs, table

# A source of events: its columns, and how far its log has come. Duplicates between new events leave gaps in the positions.
event_source = table(
    "event_source",
    Column("declared", JsonText, nullable=False),
    Column("next_position", BigInteger, nullable=False),
    Column("available_us", TimeUs, nullable=False),
    Column("watermark_us", TimeUs),
    # Ids of events before this event time are no longer in event_id; they are looked for in the log itself.
    Column("ids_from_us", TimeUs),
    Column("duplicates", BigInteger, nullable=False),
    key="name",
)

# The log: one row for each append, its events column by column in ``data``. Never updated, never deleted.
event_log = table(
    "event_log",
    Column("source", Text),
    Column("position", BigInteger),
    Column("last_position", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("min_event_us", TimeUs, nullable=False),
    Column("max_event_us", TimeUs, nullable=False),
    Column("available_us", TimeUs, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index(None, "workspace_id", "source", "max_event_us"),
    key=("source", "position"),
)

# Which events are in the log: what makes a second delivery of the same event a no-op.
event_id = table(
    "event_id",
    Column("source", Text),
    Column("event", Text),
    Column("revision", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event_us", TimeUs, nullable=False),
    key=("source", "event"),
)

# Events that a later revision replaced, and by which.
event_replaced = table(
    "event_replaced",
    Column("source", Text),
    Column("position", BigInteger),
    Column("by_position", BigInteger, nullable=False),
    key=("source", "position"),
)

event_producer = table(
    "event_producer", Column("source", Text), Column("producer", Text), Column("sequence", BigInteger, nullable=False), key=("source", "producer")
)

# A stream works one view off one source's log. The lease says who may; ``fence`` grows with each new holder and is checked in every transaction.
feature_stream = table(
    "feature_stream",
    Column("source", Text, nullable=False),
    Column("view_hash", Text, nullable=False),
    Column("next_position", BigInteger, nullable=False),
    Column("clock_us", TimeUs, nullable=False),
    Column("watermark_us", TimeUs),
    Column("events", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("corrected", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("holder", Text),
    Column("lease_until_us", TimeUs),
    Column("fence", BigInteger, nullable=False),
    key="view",
)

feature_tile = table(
    "feature_tile",
    Column("view", Text),
    Column("entity", Text),
    Column("tile_us", TimeUs),
    Column("states", LargeBinary, nullable=False),
    key=("view", "entity", "tile_us"),
)

# Rows whose tile is not complete yet, as they are: a window ends inside a tile. Tile first, so that complete ones are swept in one range.
feature_tail = table(
    "feature_tail",
    Column("view", Text),
    Column("tile_us", TimeUs),
    Column("entity", Text),
    Column("position", BigInteger),
    Column("rows", LargeBinary, nullable=False),
    key=("view", "tile_us", "entity", "position"),
)

# Of each entity the latest known row, and those that lie in its future.
feature_latest = table(
    "feature_latest", Column("view", Text), Column("entity", Text), Column("rows", LargeBinary, nullable=False), key=("view", "entity")
)

# Events that came after the watermark had passed them. Their tiles were corrected; this is the account of it.
feature_late = table(
    "feature_late",
    Column("view", Text),
    Column("position", BigInteger),
    Column("entity", Text, nullable=False),
    Column("event_us", TimeUs, nullable=False),
    Column("available_us", TimeUs, nullable=False),
    Column("behind_us", BigInteger, nullable=False),
    key=("view", "position"),
)

# Events that a view cannot count (no entity, a value beyond the grid): kept in the log, left out of the tiles, listed here with the reason.
feature_refused = table(
    "feature_refused",
    Column("view", Text),
    Column("position", BigInteger),
    Column("event", Text, nullable=False),
    Column("reason", Text, nullable=False),
    key=("view", "position"),
)

feature_replay = table(
    "feature_replay",
    Column("view", Text, nullable=False),
    Column("view_hash", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("report", JsonText, nullable=False),
    Index(None, "workspace_id", "view", "view_hash"),
)

# Registered views. A row is never updated: what a view computes does not change under its name and version.
feature_view = table(
    "feature_view",
    Column("name", Text),
    Column("version", Integer),
    Column("hash", Text, nullable=False),
    Column("definition", JsonText, nullable=False),
    Column("description", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("source_kinds", JsonText, nullable=False),  # column -> kind of the source's contract it was checked against
    Column("contract_id", Text, nullable=False),
    Index(None, "workspace_id", "hash"),
    key=("name", "version"),
)

# Views that models may be served with, and the replay each rests on.
feature_release = table(
    "feature_release",
    Column("view", Text),
    Column("view_hash", Text, nullable=False),
    Column("replay_id", Text, nullable=False),
    key="view",
)

# Many small rows, found and overwritten by their key: kept in its order, without a second copy of it in an index.
for _each in (event_id, feature_tile, feature_latest):
    _each.dialect_kwargs["sqlite_with_rowid"] = False
