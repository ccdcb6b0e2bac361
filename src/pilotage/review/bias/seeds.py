"""Planting errors: which tasks get a plausible wrong suggestion, and which one.

A planted value must be wrong and believable. It is the machine's own second choice; else a value the machine is known to confuse with the right one;
else one that was declared for the item. Where the truth is not known, the item is held: a seeded answer counts for nothing and its place is freed, so
that somebody else reviews the item truly, and a seed that turns out right is void.

Which tasks are seeded is drawn by hashing: the same seed and tasks give the same draw, and more tasks change nothing about those before. The hash is
under the project's secret: who is served a task knows its id, and must not be able to draw for themselves. The plan is
written to ``review_seed``, which nothing that faces a reviewer reads; the ledger keeps how many, at what rate, and a salted digest of the list, by
which it can be shown later that the list was not changed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, select

from pilotage.core import Conflict, InputError, NotFound, Refused, canonical_json, digest
from pilotage.judging.rubric import Question, find_rubric
from pilotage.ledger import record
from pilotage.review.arms import draw
from pilotage.review.bias.truth import known_truth
from pilotage.review.projects import find_terms
from pilotage.review.tables import review_seed, review_task, suggestion
from pilotage.store import Workspace, WriteTransaction

MadeFrom = Literal["second_choice", "confusion", "given"]
DEFAULT_RATE = 0.03
MAX_RATE = 0.05
_CHUNK = 500

CONSENT = (
    "A small share of the suggestions in this project are planted errors: we test the process, not you. They show us whether people still look "
    "when a machine proposes. What you answer there counts for nothing else, and nobody is judged by a single item. Your lead sees figures over "
    "many answers, with how sure they are. Ask for yours at any time."
)


@dataclass(frozen=True)
class SeedCandidate:
    """A task that could carry a planted error for one question.

    suggestion
        What the machine proposes. ``choices`` are its further proposals, best first.
    truth
        What is right, where it is known; None holds the item until it is truly reviewed.
    given
        A wrong value somebody declared for it.
    drawn_by
        What the draw goes by instead of the task's id, which people who are served it know: a hash under the project's secret.
    """

    task_id: str
    question: str
    suggestion: Any
    choices: tuple[Any, ...] = ()
    truth: Any = None
    given: Any = None
    drawn_by: str = ""


@dataclass(frozen=True)
class PlannedSeed:
    """A planted error: the wrong value, and where it came from."""

    task_id: str
    question: str
    planted: Any
    made_from: MadeFrom
    held: bool


@dataclass(frozen=True)
class Seeding:
    """A plan. ``rate`` is the share of answers that will be seeded, ``dealt`` the share of people who are dealt the seeded arm on a planted task;
    ``left_out`` says why drawn tasks carry none.
    """

    seeds: tuple[PlannedSeed, ...]
    candidates: int
    rate: float
    dealt: float
    left_out: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        left = "".join(f"; {count} {reason}" for reason, count in sorted(self.left_out.items()))
        return f"{len(self.seeds)} seeds on {self.candidates} tasks, for {self.rate:.1%} of answers{left}"


def plan_seeds(
    candidates: Iterable[SeedCandidate],
    *,
    rate: float = DEFAULT_RATE,
    dealt: float = 1.0,
    confusion: Mapping[Any, Mapping[Any, int]] | None = None,
    at_most: int | None = None,
    seed: int = 0,
) -> Seeding:
    """Choose which tasks carry an error, and which. Pure.

    Parameters
    ----------
    rate
        The share of answers that are to be seeded, above 0 and at most 5 %: more, and people work for the test.
    dealt
        The share of people who are dealt the seeded arm (``arms.seeded`` of the project). ``rate / dealt`` of the tasks are planted.
    confusion
        ``{right: {said: count}}`` of the machine, as :func:`confusion_of` counts it.
    at_most
        No more seeds than this.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    if not 0 < rate <= MAX_RATE:
        raise InputError(
            f"A seed rate of {rate:.1%} is out of range.",
            why="beyond 5 % people work for the test, and learn to expect it",
            mend="use 2 to 5 %",
        )
    if not 0 < dealt <= 1:
        raise InputError("Nobody is dealt the seeded arm.", mend="set 'arms: {seeded: …}' of the project above 0")
    share = min(1.0, rate / dealt)
    given = {each.task_id: each for each in sorted(candidates, key=lambda each: (each.task_id, each.question), reverse=True)}
    drawn = sorted((_drawn(seed, each.drawn_by or task_id), task_id) for task_id, each in given.items())
    left: Counter[str] = Counter()
    seeds: list[PlannedSeed] = []
    for number, task_id in drawn:
        if number >= share or (at_most is not None and len(seeds) >= at_most):
            break
        made = _wrong_value(given[task_id], confusion or {}, seed)
        if made is None:
            left["have no believable wrong value"] += 1
        else:
            seeds.append(made)
    return Seeding(tuple(seeds), len(given), rate, dealt, dict(left))


