"""Corrections become training data: the next version of a dataset, in which every row says what it rests on.

A row has the original input, what the model said, what people said instead, why, how reliable those people are (on gold, with n and interval), under
which guideline, rubric and route it was made, on what footing it may be used, and which dataset versions it comes from. Whatever measures people
(gold, exams, planted errors) and whatever models are compared on (frozen slices, audits) stays out, and so does everything no person judged.

Only failures would teach a model that everything is wrong, so what people **confirmed** can become rows too: where they were shown what the model
said, could have corrected it, and did not. Which of the two is asked for with ``take``, and each row says which it is (``tags.outcome``).

Running again publishes nothing new unless there is something new. A correction taken back leaves the next version.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Connection, select

from pilotage.core import InputError, NotFound, Refused, canonical_json, content_id
from pilotage.data import Card, Version, load_version, rows
from pilotage.data.card import require_training_card
from pilotage.judging import Judgement, Question, RaterKind, judgements
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload
from pilotage.review.flywheel.exchange import as_text, exchange_of
from pilotage.review.flywheel.publishing import publish_rows
from pilotage.review.flywheel.reliability import Reliability, reliabilities
from pilotage.review.flywheel.slices import kept_out
from pilotage.review.measuring.matching import plain
from pilotage.review.routing.tables import route_decision
from pilotage.review.tables import review_task
from pilotage.store import Workspace

Form = Literal["instruction", "preference"]
FORMS: tuple[Form, ...] = ("instruction", "preference")
Take = Literal["corrected", "confirmed", "both"]
TAKES: tuple[Take, ...] = ("corrected", "confirmed", "both")
MADE_BY = {"corrected": "correction", "confirmed": "confirmation"}
PURPOSES = ("work", "adjudication")
_RIGHT = "the model was right"
WRITTEN = ("text", "edit")
_CHUNK = 500


@dataclass(frozen=True)
class Corrections:
    """What became of a project's corrections.

    ``version`` is the newest of the dataset, whether or not this call made it; None if there is nothing to learn. ``left_out`` counts, by reason, the
    answered items that gave no row. ``corrected`` and ``confirmed`` are the rows that are true now, by which they are.
    """

    version: Version | None
    created: bool
    added: int
    kept: int
    dropped: int
    left_out: dict[str, int] = field(default_factory=dict)
    corrected: int = 0
    confirmed: int = 0

    def __str__(self) -> str:
        left = "".join(f"; {count} left out: {reason}" for reason, count in sorted(self.left_out.items()))
        if self.version is None:
            return f"nothing to learn from{left}"
        if not self.created:
            return f"nothing new: {self.version.ref} stands with {self.version.rows} rows{left}"
        sorts = f"({self.corrected} corrected, {self.confirmed} confirmed)"
        return f"{self.version.ref}: {self.added} added, {self.kept} kept, {self.dropped} dropped {sorts}{left}"


def publish_corrections(
    workspace: Workspace,
    project: str,
    question: str,
    *,
    dataset: str,
    card: Card,
    sources: Sequence[str],
    form: Form = "instruction",
    take: Take = "corrected",
) -> Corrections:
    """Publish what people corrected as the next version of ``dataset``.

    Parameters
    ----------
    question
        A question of free text or an edit (the human value is the right output), or one with values (the human value is the right label of what the
        model labelled wrong).
    card
        What may be done with the rows: licence, consent, purposes and whether they hold personal data must all be said.
    sources
        The dataset versions the items were made from: ids or refs, at least one. Their cards must allow training too.
    form
        ``instruction``: input and the right output. ``preference``: the right output against the model's.
    take
        ``corrected``: where people said otherwise than the model. ``confirmed``: where they were shown what it said, could have corrected it, and
        said the same; only as ``instruction``, as nothing was preferred to anything. ``both``: both, each row with its ``tags.outcome``.

    Raises
    ------
    Refused
        If the card, or a source's, does not say what it must or does not allow training, or the dataset holds rows of the outcome that is not taken:
        failures and confirmed rows are never mixed without saying so.
    InputError
        If there is no source, the form is unknown, or the project's rubric does not ask the question.
    Conflict
        If somebody published another version of the dataset meanwhile.

    Cost: one pass over the project's judgements of the question and the payloads of the items that were corrected.
    """
    _check(form, take)
    require_training_card(card, where=f"dataset '{dataset}'")
    parents = require_sources(workspace, sources)
    left: Counter[str] = Counter()
    _require_one_sort(workspace, dataset, take)
    made = list(_rows(workspace, project, question, form=form, take=take, card=card, parents=parents, left=left))
    params: dict[str, Any] = {"project": project, "question": question, "form": form}
    if take != "corrected":
        params["take"] = take
    made_by = [name for outcome, name in MADE_BY.items() if take in (outcome, "both")]
    done = publish_rows(workspace, dataset, made, card=card, parents=parents, made_by=made_by, params=params, left_out=left)
    by = Counter(row["tags"]["outcome"] for row in made)
    numbers = {outcome: by[outcome] for outcome in MADE_BY}
    return Corrections(done.version, done.created, done.added, done.kept, done.dropped, dict(sorted(left.items())), **numbers)


def _check(form: str, take: str) -> None:
    if form not in FORMS:
        raise InputError(f"'{form}' is no form of training rows made from corrections.", mend=f"use one of: {', '.join(FORMS)}")
    if take not in TAKES:
        raise InputError(f"'{take}' is nothing that can be taken.", where="take", mend=f"use one of: {', '.join(TAKES)}")
    if take != "corrected" and form == "preference":
        raise InputError(
            "What people confirmed is no preference.",
            where="take",
            why="nothing was turned down where the model was right",
            mend="use the form 'instruction', or take 'corrected'",
        )


def _require_one_sort(workspace: Workspace, dataset: str, take: Take) -> None:
    """Raise ``Refused`` where the dataset holds corrections or confirmed rows that this call would leave standing beside the others."""
    if take == "both":
        return
    try:
        standing = load_version(workspace, dataset)
    except NotFound:
        return
    other = next(name for outcome, name in MADE_BY.items() if outcome != take)
    if any(row["tags"].get("made_by") == other for row in rows(workspace, standing.id)):
        raise Refused(
            f"'{dataset}' holds rows that people {'confirmed' if take == 'corrected' else 'corrected'} too.",
            where=standing.ref,
            why="what the model got wrong and what it got right are not mixed without saying so",
            mend="take 'both', or name another dataset",
        )


@dataclass(frozen=True)
class CorrectionsReady:
    """What publishing would make of a project's corrections: rows there would be, and answered items without one, by reason.

    ``confirmed``: rows there would be of what people confirmed, if these were taken too.
    """

    rows: int
    left_out: dict[str, int]
    confirmed: int = 0


def corrections_ready(workspace: Workspace, project: str, question: str, *, form: Form = "instruction") -> CorrectionsReady:
    """Count what :func:`publish_corrections` would publish, without publishing it. Raises and costs as it does; the card is not looked at."""
    _check(form, "corrected")
    left: Counter[str] = Counter()
    take: Take = "both" if form == "instruction" else "corrected"
    made = _rows(workspace, project, question, form=form, take=take, card=Card(), parents=(), left=left)
    by = Counter(row["tags"]["outcome"] for row in made)
    if by["confirmed"]:
        left[_RIGHT] += by["confirmed"]
    return CorrectionsReady(by["corrected"], dict(sorted(left.items())), by["confirmed"])


def require_sources(workspace: Workspace, sources: Sequence[str]) -> list[Version]:
    if not sources:
        raise InputError(
            "The dataset version the corrected items come from is not named.",
            why="a training row leads back to the data it was made from",
            mend="name it in 'sources'; import the inputs as a dataset first if they came from production",
        )
    found = [load_version(workspace, ref) for ref in sources]
    for version in found:
        if version.withdrawn is not None:
            raise Refused("A source of these corrections has been withdrawn.", where=version.ref, why=version.withdrawn, mend="leave its items out")
        require_training_card(version.card, where=f"source {version.ref}")
    return found


@dataclass(frozen=True)
class _Task:
    id: str
    item_id: str
    proposed: Any
    route_id: str | None
    routed_by: dict[str, Any] | None = None  # the routing policy and its version


@dataclass(frozen=True)
class _Settled:
    """What people say of one item, and the judgements that say it; the first speaks for them."""

    value: Any
    agreeing: tuple[Judgement, ...]
    against: int


def _rows(
    workspace: Workspace, project: str, question: str, *, form: Form, take: Take, card: Card, parents: Sequence[Version], left: Counter[str]
) -> Iterator[dict[str, Any]]:
    with workspace.read() as conn:
        tasks, rubric_ids = _tasks(conn, workspace.id, project, question)
        out = kept_out(conn, workspace.id, project)
        asked = {ref: find_rubric(conn, ref, workspace_id=workspace.id).question(question) for ref in rubric_ids}
    if not asked:
        raise NotFound(f"No task of '{project}' asks '{question}'.", mend="check the project and the question")
    said: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    # Only answers about items: gold, exams and planted errors are not among them, whoever calls this.
    for each in judgements(workspace, item_ids=[item for item, _ in tasks], question=question, rater_kind=RaterKind.PERSON, purposes=PURPOSES):
        if not each.abstained and (each.item_id, each.rubric_id) in tasks:
            said[each.item_id, each.rubric_id].append(each)
    reliable = reliabilities(workspace, project, question)
    with workspace.read() as conn:
        for key, given in sorted(said.items()):
            task, ask = tasks[key], asked[key[1]]
            if task.item_id in out:
                left[out[task.item_id]] += 1
                continue
            settled = _settle(given, ask)
            if settled is None:
                left["people disagree"] += 1
                continue
            draft = _draft(conn, workspace.id, task, ask, settled, form=form, take=take)
            if isinstance(draft, str):
                left[draft] += 1
                continue
            yield _with_provenance(draft, task, ask, settled, project=project, card=card, parents=parents, reliable=reliable)


def _tasks(conn: Connection, workspace_id: str, project: str, question: str) -> tuple[dict[tuple[str, str], _Task], list[str]]:
    """The project's tasks that ask the question, by (item, rubric). Adjudication tasks are about the same items and add nothing here."""
    t = review_task.c
    query = select(t.id, t.item_id, t.rubric_id, t.suggestion, t.route_id, t.purpose).where(t.workspace_id == workspace_id, t.queue == project)
    found: dict[tuple[str, str], _Task] = {}
    asks: dict[str, bool] = {}
    for row in conn.execute(query.where(t.purpose.in_(PURPOSES)).order_by(t.purpose, t.id)):
        if row.rubric_id not in asks:
            rubric = find_rubric(conn, row.rubric_id, workspace_id=workspace_id)
            asks[row.rubric_id] = any(each.name == question for each in rubric.questions)
        if not asks[row.rubric_id]:
            continue
        key = (row.item_id, row.rubric_id)
        proposed = (row.suggestion or {}).get(question)
        before = found.get(key)
        if before is None or row.purpose == "work":
            proposed = proposed if proposed is not None or before is None else before.proposed
            found[key] = _Task(row.id, row.item_id, proposed, row.route_id or (before.route_id if before else None))
    policies = _policies(conn, workspace_id, {task.route_id for task in found.values() if task.route_id})
    return {key: replace(task, routed_by=policies.get(task.route_id or "")) for key, task in found.items()}, sorted(
        ref for ref, asked in asks.items() if asked
    )


