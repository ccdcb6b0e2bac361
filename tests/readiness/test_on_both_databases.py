"""The whole loop on each database: the same pilot, the same verdict."""

from pilotage.ledger import create_workspace, verify
from pilotage.readiness import find_pilot_id
from pilotage.redteam import findings
from small_pilot import Small


def test_the_loop_ends_in_the_same_verdict_on_each_database(location, tmp_path):
    with create_workspace(location, actor="tester") as workspace:
        small = Small(workspace, tmp_path / "pilot")
        weak = small.to_the_verdict()
        assert weak.decision.outcome == "fail"
        assert weak.steps["curate"].links["exports"].keys() == {"chat-sft", "dpo", "kto"}
        small.desk.weak = False
        strong = small.to_the_verdict()
        assert (strong.cycle, strong.decision.outcome) == (2, "pass")
        assert {finding.state for finding in findings(workspace, find_pilot_id(workspace, "support-assistant"))} == {"fixed"}
        assert verify(workspace).ok
