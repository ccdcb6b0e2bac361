"""Tables of datasets, their immutable versions, what was refused on the way in, and what left."""

from sqlalchemy import BigInteger, Column, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

dataset = table(
    "dataset",
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # evaluation | objectives | training | documents
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "name"),
)

# ``id`` is made from name + digest + card + operation + parents, so equal content is one row; rows lie in the blob ``blob``. Never updated.
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