def _policies(conn: Connection, workspace_id: str, route_ids: set[str]) -> dict[str, dict[str, Any]]:
    """The routing policy, and its version, under which each of these decisions was made."""
    d, ids = route_decision.c, sorted(route_ids)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(d.id, d.policy, d.number).where(d.workspace_id == workspace_id, d.id.in_(ids[start : start + _CHUNK]))
        found |= {row.id: {"policy": row.policy, "version": row.number} for row in conn.execute(query)}
    return found


def _settle(given: Sequence[Judgement], question: Question) -> _Settled | None:
    """What people say together: an adjudicator's word, else (of written answers) the newest, else the majority; None on a tie."""
    deciding = [each for each in given if each.purpose == "adjudication"] or list(given)
    if question.kind in WRITTEN or deciding[0].purpose == "adjudication":
        winner = plain(question, deciding[-1].value)
    else:
        votes = Counter(plain(question, each.value) for each in deciding).most_common(2)
        if len(votes) > 1 and votes[0][1] == votes[1][1]:
            return None
        winner = votes[0][0]
    agreeing = [each for each in given if plain(question, each.value) == winner]
    first = next(each for each in reversed(deciding) if plain(question, each.value) == winner)
    return _Settled(first.value, (first, *(each for each in agreeing if each.id != first.id)), len(given) - len(agreeing))


