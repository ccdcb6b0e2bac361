"""The ledger's tables. Entries and leaves are never updated; only a payload may be erased, and that is an entry of its own."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text, UniqueConstraint

from pilotage.store import JsonText, table

# One row per act. ``body`` is the canonical JSON that was hashed; personal data is not in it but in ``ledger_payload``, behind a salted commitment.
ledger_entry = table(
    "ledger_entry",
    Column("seq", BigInteger),
    Column("type", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("chain_hash", LargeBinary, nullable=False),
    UniqueConstraint("workspace_id", "prev_hash"),
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

ledger_payload = table(
    "ledger_payload",
    Column("salt", LargeBinary),
    Column("payload", JsonText),
    Column("erased_at", BigInteger),
    key="commitment",
)

ledger_checkpoint = table(
    "ledger_checkpoint",
    Column("size", BigInteger),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    key="size",
)

ledger_anchor = table(
    "ledger_anchor",
    Column("size", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("lock_version", Integer, nullable=False, default=1),
)
