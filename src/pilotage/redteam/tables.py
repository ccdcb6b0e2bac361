"""Tables of findings: clusters of confirmed failures, with a life."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

finding = table(
    "finding",
    Column("pilot_id", Text, nullable=False),
    Column("cluster_key", Text, nullable=False),  # policy clause + technique
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),  # new | confirmed | dismissed | fixed | reopened
    Column("history", JsonText, nullable=False),  # [{at, by, from, to, why, fingerprint}], oldest first
    Column("updated_at", BigInteger, nullable=False),
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "pilot_id", "cluster_key"),
    Index("ix_finding_latest", "workspace_id", "updated_at", "id"),
    Index("ix_finding_pilot", "workspace_id", "pilot_id", "updated_at", "id"),
)

# The attempts a finding rests on. ``attempt_id`` is the sample's id, so one row per attempt and model; ``attempt_key`` is the same attempt whatever
# model answered. A row changes only when a person decides what a machine had said.
finding_attempt = table(
    "finding_attempt",
    Column("attempt_key", Text, nullable=False),
    Column("objective_key", Text, nullable=False),
    Column("sample_id", Text, nullable=False),
    Column("output_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # breached | partial | defended | off_topic | error | undetermined
    Column("judged_by", Text, nullable=False),  # a rater's name; "person:<login>" where a person decided
    Column("judged_at", BigInteger, nullable=False),
    Index("ix_finding_attempt_fingerprint", "workspace_id", "finding_id", "fingerprint", "verdict"),
    Index("ix_finding_attempt_sample", "workspace_id", "sample_id"),
    key=("finding_id", "attempt_id"),
)