@dataclass(frozen=True)
class _Draft:
    """A row before it says where it comes from: its training fields, what the model said, and what the item shows."""

    row: dict[str, Any]
    output: str
    source: str
    outcome: str


def _draft(conn: Connection, workspace_id: str, task: _Task, question: Question, settled: _Settled, *, form: Form, take: Take) -> _Draft | str:
    """The row's messages, or why there is none."""
    p, i = item_payload.c, item_table.c
    query = (
        select(p.payload, i.source_id)
        .join(item_table, (i.workspace_id == p.workspace_id) & (i.id == p.item_id))
        .where(p.workspace_id == workspace_id, p.item_id == task.item_id)
    )
    found = conn.execute(query).one()
    if question.kind in WRITTEN:
        exchange = exchange_of(found.payload)
        if exchange is None:
            return "the item shows no input"
        prompt, right = list(exchange.prompt), str(settled.value)
        wrong = exchange.output if exchange.output is not None else task.proposed
    else:
        prompt = [{"role": "user", "content": f"{question.prompt}\n\n{as_text(found.payload)}"}]
        right = _label(settled.value)
        wrong = None if task.proposed is None else _label(task.proposed)
    if wrong is None:
        return "no model said anything there"
    outcome = "confirmed" if str(wrong).strip() == right.strip() else "corrected"
    if take not in (outcome, "both"):
        return _RIGHT if outcome == "confirmed" else "people corrected it"
    # Who did not see what the model said gave an answer like it, and confirmed nothing. The text of an output stands in the item itself.
    if outcome == "confirmed" and question.kind not in WRITTEN and not any(_saw(each, question) for each in settled.agreeing):
        return "the model was right, and nobody who said so had been shown what it said"
    if not prompt or prompt[-1]["role"] not in ("user", "tool"):
        return "the input does not end with a user's turn"
    answer = [{"role": "assistant", "content": right}]
    if form == "instruction":
        return _Draft({"kind": form, "messages": [*prompt, *answer]}, str(wrong), found.source_id, outcome)
    rejected = [{"role": "assistant", "content": str(wrong)}]
    return _Draft({"kind": form, "messages": prompt, "chosen": answer, "rejected": rejected}, str(wrong), found.source_id, outcome)


