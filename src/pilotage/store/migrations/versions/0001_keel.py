"""The first schema. (While the rooms are being built it creates what they declare; replaced by explicit DDL before it lands.)"""

from alembic import op

from pilotage.store.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    import importlib

    for room in ("ledger", "models", "data", "people", "judging", "evidence", "runs", "review", "redteam", "readiness"):
        importlib.import_module(f"pilotage.{room}.tables")
    metadata.create_all(op.get_bind())
