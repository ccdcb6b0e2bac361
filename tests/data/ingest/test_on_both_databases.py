"""The same on SQLite and PostgreSQL: a workspace on either, and rows read from a PostgreSQL database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.data.ingest.conftest import CARD, CONTRACT, rows_csv

from pilotage.core import InputError
from pilotage.data import load_version
from pilotage.data.ingest import batch_counts, batches, discard, erase_quarantine, ingest, load_source, quarantined, reason_counts, release, retry
from pilotage.store import Workspace


def source_file(folder: Path, text_: str) -> Path:
    (folder / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    path = folder / "s.yaml"
    path.write_text(f"name: s\ncontract: contract.yaml\ndataset: payments\ncard: {CARD}\n{text_}\n", encoding="utf-8")
    return path


def test_a_batch_goes_through_all_its_states_on_both(workspace: Workspace, tmp_path: Path) -> None:
    source = load_source(source_file(tmp_path, "kind: csv\nlimits: {bad_share: 0.2}"))
    (tmp_path / "a.csv").write_text(rows_csv(0, 9) + "bad,row\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text(rows_csv(9, 10) + "x,never,1,,Grace\n", encoding="utf-8")
    (tmp_path / "c.csv").write_text(rows_csv(20, 21) + "x,never,1,,Grace\n", encoding="utf-8")
    first = ingest(workspace, source, file=tmp_path / "a.csv")
    assert first.state == "published"
    assert ingest(workspace, source, file=tmp_path / "a.csv").again
    held = ingest(workspace, source, file=tmp_path / "b.csv")
    assert release(workspace, held.id, reason="looked at it").state == "published"
    assert discard(workspace, ingest(workspace, source, file=tmp_path / "c.csv").id, reason="test file").state == "discarded"
    assert load_version(workspace, "payments").rows == 10
    assert {count.code: count.rows for count in reason_counts(workspace)} == {"cells": 1, "type": 2}
    assert quarantined(workspace, code="type", limit=1).total == 2
    assert retry(workspace, held.id).kept == 0
    assert erase_quarantine(workspace, subject="Grace", reason="asked").rows == 2
    assert len(batches(workspace, dataset="payments", state="published")) == 2
    assert batch_counts(workspace)["discarded"] == 1


@pytest.mark.postgres
def test_rows_of_postgresql_are_streamed_and_nothing_is_written_to_it(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder_workspace: Workspace
) -> None:
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://", 1)
    monkeypatch.setenv("SHOP_URL", url)
    engine = create_engine(url)
    with engine.begin() as conn:
        conn.execute(text("CREATE SEQUENCE shop_seq"))
        conn.execute(text("CREATE TABLE shop_pay (at timestamptz, id text, amount numeric(12,2), note text, person text, made timestamptz)"))
        conn.execute(
            text(
                "INSERT INTO shop_pay SELECT '2025-01-01Z', 'p' || n, n / 4.0, NULL, 'ann', '2025-01-01Z'::timestamptz + n * interval '1 s' "
                "FROM generate_series(1, 500) n"
            )
        )
    try:
        source = load_source(source_file(tmp_path, "kind: sql\nurl_env: SHOP_URL\ntable: shop_pay\nwatermark: made\nextra_columns: ignore"))
        batch = ingest(folder_workspace, source)
        assert (batch.state, batch.kept) == ("published", 500)
        assert "made" in json.dumps(dict(batch.origin))
        assert ingest(folder_workspace, source).state == "empty"
        with engine.begin() as conn:
            conn.execute(text("INSERT INTO shop_pay VALUES ('2025-01-02Z', 'new', 1, NULL, 'bob', '2025-02-01Z')"))
        assert ingest(folder_workspace, source).kept == 1
        for query in ("WITH gone AS (DELETE FROM shop_pay RETURNING *) SELECT * FROM gone", "SELECT nextval(''shop_seq'') AS id"):
            writing = source_file(tmp_path, f"kind: sql\nurl_env: SHOP_URL\nquery: '{query}'")
            with pytest.raises(InputError, match=r"read-only|must not contain data-modifying"):
                ingest(folder_workspace, load_source(writing))
        with engine.connect() as conn:
            assert conn.execute(text("SELECT count(*) FROM shop_pay")).scalar() == 501
    finally:
        with engine.begin() as conn:
            conn.execute(text("DROP TABLE shop_pay"))
            conn.execute(text("DROP SEQUENCE shop_seq"))
        engine.dispose()
