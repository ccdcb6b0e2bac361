"""A workspace of routed outputs: an assessed category, calibration reports, a policy in force, decisions, audits, an alarm and what it tightened.

Everything is made through the rooms' own functions, with the time the workspace's clock says, and the same every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pilotage.core import ManualClock, parse_declared
from pilotage.evidence import Observation, put_evidence, rate
from pilotage.judging import Option, Question, Rubric, person
from pilotage.judging.calibration import Costs, Limits, ReviewerError, Sample
from pilotage.people import Account
from pilotage.review import answer, claim
from pilotage.review.assessment import assessment_of, assessments, record_assessment
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.routing import (
    Router,
    RouteRequest,
    activate_policy,
    draft_policy,
    policy_of,
    report_outcome,
    routes,
    watch_policy,
)
from pilotage.review.routing.looking import take_look
from pilotage.review.routing.samples import keep_sample, load_sample, without_ids
from pilotage.store import Workspace

HOSTILE = "<script>evil()</script>"
CATEGORY, PROJECT, NAME, MODEL, PROMPT = "refund-replies", "refunds", "refund-replies", "shop-assistant-7", "prompt-3"
OTTO = Account(id="otto", login="otto", display_name="Otto", roles=frozenset({"operator"}))
OLGA = Account(id="olga", login="olga", display_name="Olga", roles=frozenset({"owner"}))
RUBRIC = Rubric(
    name="replies",
    guideline="Would you have sent this reply?",
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
category: refund-replies
model: shop-assistant-7
cost: {severity: minor, reversible: with_effort, detected: later}
correctness: {defined: guideline}
consistency:
  at_most: 0.05
  mean: {evidence: %MEAN%}
  worst_slice: {evidence: %WORST%}
legal: {accountable: oversight, rule: "Code of conduct for customer service, section 4 %HOSTILE%"}
slices:
  - slice: {language: fr}
    consistency:
      at_most: 0.05
      mean: {not_measured: "launched last week %HOSTILE%"}
      worst_slice: {not_measured: launched last week}
"""
POLICY = """\
policy: refund-replies
category: refund-replies
project: refunds
model: {fingerprint: shop-assistant-7, prompt: prompt-3}
report: latest
contract: {error_rate: 0.05}
record: behind
output_fields: [reply]
slices:
  - slice: {language: en}
    audit: 0.3
  - slice: {language: de}
    audit: 0.4
  - slice: {}
    level: in_the_loop
triggers:
  patterns:
    - {name: iban, pattern: '\\b[A-Z]{2}\\d{2}[A-Z0-9]{11,30}+\\b', then: block}
  sensitive:
    - {name: vulnerable, fields: {customer.vulnerable: [true]}, words: [lawyer, Anwalt], then: people_only}
audit: {question: correct, wrong: [no], rate: 0.1}
fallback: {queue_limit: 60, full: hold}
alarm: {alpha: 0.05, then: in_the_loop}
"""
LABELS, OUTPUTS = 3_000, 450
NOW = 1_700_000_000_000_000 + 6 * 86_400_000_000


@dataclass(frozen=True)
class Routed:
    """What is where. ``report`` is what the policy in force stands on; ``raw`` says of another model's that people must keep it."""

    policy: str
    project: str
    category: str
    report: str
    poor_report: str
    assessment: str
    decision: str
    blocked: str
    evidence: str


