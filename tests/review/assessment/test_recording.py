"""Assessments as files and as signed records: what is refused and where, figures read from evidence, and when they are due again."""

from __future__ import annotations

import dataclasses

import pytest

from pilotage.core import InputError, ManualClock, Refused, parse_declared
from pilotage.evidence import Evidence, not_assessable, put_evidence
from pilotage.ledger import create_workspace, entries
from pilotage.people import Account
from pilotage.review.assessment import (
    AssessmentFile,
    ask_again,
    assessment_for,
    assessment_of,
    assessments,
    due_assessments,
    reassess,
    record_assessment,
)
from pilotage.store import Workspace

OWNER = Account(id="a", login="olga", display_name="Olga", roles=frozenset({"owner"}))
REVIEWER = Account(id="b", login="rita", display_name="Rita", roles=frozenset({"reviewer"}))

FILE = """\
category: refunds
model: tgt_1
bands: {currency: EUR, minor: 100, moderate: 1000, major: 10000, critical: 100000}
valid_for: 30d
cost:
  wrong_output: {amount: 400, currency: EUR}
  reversible: yes
  detected: at_once
correctness: {defined: executable, check: checks/refund.py}
consistency:
  at_most: 0.05
  mean: {estimate: 0.02, lower: 0.01, upper: 0.03, n: 900}
  worst_slice: {estimate: 0.03, lower: 0.01, upper: 0.045, n: 200, slice: {language: de}}
legal: {accountable: none}
slices:
  - slice: {language: de}
    legal: {accountable: human_decision, rule: GDPR art. 22}
note: Talked through with the team.
"""


def read(text: str = FILE) -> AssessmentFile:
    return assessment_of(parse_declared(text, file="assessment.yaml"))


def test_each_slice_is_assessed_and_signed(workspace: Workspace) -> None:
    whole, german = record_assessment(workspace, read(), person=OWNER, role="owner")
    assert (whole.slice, whole.level, whole.number, whole.signed_by, whole.role) == ("", "automatic", 1, "olga", "owner")
    assert (german.slice, german.level, german.decided_by) == ("language=de", "in_the_loop", "law_human_decision")
    assert len(german.findings) == len(whole.findings) > 20
    told = [entry for entry in entries(workspace) if entry.type == "assessment.signed"]
    assert [entry.subject for entry in told] == [whole.id, german.id]
    assert all("Talked" not in str(entry.body) for entry in told)


def test_a_new_assessment_is_another_number_and_the_old_one_stays(workspace: Workspace) -> None:
    record_assessment(workspace, read(), person=OWNER, role="owner")
    record_assessment(workspace, read(FILE.replace("amount: 400", "amount: 20000")), person=OWNER, role="owner")
    now = {one.slice: (one.number, one.level) for one in assessments(workspace, category="refunds")}
    assert now == {"": (2, "on_the_loop"), "language=de": (2, "in_the_loop")}
    assert len(assessments(workspace, all_versions=True)) == 4
    with workspace.read() as conn:
        found = assessment_for(conn, workspace.id, "refunds", "language=fr")
    assert found is not None and found.slice == ""


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("detected: at_once", "detected: sometimes", 8),
        ("legal: {accountable: none}", "legal: {accountable: human_decision}", 14),
        ("{defined: executable, check: checks/refund.py}", "{defined: executable}", 9),
        ("n: 900", "n: 0", 12),
        ("upper: 0.03,", "upper: 0.015,", 12),
        ("{amount: 400, currency: EUR}", "{amount: 400, currency: USD}", 6),
        ("bands: {currency: EUR, minor: 100, moderate: 1000, major: 10000, critical: 100000}\n", "", 5),
        ("  - slice: {language: de}", "  - slice: {}", 16),
        ("note:", "nope:", 18),
        ("valid_for: 30d", "valid_for: soon", 4),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(before: str, after: str, line: int) -> None:
    with pytest.raises(InputError) as caught:
        read(FILE.replace(before, after))
    assert f"assessment.yaml:{line}" in str(caught.value.where)


