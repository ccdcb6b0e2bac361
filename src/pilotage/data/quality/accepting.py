"""Accepting as normal: a person says that what a gate found is how the data is from now on."""

from __future__ import annotations

from typing import Literal, Protocol

from sqlalchemy import select

from pilotage.core import InputError, Refused
from pilotage.data.quality.keeping import load_report
from pilotage.data.quality.learning import ROWS
from pilotage.data.quality.report import GateReport
from pilotage.data.quality.tables import quality_acceptance
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

ROLE = "owner"
_LONGEST_REASON = 2_000


class Person(Protocol):
    """Who accepts: an account of :mod:`pilotage.people`, or the local person."""

    @property
    def login(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...


def accept_as_normal(
    workspace: Workspace, report_id: str, *, person: Person, reason: str, via: Literal["session", "terminal", "token"] = "session"
) -> GateReport:
    """Accept a report that did not pass: its table joins the accepted history, and a new history begins for every column that had changed.

    Limits learned before no longer compare with the old normal. What the contract itself declares cannot be accepted away: it is changed by a new
    version of the contract. Accepting again changes nothing.

    Parameters
    ----------
    person
        The owner who answers for it; in the ledger by login.
    reason
        Why this is normal now.
    via
        How the person came in. A token acts in somebody's name without them, and is refused.

    Raises
    ------
    NotFound
        If there is no such report.
    InputError
        If there is no reason.
    Refused
        If a machine asks, the person is no owner, the report passed, or a declared check failed.
    """
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST_REASON:
        raise InputError(
            f"Accepting needs a reason of 1 to {_LONGEST_REASON} characters.", where="reason", mend="say why the data is like this from now on"
        )
    if via == "token" or not person.login.strip():
        raise Refused("Only a person accepts data as normal.", why="a token acts without anybody looking", mend="sign in and accept it yourself")
    if ROLE not in person.roles:
        raise Refused(f"{person.login} is not {ROLE}.", why="who lets a limit go answers for it", mend=f"ask somebody who is {ROLE}")
    report = load_report(workspace, report_id)
    if report.accepted is not None:
        return report
    if report.verdict == "pass":
        raise Refused("This report passed; there is nothing to accept.", where=report_id)
    if report.rows == 0:
        raise Refused("A table without rows is not a normal one.", where=report_id, mend="find out why nothing came")
    declared = [each for each in (*report.failed, *report.undecided) if each.severity == "error" and not each.is_learned]
    if declared:
        raise Refused(
            f"The contract itself says otherwise: {declared[0].check}.",
            where=report_id,
            why="what a contract promises is not learned from history, and is not accepted away",
            mend="mend the data, or publish a new version of the contract and gate again",
        )
    columns = sorted({each.column or ROWS for each in report.failed if each.is_learned})

    def job(tx: WriteTransaction) -> None:
        mine = (quality_acceptance.c.workspace_id == tx.workspace_id, quality_acceptance.c.report_id == report_id)
        if tx.conn.execute(select(quality_acceptance.c.report_id).where(*mine)).first() is not None:
            return
        tx.insert(quality_acceptance, {"report_id": report_id, "reason": reason, "columns": columns}, actor=person.login)
        body = {
            "dataset": report.dataset,
            "subject": report.subject,
            "verdict": report.verdict,
            "reason": reason,
            "failed": [each.check for each in report.failed],
            "undecided": [each.check for each in report.undecided],
            "new_history_of": columns,
        }
        record(tx, type="quality.accepted", subject=report_id, body=body, actor=person.login)

    workspace.write(job)
    return load_report(workspace, report_id)
