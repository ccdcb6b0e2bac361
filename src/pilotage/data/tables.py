"""Tables of datasets, their immutable versions, what was refused on the way in, and what left."""

from sqlalchemy import BigInteger, Column, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

dataset = table(
    "dataset",
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # evaluation | objectives | training | documents | table
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "name"),
)

# ``id`` is made from name + digest + card + operation + parents, so equal content is one row; rows lie in the blob ``blob``. Never updated.
# Of a table ``blob`` is empty, ``fields`` is its contract, and ``dataset_table_place`` says where its rows lie.
dataset_version = table(
    "dataset_version",
    Column("dataset_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("blob", Text, nullable=False),
    Column("fields", JsonText, nullable=False),
    Column("card", JsonText, nullable=False),  # licence, consent, purposes, source, notes
    Column("operation", JsonText, nullable=False),  # name, params, seed, code version, counts in/kept/changed/dropped/queued/quarantined/added
    Column("parents", JsonText, nullable=False),
    UniqueConstraint("workspace_id", "dataset_id", "number"),
)

dataset_quarantine = table(
    "dataset_quarantine",
    Column("position", BigInteger),  # order within the import
    Column("source", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("field", Text),
    Column("reason", Text, nullable=False),
    Column("raw", Text),
    key=("version_id", "position"),
)

dataset_export = table(
    "dataset_export",
    Column("version_id", Text, nullable=False, index=True),
    Column("format", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("manifest", JsonText, nullable=False),
)

# Where the rows of a version of kind ``table`` lie, and what they add up to. Never updated.
dataset_table_place = table(
    "dataset_table_place",
    Column("dataset_id", Text, nullable=False),
    Column("contract_id", Text, nullable=False),
    Column("lance_version", BigInteger, nullable=False),
    Column("rows_digest", Text, nullable=False),  # the sum of the rows' hashes: what the next version's is reckoned from
    Column("run_id", Text),
    UniqueConstraint("workspace_id", "dataset_id", "run_id"),
    key="version_id",
)

# A name a person gave a version. Moving one is an update here and an entry in the ledger.
dataset_tag = table(
    "dataset_tag",
    Column("version_id", Text, nullable=False, index=True),
    Column("lock_version", Integer, nullable=False, default=1),
    key=("dataset_id", "name"),
)

# Why a key is not in a version any more: one row for each row that was taken out.
dataset_removal = table(
    "dataset_removal",
    Column("removed_in", Integer),  # the number of the version that no longer has it
    Column("rule", Text, nullable=False),
    Column("evidence", Text),  # JSON: the other key, the score, the span
    Column("reason", Text, nullable=False),
    key=("dataset_id", "row_key", "removed_in"),
)
# They come by the million: kept in the order of their key, without a second copy of it in an index.
dataset_removal.dialect_kwargs["sqlite_with_rowid"] = False

# A row that was set aside on its way in, where its key could be read: so that who misses it finds out.
dataset_set_aside = table(
    "dataset_set_aside",
    Column("batch", Text, nullable=False),
    Column("reason", Text, nullable=False),
    key=("dataset_id", "row_key", "batch"),
)

# A version whose rows may not be read any more, and are no longer there.
dataset_withdrawn = table(
    "dataset_withdrawn",
    Column("withdrawal_id", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    key="version_id",
)

# A withdrawal, from the decision to the last file. ``target`` is a salted hash: the record of an erasure does not name who was erased.
dataset_withdrawal = table(
    "dataset_withdrawal",
    Column("kind", Text, nullable=False),  # subject | source
    Column("target", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # begun | done
    Column("report", JsonText, nullable=False),
    Column("lock_version", Integer, nullable=False, default=1),
)

# A row that was erased: salted hashes only, so that it can be told that something was here and who asks can be answered, and nothing else.
dataset_tombstone = table(
    "dataset_tombstone",
    Column("withdrawal_id", Text, nullable=False),
    key=("dataset_id", "key_hash"),
)
