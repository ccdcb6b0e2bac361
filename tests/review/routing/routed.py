"""What the routing tests share: people, a project, an assessed category, a report and a policy that stands on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilotage.core import parse_declared
from pilotage.judging import Option, Question, Rubric, person
from pilotage.judging.calibration import Recalibrator
from pilotage.people import Account
from pilotage.review import answer, claim
from pilotage.review.assessment import assessment_of, record_assessment
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.routing import Policy, RouteRequest, StoredReport, activate_policy, draft_policy, policy_of
from pilotage.review.routing.reporting import keep_report, next_look
from pilotage.store import Workspace

NAME = "refunds-live"
OWNER = Account(id="a", login="olga", display_name="Olga", roles=frozenset({"owner"}))
AUTHOR = Account(id="b", login="otto", display_name="Otto", roles=frozenset({"owner", "operator"}))
RUBRIC = Rubric(
    name="replies",
    guideline="Should this reply have gone out?",
    questions=(
        Question(
            name="correct",
            prompt="Is it right?",
            kind="choice",
            options=(Option("yes", "Right", "y"), Option("no", "Wrong", "n"), Option("unclear", "Unclear", "u")),
        ),
    ),
)
ASSESSMENT = """\
category: refunds
model: tgt_1
cost: {severity: minor, reversible: yes, detected: at_once}
correctness: {defined: guideline}
consistency:
  at_most: 0.05
  mean: {estimate: 0.02, lower: 0.01, upper: 0.03, n: 900}
  worst_slice: {estimate: 0.03, lower: 0.01, upper: 0.045, n: 200}
legal: {accountable: none}
"""
POLICY = """\
policy: refunds-live
category: refunds
project: refunds
model: {fingerprint: tgt_1, prompt: p1}
report: %REPORT%
contract: {error_rate: 0.05}
record: before
refresh: 0s
output_fields: [reply]
slices:
  - slice: {language: en}
  - slice: {language: de}
    threshold: 0.95
    audit: 0.2
  - slice: {language: fr}
    level: two_person
  - slice: {}
    level: in_the_loop
triggers:
  patterns:
    - {name: iban, pattern: '\\b[A-Z]{2}\\d{2}[A-Z0-9]{11,30}+\\b'}
  sensitive:
    - {name: vulnerable, fields: {customer.vulnerable: [true]}, words: [lawyer, Anwalt], then: people_only}
audit: {question: correct, wrong: [no], rate: 0.1}
fallback: {queue_limit: 1000, full: hold}
"""
STRAIGHT = {"slope": 1.0}
THRESHOLDS = {"": 0.9, "language=en": 0.9, "language=de": 0.92, "language=fr": None}


def body(look: int = 1, **given: Any) -> dict[str, Any]:
    """A report's body with thresholds of our choosing."""
    curve = Recalibrator(method="temperature", parameters=STRAIGHT, model="tgt_1", n=1_000)
    made = {
        "model": "tgt_1",
        "look": look,
        "labels_hash": f"{look:064x}",
        "verdict": "routable",
        "risk": 0.05,
        "delta": 0.05,
        "thresholds": dict(THRESHOLDS),
        "reasons": {"language=fr": "too few labels"},
        "recalibrator": curve.to_dict(),
        "report": {},
    }
    return {**made, **given}


def put_report(workspace: Workspace, **given: Any) -> StoredReport:
    look = given.pop("look", None) or next_look(workspace, category="refunds", model=given.get("model", "tgt_1"), prompt="p1")
    return keep_report(workspace, body(look, **given), category="refunds", prompt="p1", person=AUTHOR)


def policy(report: str, text: str = POLICY) -> Policy:
    return policy_of(parse_declared(text.replace("%REPORT%", report), file="policy.yaml"))


def prepare(workspace: Workspace) -> StoredReport:
    """A project, an assessment and a report; no policy yet."""
    create_project(workspace, ProjectSettings(name="refunds"), rubric=RUBRIC, salt="fixed")
    record_assessment(workspace, assessment_of(parse_declared(ASSESSMENT, file="assessment.yaml")), person=OWNER, role="owner")
    return put_report(workspace)


def put_in_force(workspace: Workspace, text: str = POLICY) -> None:
    """Everything up to an active policy."""
    report = prepare(workspace)
    draft_policy(workspace, policy(report.id, text), person=AUTHOR)
    activate_policy(workspace, "refunds-live", 1, person=OWNER)


def ask(name: str, confidence: Any = 0.97, language: str = "en", **given: Any) -> RouteRequest:
    """A request of the model that was calibrated."""
    made = {"payload": {"question": name, "reply": "Yes, within 14 days."}, "slices": {"language": language}, "model": "tgt_1", "prompt": "p1"}
    return RouteRequest(id=name, confidence=confidence, **{**made, **given})


def answer_audits(workspace: Workspace, wrong: Callable[[Mapping[str, Any]], bool], *, login: str = "rita") -> int:
    """Answer everything that waits in the queue; ``wrong`` says of a payload whether the output was."""
    rater, done = person(login), 0
    while claimed := claim(workspace, "refunds", rater, 20):
        for task in claimed:
            answer(workspace, task.task_id, rater, {"correct": "no" if wrong(task.payload) else "yes"}, idempotency_key=f"{login}-{task.task_id}")
            done += 1
    return done
