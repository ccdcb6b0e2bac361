"""Tables of gate reports, of what people accepted as normal, and of the versions that batches became."""

from sqlalchemy import BigInteger, Column, Text

from pilotage.store import JsonText, table

# ``id`` is made from subject + contract + limits + history + code, so the same gate again is the same row. Never updated.
quality_report = table(
    "quality_report",
    Column("dataset", Text, nullable=False, index=True),
    Column("scope", Text, nullable=False),  # version | batch
    Column("subject_id", Text, nullable=False, index=True),  # the version's or the batch's id
    Column("position", BigInteger, nullable=False),  # what orders the history: a version's number, a batch's time
    Column("contract_id", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # pass | fail | inconclusive | not_assessable
    Column("rows", BigInteger, nullable=False),
    Column("report", JsonText, nullable=False),
    Column("profile", JsonText, nullable=False),
)

# A person's word that what a report shows is normal from now on. ``created_by`` is that person.
quality_acceptance = table(
    "quality_acceptance",
    Column("reason", Text, nullable=False),
    Column("columns", JsonText, nullable=False),  # those for which a new history begins; '' is the table itself
    key="report_id",
)

quality_attachment = table(
    "quality_attachment",
    Column("report_id", Text, nullable=False, index=True),
    key="version_id",
)