def _saw(said: Judgement, question: Question) -> bool:
    """Whether this person was shown the very value they gave, and could have given another."""
    return said.suggestion is not None and plain(question, said.suggestion) == plain(question, said.value)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else canonical_json(value).decode()


def _with_provenance(
    draft: _Draft,
    task: _Task,
    question: Question,
    settled: _Settled,
    *,
    project: str,
    card: Card,
    parents: Sequence[Version],
    reliable: Mapping[str, Reliability],
) -> dict[str, Any]:
    first = settled.agreeing[0]
    unknown = Reliability.unknown()
    ids = sorted(each.id for each in settled.agreeing)
    return {
        **draft.row,
        "id": content_id("row", {"judgement": first.id, "question": question.name, "form": draft.row["kind"]}),
        "lineage": {
            "judgement": first.id,
            "judgements": ids,
            "item": task.item_id,
            "output": draft.source,
            "task": task.id,
            "versions": [version.id for version in parents],
        },
        "tags": {
            "made_by": MADE_BY[draft.outcome],
            "outcome": draft.outcome,
            "form": draft.row["kind"],
            "project": project,
            "question": question.name,
            "model_output": draft.output,
            "human_value": _label(settled.value),
            "reason": first.reason,
            "people": {"agreeing": len(settled.agreeing), "against": settled.against, "adjudicated": first.purpose == "adjudication"},
            "agreed_seeing_it": sum(_saw(each, question) for each in settled.agreeing),
            "reliability": [reliable.get(each.rater_id, unknown).to_dict() for each in settled.agreeing],
            "policy": {"guideline": first.guideline_id, "rubric": first.rubric_id, "route": task.route_id, "routing": task.routed_by},
            "shown": first.arm,
            "consent": card.consent,
            "contains_personal_data": card.contains_personal_data,
        },
    }