def secret_draw(workspace: Workspace, project: str) -> int:
    """The ``seed`` of a project's draw that nobody can foresee: from its salt, so the same each time. Raises ``NotFound``.

    With a seed that people know, and the ids of the tasks they are served, they could tell which ones carry an error.
    """
    with workspace.read() as conn:
        terms = find_terms(conn, workspace.id, project)
    if terms is None:
        raise NotFound(f"There is no project '{project}'.", mend="create it first: seeds and arms are settings of a project")
    return int.from_bytes(hashlib.blake2b(b"seeds", key=terms.salt.encode()[:64], digest_size=6).digest(), "big")


def _drawn(seed: int, *parts: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    return int.from_bytes(hashlib.blake2b(canonical_json([seed, *parts]), digest_size=6).digest(), "big") / 2**48


def _wrong_value(of: SeedCandidate, confusion: Mapping[Any, Mapping[Any, int]], seed: int) -> PlannedSeed | None:
    held = of.truth is None
    right = of.suggestion if held else of.truth

    def wrong(value: Any) -> bool:
        return value is not None and value != right and value != of.suggestion

    for value in of.choices:
        if wrong(value):
            return PlannedSeed(of.task_id, of.question, value, "second_choice", held)
    try:
        row = confusion.get(right, {})
    except TypeError:  # a value that cannot be a key (a list of labels) has no row
        row = {}
    confused = sorted(((value, count) for value, count in row.items() if wrong(value) and count > 0), key=lambda entry: str(entry[0]))
    if confused:
        return PlannedSeed(of.task_id, of.question, _weighted(confused, _drawn(seed, "confusion", of.drawn_by or of.task_id)), "confusion", held)
    if wrong(of.given):
        return PlannedSeed(of.task_id, of.question, of.given, "given", held)
    return None


def _weighted(counts: Sequence[tuple[Any, int]], drawn: float) -> Any:
    point = drawn * sum(count for _, count in counts)
    for value, count in counts:
        point -= count
        if point < 0:
            return value
    return counts[-1][0]


def confusion_of(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, dict[Any, int]]:
    """``{right: {said: count}}`` from (right, said) pairs, as :func:`plan_seeds` takes it."""
    counts: dict[Any, Counter[Any]] = defaultdict(Counter)
    for right, said in pairs:
        counts[right][said] += 1
    return {right: dict(row) for right, row in counts.items()}


def machine_confusion(workspace: Workspace, project: str, question: str) -> dict[Any, dict[Any, int]]:
    """What the machine said where what was right, over the project's tasks whose truth is known. Answers that are lists or spans have no table."""
    t = review_task.c
    with workspace.read() as conn:
        query = select(t.item_id, t.suggestion).where(t.workspace_id == workspace.id, t.queue == project, t.suggestion.is_not(None))
        said = {row.item_id: row.suggestion[question] for row in conn.execute(query) if question in row.suggestion}
        truth = known_truth(conn, workspace.id, item_ids=said)
    pairs = ((truth.value(item, question), value) for item, value in said.items())
    return confusion_of((right, value) for right, value in pairs if right is not None and not isinstance(value, list | dict))


def seed_candidates(workspace: Workspace, project: str, question: str) -> list[SeedCandidate]:
    """The project's open tasks that are work, carry a suggestion for ``question`` and no seed yet.

    Cost: one pass over the project's open tasks, and their suggestions in chunks.
    """
    t, s = review_task.c, review_seed.c
    with workspace.read() as conn:
        terms = find_terms(conn, workspace.id, project)
        salt = terms.salt if terms is not None else ""
        planted = set(conn.execute(select(s.task_id).where(s.workspace_id == workspace.id)).scalars())
        query = select(t.id, t.item_id, t.suggestion).where(
            t.workspace_id == workspace.id, t.queue == project, t.purpose == "work", t.state == "open", t.suggestion.is_not(None)
        )
        tasks = [row for row in conn.execute(query) if row.id not in planted and question in row.suggestion]
        proposed = _proposals(conn, workspace.id, [row.item_id for row in tasks], question)
        truth = known_truth(conn, workspace.id, item_ids=[row.item_id for row in tasks])
    return [
        SeedCandidate(
            task_id=row.id,
            question=question,
            suggestion=row.suggestion[question],
            choices=tuple(proposed.get(row.item_id, ())),
            truth=truth.value(row.item_id, question),
            drawn_by=f"{draw(salt, 'seed', row.id):.17f}" if salt else "",
        )
        for row in tasks
    ]


def _proposals(conn: Connection, workspace_id: str, item_ids: Sequence[str], question: str) -> dict[str, list[Any]]:
    """What machines propose for each item, surest first."""
    c = suggestion.c
    found: dict[str, list[tuple[float, Any]]] = defaultdict(list)
    ids = sorted(set(item_ids))
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        query = select(c.item_id, c.value, c.probability, c.score).where(c.workspace_id == workspace_id, c.item_id.in_(part), c.question == question)
        for row in conn.execute(query):
            sure = row.probability if row.probability is not None else row.score if row.score is not None else 0.0
            found[row.item_id].append((-sure, row.value))
    return {item: [value for _, value in sorted(entries, key=lambda entry: (entry[0], str(entry[1])))] for item, entries in found.items()}


def plant(workspace: Workspace, project: str, seeding: Seeding) -> int:
    """Write the plan's seeds and return how many are new. The same plan again plants nothing twice.

    Raises
    ------
    NotFound
        If there is no such project, or a task is not in it.
    Refused
        If the project has no consent text: people agree before they are tested. Or a task is not open work: gold and audits are never seeded.
    InputError
        If a planted value does not answer its question.
    Conflict
        If a task carries another seed already.
    """

    def job(tx: WriteTransaction) -> int:
        terms = find_terms(tx.conn, tx.workspace_id, project)
        if terms is None:
            raise NotFound(f"There is no project '{project}'.", mend="create it first: seeds and arms are settings of a project")
        if not terms.settings.consent.strip():
            raise Refused(
                f"The project '{project}' has no consent text.",
                why="people who are tested with planted errors must have been told that there are some",
                mend="set 'consent' in the project's settings; pilotage.review.bias.CONSENT is a text to begin with",
            )
        rubric = find_rubric(tx.conn, terms.rubric_id, workspace_id=tx.workspace_id)
        tasks = _tasks(tx, [each.task_id for each in seeding.seeds])
        there = _planted(tx, list(tasks))
        new = [each for each in seeding.seeds if _is_new(each, tasks, there, project, rubric.question(each.question))]
        if not new:
            return 0
        tx.insert(review_seed, *({"task_id": each.task_id, "planted": {each.question: each.planted}, "made_from": each.made_from} for each in new))
        listed = sorted([each.task_id, each.question, digest(each.planted)] for each in new)
        body = {
            "count": len(new),
            "rate": seeding.rate,
            "made_from": dict(sorted(Counter(each.made_from for each in new).items())),
            "held": sum(each.held for each in new),
            # Salted: who can read the ledger and guess tasks must not be able to check their guess.
            "list": digest({"salt": terms.salt, "seeds": listed}),
        }
        record(tx, type="review.seeded", subject=project, body=body)
        return len(new)

    return workspace.write(job)


def _tasks(tx: WriteTransaction, ids: Sequence[str]) -> dict[str, Any]:
    t, found = review_task.c, {}
    for start in range(0, len(ids), _CHUNK):
        query = select(t.id, t.queue, t.purpose, t.state).where(t.workspace_id == tx.workspace_id, t.id.in_(ids[start : start + _CHUNK]))
        found.update({row.id: row for row in tx.conn.execute(query)})
    return found


def _planted(tx: WriteTransaction, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    s, found = review_seed.c, {}
    for start in range(0, len(ids), _CHUNK):
        query = select(s.task_id, s.planted).where(s.workspace_id == tx.workspace_id, s.task_id.in_(ids[start : start + _CHUNK]))
        found.update({row.task_id: row.planted for row in tx.conn.execute(query)})
    return found


def _is_new(seed: PlannedSeed, tasks: Mapping[str, Any], there: Mapping[str, dict[str, Any]], project: str, question: Question) -> bool:
    task = tasks.get(seed.task_id)
    if task is None or task.queue != project:
        raise NotFound("There is no such task in this project.", where=f"{seed.task_id} in '{project}'")
    question.check(seed.planted)
    before = there.get(seed.task_id)
    if before is not None:
        if before != {seed.question: seed.planted}:
            raise Conflict("This task carries another seed already.", where=seed.task_id, mend="plan again: planted tasks are no candidates")
        return False
    if task.purpose != "work" or task.state != "open":
        raise Refused(
            f"A task of purpose '{task.purpose}' that is {task.state} cannot be seeded.",
            where=seed.task_id,
            why="gold, exams and audits must mean what they say, and nobody answers a closed task",
            mend="plan again from the open tasks",
        )
    return True
