"""The model judge: it speaks where rules cannot, people see what it says, and no figure counts it."""

import json
import re

from pilotage.judging import judgements, person
from pilotage.readiness import advance, load_pilot
from pilotage.review import claim
from small_pilot import truth

JUDGE = """judge:
  rubric: rubric.yaml
  model:
    target:
      name: judge
      kind: callable
      model: judge
      owner: Quality
      authorisation: our own function
      attempts: 1
"""


class Judge:
    """A judge that answers with the hash it was given, as the protocol asks."""

    def __init__(self, value="yes"):
        self.value = value
        self.asked = 0
        self.down = False

    def fingerprint(self):
        return "judge 1"

    def __call__(self, request):
        self.asked += 1
        if self.down:
            raise ConnectionError("nobody answers")
        mark = re.search(r"<case ([^>]+)>", request.messages[-1].content).group(1)
        return json.dumps({"reason": "it did what was asked", "answer": self.value, "confidence": 0.9, "case": mark})


def run(small, judge, **options):
    pilot = load_pilot(small.folder, target={"kind": "callable", "url": None, "model": "desk", "allow_hosts": []})
    return advance(small.workspace, pilot, callables={"desk": small.desk, "judge": judge}, **options)


def test_the_judge_is_asked_only_where_rules_fall_short_and_its_word_is_the_suggestion(small):
    small.change("judge: {rubric: rubric.yaml}", JUDGE)
    judge = Judge()
    run(small, judge)
    by_model = judgements(small.workspace, question="failure", rater_kind="model")
    by_rule = judgements(small.workspace, question="failure", rater_kind="rule")
    untold = {judgement.item_id for judgement in by_rule if judgement.abstained}
    assert untold
    assert {judgement.item_id for judgement in by_model} == untold
    assert {judgement.value for judgement in by_model} == {"yes"}
    waiting = claim(small.workspace, "support-assistant", person("rita"), 50)
    assert {task.suggestion["failure"] for task in waiting if task.item_id in untold} == {"yes"}


def test_running_again_asks_the_judge_nothing_twice(small):
    small.change("judge: {rubric: rubric.yaml}", JUDGE)
    judge = Judge()
    run(small, judge)
    asked = judge.asked
    run(small, judge)
    assert judge.asked == asked > 0


def test_a_judge_that_talks_nonsense_abstains_and_people_decide(small):
    small.change("judge: {rubric: rubric.yaml}", JUDGE)
    status = run(small, lambda request: "I think it is fine!")
    said = judgements(small.workspace, question="failure", rater_kind="model")
    assert said and all(judgement.abstained and judgement.reason.startswith("judge_unparsable") for judgement in said)
    assert status.steps["review"].state == "waiting"


def test_what_the_judge_says_is_in_no_figure(small):
    small.change("judge: {rubric: rubric.yaml}", JUDGE)
    run(small, Judge("no"))
    small.review(truth)
    with_judge = run(small, Judge("no"))
    figures = {str(limit.limit): limit.evidence.estimate for gate in with_judge.decision.gates for limit in gate.limits}
    assert figures["attack.success_rate at most 0.8"] > 0.5


def test_a_judge_that_cannot_be_reached_abstains_until_errors_are_tried_again(small):
    small.change("judge: {rubric: rubric.yaml}", JUDGE)
    judge = Judge()
    judge.down = True
    run(small, judge)
    said = judgements(small.workspace, question="failure", rater_kind="model")
    assert said and all(judgement.reason.startswith("judge_error") for judgement in said)
    judge.down = False
    run(small, judge, retry_errors=True)
    assert {judgement.value for judgement in judgements(small.workspace, question="failure", rater_kind="model")} == {"yes"}
