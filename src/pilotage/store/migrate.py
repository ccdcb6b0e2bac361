"""Bringing a workspace's schema up to date, and refusing one that is newer than this program.

The revision is read with one query, so that opening an up-to-date workspace does not load Alembic.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from pilotage.core import Refused

HEAD = "0003"
KNOWN = (None, "0001", "0002", "0003")
_FOLDER = Path(__file__).parent / "migrations"


def current_revision(engine: Engine) -> str | None:
    """The schema revision of the database, or None for an empty one."""
    with engine.connect() as conn:
        if not inspect(conn).has_table("alembic_version"):
            return None
        found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def check_schema(engine: Engine) -> None:
    """Raise ``Refused`` unless the schema is exactly the one this version of Pilotage works with."""
    revision = current_revision(engine)
    if revision not in KNOWN:
        raise _newer(revision)
    if revision != HEAD:
        raise Refused(
            f"This workspace's schema is at revision {revision or 'none'}; this version of Pilotage needs {HEAD}.",
            mend="run 'pilotage init' on it: that upgrades the schema and keeps what is there",
        )


def upgrade(engine: Engine, *, to: str = HEAD) -> None:
    """Bring the schema to :data:`HEAD`, or to an earlier revision on the way there. Raises ``Refused`` if it is newer."""
    revision = current_revision(engine)
    if revision == HEAD:
        return
    if revision not in KNOWN:
        raise _newer(revision)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    with engine.connect().execution_options(pilotage_write=True) as conn, conn.begin():
        config.attributes["connection"] = conn
        command.upgrade(config, to)


def _newer(revision: str | None) -> Refused:
    return Refused(
        f"This workspace was made by a newer version of Pilotage (schema revision {revision}; this one knows up to {HEAD}).",
        why="writing to it could lose what this version does not know of",
        mend="upgrade Pilotage",
    )
