"""Labelled samples, kept: what a report was made of can be looked at again, under the digest that the report names.

Of an item's id only a digest is kept: ids may name people. :func:`sample_of_project` draws a sample from what people said of a model's suggestions.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from pilotage.core import InputError, Refused, canonical_json
from pilotage.judging import ABOUT_ITEMS
from pilotage.judging.tables import item, judgement, rater
from pilotage.ledger import record
from pilotage.people import require
from pilotage.people.permissions import Roles
from pilotage.review.selecting.tables import review_batch_item
from pilotage.review.tables import review_task, suggestion
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.judging.calibration import Sample

G, T, J, I, B = suggestion.c, review_task.c, judgement.c, item.c, review_batch_item.c  # noqa: E741
MOST_ITEMS = 50_000
MOST_VALUES = 20
_CHUNK = 500
# How a task must have come to people for its item to stand for production: all there was, in order, or a random draw.
_FAIR = ("order", "random")


@dataclass(frozen=True)
class Drawn:
    """A sample drawn from a project, and what was left out of it, by reason. ``ties`` counts as wrong, as in the audit."""

    sample: Sample
    left_out: dict[str, int]
    ties: int
    inclusion: str


def without_ids(sample: Sample) -> Sample:
    """The sample with digests in place of its ids; a sample without ids has its rows numbered, under its own digest."""
    from pilotage.judging.calibration.recalibration import id_digest

    ids = sample.ids or tuple(f"{sample.digest}/{row}" for row in range(sample.n))
    return replace(sample, ids=tuple(id_digest(each) for each in ids))


def keep_sample(workspace: Workspace, sample: Sample, *, person: Roles, source: str, notes: dict[str, Any] | None = None) -> str:
    """Keep a sample of raw confidence and return its digest. The ledger says who brought it and where from, and nothing of what is in it.

    Raises
    ------
    Refused
        If the person may not run, or the confidence was recalibrated.
    """
    require(person, "run")
    if sample.recalibrated_by is not None:
        raise Refused("The sample's confidence was already recalibrated.", mend="keep the raw confidence")
    name = workspace.blobs.put(canonical_json(sample.content))
    body = {"n": sample.n, "model": sample.model, "source": source, **(notes or {})}
    workspace.write(lambda tx: record(tx, type="calibration.sampled", subject=name, body=body, actor=person.login))
    return name


def put_sample(workspace: Workspace, sample: Sample) -> str:
    """Keep a part of a sample that is kept already; the report that stands on it tells the ledger its digest."""
    return workspace.blobs.put(canonical_json(sample.content))


def load_sample(workspace: Workspace, name: str) -> Sample:
    """The sample with this digest. Raises ``NotFound``, or ``IntegrityError`` if its file was changed, or ``InputError`` if it is none."""
    from pilotage.judging.calibration import Sample

    try:
        content = json.loads(workspace.blobs.get(name))
        return Sample.from_content(content)
    except (ValueError, TypeError) as error:
        raise InputError("This is no labelled sample.", where=name, mend="open it from the lab") from error


def suggesters(workspace: Workspace, project: str) -> list[tuple[str, str, str]]:
    """(question, model, version) of those that proposed something with a probability for a task of the project, at most 100."""
    here = select(T.id).where(T.workspace_id == workspace.id, T.queue == project, T.item_id == G.item_id).exists()
    query = select(G.question, G.model, G.model_version).where(G.workspace_id == workspace.id, G.probability.is_not(None), here).distinct()
    with workspace.read() as conn:
        return [(row[0], row[1], row[2]) for row in conn.execute(query.order_by(G.question, G.model, G.model_version).limit(100))]


def sample_of_project(workspace: Workspace, project: str, question: str, *, model: str, version: str, model_name: str | None = None) -> Drawn:
    """A sample from what people said of a model's suggestions: was the suggested value what most of them said?

    Only answers of people who had not seen a suggestion count: who saw one leans towards it. Only items that came to people in order or by a random
    draw count, with the probability of the draw where one is kept: what was chosen because it is doubtful, or was routed to people because the model
    was not sure, does not stand for production.

    Raises
    ------
    Refused
        If nothing is left, or if some items came in order and others were chosen, so that no probability is known.
    """
    from pilotage.judging.calibration import Sample

    proposed, left = _proposed(workspace, project, question, model, version)
    with workspace.read() as conn:
        said = _said(conn, workspace.id, proposed, question)
        slices = _slices(conn, workspace.id, list(proposed))
        probability = _drawn_with(conn, workspace.id, list(proposed))
    labelled = [name for name in proposed if said.get(name)]
    left["nobody has answered without having seen a suggestion"] = len(proposed) - len(labelled)
    by_chance = [name for name in labelled if proposed[name].selected_by == "random"]
    if by_chance:  # the random draws alone: what else came in order came beside a choice
        left["not part of a random draw"] = len(labelled) - len(by_chance)
        labelled = [name for name in by_chance if probability.get(name)]
        left["a random draw whose probability is not known"] = len(by_chance) - len(labelled)
    elif left.get("chosen for a reason"):
        raise Refused(
            "It is not known how likely each item was to be labelled.",
            where=f"project '{project}'",
            why="some of its items were chosen because they are doubtful, and none at random",
            mend="select a batch with a random share: 'pilotage flywheel select'",
        )
    if not labelled:
        raise Refused(
            "No item of the project can be in the sample.",
            where=f"project '{project}', question '{question}', {model} {version}".strip(),
            why="; ".join(f"{count}: {why}" for why, count in left.items() if count) or "the model proposed nothing with a probability",
            mend="have people label items that came to them in order or by a random draw, some without the suggestion (arm 'withheld')",
        )
    votes = [(said[name].count(True), len(said[name])) for name in labelled]
    names = sorted({key for name in labelled for key in slices.get(name, {})})
    columns = {key: [str(slices.get(name, {}).get(key) or "–") for name in labelled] for key in names}
    sample = Sample.of(
        [proposed[name].probability for name in labelled],
        [1.0 if 2 * right > n else 0.0 for right, n in votes],
        model=model_name or (f"{model}-{version}" if version else model),
        labelled_by="people",
        ids=labelled,
        inclusion=[probability[name] for name in labelled] if by_chance else None,
        slices={key: values for key, values in columns.items() if len(set(values)) <= MOST_VALUES},
    )
    inclusion = "a random draw, with its probabilities" if by_chance else "everything in order, all alike"
    return Drawn(without_ids(sample), {why: count for why, count in left.items() if count}, sum(2 * right == n for right, n in votes), inclusion)


def _proposed(workspace: Workspace, project: str, question: str, model: str, version: str) -> tuple[dict[str, Any], Counter[str]]:
    """Item → its task and suggestion, for those that may stand for production; and how many may not, by reason."""
    same = (T.workspace_id == G.workspace_id) & (T.item_id == G.item_id)
    query = (
        select(G.item_id, G.value, G.probability, T.selected_by, T.purpose, T.route_id)
        .join(review_task, same)
        .where(G.workspace_id == workspace.id, T.queue == project, G.question == question, G.model == model, G.model_version == version)
        .where(G.probability.is_not(None), T.purpose == "work")
        .order_by(G.item_id)
        .limit(MOST_ITEMS)
    )
    found: dict[str, Any] = {}
    left: Counter[str] = Counter()
    with workspace.read() as conn:
        for row in conn.execute(query):
            if row.route_id is not None:
                left["routed to people because of what it is"] += 1
            elif row.selected_by not in _FAIR:
                left["chosen for a reason"] += 1
            else:
                found.setdefault(row.item_id, row)
    return found, left


def _said(conn: Connection, workspace_id: str, proposed: dict[str, Any], question: str) -> dict[str, list[bool]]:
    """Item → for each person who had not seen a suggestion, whether they said what the model suggested."""
    later = judgement.alias("later")
    same = [later.c[field] == J[field] for field in ("workspace_id", "item_id", "question", "rater_id", "rubric_id")]
    superseded = select(later.c.id).where(*same, later.c.supersedes == J.id).exists()
    found: dict[str, list[bool]] = defaultdict(list)
    ids = list(proposed)
    for start in range(0, len(ids), _CHUNK):
        query = (
            select(J.item_id, J.value)
            .join(rater, (rater.c.workspace_id == J.workspace_id) & (rater.c.id == J.rater_id))
            .where(J.workspace_id == workspace_id, J.item_id.in_(ids[start : start + _CHUNK]), J.question == question, rater.c.kind == "person")
            .where(J.abstained == 0, J.purpose.in_(ABOUT_ITEMS), J.suggestion.is_(None), ~superseded)
        )
        for row in conn.execute(query):
            suggested = proposed[row.item_id].value
            found[row.item_id].append(type(row.value) is type(suggested) and row.value == suggested)
    return found


def _slices(conn: Connection, workspace_id: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(I.id, I.slices).where(I.workspace_id == workspace_id, I.id.in_(ids[start : start + _CHUNK]))
        found |= {row.id: row.slices for row in conn.execute(query)}
    return found


def _drawn_with(conn: Connection, workspace_id: str, ids: list[str]) -> dict[str, float]:
    """Item → the probability of the random draw that brought it to people."""
    found: dict[str, float] = {}
    for start in range(0, len(ids), _CHUNK):
        where = (B.workspace_id == workspace_id, B.item_id.in_(ids[start : start + _CHUNK]), B.selected_by == "random", B.probability.is_not(None))
        found |= {row.item_id: row.probability for row in conn.execute(select(B.item_id, B.probability).where(*where))}
    return found
