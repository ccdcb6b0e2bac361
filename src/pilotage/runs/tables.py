"""Tables of the engine: runs, content-addressed samples and their outputs."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

run = table(
    "run",
    Column("kind", Text, nullable=False),  # evaluation | attack | replay | twins
    Column("pilot_id", Text, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("versions", JsonText, nullable=False),  # dataset versions it reads
    Column("state", Text, nullable=False),  # running | paused | done
    Column("stop_reason", Text),
    Column("planned", BigInteger, nullable=False),
    Column("counts", JsonText, nullable=False),  # outcome -> n, kept in the same transaction as the outputs
    Column("rerolled", JsonText, nullable=False, default=dict),  # outcome -> n, of those in ``counts`` that are not first attempts
    Column("usage", JsonText, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "plan_hash"),
    Index("ix_run_latest", "workspace_id", "created_at", "id"),
    Index("ix_run_pilot", "workspace_id", "pilot_id", "created_at", "id"),
)

# ``id`` is the hash of everything that decides the output: item, technique, request parameters, target fingerprint, repeat, seed.
sample = table(
    "sample",
    Column("item_key", Text, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("slices", JsonText, nullable=False),
    Column("spec", JsonText, nullable=False),
)

# ``output_id`` is the output this run counts, null while there is none. Another run that tries the sample again does not change it.
run_sample = table(
    "run_sample",
    Column("position", BigInteger, nullable=False),
    Column("output_id", Text),
    UniqueConstraint("workspace_id", "run_id", "position"),
    Index("ix_run_sample_sample", "workspace_id", "sample_id"),
    key=("run_id", "sample_id"),
)

# ``run_id`` and ``batch`` say which run made it and in which transaction; the ledger holds a digest of each batch.
output = table(
    "output",
    Column("sample_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("outcome", Text, nullable=False),  # answered | refused | blocked | truncated | unparsable | error
    Column("body", JsonText, nullable=False),  # messages, tool calls, finish reason, error, per-try log
    Column("usage", JsonText, nullable=False),
    Column("latency_us", BigInteger, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("run_id", Text, nullable=False, default=""),
    Column("batch", Text, nullable=False, default=""),
    UniqueConstraint("workspace_id", "sample_id", "attempt"),
    Index("ix_output_batch", "workspace_id", "run_id", "batch"),
)
