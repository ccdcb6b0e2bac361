"""Tables of findings: clusters of confirmed failures, with a life."""

from sqlalchemy import BigInteger, Column, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

finding = table(
    "finding",
    Column("pilot_id", Text, nullable=False),
    Column("cluster_key", Text, nullable=False),  # policy clause + technique
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),  # new | confirmed | dismissed | fixed | reopened
    Column("history", JsonText, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "pilot_id", "cluster_key"),
)

# The attempts a finding rests on: one row per objective + technique + conversation, whatever model answered.
finding_attempt = table(
    "finding_attempt",
    Column("objective_key", Text, nullable=False),
    Column("sample_id", Text, nullable=False),
    Column("output_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # breached | partial | defended | off_topic | error | undetermined
    Column("judged_by", Text, nullable=False),
    key=("finding_id", "attempt_id"),
)
