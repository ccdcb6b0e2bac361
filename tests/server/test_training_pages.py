"""Training: corrections counted and published, slices frozen, models compared, batches chosen with a part by chance."""

from __future__ import annotations

import pytest
from browserless import Client
from review_workspace import RUBRIC
from roles import as_somebody

from pilotage.data import Card, Operation, derive, versions
from pilotage.judging import Item
from pilotage.judging.item import put_items
from pilotage.ledger import entries
from pilotage.review.flywheel import corrections_ready, load_slice, publish_corrections
from pilotage.review.selecting import batches_of
from pilotage.review.tables import suggestion
from pilotage.store import Workspace, WriteTransaction

ADDRESS = "/review/projects/replies/training"
CARD = Card(licence="CC-BY-4.0", consent="written", purposes=("training", "evaluation"), contains_personal_data=False)


@pytest.fixture
def lead(reviewed_copy: Workspace) -> Client:
    return as_somebody(reviewed_copy, "olga", "owner")


def source(workspace: Workspace) -> str:
    rows = [{"id": "r1", "kind": "instruction", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}]
    return derive(
        workspace, dataset="tickets", kind="training", rows=rows, card=CARD, operation=Operation("import", counts={"added": 1}), parents=[]
    ).ref


def test_corrections_are_counted_without_publishing(reviewed_copy: Workspace, lead: Client) -> None:
    ready = corrections_ready(reviewed_copy, "replies", "failure")
    page = lead.get(ADDRESS)
    assert page.status == 200 and "<script>evil" not in page.text
    assert ready.rows > 5 and f'{ready.rows} <span class="muted">rows ready' in page.text and "the model was right" in page.text
    assert "measures people" in ready.left_out or sum(ready.left_out.values()) > 0
    assert versions(reviewed_copy) == []


def test_what_was_counted_is_what_is_published_and_leads_to_its_lineage(reviewed_copy: Workspace, lead: Client) -> None:
    ready = corrections_ready(reviewed_copy, "replies", "failure")
    form = {
        "question": "failure",
        "dataset": "fixes",
        "sources": source(reviewed_copy),
        "licence": "CC-BY-4.0",
        "consent": "written",
        "personal": "no",
    }
    assert lead.post(f"{ADDRESS}/publish", {**form, "licence": ""}).status == 403
    assert lead.post(f"{ADDRESS}/publish", {**form, "sources": ""}).status == 422
    sent = lead.post(f"{ADDRESS}/publish", form)
    assert sent.status == 303, sent.text
    [made] = versions(reviewed_copy, "fixes")
    assert made.rows == ready.rows
    page = lead.get(ADDRESS).text
    assert f"/versions/{made.id}" in page and f"/lineage?kind=version&amp;id={made.id}" in page
    assert lead.get(f"/lineage?kind=version&id={made.id}").status == 200


def test_a_slice_is_frozen_once(reviewed_copy: Workspace, lead: Client) -> None:
    assert "None is frozen" in lead.get(ADDRESS).text
    form = {"question": "failure", "slice": "loop", "n": "30"}
    assert lead.post(f"{ADDRESS}/freeze", form).status == 303
    assert lead.post(f"{ADDRESS}/freeze", {**form, "n": "31"}).status == 409
    found = load_slice(reviewed_copy, "replies", "loop")
    page = lead.get(ADDRESS).text
    assert len(found.items) == 30 and found.digest[:12] in page
    assert "comparing takes two models" in page
    assert entries(reviewed_copy, type="review.slice_frozen")[0].actor == "olga"


def test_models_are_compared_on_the_slice_or_the_refusal_is_told(reviewed_copy: Workspace, lead: Client) -> None:
    lead.post(f"{ADDRESS}/freeze", {"question": "failure", "slice": "loop", "n": "60"})
    items = load_slice(reviewed_copy, "replies", "loop").items

    def answer(tx: WriteTransaction) -> None:
        row = {"question": "failure", "value": "no", "model": "judge", "model_version": "4"}
        tx.insert(suggestion, *({"item_id": item, **row} for item in items))

    reviewed_copy.write(answer)
    publish_corrections(reviewed_copy, "replies", "failure", dataset="fixes", card=CARD, sources=[source(reviewed_copy)])
    version = versions(reviewed_copy, "fixes")[0].id
    page = lead.get(f"{ADDRESS}?slice=loop&old=judge%403&new=judge%404&trained_on={version}").text
    assert "Truth of the slice" in page and "the same for both" in page
    assert "Not compared" in lead.get(f"{ADDRESS}?slice=loop&old=judge%403&new=judge%409&trained_on={version}").text


def test_a_batch_is_chosen_with_a_part_by_chance_and_the_page_says_what_that_can_show(reviewed_copy: Workspace, lead: Client) -> None:
    assert lead.post(f"{ADDRESS}/select", {"question": "failure", "n": "10", "strategy": "uncertainty"}).status == 404  # nothing to choose from

    def pool(tx: WriteTransaction) -> None:
        made = [Item("reply", f"pool-{number}", {"text": f"reply {number}"}) for number in range(40)]
        put_items(tx, made)
        row = {"question": "failure", "value": "yes", "model": "judge", "model_version": "3"}
        tx.insert(suggestion, *({"item_id": item.id, "probability": 0.5 + n / 100, **row} for n, item in enumerate(made)))

    reviewed_copy.write(pool)
    assert lead.post(f"{ADDRESS}/select", {"question": "failure", "n": "20", "strategy": "luck"}).status == 422
    assert lead.post(f"{ADDRESS}/select", {"question": "failure", "n": "20", "strategy": "uncertainty", "random_share": "0.1"}).status == 422
    assert lead.post(f"{ADDRESS}/select", {"question": "failure", "n": "20", "strategy": "uncertainty"}).status == 303
    [batch] = batches_of(reviewed_copy, "replies", "failure")
    assert batch.by["random"] == 4
    page = lead.get(ADDRESS).text
    assert "4 items were drawn by chance" in page and "often too small to show one" in page
    assert "0 items judged" in page


def test_who_reviews_looks_and_changes_nothing(reviewed_copy: Workspace) -> None:
    client = as_somebody(reviewed_copy, "rita", "reviewer")
    page = client.get(f"{ADDRESS}?question={RUBRIC.questions[1].name}")
    assert page.status == 200 and "Freeze</button>" not in page.text
    for act in ("publish", "freeze", "select"):
        assert client.post(f"{ADDRESS}/{act}", {"question": "failure"}).status == 403
    assert client.get("/review/projects/none/training").status == 404 and client.get(f"{ADDRESS}?question=none").status == 422
