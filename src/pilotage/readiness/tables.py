"""Tables of pilots: the file as it was read, the cycles it went through, and who signed."""

from sqlalchemy import BigInteger, Column, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

pilot = table(
    "pilot",
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("file_digest", Text, nullable=False),
    Column("declaration", JsonText, nullable=False),
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "name"),
)

# One time round the loop against one target fingerprint.
pilot_cycle = table(
    "pilot_cycle",
    Column("pilot_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("file_digest", Text, nullable=False),
    Column("state", Text, nullable=False),  # running | waiting | decided
    Column("steps", JsonText, nullable=False),  # step -> {state, detail, started_at, ended_at}
    Column("verdict", Text),
    Column("updated_at", BigInteger, nullable=False),
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "pilot_id", "number"),
)

sign_off = table(
    "sign_off",
    Column("cycle_id", Text, nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("decision", Text, nullable=False),  # go | no_go
    Column("note", Text, nullable=False),
    Column("evidence_digest", Text, nullable=False),  # what exactly was signed
    # A person may sign again, to go back on it too: every signature stays, and the newest is in force.
)
