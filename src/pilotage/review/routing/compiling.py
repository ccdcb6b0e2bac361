"""From what is stored to what decides: the version in force, its report, its assessments and what tightened it since, read in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from pilotage.core import NotFound, Refused, canonical_json, parse_duration
from pilotage.review.assessment import AUTOMATED, assessment_for, slice_key, strictest
from pilotage.review.assessment.tables import review_assessment
from pilotage.review.routing.deciding import CompiledPolicy, SliceRule
from pilotage.review.routing.fitness import level_of
from pilotage.review.routing.managing import active_version, changes_in_force, find_version
from pilotage.review.routing.policy import Policy
from pilotage.review.routing.reporting import find_report
from pilotage.review.routing.tables import routing_monitor, routing_policy
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.review.routing.novelty import Novelty

P, M, A = routing_policy.c, routing_monitor.c, review_assessment.c


@dataclass(frozen=True)
class Loaded:
    """A compiled policy and the revision it was read at. ``state`` is active, suspended or retired."""

    compiled: CompiledPolicy
    revision: tuple[int, int]
    state: str


def load_compiled(workspace: Workspace, name: str) -> Loaded:
    """What is in force for the policy now.

    Raises
    ------
    NotFound
        If there is no such policy.
    Refused
        If no version of it was ever activated, or all are retired.
    IntegrityError
        If its report does not match its hash.
    """
    with workspace.read() as conn:
        return compile_in(conn, workspace, name)


def revision_of(conn: Connection, workspace_id: str, name: str, category: str) -> tuple[int, int]:
    """What moves with every act on the policy and every assessment of its category. (0, 0) if there is no such policy."""
    made = select(func.count()).where(A.workspace_id == workspace_id, A.category == category).scalar_subquery()
    found = conn.execute(select(P.revision, made.label("assessed")).where(P.workspace_id == workspace_id, P.id == name)).first()
    return (0, 0) if found is None else (int(found.revision), int(found.assessed))


def preview(workspace: Workspace, name: str, number: int) -> Loaded:
    """A version as it would decide were it in force now, a draft among them: to try it. Nothing routes on it. Raises ``NotFound``."""
    with workspace.read() as conn:
        return compile_in(conn, workspace, name, number=number)


def compile_in(conn: Connection, workspace: Workspace, name: str, *, number: int | None = None) -> Loaded:
    """As :func:`load_compiled`, within one snapshot; ``number``: this version, whether or not it is in force."""
    head = conn.execute(select(P.salt, P.revision).where(P.workspace_id == workspace.id, P.id == name)).first()
    if head is None:
        raise NotFound(f"There is no routing policy '{name}'.", mend="draft one with 'pilotage routing draft'")
    version = active_version(conn, workspace.id, name) if number is None else find_version(conn, workspace.id, name, number)
    if version is None:
        raise Refused(f"No version of '{name}' is active.", why="nothing routes on a draft", mend="have an owner activate one")
    policy = Policy.model_validate(version["declared"])
    report = find_report(conn, workspace.id, policy.report)
    changes = changes_in_force(conn, workspace.id, name)
    mine = (M.workspace_id == workspace.id, M.policy == name)
    epochs = {row[0]: int(row[1]) for row in conn.execute(select(M.slice, func.max(M.epoch)).where(*mine).group_by(M.slice))}
    rules = []
    for one in policy.slices:
        key = slice_key(one.slice)
        about = assessment_for(conn, workspace.id, policy.category, key)
        change = changes.get(key)
        # An assessment made since holds at once where it is stricter; a laxer one loosens nothing before an owner activates a version on it.
        activated = [] if version["levels"] is None else [version["levels"].get(key, "in_the_loop")]
        floors = [*activated, level_of(one, about) if about else "in_the_loop"]
        level = strictest([*floors, *([change.level] if change and change.level else [])])
        certified = report.threshold_for(key, alone=policy.alone)
        if version["state"] == "suspended" or (level in AUTOMATED and certified is None):
            level = strictest([level, "in_the_loop"])
        raised = [each for each in (certified, one.threshold, change.threshold if change else None) if each is not None]
        rules.append(
            SliceRule(
                key=key,
                conditions=tuple(sorted(one.slice.items())),
                level=level,
                threshold=max(raised) if certified is not None else None,
                audit_rate=policy.audit_rate(one, level),
                epoch=epochs.get(key, 1),
            )
        )
    compiled = CompiledPolicy(
        policy,
        number=version["number"],
        rules=tuple(rules),
        calibrate=_calibrator(report.recalibrator),
        salt=head.salt,
        expires_at=report.created_at + parse_duration(policy.max_age),
        novelty=load_novelty(workspace, policy.triggers.novelty.reference) if policy.triggers.novelty else None,
    )
    return Loaded(compiled, revision_of(conn, workspace.id, name, policy.category), str(version["state"]))


def keep_novelty(workspace: Workspace, novelty: Novelty) -> str:
    """Keep a reference as a blob and return its digest: what a policy names."""
    return workspace.blobs.put(canonical_json(novelty.to_dict()))


@lru_cache(maxsize=32)
def _parsed_novelty(data: bytes) -> Novelty:
    from pilotage.review.routing.novelty import Novelty

    return Novelty.from_dict(json.loads(data))


def load_novelty(workspace: Workspace, digest: str) -> Novelty:
    """The reference with this digest. Raises ``NotFound``, or ``IntegrityError`` if its file was changed."""
    return _parsed_novelty(workspace.blobs.get(digest))


def _calibrator(kept: dict[str, Any]) -> Callable[[float], float]:
    from pilotage.judging.calibration import Recalibrator

    curve = Recalibrator.from_dict(kept)
    return lambda confidence: float(curve.apply(confidence))
