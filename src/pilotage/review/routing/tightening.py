"""Making a slice stricter than its policy, and taking that back: a machine may do the first, only a person the second."""

from __future__ import annotations

from pilotage.core import InputError, Refused
from pilotage.people import require_another_person, require_role
from pilotage.people.permissions import Roles
from pilotage.review.assessment import slice_key, step_of
from pilotage.review.routing.fitness import require_current
from pilotage.review.routing.managing import active_version, begin_monitor, change_slice, changes_in_force
from pilotage.review.routing.policy import Policy
from pilotage.review.routing.reporting import find_report
from pilotage.store import Workspace, WriteTransaction


def tighten(
    tx: WriteTransaction,
    name: str,
    slice: str,
    *,
    level: str = "",
    threshold: float | None = None,
    cause: str,
    subject: str,
    actor: str | None = None,
) -> bool:
    """Make a slice stricter, in the caller's transaction, whoever asks; False if it is as strict already. It can never loosen anything."""
    standing = changes_in_force(tx.conn, tx.workspace_id, name).get(slice)
    before_level = standing.level if standing else ""
    before_threshold = standing.threshold if standing else None
    after_level = before_level if not level or (before_level and step_of(before_level) >= step_of(level)) else level
    after_threshold = max((each for each in (before_threshold, threshold) if each is not None), default=None)
    if (after_level, after_threshold) == (before_level, before_threshold):
        return False
    change_slice(tx, name, slice, standing, "tightened", after_level, after_threshold, cause, subject, actor)
    return True


def loosen(workspace: Workspace, name: str, slice: str, *, person: Roles, report_id: str, reason: str) -> None:
    """Take back what tightened a slice: an act of a person, on fresh evidence.

    The report must be routable for the slice, for the active policy's model, and from after the slice was tightened. The monitor of the slice begins
    anew. ``reason`` is kept behind a commitment.

    Raises
    ------
    Refused
        If the person is no owner or wrote the active policy, nothing is tightened, or the report is older, not routable, or about something else.
    """
    require_role(person, "owner")
    if not reason.strip():
        raise InputError("Loosening needs a reason.", where="field 'reason'")

    def job(tx: WriteTransaction) -> None:
        version = active_version(tx.conn, tx.workspace_id, name)
        if version is None or version["state"] != "active":
            raise Refused(f"No version of '{name}' is active.", mend="activate one first")
        require_another_person(person, author=version["author"], act="loosen")
        standing = changes_in_force(tx.conn, tx.workspace_id, name).get(slice)
        if standing is None or standing.direction != "tightened":
            raise Refused(f"Nothing tightened the slice '{slice or 'everything else'}'.", mend="see 'pilotage routing show'")
        policy = Policy.model_validate(version["declared"])
        report = find_report(tx.conn, tx.workspace_id, report_id)
        if report.created_at <= standing.created_at:
            raise Refused(
                "This report is older than what tightened the slice.",
                why="it cannot know what the alarm found",
                mend="label a fresh sample and report",
            )
        require_current(tx.conn, tx.workspace_id, policy.model_copy(update={"report": report.id}), report, now_us=tx.clock.now_us())
        declared = next((one for one in policy.slices if slice_key(one.slice) == slice), None)
        certified = report.threshold_for(slice, alone=policy.alone)
        if certified is None or declared is None:
            why = report.why_not(slice, alone=policy.alone)
            raise Refused(f"The report does not certify the slice '{slice or 'everything else'}': {why}.", mend="label more of it")
        in_use = find_report(tx.conn, tx.workspace_id, policy.report).threshold_for(slice, alone=policy.alone)
        used = max(declared.threshold or 0.0, in_use or 0.0)
        if used < certified:
            raise Refused(
                f"The policy accepts from {used:.4f}, and the fresh report certifies only from {certified:.4f}.",
                mend="draft a policy on the fresh report, and have it activated",
            )
        number = change_slice(tx, name, slice, standing, "loosened", "", None, "person", report.id, person.login, reason=reason)
        begin_monitor(tx, policy, version["number"], slice)
        assert number  # noqa: S101 - the change stands before the monitor begins

    workspace.write(job)
