"""Tables of what came from elsewhere: each file once, and beside each of its records what only its own format can say."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text

from pilotage.store import JsonText, table

exchange_import = table(
    "exchange_import",
    Column("project", Text, nullable=False, index=True),
    Column("format", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of the file
    Column("terms", JsonText, nullable=False),  # how its words map to ours
    Column("header", JsonText, nullable=False),  # columns, schema, dataset card
    Column("number", Integer, nullable=False),  # of the project's imports, from 1
    Column("state", Text, nullable=False),  # under way | done
    Column("rows", BigInteger, nullable=False, default=0),  # taken so far; where a stopped import goes on
)

exchange_record = table(
    "exchange_record",
    Column("position", BigInteger, nullable=False),
    Column("project", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("foreign_id", Text),  # what the file calls the item
    Column("again", Integer, nullable=False, default=0),  # an earlier record of the project shows the same item
    Column("extra", JsonText, nullable=False),
    Column("said", JsonText, nullable=False),  # [{rater, state, raw, judgements: {question: id}, …}]
    Column("proposed", JsonText, nullable=False),
    Index("ix_exchange_record_item", "workspace_id", "project", "item_id"),
    key=("import_id", "position"),
)
