"""Labelled samples, kept and drawn: a report's is read back, a project's labels are taken only where they stand for production."""

from __future__ import annotations

import numpy as np
import pytest
from routed import AUTHOR
from sqlalchemy import update

from pilotage.core import InputError, NotFound, Refused
from pilotage.judging import Item, person, put_item
from pilotage.judging.calibration import Limits, Recalibrator, Sample
from pilotage.ledger import entries
from pilotage.people import Account
from pilotage.review import answer, claim
from pilotage.review.routing import load_report, next_look
from pilotage.review.routing.looking import take_look
from pilotage.review.routing.samples import keep_sample, load_sample, sample_of_project, suggesters, without_ids
from pilotage.review.selecting import select_batch
from pilotage.review.tables import review_task, suggestion
from pilotage.store import Workspace, WriteTransaction
from suggested import fill_project

REVIEWER = Account(id="r", login="rob", display_name="Rob", roles=frozenset({"reviewer"}))


def labelled(n: int = 1_000, seed: int = 0, **given: object) -> Sample:
    random = np.random.default_rng(seed)
    raw = random.beta(6, 0.6, n)
    made = {"model": "m-1", "labelled_by": "people", "ids": [f"item-{k}" for k in range(n)], "slices": {"language": random.choice(["de", "en"], n)}}
    return Sample.of(raw, random.random(n) < raw**1.3, **{**made, **given})  # type: ignore[arg-type]


def test_a_kept_sample_is_read_back_under_its_digest_without_its_ids(workspace: Workspace) -> None:
    sample = labelled(inclusion=np.random.default_rng(1).choice([0.2, 1.0], 1_000))
    bare = without_ids(sample)
    name = keep_sample(workspace, bare, person=AUTHOR, source="file x.csv")
    assert name == bare.digest and load_sample(workspace, name).digest == name
    assert b"item-7" not in workspace.blobs.get(name)
    (entry,) = entries(workspace, type="calibration.sampled")
    assert (entry.subject, entry.actor, entry.body) == (name, AUTHOR.login, {"n": 1_000, "model": "m-1", "source": "file x.csv"})


def test_rows_without_ids_are_numbered_under_their_own_sample() -> None:
    first, second = without_ids(labelled(ids=None)), without_ids(labelled(ids=None, seed=1))
    assert len(set(first.ids or ())) == 1_000 and not set(first.ids or ()) & set(second.ids or ())


def test_only_who_runs_keeps_a_sample_and_only_a_raw_one(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="permission 'run'"):
        keep_sample(workspace, labelled(), person=REVIEWER, source="x")
    with pytest.raises(Refused, match="already recalibrated"):
        keep_sample(workspace, labelled().with_confidence(labelled().confidence, recalibrated_by="recal_1"), person=AUTHOR, source="x")
    with pytest.raises(NotFound):
        load_sample(workspace, "0" * 64)
    with pytest.raises(InputError, match="no labelled sample"):
        load_sample(workspace, workspace.blobs.put(b"{}"))


def test_a_look_is_kept_with_what_certified_and_counts(workspace: Workspace) -> None:
    sample = without_ids(labelled(1_200))
    first = take_look(workspace, sample, category="refunds", limits=Limits(look=7, only_look=True), fit_share=0.4, person=AUTHOR)
    assert (first.look, next_look(workspace, category="refunds", model="m-1")) == (1, 2)
    certifying = load_sample(workspace, first.labels_hash)
    assert certifying.n == 720 and Recalibrator.from_dict(first.recalibrator).apply_to(certifying).n == 720
    second = take_look(workspace, sample, category="refunds", limits=Limits(), fit_share=0.4, person=AUTHOR)
    assert load_report(workspace, second.id).look == 2
    with pytest.raises(Refused, match="too few for a verdict"):
        take_look(workspace, sample, category="refunds", limits=Limits(), fit_share=0.6, person=AUTHOR)
    with pytest.raises(InputError, match="fit on"):
        take_look(workspace, sample, category="refunds", limits=Limits(), fit_share=1.0, person=AUTHOR)
    assert next_look(workspace, category="refunds", model="m-1") == 3


def test_a_project_gives_what_people_said_who_had_not_seen_the_suggestion(workspace: Workspace) -> None:
    fill_project(workspace, name="small", items=20, answered=12)
    assert suggesters(workspace, "small") == [("correct", "judge", "3")]
    drawn = sample_of_project(workspace, "small", "correct", model="judge", version="3")
    assert drawn.sample.n == 12 and drawn.sample.model == "judge-3" and drawn.sample.labelled_by == ("people",)
    assert drawn.left_out == {"nobody has answered without having seen a suggestion": 8}
    assert float(drawn.sample.correct.sum()) == 9 and drawn.sample.inclusion is None
    assert set(drawn.sample.slices["language"]) == {"de", "en"}


def test_answers_given_with_the_suggestion_in_sight_are_no_labels(workspace: Workspace) -> None:
    fill_project(workspace, name="small", items=20, answered=12, withheld=0.0)
    with pytest.raises(Refused, match="No item") as refused:
        sample_of_project(workspace, "small", "correct", model="judge", version="3")
    assert "without having seen" in str(refused.value)


def test_items_that_were_chosen_or_routed_do_not_stand_for_production(workspace: Workspace) -> None:
    ids = fill_project(workspace, name="small", items=20, answered=20)
    t = review_task.c
    workspace.write(lambda tx: tx.conn.execute(update(review_task).where(t.item_id.in_(ids[:5])).values(route_id="rte_1")))
    drawn = sample_of_project(workspace, "small", "correct", model="judge", version="3")
    assert drawn.sample.n == 15 and drawn.left_out["routed to people because of what it is"] == 5
    workspace.write(lambda tx: tx.conn.execute(update(review_task).where(t.item_id.in_(ids[5:9])).values(selected_by="uncertainty")))
    with pytest.raises(Refused, match="not known how likely"):
        sample_of_project(workspace, "small", "correct", model="judge", version="3")


def test_a_random_draw_brings_its_probabilities(workspace: Workspace) -> None:
    fill_project(workspace, name="small", items=2, answered=2)
    pool = [Item("reply", f"pool-{k}", {"text": f"pool {k}"}, {"language": "en"}) for k in range(40)]

    def put(tx: WriteTransaction) -> None:
        for number, item in enumerate(pool):
            put_item(tx, item)
            row = {
                "item_id": item.id,
                "question": "correct",
                "value": "yes",
                "probability": 0.5 + number / 90,
                "model": "judge",
                "model_version": "3",
            }
            tx.insert(suggestion, row)

    workspace.write(put)
    select_batch(workspace, "small", "correct", n=20, random_share=0.5, seed=1)
    while claimed := claim(workspace, "small", person("rita"), 20):
        for task in claimed:
            answer(workspace, task.task_id, person("rita"), {"correct": "yes"}, idempotency_key=task.task_id)
    drawn = sample_of_project(workspace, "small", "correct", model="judge", version="3")
    assert drawn.inclusion == "a random draw, with its probabilities" and drawn.sample.inclusion is not None
    assert drawn.sample.n == 10 and drawn.left_out["chosen for a reason"] == 10 and drawn.left_out["not part of a random draw"] == 2
