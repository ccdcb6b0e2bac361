"""What the migrations make is what the rooms declare, on both databases."""

import importlib
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

import pilotage
from pilotage.store import metadata

SOURCE = Path(pilotage.__file__).parent
TABLES = sorted(".".join(("pilotage", *path.relative_to(SOURCE).with_suffix("").parts)) for path in SOURCE.rglob("tables.py"))


def test_the_migrated_schema_is_the_declared_one(workspace):
    for module in TABLES:
        importlib.import_module(module)
    with workspace.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "include_name": lambda name, kind, parents: name != "alembic_version"})
        assert compare_metadata(context, metadata) == []


def test_every_table_has_the_workspace_key_first_and_says_who_and_when(workspace):
    inspector = inspect(workspace.engine)
    tables = [name for name in inspector.get_table_names() if name not in ("alembic_version", "workspace")]
    assert len(tables) > 20
    for name in tables:
        columns = {column["name"] for column in inspector.get_columns(name)}
        assert {"workspace_id", "created_by", "created_at"} <= columns, name
        assert inspector.get_pk_constraint(name)["constrained_columns"][0] == "workspace_id", name
