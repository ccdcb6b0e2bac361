"""The ledger's tables. Entries are never updated; only a payload may be erased, and that is an entry of its own."""

from sqlalchemy import BigInteger, Column, LargeBinary, Text, UniqueConstraint
from sqlalchemy.schema import Index

from pilotage.store import table

# One row per act. What was hashed is the canonical JSON of the row (``entry.leaf_bytes``): every column but the three hashes goes into it.
# ``body`` is canonical JSON. Personal data is not in it but in ``ledger_payload``, behind the salted ``commitment``.
ledger_entry = table(
    "ledger_entry",
    Column("seq", BigInteger, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("commitment", Text),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("chain_hash", LargeBinary, nullable=False),
    UniqueConstraint("workspace_id", "prev_hash"),
    Index(None, "workspace_id", "subject", "seq"),
    Index(None, "workspace_id", "type", "seq"),
    Index("ix_ledger_entry_actor", "workspace_id", "actor", "seq"),
    key="seq",
)

# The Merkle tree's compact range (right-most full subtrees) after the last entry: what the next append needs, and nothing more.
ledger_head = table(
    "ledger_head",
    Column("size", BigInteger, nullable=False),
    Column("chain_hash", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    key="name",
)

# ``payload`` is the canonical JSON the commitment was made over; it and ``salt`` are null once erased.
ledger_payload = table(
    "ledger_payload",
    Column("salt", LargeBinary),
    Column("payload", Text),
    Column("erased_at", BigInteger),
    key="commitment",
)

# ``frontier`` lets a large ledger be checked from here on; the signed root covers it.
ledger_checkpoint = table(
    "ledger_checkpoint",
    Column("size", BigInteger, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    key="size",
)

# Where heads were written outside this database: the newest size known to lie there.
ledger_anchor = table(
    "ledger_anchor",
    Column("size", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("place", Text, nullable=False),
)
