"""Tables of monitoring: what was found, about which windows, and the figures it rests on."""

from sqlalchemy import BigInteger, Column, Index, Text

from pilotage.store import JsonText, table

# Addressed by content: the same finding about the same windows is one row. Never updated.
monitor_report = table(
    "monitor_report",
    Column("kind", Text, nullable=False),  # diagnosis | drift | estimate | retrieval | groups
    Column("pilot_id", Text),
    Column("reference", Text, nullable=False),  # version id, or the name of a window
    Column("production", Text, nullable=False),
    Column("said", Text, nullable=False),  # of a diagnosis the cause, one of seven; else what is beyond its limit, in words
    Column("why", Text, nullable=False),
    Column("n_reference", BigInteger, nullable=False),
    Column("n_production", BigInteger, nullable=False),
    Column("evidence_ids", JsonText, nullable=False),
    Column("body", JsonText, nullable=False),
    Index("ix_monitor_report_latest", "workspace_id", "created_at", "id"),
    Index("ix_monitor_report_said", "workspace_id", "said", "created_at", "id"),
    Index("ix_monitor_report_production", "workspace_id", "production"),
)