def labels(n: int = LABELS, seed: int = 11) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(raw confidence, right, language): a model that is too sure, a little more so in German."""
    random = np.random.default_rng(seed)
    german = random.random(n) < 0.4
    right = np.clip(random.beta(8, 0.5, n), 1e-6, 1 - 1e-6)
    raw = 1 / (1 + (1 / right - 1) ** 1.6)
    return raw, random.random(n) < np.where(german, right**1.1, right), np.where(german, "de", "en")


def labelled_csv(n: int = 1_200, seed: int = 3) -> bytes:
    """A sample as people upload it."""
    raw, right, language = labels(n, seed)
    lines = ["id,confidence,correct,language"]
    lines += [f"up-{number},{raw[number]:.6f},{int(right[number])},{language[number]}" for number in range(n)]
    return ("\n".join(lines) + "\n").encode()


def fill(workspace: Workspace, clock: ManualClock) -> Routed:
    """Fill ``workspace``, whose clock is ``clock``: about 450 routed outputs over three days, an alarm in German."""
    create_project(workspace, ProjectSettings(name=PROJECT, title=f"Refund replies {HOSTILE}"), rubric=RUBRIC, salt="fixed")
    mean, worst = _evidence(workspace)
    text = ASSESSMENT.replace("%MEAN%", mean).replace("%WORST%", worst).replace("%HOSTILE%", HOSTILE)
    for valid in ("30d", "180d"):  # signed twice, so that there is something to compare
        file = assessment_of(parse_declared(text + f"valid_for: {valid}\n", file="assessment.yaml"))
        if valid == "30d":
            file = file.model_copy(update={"cost": file.cost.model_copy(update={"severity": "negligible"})})
        record_assessment(workspace, file, person=OLGA, role="owner")
        clock.advance(seconds=86_400)
    poor = _report(workspace, model="shop-assistant-6", seed=5, flat=True)
    good = _report(workspace, model=MODEL, seed=11)
    draft_policy(workspace, policy_of(parse_declared(POLICY, file="policy.yaml")), person=OTTO, salt="fixed")
    activate_policy(workspace, NAME, 1, person=OLGA)
    _live(workspace, clock)
    draft_policy(workspace, policy_of(parse_declared(POLICY.replace("audit: 0.3", "audit: 0.2"), file="policy.yaml")), person=OTTO)
    shown = routes(workspace, NAME, limit=1, action="review")[0].id
    blocked = routes(workspace, NAME, limit=1, action="block")[0].id
    report_outcome(workspace, shown, wrong=True, source=f"customer_complaint {HOSTILE}".strip())
    newest = next(one for one in assessments(workspace) if not one.slice)
    return Routed(NAME, PROJECT, CATEGORY, good, poor, newest.id, shown, blocked, mean)


def _evidence(workspace: Workspace) -> tuple[str, str]:
    subject = {"fingerprint": MODEL}
    everything = [Observation(f"item-{number}", number < 12) for number in range(900)]
    german = [Observation(f"de-{number}", number < 5) for number in range(320)]
    found = [
        rate(everything, metric="replies.error_rate", subject=subject),
        rate(german, metric="replies.error_rate", slice={"language": "de"}, subject=subject),
    ]
    return tuple(workspace.write(lambda tx: [put_evidence(tx, one) for one in found]))  # type: ignore[return-value]


def _report(workspace: Workspace, *, model: str, seed: int, flat: bool = False) -> str:
    raw, right, language = labels(LABELS if not flat else 1_200, seed)
    if flat:  # its confidence says nothing
        right = np.random.default_rng(seed).random(len(raw)) < 0.8
    sample = Sample.of(
        raw, right, model=model, labelled_by=f"people {HOSTILE}".strip(), ids=[f"{model}-{n}" for n in range(len(raw))], slices={"language": language}
    )
    kept = keep_sample(workspace, without_ids(sample), person=OTTO, source=f"file {model}.csv {HOSTILE}".strip())
    return take_look(
        workspace,
        load_sample(workspace, kept),
        category=CATEGORY,
        prompt=PROMPT,
        limits=Limits(risk=0.05, by="language"),
        costs=Costs(error=1_200, review=90, reviewer=ReviewerError(6, 120)),
        person=OTTO,
    ).id


def _live(workspace: Workspace, clock: ManualClock) -> None:
    raw, right, language = labels(OUTPUTS, 2)
    random = np.random.default_rng(8)
    worse = (np.arange(OUTPUTS) >= 120) & (language == "de")
    wrong = ~right | (worse & (random.random(OUTPUTS) < 0.35))
    with Router.load(workspace, NAME) as router:
        for number in range(OUTPUTS):
            payload: dict[str, Any] = {"question": f"May I return order {number}? {HOSTILE}", "reply": "No." if wrong[number] else "Yes."}
            slices = {"language": "it" if number % 40 == 0 else str(language[number])}
            if number % 55 == 1:
                payload["reply"] = "Pay to DE02120300000000202051."
            router.route(
                RouteRequest(
                    id=f"msg-{number} {HOSTILE}".strip() if number % 100 == 0 else f"msg-{number}",
                    payload=payload,
                    confidence=None if number % 90 == 5 else round(float(raw[number]), 6),
                    slices=slices,
                    context={"customer.vulnerable": True} if number % 80 == 7 else {},
                    model="shop-assistant-8" if number % 120 == 9 else MODEL,
                    prompt=PROMPT,
                )
            )
            clock.advance(seconds=600)
            if number % 75 == 74:
                router.flush()
                if number < 400:  # what comes last still waits
                    _answer(workspace)
                watch_policy(workspace, NAME)


def _answer(workspace: Workspace) -> None:
    rita = person("rita")
    while claimed := claim(workspace, PROJECT, rita, 50):
        for task in claimed:
            said = "no" if task.payload.get("reply") == "No." else "yes"
            answer(workspace, task.task_id, rita, {"correct": said}, idempotency_key=task.task_id)
