"""tables of data, features and monitoring."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    pass
