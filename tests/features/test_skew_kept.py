"""The report of a comparison is kept, with its evidence, and the ledger says so."""

from __future__ import annotations

from pilotage.core.clock import SystemClock
from pilotage.evidence import load_evidence
from pilotage.features import Aggregate, FeatureView, col, register_view
from pilotage.features.online import materialize
from pilotage.features.serving import FeatureServer
from pilotage.features.serving_log import ServingLog
from pilotage.features.skew import measure_skew, skew_report, skew_reports
from pilotage.ledger import entries

VIEW = FeatureView(
    name="card",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    columns={"amount": col("amount")},
    aggregates=(Aggregate("spent_7d", "sum", of=col("amount"), window="7d"),),
)


def test_a_report_is_kept_with_its_evidence_and_told_in_the_ledger(workspace, bank):
    version = bank()
    register_view(workspace, VIEW)
    assert materialize(workspace, VIEW).entities == 12
    with ServingLog(workspace, rate=1.0) as log:
        FeatureServer(workspace, [VIEW], log=log).serve([{"card": f"c{i}"} for i in range(12)])
    now = SystemClock().now_us()
    report = measure_skew(workspace, VIEW, from_us=now - 3_600_000_000, to_us=now + 1, max_rate=0.5)
    assert (report.verdict, report.compared, report.source_version) == ("pass", 12, version.id)
    assert "pass" in str(report) and "of 12" in str(report)
    kept = skew_report(workspace, report.id)
    assert kept["verdict"] == "pass" and [each["name"] for each in kept["features"]] == ["amount", "spent_7d"]
    assert [each["id"] for each in skew_reports(workspace, VIEW.ref)] == [report.id]
    (told,) = (entry for entry in entries(workspace) if entry.type == "features.skew")
    assert told.body["verdict"] == "pass" and told.body["compared"] == 12
    assert [each.estimate for each in load_evidence(workspace, ids=told.body["evidence"])] == [0.0, 0.0]
