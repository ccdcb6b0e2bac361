"""Tables of what came in: batches, their staged parts, the rows that were set aside, and how far each source was read."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, TimeUs, table

# ``id`` is made from source + digest of what came + contract, so a batch delivered twice is one row.
ingest_batch = table(
    "ingest_batch",
    Column("source", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("contract_id", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of the bytes (or rows) as they were delivered
    Column("batch_key", Text),  # the sender's own name for the delivery, where there is one
    Column("state", Text, nullable=False),  # received | conformed | gated | published | held | refused | empty | discarded
    Column("origin", JsonText, nullable=False),  # label, bytes, cursor before and after
    Column("config", JsonText, nullable=False),  # the source as it was declared: a held batch is released by it
    Column("rows_in", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("version_id", Text),
    Column("gate_report_id", Text),
    Column("reason", Text),
    Column("changed_at", TimeUs, nullable=False),
    UniqueConstraint("workspace_id", "source", "batch_key"),
    # Lists are turned by (created_at, id), whole or by one of these.
    Index("ix_ingest_batch_created", "workspace_id", "created_at", "id"),
    Index("ix_ingest_batch_state", "workspace_id", "state", "created_at", "id"),
    Index("ix_ingest_batch_source", "workspace_id", "source", "created_at", "id"),
    Index("ix_ingest_batch_dataset", "workspace_id", "dataset", "created_at", "id"),
)

# A source as somebody put it into the workspace. Never updated: another declaration is the next number, the same one is the row that is there.
ingest_source = table(
    "ingest_source",
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("config", JsonText, nullable=False),
    UniqueConstraint("workspace_id", "name", "number"),
)

# One conformed piece of a batch, staged as Parquet in a blob; gone once the batch is published or discarded.
ingest_part = table(
    "ingest_part",
    Column("position", Integer),
    Column("source", Text, nullable=False),  # the file or segment that its lines are of
    Column("blob", Text),  # null where no row of the piece was kept
    Column("rows_in", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("dropped", JsonText),  # lines of staged rows that were set aside later, their keys being there already
    Column("notes", JsonText, nullable=False),  # new levels, mapped levels, converted columns, ignored columns
    key=("batch_id", "position"),
)

ingest_quarantine = table(
    "ingest_quarantine",
    Column("position", BigInteger),
    Column("source", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("field", Text),
    Column("code", Text, nullable=False),  # the kind of reason, for counting
    Column("reason", Text, nullable=False),
    Column("raw", Text),  # shortened, personal columns masked: what is listed and shown
    Column("content", Text),  # the row in full, for a retry; never listed; null once erased
    Column("retried_as", Text),  # the batch that took the row in later
    Column("erased_at", TimeUs),
    key=("batch_id", "position"),
)

# How far a source was read: a watermark, an ETag, offsets of segments.
ingest_cursor = table(
    "ingest_cursor",
    Column("cursor", JsonText, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("changed_at", TimeUs, nullable=False),
    key="source",
)
