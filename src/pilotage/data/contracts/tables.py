"""Tables of contracts and of the changes proposed to them."""

from sqlalchemy import Column, Float, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, TimeUs, table

# ``id`` is made from the whole content, name and version included. Never updated: another promise is another version.
data_contract = table(
    "data_contract",
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("content", JsonText, nullable=False),
    UniqueConstraint("workspace_id", "name", "version"),
)

# A rename, a changed unit or a new level that the data suggest. A person decides; nothing is applied before.
contract_proposal = table(
    "contract_proposal",
    Column("contract", Text, nullable=False, index=True),  # the contract's name
    Column("contract_id", Text, nullable=False),  # the version it was proposed to
    Column("kind", Text, nullable=False),  # rename | unit | level
    Column("column", Text, nullable=False),
    Column("content", JsonText, nullable=False),
    Column("score", Float, nullable=False),
    Column("state", Text, nullable=False, index=True),  # open | accepted | rejected
    Column("reason", Text),
    Column("decided_by", Text),
    Column("decided_at", TimeUs),
    Column("result_id", Text),  # the contract version an acceptance made
    Column("lock_version", Integer, nullable=False, default=1),
)
