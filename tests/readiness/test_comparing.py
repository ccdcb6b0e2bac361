"""A cycle against the one before, people against each other, and what they together say."""

from pilotage.evidence import load_evidence
from pilotage.judging import Rating, consensuses, judgements
from pilotage.readiness.measuring import agreement

SUBJECT = {"pilot": "p"}


def differences(small, status):
    ids = status.steps["measure"].links["evidence"]
    return {each.metric: each for each in load_evidence(small.workspace, ids=ids) if each.detail.get("kind") == "difference"}


def test_the_first_cycle_has_nothing_to_be_compared_with(small):
    assert differences(small, small.to_the_verdict()) == {}


def test_a_better_model_is_compared_pair_by_pair_with_the_one_before(small):
    small.to_the_verdict()
    small.desk.weak = False
    found = differences(small, small.to_the_verdict())
    assert found.keys() == {"attack.success_rate", "over_refusal.rate", "quality.accuracy"}
    attack = found["attack.success_rate"]
    assert attack.detail["against"] == "previous"
    assert attack.n == 8
    assert attack.estimate < 0


def test_a_gate_may_ask_for_no_worse_than_before_and_sees_a_model_that_is(small):
    small.change(
        "  - name: helpfulness",
        "  - name: kept\n    owner: owner\n    limits:\n      - {metric: over_refusal.rate, "
        "no_worse_than: {margin: 0.1, against: previous}}\n  - name: helpfulness",
        "gates.yaml",
    )
    first = small.to_the_verdict()
    kept = next(gate for gate in first.decision.gates if gate.gate.name == "kept")
    assert kept.verdict == "not_assessable"  # there was nothing before it
    small.desk.refuses_twins = True
    second = small.to_the_verdict()
    kept = next(gate for gate in second.decision.gates if gate.gate.name == "kept")
    assert kept.verdict in ("fail", "inconclusive")
    assert kept.limits[0].evidence.estimate > 0


def test_other_data_are_not_compared(small):
    small.to_the_verdict()
    path = small.folder / "items.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    small.desk.weak = False
    assert differences(small, small.to_the_verdict()) == {}


def test_what_people_together_say_is_kept_with_its_votes(small):
    small.to_the_verdict()
    items = {judgement.item_id for judgement in judgements(small.workspace, question="failure", rater_kind="person")}
    kept = consensuses(small.workspace, item_ids=items, question="failure")
    assert {each.item_id for each in kept} == items
    assert all(each.method == "majority" and each.votes for each in kept)


def test_agreement_needs_items_that_two_people_judged():
    alone = agreement([Rating(f"item {n}", "ana", "yes") for n in range(80)], subject=SUBJECT)
    assert alone.status == "not_assessable"
    few = agreement([Rating(f"item {n}", rater, "yes" if n % 2 else "no") for n in range(10) for rater in ("ana", "bo")], subject=SUBJECT)
    assert few.status == "not_assessable"
    assert few.detail == {"raters": 2, "status": "too_few_for_a_verdict"}


def test_agreement_is_a_figure_with_an_interval_once_enough_was_judged_twice():
    ratings = [Rating(f"item {n}", "ana", "yes" if n % 3 else "no") for n in range(90)]
    ratings += [Rating(f"item {n}", "bo", "yes" if n % 3 or n % 2 else "no") for n in range(90)]
    found = agreement(ratings, subject=SUBJECT)
    assert found.status == "measured"
    assert 0 < found.lower < found.estimate < found.upper < 1
    assert found.n == 90
