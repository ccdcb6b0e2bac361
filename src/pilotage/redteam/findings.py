"""Findings: clusters of failed attempts, with a life.

Attempts cluster by policy clause and technique. A finding is ``new`` when a rule first sees a breach (or a person does), ``confirmed`` when a person
says so, ``dismissed`` when people say that none of it is one, ``fixed`` when a later model defends all its attempts, and ``reopened`` when a still
later one does not. People decide what is a breach; models can only stop breaching. Every step is in the finding's history and in the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from pilotage.core import NotFound, content_id
from pilotage.ledger import record
from pilotage.redteam.tables import finding as finding_table
from pilotage.redteam.tables import finding_attempt
from pilotage.redteam.verdicts import AttackOutcome
from pilotage.store import Workspace, WriteTransaction

_FAILED = frozenset({AttackOutcome.BREACHED, AttackOutcome.PARTIAL})
_HELD = frozenset({AttackOutcome.DEFENDED, AttackOutcome.OFF_TOPIC})
_SEVERITY = ("low", "medium", "high", "critical")


class FindingState(StrEnum):
    """Where a finding stands."""

    NEW = "new"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    FIXED = "fixed"
    REOPENED = "reopened"


@dataclass(frozen=True)
class JudgedAttempt:
    """One attempt against one model, and what was decided of it.

    attempt_key
        The same attempt whatever model answered: :func:`attempt_key` of its sample.
    judged_by, by_person
        The rater's name, and whether it is a person. What people say stands over what rules say.
    """

    attempt_key: str
    objective: str
    objective_key: str
    category: str
    clause: str
    technique: str
    severity: str
    split: str
    sample_id: str
    output_id: str
    item_id: str
    fingerprint: str
    outcome: AttackOutcome
    judged_by: str
    by_person: bool = False
    repeat: int = 0

    @property
    def cluster_key(self) -> str:
        """The finding it belongs to: ``clause / technique``."""
        return f"{self.clause} / {self.technique}"


@dataclass(frozen=True)
class Finding:
    """A cluster of failed attempts. ``history`` holds ``{at, by, from, to, why, fingerprint}``, oldest first; times in µs, UTC."""

    id: str
    pilot_id: str
    cluster_key: str
    title: str
    severity: str
    state: FindingState
    history: tuple[dict[str, Any], ...]
    updated_at: int


@dataclass(frozen=True)
class FindingChanges:
    """What an update changed: ids of findings by the state they are in now, and how many stayed as they were."""

    changed: dict[FindingState, tuple[str, ...]] = field(default_factory=dict)
    unchanged: int = 0

    def __str__(self) -> str:
        said = ", ".join(f"{len(ids)} {state}" for state, ids in self.changed.items() if ids)
        return f"findings: {said or 'no change'} ({self.unchanged} as before)"


def attempt_key(*, objective_key: str, item_key: str, repeat: int) -> str:
    """The name of an attempt that does not depend on the model that answered."""
    return content_id("atk", {"objective": objective_key, "item": item_key, "repeat": repeat})


def finding_id(pilot_id: str, cluster_key: str) -> str:
    """The id of a pilot's finding for a cluster."""
    return content_id("fnd", {"pilot": pilot_id, "cluster": cluster_key})


