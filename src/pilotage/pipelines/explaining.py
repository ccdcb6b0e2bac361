"""Deliveries that wait, explained: what seems to have changed at the source goes to the review queue, and what a person accepts becomes the contract.

Nothing is applied by itself. For the first waiting delivery of each source the rows as they arrive are compared with the rows that are there
(:func:`pilotage.data.contracts.propose_changes`); each proposal is a task in the pipeline's queue. Once a person has answered, the contract's next
version says so, and the next tick takes the waiting deliveries in under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import PilotageError
from pilotage.data import load_version
from pilotage.data.contracts import decide_proposal, proposals, propose_changes, put_proposal
from pilotage.data.contracts.deciding import StoredProposal
from pilotage.data.contracts.files import read_file
from pilotage.data.ingest import discard, load_batch, load_source
from pilotage.data.ingest.ingesting import contract_for
from pilotage.data.tabular import read_table
from pilotage.judging import Item, Option, Question, Rubric, judgements
from pilotage.judging.tables import item
from pilotage.judging.tables import rater as rater_table
from pilotage.pipelines.deliveries import deliveries
from pilotage.pipelines.pipeline import Pipeline
from pilotage.review import put_task
from pilotage.store import Workspace, WriteTransaction

QUESTION = "accept"
KIND = "contract_change"
RUBRIC = Rubric(
    name="contract change",
    questions=(
        Question(
            name=QUESTION,
            prompt="Did the source change in this way?",
            kind="choice",
            options=(
                Option("yes", "Yes: read it so from now on", "y"),
                Option("no", "No: leave the contract as it is", "n"),
            ),
        ),
    ),
    guideline=(
        "Compare the figures before and after, and ask whoever runs the source if you can. **Yes** makes a new version of the contract: from then "
        "on the source is read in the new way, and what is stored keeps its meaning. **No** leaves the contract, and the deliveries stay held."
    ),
)


@dataclass(frozen=True)
class Explained:
    """What may explain the deliveries that wait: ids of open proposals, and, where nothing could be compared, ``source/delivery`` -> why not."""

    proposals: tuple[str, ...]
    unexplained: Mapping[str, str]


def explain_held(workspace: Workspace, pipeline: Pipeline) -> Explained:
    """Put proposals for deliveries that wait into the review queue."""
    waiting = [each for each in reversed(deliveries(workspace, pipeline.name)) if each["state"] in ("held", "failing")]
    open_ids: list[str] = []
    unexplained: dict[str, str] = {}
    for feed in pipeline.config.feeds:
        source = load_source(pipeline.path(feed.source))
        first = next((each for each in waiting if each["source"] == source.name), None)
        if first is None:
            continue
        delivery = f"{source.name}/{first['name']}"
        if feed.deliveries is None:
            unexplained[delivery] = "the source is read by itself: there is no file to compare"
            continue
        contract = contract_for(workspace, source)
        try:
            there = read_table(workspace, load_version(workspace, source.dataset).id)
            arriving = read_file(pipeline.path(feed.deliveries) / first["name"])
        except PilotageError as error:
            unexplained[delivery] = error.what
            continue
        for proposal in propose_changes(contract, there, arriving):
            stored = put_proposal(workspace, proposal)
            if stored.state == "open":
                _send(workspace, pipeline, stored, delivery=delivery)
                open_ids.append(stored.id)
    return Explained(tuple(open_ids), unexplained)


def apply_answers(workspace: Workspace, pipeline: Pipeline) -> list[str]:
    """Apply what people answered about this pipeline's proposals; returns the ids that were decided now.

    A batch that was held only because it was read in the old way is discarded, in the name of who decided, when its delivery comes in anew.
    """
    decided: list[str] = []
    waiting = {stored.id: stored for stored in proposals(workspace, state="open")}
    if not waiting:
        return decided
    asked = _items_about(workspace, waiting)
    for said in judgements(workspace, item_ids=asked, question=QUESTION, rater_kind="person"):
        stored = waiting.get(asked[said.item_id])
        if stored is None or said.abstained:
            continue
        del waiting[stored.id]
        reason = said.reason or f"answered '{said.value}' in the review queue of {pipeline.name}"
        by = _login(workspace, said.rater_id)
        decide_proposal(workspace, stored.id, accept=said.value == "yes", by=by, by_person=True, reason=reason)
        decided.append(stored.id)
        if said.value == "yes":
            _discard_held(workspace, pipeline, stored, by=by)
    return decided


def _discard_held(workspace: Workspace, pipeline: Pipeline, stored: StoredProposal, *, by: str) -> None:
    for each in deliveries(workspace, pipeline.name):
        if each["state"] == "held" and each["batch_id"] is not None:
            batch = load_batch(workspace, each["batch_id"])
            if batch.state == "held" and batch.contract_id == stored.proposal.contract_id:
                discard(workspace, batch.id, reason=f"read anew: {stored.proposal.summary}", by=by)


def _send(workspace: Workspace, pipeline: Pipeline, stored: StoredProposal, *, delivery: str) -> None:
    def write(tx: WriteTransaction) -> None:
        put_task(tx, pipeline.name, _item(stored, delivery=delivery), RUBRIC, ["contract_change"], priority=100)

    workspace.write(write)


def _item(stored: StoredProposal, *, delivery: str) -> Item:
    proposal = stored.proposal
    payload: dict[str, Any] = {
        "title": proposal.summary,
        "text": f"{proposal.summary}.\nSeen in {delivery}; contract {stored.contract}; how well the evidence fits: {proposal.score:.2f} of 1.",
        "evidence": dict(proposal.evidence),
        "proposal": stored.id,
    }
    return Item(kind=KIND, source_id=stored.id, payload=payload, slices={"contract": stored.contract, "kind": proposal.kind})


def _items_about(workspace: Workspace, proposals: Iterable[str]) -> dict[str, str]:
    """Item -> the proposal it asks about."""
    mine = (item.c.workspace_id == workspace.id, item.c.kind == KIND, item.c.source_id.in_(list(proposals)))
    with workspace.read() as conn:
        return {row.id: row.source_id for row in conn.execute(select(item.c.id, item.c.source_id).where(*mine))}


def _login(workspace: Workspace, rater_id: str) -> str:
    with workspace.read() as conn:
        return str(conn.execute(select(rater_table.c.name).where(rater_table.c.workspace_id == workspace.id, rater_table.c.id == rater_id)).scalar())
