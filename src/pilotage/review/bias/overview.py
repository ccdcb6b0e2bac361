"""The bias board: figures over a project's answers, for the whole team, per person, slice and hour of shift.

It is for who leads the project. It has figures over many answers and no list of who missed what: nobody is judged by a single item, and there is no
such query here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from sqlalchemy import Select, select

from pilotage.core import InputError, NotFound
from pilotage.judging import Question
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item, judgement, rater
from pilotage.review.bias.answers import AidedAnswer, hours_of_shift
from pilotage.review.bias.effects import Change, Effects, answer_first_effect, arms_of, compare, measure, measure_by
from pilotage.review.bias.power import Needed
from pilotage.review.bias.truth import Truths, known_truth
from pilotage.review.measuring.matching import plain
from pilotage.review.questions import asked_of, rubric_of
from pilotage.review.tables import review_decision, review_project_version, review_seed, review_task
from pilotage.store import Workspace

PURPOSES = ("work", "seeded")


@dataclass(frozen=True)
class Window:
    """A span of time, from ``since`` to before ``until`` (µs, UTC); None is open."""

    since: int | None = None
    until: int | None = None


@dataclass(frozen=True)
class Board:
    """What suggestions do in one project.

    ``truth_from`` counts where the known truths came from; ``arms`` the answers of each arm; ``answer_first`` is what committing first changes.
    """

    project: str
    team: Effects
    people: dict[str, Effects]
    slices: dict[str, Effects]
    hours: dict[str, Effects]
    answer_first: Change
    arms: dict[str, int]
    truth_from: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        groups = {name: {key: each.to_dict() for key, each in getattr(self, name).items()} for name in ("people", "slices", "hours")}
        return {
            "project": self.project,
            "team": self.team.to_dict(),
            **groups,
            "answer_first": self.answer_first.to_dict(),
            "arms": self.arms,
            "truth_from": self.truth_from,
        }

    def __str__(self) -> str:
        arms = ", ".join(f"{count} {arm}" for arm, count in self.arms.items()) or "none"
        truth = ", ".join(f"{count} from {source}" for source, count in self.truth_from.items()) or "none"
        lines = [f"{self.project}: answers by arm: {arms}; known truths: {truth}", str(self.team), str(self.answer_first)]
        for name in ("people", "slices", "hours"):
            for key, each in getattr(self, name).items():
                lines += [f"{name[:-1] if name != 'people' else 'person'} {key}", f"  {each.miss_rate}", f"  {each.d_prime}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def board(
    workspace: Workspace,
    project: str,
    *,
    window: Window | None = None,
    slice_by: str | None = None,
    truth: Mapping[tuple[str, str], Any] | None = None,
    needed: Needed | None = None,
    level: float = 0.95,
) -> Board:
    """The board of a project.

    Parameters
    ----------
    window
        Only answers given within it.
    slice_by
        The items' slice to tell apart by (``language``); None for none.
    truth
        ``{(item, question): value}`` that is known besides gold, audits and adjudications.

    Cost: one pass over the project's answers to shown or withheld suggestions; figures are O(answers × groups they fall into).
    """
    answers, truths = _read(workspace, project, window=window or Window(), slice_by=slice_by, given=truth)
    subject = {"pilot": project}

    def by(name: Any) -> dict[str, Effects]:
        found = measure_by(answers, name, needed=needed, level=level)
        return {key: each.about(slice={slice_by or name if name == "slice" else name: key}, subject=subject) for key, each in found.items()}

    return Board(
        project=project,
        team=measure(answers, needed=needed, level=level).about(slice={}, subject=subject),
        people=by("person"),
        slices=by("slice") if slice_by else {},
        hours=by("hour"),
        answer_first=answer_first_effect(answers, needed=needed, level=level),
        arms=arms_of(answers),
        truth_from=truths.sources,
    )


def compare_settings(
    workspace: Workspace,
    project: str,
    *,
    before: int,
    after: int,
    truth: Mapping[tuple[str, str], Any] | None = None,
    needed: Needed | None = None,
    level: float = 0.95,
) -> Change:
    """What changed in accepting wrong suggestions between the times two versions of the project's settings were in force.

    Chance did not deal who worked when, so what else changed in between may be the cause; the arms are compared by :func:`board`.

    Raises ``NotFound`` if there is no such version, and ``InputError`` if the versions are not in order.
    """
    if before >= after:
        raise InputError(f"Version {before} did not come before version {after}.", mend="give the earlier one as 'before'")
    windows, settings = _versions(workspace, project)
    for number in (before, after):
        if number not in windows:
            raise NotFound(f"The project '{project}' has no version {number}.", where=f"it has {', '.join(map(str, windows)) or 'none'}")
    sides = [_read(workspace, project, window=windows[number], slice_by=None, given=truth)[0] for number in (before, after)]
    name = _difference(settings[before], settings[after]) or "nothing in the settings"
    return compare(sides[0], sides[1], name=f"version {before} to {after}: {name}", needed=needed, level=level)


def aided_answers(
    workspace: Workspace,
    project: str,
    *,
    window: Window | None = None,
    slice_by: str | None = None,
    truth: Mapping[tuple[str, str], Any] | None = None,
) -> list[AidedAnswer]:
    """The project's answers as the figures take them: current ones of people, that had an arm."""
    return _read(workspace, project, window=window or Window(), slice_by=slice_by, given=truth)[0]


