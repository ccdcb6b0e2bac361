"""Questions about disagreement: what people differ on, why, between which answers, and how far they agree.

The list and its counts are index ranges. Confusion and agreement are one pass over the question's answers: of a project with more than
:data:`MOST_ANSWERS` they are worked out only when somebody asks for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select

from pilotage.core import InputError, NotFound, Refused
from pilotage.judging import Question, Rater, item_refs, person
from pilotage.judging.tables import rater as rater_table
from pilotage.review import counts
from pilotage.review.measuring import Finding, confusion_between, explore, findings
from pilotage.review.measuring.combining import possible
from pilotage.review.measuring.matching import COMPARABLE, plain
from pilotage.review.measuring.tables import review_settlement
from pilotage.review.measuring.triaging import CAUSES
from pilotage.review.projects import Project, load_project, projects
from pilotage.review.tables import review_assignment, review_task
from pilotage.server.context import Person
from pilotage.server.queries.paging import Page
from pilotage.store import Workspace

MOST_ANSWERS = 60_000
UNLOOKED = "not_looked_into"
_PAGE = 50
_SLICES_OF = 500
_MOST_PEOPLE = 200
_ALL_DIVIDED = "1"  # positions of items people agree about begin with this; see settling
S, T, A = review_settlement.c, review_task.c, review_assignment.c


@dataclass(frozen=True)
class Chosen:
    """The project and question looked at, and what else there is."""

    projects: tuple[Project, ...]
    project: Project
    question: Question
    answers: int

    @property
    def is_large(self) -> bool:
        """Whether a pass over its answers takes longer than a page may."""
        return self.answers > MOST_ANSWERS


@dataclass(frozen=True)
class Wanted:
    """Which divided items: by cause, between two answers, of a slice, on which two people (rater ids) differ."""

    cause: str | None = None
    pair: tuple[str, str] | None = None
    slice: tuple[str, str] | None = None
    people: tuple[str, str] | None = None
    after: str | None = None


@dataclass(frozen=True)
class DividedLine:
    """One divided item in the list. ``why`` is what the cause rests on, in a sentence; it names nobody."""

    item_id: str
    slices: Mapping[str, str]
    pair: str
    n: int
    disagreement: float
    cause: str
    cause_by: str
    why: str
    state: str
    method: str


@dataclass(frozen=True)
class Cell:
    """How often two answers met on one item. ``level`` 0 to 4 is how dark the cell is."""

    first: str
    second: str
    n: int
    level: int


@dataclass(frozen=True)
class Confusion:
    """Which answers people mix up: a square of counts where the answers are few, and the pairs by number with their intervals."""

    values: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    pairs: tuple[Any, ...]
    total: int


def choose(workspace: Workspace, project: str | None, question: str | None) -> Chosen | None:
    """The project and question asked for, or the first; None where there is no project. Raises ``NotFound``, ``InputError``."""
    every = tuple(projects(workspace))
    if project is None:
        if not every:
            return None
        found = next((one for one in every if _has_settled(workspace, one.name)), every[0])
    else:
        found = load_project(workspace, project)
    asked = found.rubric.question(question) if question else found.rubric.questions[0]
    return Chosen(every, found, asked, counts(workspace, found.name).answers)


def count_causes(workspace: Workspace, chosen: Chosen) -> dict[str, int]:
    """Divided items by cause. Cost: those items, by index."""
    where = (S.workspace_id == workspace.id, S.project == chosen.project.name, S.question == chosen.question.name, S.position < _ALL_DIVIDED)
    with workspace.read() as conn:
        found = {row[0] or UNLOOKED: int(row[1]) for row in conn.execute(select(S.cause, func.count()).where(*where).group_by(S.cause))}
    return {cause: found.get(cause, 0) for cause in (*CAUSES, UNLOOKED)}


def list_divided(
    workspace: Workspace, chosen: Chosen, wanted: Wanted, *, sees_waiting: bool, size: int = _PAGE, without: Rater | None = None
) -> Page[DividedLine]:
    """Divided items, most divided first. Who might still be asked about an item does not see it (``sees_waiting`` False).

    ``without``: leave out what was served to this person; a page is shorter by as many. Known items are never here, so the rest would tell work.
    """
    found = explore(
        workspace,
        chosen.project.name,
        chosen.question.name,
        cause="" if wanted.cause == UNLOOKED else wanted.cause,
        pair=wanted.pair,
        slices=None if wanted.slice is None else dict([wanted.slice]),
        people=wanted.people,
        waiting=None if sees_waiting else False,
        after=wanted.after,
        limit=size,
    )
    ids = [row.item_id for row in found.rows]
    slices = {ref.id: ref.slices for ref in item_refs(workspace, ids=ids)} if ids else {}
    looked = findings(workspace, chosen.project.name, ids, chosen.question.name)
    had = served_items(workspace, without, ids) if without is not None else set()
    lines = [
        DividedLine(
            row.item_id,
            slices.get(row.item_id, {}),
            row.pair,
            row.n,
            row.disagreement,
            row.cause or UNLOOKED,
            row.cause_by,
            evidence_words(looked[row.item_id][-1]) if looked.get(row.item_id) else "",
            row.state,
            row.method,
        )
        for row in found.rows
        if row.item_id not in had
    ]
    return Page(lines, next=found.next)


def served_items(workspace: Workspace, rater: Rater, items: Sequence[str]) -> set[str]:
    """Those of ``items`` that this person was served, for whatever purpose."""
    query = select(T.item_id).join(review_assignment, (A.workspace_id == T.workspace_id) & (A.task_id == T.id))
    with workspace.read() as conn:
        return set(conn.execute(query.where(T.workspace_id == workspace.id, T.item_id.in_(items), A.rater_id == rater.id)).scalars())


def evidence_words(finding: Finding) -> str:
    """What a cause rests on, in a sentence that names nobody."""
    e = finding.evidence
    if finding.made_by != "rule":
        before = e.get("instead_of") or ""
        return f"instead of {before.replace('_', ' ')}" if before else "said before a rule looked"
    said = str(e.get("because", ""))
    if "dissenter_upper" in e:
        rests = " and ".join(e.get("rests_on", ()))
        return f"{said}: right at most {e['dissenter_upper']:.2f} of the time, the others at least {e['others_least']:.2f} ({rests})"
    if "base" in e:
        told = f"{e['n']} of their {e['of']} disputes, a share of {e['share']:.2f}, of which {e['base']:.2f} is explained"
        return f"{said}: {' / '.join(e['pair'])}, {told}; p = {e['p']:.2g}"
    if "pair" in e:
        return f"{said}: {' / '.join(e['pair'])}, {e['n']} of the disagreements, a share of {e['share']:.2f}, by chance {e['expected']:.2f}"
    if "slice" in e:
        name, value = next(iter(e["slice"].items()))
        return f"{said}: {name} {value}, {e['divided']} of {e['of']} divided, elsewhere {e['rest_divided']} of {e['rest_of']}; p = {e['p']:.2g}"
    if "guideline" in e:
        return f"{said}: {e['divided']} of {e['of']} divided, elsewhere {e['rest_divided']} of {e['rest_of']}; p = {e['p']:.2g}"
    if "sides" in e:
        looked = e.get("looked_at") or {}
        least = looked.get("least_p")
        why = "" if least is None else f"; their {looked['disputes']} disputes gather on no pair and in no slice (least p = {least:.2g})"
        return f"{said}: {' and '.join(e['sides'])}{why}"
    return said


def slices_of(workspace: Workspace, chosen: Chosen) -> list[tuple[str, str]]:
    """The slices of the most divided items, for the filter."""
    where = (S.workspace_id == workspace.id, S.project == chosen.project.name, S.question == chosen.question.name, S.position < _ALL_DIVIDED)
    with workspace.read() as conn:
        ids = list(conn.execute(select(S.item_id).where(*where).order_by(S.position).limit(_SLICES_OF)).scalars())
    return sorted({entry for ref in item_refs(workspace, ids=ids) for entry in ref.slices.items()}) if ids else []


def people_of(workspace: Workspace, project: str) -> dict[str, str]:
    """Rater id → login of those who answered in the project; for who leads it."""
    r = rater_table.c
    answered = exists().where(A.workspace_id == r.workspace_id, A.rater_id == r.id, A.queue == project, A.state == "answered")
    query = select(r.id, r.name).where(r.workspace_id == workspace.id, r.kind == "person", answered).order_by(r.name).limit(_MOST_PEOPLE)
    with workspace.read() as conn:
        return {row.id: row.name for row in conn.execute(query)}


def pair_of_people(workspace: Workspace, project: str, logins: Sequence[str]) -> tuple[str, str] | None:
    """The rater ids of two logins; None where not two are named. Raises ``NotFound``, and ``InputError`` where it is one person."""
    if len([login for login in logins if login]) < 2:
        return None
    ids = {login: rater for rater, login in people_of(workspace, project).items()}
    for login in logins[:2]:
        if login not in ids:
            raise NotFound(f"'{login}' has answered nothing in '{project}'.", mend="choose somebody from the list")
    if logins[0] == logins[1]:
        raise InputError("Nobody differs with themselves.", mend="choose two people")
    return ids[logins[0]], ids[logins[1]]


def confusion(workspace: Workspace, chosen: Chosen) -> Confusion | None:
    """Which answers meet on one item; None for free text. Cost: one pass over the question's answers."""
    question = chosen.question
    if question.kind not in COMPARABLE:
        return None
    pairs = tuple(confusion_between(workspace, chosen.project.name, question.name, top=400))
    met: Counter[tuple[str, str]] = Counter()
    for each in pairs:
        met[(each.first, each.second)] += each.n
    among = possible(question)
    values = tuple(str(value) if question.kind == "pair" else plain(question, value) for value in among) if among and len(among) <= 12 else ()
    most = max(met.values(), default=0)

    def cell(first: str, second: str) -> Cell:
        n = met[(min(first, second), max(first, second))] if first != second else 0
        return Cell(first, second, n, 0 if not n else 1 + min(3, 4 * n // (most + 1)))

    rows = tuple(tuple(cell(first, second) for second in values) for first in values)
    return Confusion(values, rows, pairs[:20], sum(met.values()))


def may_see(workspace: Workspace, who: Person, project: str, item_id: str) -> None:
    """Raise ``Refused`` where the person might still be asked about the item or was served it, and does not lead."""
    if who.may("run") or not who.may("review"):
        return
    if who.measured and served_items(workspace, person(who.login), [item_id]):
        raise Refused(
            "What others said of an item you were served is told to those who lead.",
            where=item_id,
            why="of known items there is nothing to tell, and the difference would give them away",
            mend="look at your own answers on your page",
        )
    with workspace.read() as conn:
        if item_id in waiting_items(conn, workspace.id, project, [item_id]):
            raise Refused(
                "This item still waits for an answer.",
                where=item_id,
                why="who may be asked about it must not know what others said",
                mend="come back when it is decided",
            )


def waiting_items(conn: Any, workspace_id: str, project: str, items: Sequence[str]) -> set[str]:
    """Those of ``items`` about which something is open in the project."""
    query = select(T.item_id).where(T.workspace_id == workspace_id, T.item_id.in_(items), T.queue == project, T.state == "open")
    return set(conn.execute(query).scalars())


def _has_settled(workspace: Workspace, project: str) -> bool:
    with workspace.read() as conn:
        query = select(S.item_id).where(S.workspace_id == workspace.id, S.project == project).limit(1)
        return conn.execute(query).first() is not None


def grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Slices by name, for the filter's groups."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return dict(found)
