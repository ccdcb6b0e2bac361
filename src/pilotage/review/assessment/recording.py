"""Keeping assessments: signed by a person in a role, never edited, and due again when what they rest on has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from pilotage.core import InputError, new_id, parse_duration
from pilotage.ledger import record
from pilotage.people import require, require_role
from pilotage.people.permissions import Roles
from pilotage.review.assessment.answers import AssessmentFile
from pilotage.review.assessment.figures import profile_of
from pilotage.review.assessment.level import slice_key
from pilotage.review.assessment.rules import Finding, Outcome, assess
from pilotage.review.assessment.tables import review_assessment, review_reassessment
from pilotage.store import Workspace, WriteTransaction

A = review_assessment.c
R = review_reassessment.c


@dataclass(frozen=True)
class Assessment:
    """A recorded assessment. ``slice`` is a :func:`slice_key`; ``number`` counts from 1, and the highest is in force; times are µs, UTC."""

    id: str
    category: str
    slice: str
    number: int
    level: str
    decided_by: str
    findings: tuple[Finding, ...]
    profile: dict[str, Any]
    model: str
    signed_by: str
    role: str
    due_at: int
    created_at: int

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.level, self.decided_by, self.findings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.category}{f' [{self.slice}]' if self.slice else ''} #{self.number}: {self.outcome} - signed by {self.signed_by} as {self.role}"


@dataclass(frozen=True)
class Due:
    """An assessment to be made again: ``cause`` is date, model_changed, alarm or asked; ``since`` in µs, UTC."""

    category: str
    slice: str
    number: int
    cause: str
    subject: str
    since: int


def record_assessment(workspace: Workspace, file: AssessmentFile, *, person: Roles, role: str, only: str | None = None) -> list[Assessment]:
    """Assess the category and each of its slices, and keep it, signed by ``person`` in ``role``. All or none.

    The same file again makes new records: an assessment is an act, and somebody looked again. ``only`` is the one slice ('' for the category as a
    whole) that was looked at: nothing is signed for the others.

    Raises
    ------
    InputError
        If an evidence id names nothing, or a figure is no share.
    Refused
        If the person does not hold the role, or the role may not sign.
    """
    require(person, "sign")
    require_role(person, role)
    valid_us = parse_duration(file.valid_for, where="valid_for")
    wanted = [(slice_key(named), given) for named, given in file.answers()]
    wanted = [one for one in wanted if only is None or one[0] == only]
    if not wanted:
        raise InputError(f"There are no answers for the slice '{only}'.", where="slices", mend="answer the four questions for it")
    settled = [(key, given, profile_of(workspace, given, bands=file.bands, model=file.model)) for key, given in wanted]

    def job(tx: WriteTransaction) -> list[str]:
        made = []
        for key, given, profile in settled:
            outcome = assess(profile)
            number = 1 + (tx.conn.execute(_last_number(tx.workspace_id, file.category, key)).scalar() or 0)
            assessment_id = new_id("asm", clock=tx.clock)
            row = {
                "id": assessment_id,
                "category": file.category,
                "slice": key,
                "number": number,
                "level": outcome.level,
                "decided_by": outcome.decided_by,
                "answers": given.model_dump(exclude_none=True),
                "profile": asdict(profile),
                "findings": [asdict(finding) for finding in outcome.findings],
                "model": file.model or "",
                "signed_by": person.login,
                "role": role,
                "due_at": tx.clock.now_us() + valid_us,
            }
            tx.insert(review_assessment, row, actor=person.login)
            body = {name: row[name] for name in ("category", "slice", "number", "level", "decided_by", "model", "role", "due_at")}
            body["fired"] = [finding.rule for finding in outcome.fired()]
            body["evidence"] = sorted({figure.evidence for figure in (profile.mean, profile.worst_slice) if figure.evidence})
            personal = {"note": file.note} if file.note else None
            record(tx, type="assessment.signed", subject=assessment_id, body=body, actor=person.login, personal=personal)
            made.append(assessment_id)
        return made

    ids = workspace.write(job)
    with workspace.read() as conn:
        found = {row.id: _assessment(row) for row in conn.execute(select(review_assessment).where(A.workspace_id == workspace.id, A.id.in_(ids)))}
    return [found[one] for one in ids]


def assessments(workspace: Workspace, *, category: str | None = None, all_versions: bool = False) -> list[Assessment]:
    """Assessments by category and slice, those in force unless ``all_versions``, oldest first."""
    with workspace.read() as conn:
        return list(_read(conn, workspace.id, category=category, all_versions=all_versions))


def assessment_for(conn: Connection, workspace_id: str, category: str, slice: str) -> Assessment | None:
    """What is in force for this slice: its own assessment, else the category's, else None."""
    found = {one.slice: one for one in _read(conn, workspace_id, category=category)}
    return found.get(slice) or found.get("")