def _read(
    workspace: Workspace, project: str, *, window: Window, slice_by: str | None, given: Mapping[tuple[str, str], Any] | None
) -> tuple[list[AidedAnswer], Truths]:
    with workspace.read() as conn:
        # A rubric whose questions are for several roles has several tasks an item: an answer is to the one that asks its question.
        found = conn.execute(_query(workspace.id, project, window))
        rows = {row.id: row for row in found if row.question in asked_of(rubric_of(conn, workspace.id, row.rubric_id), row.asks)}
        truths = known_truth(conn, workspace.id, item_ids=[row.item_id for row in rows.values()], given=given)
        firsts = _firsts(conn, workspace.id, project)
        asked = {ref: find_rubric(conn, ref, workspace_id=workspace.id) for ref in {row.rubric_id for row in rows.values()}}
    made = [each for row in rows.values() for each in _answer(row, asked[row.rubric_id].question(row.question), truths, firsts, slice_by)]
    return list(_with_hours(made)), truths


def _query(workspace_id: str, project: str, window: Window) -> Select[Any]:
    j, t, s, r, i = judgement.c, review_task.c, review_seed.c, rater.c, item.c
    later = judgement.alias("later")
    same = [later.c[name] == j[name] for name in ("workspace_id", "item_id", "question", "rater_id", "rubric_id")]
    query = (
        select(j.id, j.item_id, j.question, j.value, j.suggestion, j.arm, j.active_ms, j.created_at, j.purpose, j.rater_id, j.rubric_id)
        .add_columns(t.id.label("task_id"), t.asks, t.suggestion.label("proposed"), s.planted, r.name.label("login"), i.slices)
        .join(review_task, (t.workspace_id == j.workspace_id) & (t.item_id == j.item_id) & (t.rubric_id == j.rubric_id))
        .join(item, (i.workspace_id == j.workspace_id) & (i.id == j.item_id))
        .join(rater, (r.workspace_id == j.workspace_id) & (r.id == j.rater_id))
        .outerjoin(review_seed, (s.workspace_id == t.workspace_id) & (s.task_id == t.id))
        .where(j.workspace_id == workspace_id, t.queue == project, t.purpose == "work", r.kind == "person")
        .where(j.purpose.in_(PURPOSES), j.arm.is_not(None), j.abstained == 0)
        .where(~select(later.c.id).where(*same, later.c.supersedes == j.id).exists())
        .order_by(j.created_at, j.id)
    )
    if window.since is not None:
        query = query.where(j.created_at >= window.since)
    if window.until is not None:
        query = query.where(j.created_at < window.until)
    return query


def _firsts(conn: Any, workspace_id: str, project: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What people answered before they saw the suggestion, by (task, rater)."""
    d = review_decision.c
    query = select(d.task_id, d.rater_id, d.answers).where(d.workspace_id == workspace_id, d.queue == project, d.kind == "committed", d.undone == 0)
    return {(row.task_id, row.rater_id): row.answers for row in conn.execute(query.order_by(d.id))}


def _answer(
    row: Any, question: Question, truths: Truths, firsts: Mapping[tuple[str, str], dict[str, Any]], slice_by: str | None
) -> Iterator[AidedAnswer]:
    def said(value: Any) -> str | None:
        return None if value is None else plain(question, value)

    planted = (row.planted or {}).get(row.question)
    proposed = (row.proposed or {}).get(row.question)
    first = firsts.get((row.task_id, row.rater_id), {}).get(row.question)
    if row.arm == "seeded" and planted is None:
        return  # another question of a seeded task: it tests nothing
    if row.arm == "answer_first" and first is None:
        return  # free text, or committed to nothing: what the machine changed cannot be told
    if row.arm != "seeded" and proposed is None and row.suggestion is None:
        return
    yield AidedAnswer(
        person=row.login,
        item=row.item_id,
        question=row.question,
        arm=row.arm,
        answer=said(row.value),
        suggestion=said(proposed if row.arm in ("withheld", "seeded") or row.suggestion is None else row.suggestion),
        planted=said(planted),
        truth=said(truths.value(row.item_id, row.question)),
        first=said(first) if row.arm == "answer_first" else None,
        slice=str((row.slices or {}).get(slice_by, "")) if slice_by else "",
        active_ms=row.active_ms,
        at=row.created_at,
    )


def _with_hours(answers: list[AidedAnswer]) -> Iterator[AidedAnswer]:
    by_person: dict[str, list[AidedAnswer]] = defaultdict(list)
    for each in answers:
        by_person[each.person].append(each)
    for given in by_person.values():
        ordered = sorted(given, key=lambda each: (each.at, each.key))
        for each, hour in zip(ordered, hours_of_shift([each.at for each in ordered]), strict=True):
            yield replace(each, hour=hour)


def _versions(workspace: Workspace, project: str) -> tuple[dict[int, Window], dict[int, dict[str, Any]]]:
    v = review_project_version.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(v.number, v.created_at, v.settings).where(v.workspace_id == workspace.id, v.project == project).order_by(v.number)
        ).all()
    ends = [row.created_at for row in rows[1:]] + [None]
    windows = {row.number: Window(row.created_at, end) for row, end in zip(rows, ends, strict=True)}
    return windows, {row.number: row.settings for row in rows}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> str:
    """Which settings changed, as text."""
    changed: list[str] = []
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changed.append(_difference(old, new, f"{path}{name}."))
        elif old != new:
            changed.append(f"{path}{name} {old!r} → {new!r}")
    return ", ".join(filter(None, changed))
