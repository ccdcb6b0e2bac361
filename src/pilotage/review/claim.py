"""Taking tasks from the queue.

A claim is a lease: it lapses, and its place is free again the next time anybody claims from that workspace. Claims run in the workspace's one writer,
under the database's own lock where several processes write, so two people can never take the same place; the table's own check (claims + answers ≤
overlap) says so a second time.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, bindparam, case, select, update

from pilotage.core import MICROSECONDS, InputError, parse_duration
from pilotage.judging import Rater, ensure_rater
from pilotage.review.choosing import ASKED_BY_PURPOSE, Asking, choose
from pilotage.review.limits import allowance
from pilotage.review.projects.project import Terms, find_terms
from pilotage.review.rows import A, T, check_person, freed, load_assignment, load_task, move, set_assignment
from pilotage.review.serving import load_claimed, serve
from pilotage.review.skills import skill_names
from pilotage.review.tables import review_assignment, review_task
from pilotage.review.task import Claimed
from pilotage.store import Ready, RowLike, Workspace, WriteTransaction

MAX_CLAIM = 50
LEASE_S = 600
_LAPSED = Ready(
    select(A.task_id, A.rater_id, A.state, A.arm, A.expires_at).where(
        A.workspace_id == bindparam("workspace"), A.state == "claimed", A.expires_at <= bindparam("now")
    )
)


def claim(
    workspace: Workspace,
    queue: str,
    rater: Rater,
    n: int = 3,
    lease_s: float | None = None,
    *,
    roles: Collection[str] | None = None,
    holder: str = "",
    having: Collection[str] = (),
    take_over: bool = False,
    skipped_too: bool = False,
    purposes: Collection[str] | None = None,
) -> list[Claimed]:
    """Take up to ``n`` tasks of ``queue`` for ``rater``: highest priority first, then oldest.

    Nobody gets a task twice: not one they hold, answered or skipped, nor one about their own work, nor the adjudication of an item they answered. A
    task whose claim lapsed may come back to the same person. In a project they get what its settings let them have: their skills' slices, within the
    caps, varied by its rotation, with known items hidden among the work at its share; and what each is shown is drawn now and kept. The serving is in
    the ledger (``review.served``).

    Parameters
    ----------
    lease_s
        How long the claim holds, in seconds; None for what the project says, 600 without one.
    roles
        What the person may do; tasks that need another role are left for others. None skips the check, for callers that made it.
    holder
        Names the page or program that claims for the person, the same after a reload. What it claimed before and did not get or forgot comes first,
        and all its claims in this queue get a new lease. Without a name nothing is handed out again.
    having
        Ids of tasks the holder knows it holds: these are renewed but not handed out again.
    take_over
        Whether to hand over what the person holds in other places too, as after a window was closed.
    skipped_too
        Whether tasks the person skipped before are offered again.
    purposes
        Only tasks for these: ``{"adjudication"}``. None: whatever comes first. Nothing else can be asked for, so that nobody can tell known items.

    Raises
    ------
    InputError
        If ``n`` is not 0 to 50 (0 only renews), the lease is not positive, the rater is not a person, or the purpose cannot be asked for.

    Cost: see :func:`pilotage.review.choosing.choose`.
    """
    check_person(rater)
    if not 0 <= n <= MAX_CLAIM:
        raise InputError(f"{n} tasks cannot be claimed at once.", mend=f"ask for 0 to {MAX_CLAIM}")
    if lease_s is not None and lease_s <= 0:
        raise InputError(f"A lease of {lease_s} seconds is none.", mend="give a positive number of seconds")
    if purposes is not None and not set(purposes) <= set(ASKED_BY_PURPOSE):
        raise InputError("Tasks cannot be asked for by that purpose.", mend=f"use: {', '.join(ASKED_BY_PURPOSE)}")
    known = set(having)

    def job(tx: WriteTransaction) -> list[Claimed]:
        rater_id = ensure_rater(tx, rater)
        terms = find_terms(tx.conn, tx.workspace_id, queue)
        now = tx.clock.now_us()
        until = now + lease_us(terms, lease_s)
        held = _renew(tx, rater_id, queue, holder, until, roles=roles, take_over=take_over, purposes=purposes)
        kept = [task_id for task_id in held if task_id not in known][:n]
        release_expired(tx)
        taken: list[str] = []
        wanted = n - len(kept)
        if wanted > 0:
            may = allowance(tx.conn, tx.workspace_id, terms, rater_id, rater.name, now)
            wanted = wanted if may.tasks is None else min(wanted, may.tasks)
        if wanted > 0:
            skills = None if terms is None or not terms.settings.skills else skill_names(tx.conn, tx.workspace_id, rater.name, now)
            asking = Asking(rater, queue, roles, skills, skipped_too=skipped_too, purposes=purposes)
            found = choose(tx.conn, tx.workspace_id, terms, asking, wanted)
            taken = serve(tx, terms, rater, found, until=until, holder=holder)
        return load_claimed(tx.conn, tx.workspace_id, rater_id, [*kept, *taken], {queue: terms})

    return workspace.write(job)


def lease_us(terms: Terms | None, lease_s: float | None) -> int:
    """How long a claim holds, in µs."""
    if lease_s is not None:
        return round(lease_s * MICROSECONDS)
    return parse_duration(terms.settings.lease) if terms is not None else LEASE_S * MICROSECONDS


def release(workspace: Workspace, task_ids: Collection[str], rater: Rater) -> int:
    """Give claimed tasks back unanswered, for anybody (the same person too); return how many were held."""
    check_person(rater)

    def job(tx: WriteTransaction) -> int:
        rater_id = ensure_rater(tx, rater)
        given = 0
        for task_id in dict.fromkeys(task_ids):
            assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
            if assignment is not None and assignment["state"] == "claimed":
                _let_go(tx, assignment)
                given += 1
        return given

    return workspace.write(job)


def release_expired(tx: WriteTransaction) -> int:
    """Free the places of claims that lapsed; return how many. Cost grows with their number, not with the queue."""
    lapsed = _LAPSED.rows(tx.conn, {"workspace": tx.workspace_id, "now": tx.clock.now_us()})
    for assignment in lapsed:
        _let_go(tx, assignment)
    return len(lapsed)


def _let_go(tx: WriteTransaction, assignment: RowLike) -> None:
    task = load_task(tx.conn, tx.workspace_id, assignment["task_id"])
    gone = freed(tx, task, assignment)
    until = min(assignment["expires_at"], tx.clock.now_us())  # a lease given back has ended: whoever answers after that is late
    set_assignment(tx, task["id"], assignment["rater_id"], state="released", expires_at=until)
    move(tx, task, claims=gone)


def _renew(
    tx: WriteTransaction,
    rater_id: str,
    queue: str,
    holder: str,
    until: int,
    *,
    roles: Collection[str] | None,
    take_over: bool,
    purposes: Collection[str] | None,
) -> list[str]:
    """What the person still holds under this name (or anywhere, to take it over), in the queue's order, with the lease drawn out."""
    if not holder and not take_over:
        return []
    whose: dict[str, Any] = {"workspace": tx.workspace_id, "by": rater_id, "of_queue": queue, "of_holder": holder}
    if roles is not None:
        whose["in_roles"] = sorted({"", *roles})
    if purposes is not None:
        whose["for_purposes"] = sorted(purposes)
    found = _holding(anywhere=take_over, by_role=roles is not None, by_purpose=purposes is not None).rows(tx.conn, whose)
    held = [row["task_id"] for row in found]
    if held:
        _drawing_out().run(tx.conn, {"workspace": tx.workspace_id, "by": rater_id, "ids": held, "until": until, "now_with": holder})
    return held


@lru_cache
def _holding(*, anywhere: bool, by_role: bool, by_purpose: bool) -> Ready:
    where = [A.workspace_id == bindparam("workspace"), A.rater_id == bindparam("by"), A.queue == bindparam("of_queue"), A.state == "claimed"]
    if not anywhere:
        where.append(A.holder == bindparam("of_holder"))
    if by_role:  # a role that was taken away takes its tasks along, when their leases lapse
        where.append(T.role.in_(bindparam("in_roles", expanding=True)))
    if by_purpose:
        where.append(T.purpose.in_(bindparam("for_purposes", expanding=True)))
    of_task = and_(T.workspace_id == A.workspace_id, T.id == A.task_id)
    return Ready(select(A.task_id).join(review_task, of_task).where(*where).order_by(T.position))


@lru_cache
def _drawing_out() -> Ready:
    # Drawn out, never shortened: an exam's items are held for as long as the try runs.
    later = case((A.expires_at < bindparam("until"), bindparam("until")), else_=A.expires_at)
    where = (A.workspace_id == bindparam("workspace"), A.rater_id == bindparam("by"), A.task_id.in_(bindparam("ids", expanding=True)))
    return Ready(update(review_assignment).where(*where).values(expires_at=later, holder=bindparam("now_with")))
