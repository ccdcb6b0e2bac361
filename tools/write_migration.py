"""Write the next migration: what the rooms' tables declare and the newest schema lacks.

Usage: ``python tools/write_migration.py "what changes"``. Read what it wrote before you commit it: it sees tables, columns, indexes and
constraints, and nothing of what the rows need: a new column that may not be null declares a ``server_default`` for the rows that are there. Then
set ``HEAD`` and ``KNOWN`` in ``store/migrate.py``. While the newest migration has not been released, ``--again`` writes it anew.
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from pilotage.store.migrate import HEAD, KNOWN, upgrade
from pilotage.store.schema import JsonText, metadata

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pilotage"
VERSIONS = SOURCE / "store" / "migrations" / "versions"


def render_item(kind: str, item: Any, _context: Any) -> str | bool:
    """Column types as the database knows them: our JSON is text."""
    return "sa.Text()" if kind == "type" and isinstance(item, JsonText) else False


def main() -> None:
    message = sys.argv[1]
    for tables in sorted(SOURCE.rglob("tables.py")):
        importlib.import_module(".".join(("pilotage", *tables.relative_to(SOURCE).with_suffix("").parts)))
    again = "--again" in sys.argv
    before, number = (KNOWN[-2], HEAD) if again else (HEAD, f"{int(HEAD) + 1:04d}")
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/schema.db")
        if before is not None:
            upgrade(engine, to=before)
        with engine.connect() as conn:
            context = MigrationContext.configure(conn, opts={"render_item": render_item})
            script = produce_migrations(context, metadata)
            # By batch: SQLite can change a table's constraints only by copying it.
            code = render_python_code(script.upgrade_ops, render_as_batch=True, render_item=render_item, migration_context=context)
    name = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
    path = VERSIONS / f"{number}_{name}.py"
    for old in VERSIONS.glob(f"{number}_*.py"):
        old.unlink()
    body = "\n".join(line for line in code.splitlines() if not line.strip().startswith("#"))
    path.write_text(
        f'"""{message}."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{number}"\n'
        f"down_revision = {before!r}\n\n\ndef upgrade() -> None:\n    {body.strip()}\n",
        encoding="utf-8",
    )
    sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
