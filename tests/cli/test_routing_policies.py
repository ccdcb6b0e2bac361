"""From a terminal: assess, draft, activate by somebody else, route, watch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from terminal import Terminal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "review" / "routing"))
from routed import ASSESSMENT, NAME, POLICY, RUBRIC, put_report

from pilotage.ledger import create_workspace
from pilotage.review.projects import ProjectSettings, create_project


@pytest.fixture
def ready(terminal: Terminal) -> Terminal:
    """A project and a report; the files of an assessment and a policy."""
    with create_workspace(terminal.folder / "workspace", actor="captain") as workspace:
        create_project(workspace, ProjectSettings(name="refunds"), rubric=RUBRIC, salt="fixed")
        put_report(workspace)
    (terminal.folder / "assessment.yaml").write_text(ASSESSMENT, encoding="utf-8")
    (terminal.folder / "policy.yaml").write_text(POLICY.replace("%REPORT%", "latest"), encoding="utf-8")
    return terminal


def test_a_policy_goes_from_four_questions_to_decisions(ready: Terminal) -> None:
    assert "automatic_with_audit because no_executable_check" in ready("assess", "check", "assessment.yaml").out
    assert ready("routing", "draft", "policy.yaml").code == 0
    refused = ready("--as", "olga", "routing", "activate", NAME, "1", expect=None)
    assert refused.code != 0 and "Nobody assessed" in refused.err
    assert "#1: automatic_with_audit" in ready("--as", "olga", "assess", "record", "assessment.yaml").out
    assert "Nothing is due" in ready("assess", "due").out
    own = ready("routing", "activate", NAME, "1", expect=None)
    assert own.code != 0 and "cannot activate it" in own.err
    assert "v1 active" in ready("--as", "olga", "routing", "activate", NAME, "1").out
    assert "language=fr" in ready("routing", "show", NAME).out
    lines = [{"id": f"m{number}", "payload": {"q": "x"}, "confidence": number / 10} for number in (1, 9)]
    given = [{**line, "slices": {"language": "en"}, "model": "tgt_1", "prompt": "p1"} for line in lines]
    (ready.folder / "live.jsonl").write_text("\n".join(map(json.dumps, given)) + "\n", encoding="utf-8")
    told = [json.loads(line) for line in ready("routing", "route", NAME, "live.jsonl").out.splitlines()]
    assert [one["request_id"] for one in told] == ["m1", "m9"] and told[0]["action"] == "review"
    assert "0 audits counted" in ready("routing", "monitor", NAME).out
    assert "suspended" in ready("routing", "suspend", NAME).out


def test_what_is_no_request_is_refused_with_its_line(ready: Terminal) -> None:
    ready("--as", "olga", "assess", "record", "assessment.yaml")
    ready("routing", "draft", "policy.yaml")
    ready("--as", "olga", "routing", "activate", NAME, "1")
    (ready.folder / "live.jsonl").write_text('{"id": "a"}\n', encoding="utf-8")
    refused = ready("routing", "route", NAME, "live.jsonl", expect=2)
    assert refused.code == 2 and "live.jsonl:1" in refused.err


def test_a_report_that_was_asked_for_again_is_due(ready: Terminal) -> None:
    ready("assess", "record", "assessment.yaml")
    ready("assess", "again", "refunds", "--reason", "The policy changed.")
    due = ready("assess", "due", expect=1)
    assert due.code == 1 and "refunds #1: asked captain" in due.out