def update_findings(tx: WriteTransaction, pilot_id: str, attempts: Iterable[JudgedAttempt], *, fingerprint: str) -> FindingChanges:
    """Take in the judged attempts against one model, and move findings on. Safe to call again with the same attempts, or with more.

    Parameters
    ----------
    attempts
        All attempts of the campaign against the model, not only failed ones: a finding is fixed only by attempts that were made.
    fingerprint
        The model they were made against; attempts against others are refused.

    Raises
    ------
    ValueError
        If an attempt is of another model.
    """
    clusters: dict[str, list[JudgedAttempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.fingerprint != fingerprint:
            raise ValueError(f"attempt {attempt.attempt_key} was made against {attempt.fingerprint}, not {fingerprint}")
        clusters[attempt.cluster_key].append(attempt)
    changed: dict[FindingState, list[str]] = defaultdict(list)
    unchanged = 0
    for cluster_key, members in sorted(clusters.items()):
        moved = _update_one(tx, pilot_id, cluster_key, members, fingerprint=fingerprint)
        if moved is None:
            continue
        state, is_new = moved
        if is_new:
            changed[state].append(finding_id(pilot_id, cluster_key))
        else:
            unchanged += 1
    return FindingChanges({state: tuple(ids) for state, ids in changed.items()}, unchanged)


def _update_one(
    tx: WriteTransaction, pilot_id: str, cluster_key: str, members: Sequence[JudgedAttempt], *, fingerprint: str
) -> tuple[FindingState, bool] | None:
    """The finding's state and whether it changed; None where there is no finding and nothing to make one of."""
    known = finding_id(pilot_id, cluster_key)
    c = finding_table.c
    row = tx.conn.execute(select(finding_table).where(c.workspace_id == tx.workspace_id, c.id == known)).one_or_none()
    if row is None and not any(attempt.outcome in _FAILED for attempt in members):
        return None
    before = _attempt_rows(tx, known)
    state = FindingState(row.state) if row is not None else None
    steps = list(_steps(state, members, before, fingerprint=fingerprint))
    history = list(row.history) if row is not None else []
    severity = max((attempt.severity for attempt in members), key=_rank)
    for to, by, why in steps:
        history.append({"at": tx.clock.now_us(), "by": by, "from": state, "to": to, "why": why, "fingerprint": fingerprint})
        record(
            tx,
            type=f"finding.{'opened' if to is FindingState.NEW else to}",
            subject=known,
            body={"finding": known, "cluster": cluster_key, "from": state, "to": to, "by": by, "why": why, "fingerprint": fingerprint},
        )
        state = to
    assert state is not None, "a finding begins with the step to new"  # noqa: S101
    if row is None:
        first = members[0]
        tx.insert(
            finding_table,
            {
                "id": known,
                "pilot_id": pilot_id,
                "cluster_key": cluster_key,
                "title": f"{first.clause.replace('-', ' ').capitalize()} given way to {first.technique.replace('_', ' ')}",
                "severity": severity,
                "state": state,
                "history": history,
                "updated_at": tx.clock.now_us(),
                "lock_version": 1,
            },
        )
    elif steps:
        tx.conn.execute(
            update(finding_table)
            .where(c.workspace_id == tx.workspace_id, c.id == known)
            .values(
                state=state,
                history=history,
                severity=max(severity, row.severity, key=_rank),
                updated_at=tx.clock.now_us(),
                lock_version=row.lock_version + 1,
            )
        )
    _put_attempts(tx, known, members, {each.attempt_id: each for each in before})
    return state, bool(steps)


def _steps(
    state: FindingState | None, members: Sequence[JudgedAttempt], before: Sequence[Any], *, fingerprint: str
) -> Iterable[tuple[FindingState, str, str]]:
    failed = [attempt for attempt in members if attempt.outcome in _FAILED]
    by_people = [attempt for attempt in failed if attempt.by_person]
    if state is None:
        yield FindingState.NEW, failed[0].judged_by, f"{len(failed)} of {len(members)} attempts got through"
        state = FindingState.NEW
    if state in (FindingState.NEW, FindingState.DISMISSED) and by_people:
        names = ", ".join(sorted({attempt.judged_by for attempt in by_people}))
        yield FindingState.CONFIRMED, names, f"people confirmed {len(by_people)} of {len(failed)} breaches"
        return
    if state is FindingState.NEW and not failed:
        people = sorted({attempt.judged_by for attempt in members if attempt.by_person})
        # Only people dismiss: a model that no longer breaches says nothing of whether the first breach was one.
        candidates = {row.attempt_id for row in before if row.fingerprint == fingerprint and row.verdict in _FAILED}
        decided = {attempt.sample_id for attempt in members if attempt.by_person}
        if people and candidates and candidates <= decided:
            yield FindingState.DISMISSED, ", ".join(people), "people found none of it to be a breach"
        return
    if state is FindingState.FIXED and failed:
        yield FindingState.REOPENED, failed[0].judged_by, f"{len(failed)} of {len(members)} attempts got through again"
        return
    if state in (FindingState.CONFIRMED, FindingState.REOPENED) and _all_held(members, before, fingerprint=fingerprint):
        yield FindingState.FIXED, members[0].judged_by, f"all {len(members)} attempts were held off by a later model"


def _all_held(members: Sequence[JudgedAttempt], before: Sequence[Any], *, fingerprint: str) -> bool:
    """Whether this model held off everything: each attempt that ever got through was made again, and none is open, failed or in error."""
    ever_failed = {row.attempt_key for row in before if row.verdict in _FAILED and row.fingerprint != fingerprint}
    failed_here = {row.attempt_key for row in before if row.verdict in _FAILED and row.fingerprint == fingerprint}
    made = {attempt.attempt_key for attempt in members}
    held = all(attempt.outcome in _HELD for attempt in members)
    # A person's word that these attempts are no breach after all is a correction, not a repair by a later model.
    return bool(ever_failed) and ever_failed <= made and held and not failed_here


def _rank(severity: str) -> int:
    return _SEVERITY.index(severity) if severity in _SEVERITY else -1


def _attempt_rows(tx: WriteTransaction, known: str) -> list[Any]:
    c = finding_attempt.c
    return list(tx.conn.execute(select(finding_attempt).where(c.workspace_id == tx.workspace_id, c.finding_id == known)))


def _put_attempts(tx: WriteTransaction, known: str, members: Sequence[JudgedAttempt], before: dict[str, Any]) -> None:
    c = finding_attempt.c
    new: list[dict[str, Any]] = []
    for attempt in members:
        judged_by = f"person:{attempt.judged_by}" if attempt.by_person else attempt.judged_by
        row = before.get(attempt.sample_id)
        values = {
            "output_id": attempt.output_id,
            "item_id": attempt.item_id,
            "verdict": attempt.outcome,
            "judged_by": judged_by,
            "judged_at": tx.clock.now_us(),
        }
        if row is None:
            new.append(
                {
                    "finding_id": known,
                    "attempt_id": attempt.sample_id,
                    "attempt_key": attempt.attempt_key,
                    "objective_key": attempt.objective,
                    "sample_id": attempt.sample_id,
                    "fingerprint": attempt.fingerprint,
                    **values,
                }
            )
        elif (row.verdict, row.judged_by, row.output_id, row.item_id) != (attempt.outcome, judged_by, attempt.output_id, attempt.item_id):
            mine = (c.workspace_id == tx.workspace_id, c.finding_id == known, c.attempt_id == attempt.sample_id)
            tx.conn.execute(update(finding_attempt).where(*mine).values(**values))
    tx.insert(finding_attempt, *new)


def findings(workspace: Workspace, pilot_id: str, *, state: FindingState | None = None) -> list[Finding]:
    """A pilot's findings, ordered by cluster."""
    c = finding_table.c
    query = select(finding_table).where(c.workspace_id == workspace.id, c.pilot_id == pilot_id).order_by(c.cluster_key)
    if state is not None:
        query = query.where(c.state == state)
    with workspace.read() as conn:
        return [_finding(row) for row in conn.execute(query)]


def load_finding(workspace: Workspace, known: str) -> Finding:
    """The finding with this id. Raises ``NotFound``."""
    c = finding_table.c
    with workspace.read() as conn:
        row = conn.execute(select(finding_table).where(c.workspace_id == workspace.id, c.id == known)).one_or_none()
    if row is None:
        raise NotFound(f"There is no finding {known}.")
    return _finding(row)


def _finding(row: Any) -> Finding:
    return Finding(row.id, row.pilot_id, row.cluster_key, row.title, row.severity, FindingState(row.state), tuple(row.history), row.updated_at)


def finding_counts(workspace: Workspace, pilot_id: str) -> dict[str, int]:
    """How many findings a pilot has in each state; states without any are left out."""
    c = finding_table.c
    with workspace.read() as conn:
        rows = conn.execute(select(c.state, func.count()).where(c.workspace_id == workspace.id, c.pilot_id == pilot_id).group_by(c.state))
        return {str(state): int(count) for state, count in rows}


@dataclass(frozen=True)
class AttemptRow:
    """One attempt a finding rests on: what was tried, against which model, what came of it, and who judged."""

    objective_key: str
    sample_id: str
    output_id: str
    item_id: str
    fingerprint: str
    verdict: str
    judged_by: str


def attempts_of(workspace: Workspace, known: str) -> list[AttemptRow]:
    """The attempts the finding rests on, against every model, oldest first."""
    c = finding_attempt.c
    query = select(finding_attempt).where(c.workspace_id == workspace.id, c.finding_id == known).order_by(c.created_at, c.attempt_id)
    with workspace.read() as conn:
        return [AttemptRow(**{name: getattr(row, name) for name in AttemptRow.__dataclass_fields__}) for row in conn.execute(query)]
