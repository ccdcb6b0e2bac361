"""Withdrawing a person from everything the workspace can reach."""

from __future__ import annotations

import polars as pl

from pilotage.data.ingest import ingest, load_source, quarantined
from pilotage.data.tabular import read_table
from pilotage.features import view_of
from pilotage.features.online import get_online, materialize
from pilotage.ledger import create_workspace, verify
from pilotage.pipelines import champion, run_pipeline, withdraw

from .conftest import START, WEEK, at_us


def test_a_person_leaves_tables_quarantine_and_online_features_and_what_must_be_rebuilt_is_named(tmp_path, load, deliver, shop):
    with create_workspace(tmp_path / "w", actor="dpo") as workspace:
        pipeline = load(workspace)
        deliver(0)
        run_pipeline(workspace, pipeline, at_us=at_us(START + WEEK))
        bad = shop / "deliveries" / "bad.csv"
        rows = "".join(f"x{number},c99,2025-03-04T00:00:00Z,2025-03-04T00:02:00Z,5.00\n" for number in range(30))
        bad.write_text(f"id,customer,at,seen_at,amount\n{rows}y1,c07,2025-03-04T00:00:00Z,2025-03-04T00:02:00Z,none\n")
        batch = ingest(workspace, load_source(shop / "sources" / "sales.yaml"), file=bad)
        assert quarantined(workspace, batch_id=batch.id).total == 1
        view = view_of(workspace, "buyer")
        materialize(workspace, view)
        assert "c07" in pl.DataFrame(read_table(workspace, "sales"))["customer"].to_list()

        done = withdraw(workspace, subject="c07", reason="asked on 1 April")

        for name in ("sales", "returns"):
            assert "c07" not in pl.DataFrame(read_table(workspace, name))["customer"].to_list()
        assert done.tables.rows > 0 and done.quarantined == 1 and done.online == ("buyer@1",) and done.held == ()
        assert champion(workspace, pipeline.name).id in {each.id for each in done.tables.dependants if each.kind == "model"}
        assert "returns-training@1" in done.tables.withdrawn, "the training set had the person's rows"
        (vector,) = [row[0] for row in get_online(workspace, [view], [{"customer": "c07"}]).vectors]
        assert vector.flag == "missing"
        assert "c07" not in str(done) and verify(workspace).integrity == "ok"
        again = withdraw(workspace, subject="c07", reason="asked on 1 April")
        assert again.tables.id == done.tables.id and again.quarantined == 0 and again.online == ()
