"""Tables of routing: the reports a policy stands on, policies and their versions, what tightened them, decisions, audits and what came of them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, Text, UniqueConstraint, text

from pilotage.store import JsonText, table

# Addressed by content. Looking again at the same model spends alpha, so looks are numbered and no number is given twice.
calibration_report = table(
    "calibration_report",
    Column("category", Text, nullable=False),
    Column("model", Text, nullable=False),  # the fingerprint of what gave the confidence
    Column("prompt", Text, nullable=False),
    Column("look", Integer, nullable=False),
    Column("labels_hash", Text, nullable=False),  # digest of the labelled sample
    Column("verdict", Text, nullable=False),  # routable | recalibrate | human_only
    Column("report", JsonText, nullable=False),
    UniqueConstraint("workspace_id", "category", "model", "prompt", "look"),
)

routing_policy = table(
    "routing_policy",  # the id is its name
    Column("salt", Text, nullable=False),  # audits are drawn from it; never shown
    Column("revision", BigInteger, nullable=False),  # moves with every act: what routers watch
)
routing_policy_version = table(
    "routing_policy_version",
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),  # draft | active | suspended | retired
    Column("category", Text, nullable=False),
    Column("declared", JsonText, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("levels", JsonText),  # slice -> the level it was activated with: a laxer assessment made since does not loosen it
    Column("activated_by", Text),
    Column("activated_at", BigInteger),
    CheckConstraint("state IN ('draft', 'active', 'suspended', 'retired')", name="state"),
    # Four eyes, and evidence: whatever the program does.
    CheckConstraint("state <> 'active' OR (activated_by IS NOT NULL AND activated_by <> author AND report_id <> '')", name="four_eyes"),
    Index(
        "uq_routing_policy_version_active",
        "workspace_id",
        "policy",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
    key=("policy", "number"),
)
# What was made stricter than the policy says, and taken back. The last row of a slice is in force. Append-only.
routing_change = table(
    "routing_change",
    Column("policy", Text, nullable=False),
    Column("slice", Text, nullable=False),
    Column("number", Integer, nullable=False),  # of this slice, from 1
    Column("direction", Text, nullable=False),  # tightened | loosened
    Column("level", Text, nullable=False),  # at least this level; '' for the policy's own
    Column("threshold", Float),  # at least this threshold; null for the policy's own
    Column("cause", Text, nullable=False),  # alarm | person
    Column("subject", Text, nullable=False),  # the alarm's key, or the report that allows it
    CheckConstraint("direction <> 'loosened' OR cause = 'person'", name="only_people_loosen"),
    UniqueConstraint("workspace_id", "policy", "slice", "number"),
)

# One a request, with no payload: only what was decided and why.
route_decision = table(
    "route_decision",
    Column("policy", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("request", Text, nullable=False),  # keyed digest of what was asked, to tell a repetition from another request
    Column("action", Text, nullable=False),
    Column("reasons", JsonText, nullable=False),
    Column("slice", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("p", Float),
    Column("threshold", Float),
    Column("audit", Integer, nullable=False),
    Column("inclusion", Float, nullable=False),  # the probability with which it was drawn for audit; 0 where it is no candidate
    Column("held", Integer, nullable=False, default=0),  # waits for room in the queue
    Column("item_id", Text),  # what people are shown; null where nobody looks
    UniqueConstraint("workspace_id", "policy", "request_id"),
    Index("ix_route_decision_time", "workspace_id", "policy", "created_at"),
    Index("ix_route_decision_held", "workspace_id", "policy", "held"),
)
# What people said of accepted outputs that were drawn at random. Each is counted once.
audit_sample = table(
    "audit_sample",
    Column("policy", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("slice", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("inclusion", Float, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # waiting | right | wrong | void
    Column("judged_at", BigInteger),
    Index("ix_audit_sample_waiting", "workspace_id", "policy", "state"),
    key="route_id",
)
# The one-sided test of a slice: begun anew (the next epoch) with each version and each loosening.
routing_monitor = table(
    "routing_monitor",
    Column("number", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("state", JsonText, nullable=False),
    Column("audited", Integer, nullable=False, default=0),
    Column("wrong", Integer, nullable=False, default=0),
    Column("alarm_at", BigInteger),
    key=("policy", "slice", "epoch"),
)
# What somebody outside says came of an output. Kept and shown; never evidence: complaints are no random sample.
route_outcome = table(
    "route_outcome",
    Column("route_id", Text, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("source", Text, nullable=False),
    UniqueConstraint("workspace_id", "route_id", "source"),
)