def test_who_may_not_sign_in_that_role_signs_nothing(workspace: Workspace) -> None:
    with pytest.raises(Refused):
        record_assessment(workspace, read(), person=REVIEWER, role="owner")
    admin = dataclasses.replace(OWNER, roles=frozenset({"admin"}))
    with pytest.raises(Refused):
        record_assessment(workspace, read(), person=admin, role="admin")
    assert assessments(workspace) == []


def test_figures_are_read_from_the_evidence_they_name(workspace: Workspace) -> None:
    measured = Evidence(
        metric="accuracy",
        status="measured",
        estimate=0.9,
        lower=0.88,
        upper=0.92,
        level=0.95,
        n=800,
        n_clusters=None,
        method="Wilson",
        subject={"fingerprint": "tgt_1"},
    )
    unmeasured = not_assessable("error_rate", reason="too few German outputs", subject={"fingerprint": "tgt_1"})
    foreign = dataclasses.replace(measured, subject={"fingerprint": "tgt_0"})
    workspace.write(lambda tx: [put_evidence(tx, one) for one in (measured, unmeasured, foreign)])
    typed = "{estimate: 0.02, lower: 0.01, upper: 0.03, n: 900}"

    def mean(evidence: str) -> tuple[dict[str, object], str]:
        text = FILE.replace(typed, f"{{evidence: {evidence}, of: correct}}")
        made = record_assessment(workspace, read(text), person=OWNER, role="owner")[0]
        return made.profile["mean"], made.decided_by

    figure, decided = mean(measured.id)
    assert figure["estimate"] == pytest.approx(0.1) and figure["upper"] == pytest.approx(0.12) and figure["evidence"] == measured.id
    assert decided == "mean_too_high"
    assert mean(unmeasured.id)[0]["reason"] == "too few German outputs"
    assert mean(unmeasured.id)[1] == "mean_not_measured"
    assert "tgt_0" in str(mean(foreign.id)[0]["reason"])
    with pytest.raises(InputError, match="no evidence ev_nothing"):
        mean("ev_nothing")


def test_an_assessment_is_due_on_its_date_with_another_model_and_after_an_alarm(location: str) -> None:
    clock = ManualClock(1_000_000)
    with create_workspace(location, actor="tester", clock=clock) as workspace:
        record_assessment(workspace, read(), person=OWNER, role="owner")
        assert due_assessments(workspace, models={"refunds": "tgt_1"}) == []
        assert {one.cause for one in due_assessments(workspace, models={"refunds": "tgt_2"})} == {"model_changed"}
        for _ in range(2):
            workspace.write(lambda tx: reassess(tx, category="refunds", slice="language=de", cause="alarm", subject="p/language=de/1"))
        (alarm,) = due_assessments(workspace)
        assert (alarm.slice, alarm.cause, alarm.subject) == ("language=de", "alarm", "p/language=de/1")
        clock.advance(31 * 86_400)
        assert {(one.slice, one.cause) for one in due_assessments(workspace)} == {("", "date"), ("language=de", "date"), ("language=de", "alarm")}
        record_assessment(workspace, read(), person=OWNER, role="owner")
        assert due_assessments(workspace) == []
        ask_again(workspace, category="refunds", person=REVIEWER, reason="The refund policy changed.")
        assert [(one.slice, one.cause, one.subject) for one in due_assessments(workspace)] == [("", "asked", "rita")]


def test_only_what_was_looked_at_is_signed(workspace: Workspace) -> None:
    (german,) = record_assessment(workspace, read(), person=OWNER, role="owner", only="language=de")
    assert [(one.slice, one.number) for one in assessments(workspace)] == [("language=de", 1)] and german.level == "in_the_loop"
    with pytest.raises(InputError, match="no answers for the slice"):
        record_assessment(workspace, read(), person=OWNER, role="owner", only="language=fr")
