"""Walk the whole way once: assess, report, draft, activate, route, audit, alarm.

python generate.py /tmp/routing && python run.py /tmp/routing
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from pilotage.judging import Option, Question, Rubric, person
from pilotage.judging.calibration import Costs, Limits, ReviewerError, calibration_report, read_sample, recalibrate
from pilotage.ledger import create_workspace
from pilotage.people import Account
from pilotage.review import answer, claim
from pilotage.review.assessment import due_assessments, read_assessment, record_assessment
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.routing import (
    Router,
    RouteRequest,
    activate_policy,
    draft_policy,
    load_route,
    monitor_states,
    policy_changes,
    read_policy,
    routes,
    store_report,
    watch_policy,
)

HERE = Path(__file__).parent
OTTO = Account(id="otto", login="otto", display_name="Otto", roles=frozenset({"operator"}))
OLGA = Account(id="olga", login="olga", display_name="Olga", roles=frozenset({"owner"}))
RUBRIC = Rubric(
    name="replies",
    guideline="Would you have sent this reply?",
    questions=(Question(name="correct", prompt="Is it right?", kind="choice", options=(Option("yes", "Right", "y"), Option("no", "Wrong", "n"))),),
)


def main(folder: Path) -> None:
    wrong = set(json.loads((folder / "truth.json").read_text(encoding="utf-8")))
    with create_workspace(folder / "workspace", actor="otto") as workspace:
        create_project(workspace, ProjectSettings(name="refunds"), rubric=RUBRIC)
        for made in record_assessment(workspace, read_assessment(HERE / "assessment.yaml"), person=OLGA, role="owner"):
            print(f"assessed {made.slice or 'everything'}: {made.level} ({made.decided_by})")

        labels = read_sample(folder / "labels.csv", model="shop-assistant-7", labelled_by=("people",), slices=("language",))
        order = np.random.default_rng(0).permutation(labels.n)
        curve = recalibrate(labels.where(np.sort(order[:1_500])))
        report = calibration_report(
            labels.where(np.sort(order[1_500:])),
            limits=Limits(risk=0.05, by="language"),
            recalibrator=curve,
            costs=Costs(error=1_200, review=90, delay=0, reviewer=ReviewerError(6, 120)),
        )
        print(report)
        stored = store_report(workspace, report, category="refund-replies", recalibrator=curve, prompt="prompt-3", person=OTTO)
        draft = draft_policy(workspace, read_policy(HERE / "policy.yaml"), person=OTTO)
        print(activate_policy(workspace, draft.policy, draft.number, person=OLGA), f"on {stored.id}")

        done: Counter[str] = Counter()
        let_out = errors = 0
        with Router.load(workspace, "refund-replies") as router, (folder / "live.jsonl").open(encoding="utf-8") as live:
            for number, line in enumerate(live, start=1):
                request = RouteRequest(**json.loads(line))
                decision = router.route(request)
                done[decision.action] += 1
                let_out += decision.action == "accept"
                errors += decision.action == "accept" and request.id in wrong
                if number % 500 == 0:
                    answer_all(workspace, wrong)
                    counted = watch_policy(workspace, "refund-replies")
                    print(f"after {number}: {dict(done)}, {errors} of {let_out} accepted were wrong; {counted}")
        for state in monitor_states(workspace, "refund-replies"):
            print(state)
        print("tightened:", {key: change.level for key, change in policy_changes(workspace, "refund-replies").items()})
        print("due:", [f"{one.category} ({one.cause})" for one in due_assessments(workspace)])
        shown = load_route(workspace, routes(workspace, "refund-replies", limit=1)[0].id)
        print(shown.decision, shown.state)


def answer_all(workspace, wrong: set[str]) -> None:
    """Rita answers all that waits, and is always right."""

    rita = person("rita")
    while claimed := claim(workspace, "refunds", rita, 50):
        for task in claimed:
            number = task.payload["question"].removeprefix("May I return order ").removesuffix("?")
            value = "no" if f"msg-{number}" in wrong else "yes"
            answer(workspace, task.task_id, rita, {"correct": value}, idempotency_key=task.task_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