def reassess(tx: WriteTransaction, *, category: str, slice: str, cause: str, subject: str, reason: str | None = None) -> None:
    """Put the assessment in force for this slice in doubt, in the caller's transaction. The same cause and subject twice is once."""
    number = tx.conn.execute(_last_number(tx.workspace_id, category, slice)).scalar() or 0
    same = (R.workspace_id == tx.workspace_id, R.category == category, R.slice == slice, R.number == number, R.cause == cause, R.subject == subject)
    if tx.conn.execute(select(R.id).where(*same).limit(1)).first() is not None:
        return
    made = new_id("rea", clock=tx.clock)
    tx.insert(review_reassessment, {"id": made, "category": category, "slice": slice, "number": number, "cause": cause, "subject": subject})
    body = {"category": category, "slice": slice, "number": number, "cause": cause, "about": subject}
    record(tx, type="assessment.due", subject=made, body=body, personal={"reason": reason} if reason else None)


def due_assessments(workspace: Workspace, *, models: Mapping[str, str] | None = None) -> list[Due]:
    """Assessments that must be made again now: past their date, put in doubt by an alarm or a person, or of another model.

    ``models`` is category → the fingerprint in use; an assessment that named another one is due.
    """
    with workspace.read() as conn:
        return due_in(conn, workspace.id, now_us=workspace.clock.now_us(), models=models)


def due_in(conn: Connection, workspace_id: str, *, now_us: int, models: Mapping[str, str] | None = None, category: str | None = None) -> list[Due]:
    """As :func:`due_assessments`, within a transaction of the caller."""
    in_force = {(one.category, one.slice): one for one in _read(conn, workspace_id, category=category)}
    found = [Due(one.category, one.slice, one.number, "date", "", one.due_at) for one in in_force.values() if one.due_at <= now_us]
    for one in in_force.values():
        current = (models or {}).get(one.category)
        if current and one.model and one.model != current:
            found.append(Due(one.category, one.slice, one.number, "model_changed", current, one.created_at))
    where = [R.workspace_id == workspace_id] + ([R.category == category] if category is not None else [])
    for row in conn.execute(select(review_reassessment).where(*where).order_by(R.created_at, R.id)):
        standing = in_force.get((row.category, row.slice))
        if row.number >= (standing.number if standing else 0):
            found.append(Due(row.category, row.slice, row.number, row.cause, row.subject, row.created_at))
    return sorted(found, key=lambda due: (due.since, due.category, due.slice, due.cause))


def ask_again(workspace: Workspace, *, category: str, slice: str = "", person: Roles, reason: str) -> None:
    """A person asks for a new assessment; ``reason`` is kept behind a commitment."""
    require(person, "sign")

    def job(tx: WriteTransaction) -> None:
        reassess(tx, category=category, slice=slice, cause="asked", subject=person.login, reason=reason)

    workspace.acting_as(person.login).write(job)


def _last_number(workspace_id: str, category: str, slice: str) -> Any:
    return select(func.max(A.number)).where(A.workspace_id == workspace_id, A.category == category, A.slice == slice)


def _read(conn: Connection, workspace_id: str, *, category: str | None = None, all_versions: bool = False) -> Iterable[Assessment]:
    where = [A.workspace_id == workspace_id] + ([A.category == category] if category is not None else [])
    if not all_versions:
        later = review_assessment.alias("later")
        same = [later.c[name] == A[name] for name in ("workspace_id", "category", "slice")]
        where.append(~select(later.c.id).where(*same, later.c.number > A.number).exists())
    for row in conn.execute(select(review_assessment).where(*where).order_by(A.category, A.slice, A.number)):
        yield _assessment(row)


def _assessment(row: Any) -> Assessment:
    values = {name: getattr(row, name) for name in Assessment.__dataclass_fields__}
    return Assessment(**{**values, "findings": tuple(Finding(**finding) for finding in row.findings)})
