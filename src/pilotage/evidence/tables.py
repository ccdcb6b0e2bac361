"""Tables of measured figures and what gates said of them."""

from sqlalchemy import BigInteger, Column, Float, Index, Text

from pilotage.store import JsonText, table

# Addressed by content: the same figure over the same subject is one row. ``status`` is measured | not_assessable; then ``reason`` says why.
evidence = table(
    "evidence",
    Column("metric", Text, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("estimate", Float),
    Column("lower", Float),
    Column("upper", Float),
    Column("level", Float, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("n_clusters", BigInteger),
    Column("method", Text, nullable=False),
    Column("slice", JsonText, nullable=False),
    Column("subject", JsonText, nullable=False),  # pilot, run ids, target fingerprint, dataset versions, rubric, code version
    Column("detail", JsonText, nullable=False),  # counts, bounds over the missing, design effect, seed
    Column("reason", Text),
    Index("ix_evidence_latest", "workspace_id", "created_at"),
)

gate_result = table(
    "gate_result",
    Column("pilot_id", Text, nullable=False),
    Column("cycle", BigInteger, nullable=False),
    Column("gate", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # pass | fail | inconclusive | not_assessable | waived
    Column("limit", JsonText, nullable=False),
    Column("evidence_id", Text),
    Column("why", Text, nullable=False),
    Column("n_needed", BigInteger),
    Index("ix_gate_result_cycle", "workspace_id", "pilot_id", "cycle"),
    Index("ix_gate_result_evidence", "workspace_id", "evidence_id"),
)
