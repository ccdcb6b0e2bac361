"""Proposals in the workspace: kept until a person decides; accepting one releases the next version of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from pilotage.core import Conflict, NotFound, Refused
from pilotage.data.contracts.contract import Contract
from pilotage.data.contracts.proposals import Proposal, apply_proposal, require_reason
from pilotage.data.contracts.storing import find_contract, put
from pilotage.data.contracts.tables import contract_proposal
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction, update_if_unchanged

ProposalState = Literal["open", "accepted", "rejected"]


@dataclass(frozen=True)
class StoredProposal:
    """A proposal and what became of it. ``result_id`` is the contract version an acceptance made; times in µs, UTC."""

    proposal: Proposal
    contract: str
    state: ProposalState
    created_at: int
    reason: str | None = None
    decided_by: str | None = None
    decided_at: int | None = None
    result_id: str | None = None
    lock_version: int = 1

    @property
    def id(self) -> str:
        """The proposal's id."""
        return self.proposal.id

    def __str__(self) -> str:
        decided = f" by {self.decided_by}: {self.reason}" if self.decided_by else ""
        return f"{self.proposal} [{self.state}{decided}]"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        rest = {name: value for name, value in self.__dict__.items() if name != "proposal"}
        return {**self.proposal.to_dict(), **rest}


def put_proposal(workspace: Workspace, proposal: Proposal) -> StoredProposal:
    """Keep a proposal for a person to decide, with a ledger entry. The same one again, decided or not, is the one that is there.

    Raises ``NotFound`` if the contract version it speaks of is not in the workspace.
    """

    def job(tx: WriteTransaction) -> StoredProposal:
        found = _find(tx.conn, proposal.id, workspace_id=tx.workspace_id)
        if found is not None:
            return found
        contract = find_contract(tx.conn, proposal.contract_id, workspace_id=tx.workspace_id)
        if contract is None:
            raise NotFound(f"There is no contract {proposal.contract_id}.", mend="put the contract into the workspace first")
        content = {"before": proposal.before, "after": proposal.after, "evidence": dict(proposal.evidence)}
        tx.insert(
            contract_proposal,
            {
                "id": proposal.id,
                "contract": contract.name,
                "contract_id": contract.id,
                "kind": proposal.kind,
                "column": proposal.column,
                "content": content,
                "score": proposal.score,
                "state": "open",
                "lock_version": 1,
            },
        )
        body = {"contract": contract.id, "kind": proposal.kind, "column": proposal.column, "before": proposal.before, "after": proposal.after}
        record(tx, type="contract.change_proposed", subject=proposal.id, body={**body, "score": proposal.score})
        stored = _find(tx.conn, proposal.id, workspace_id=tx.workspace_id)
        assert stored is not None  # noqa: S101 - it was inserted above
        return stored

    return workspace.write(job)


def proposals(workspace: Workspace, *, contract: str | None = None, state: ProposalState | None = None) -> list[StoredProposal]:
    """The proposals of a contract (its name), or of all, newest first."""
    t = contract_proposal.c
    query = select(contract_proposal).where(t.workspace_id == workspace.id).order_by(t.created_at.desc(), t.score.desc(), t.id)
    if contract is not None:
        query = query.where(t.contract == contract)
    if state is not None:
        query = query.where(t.state == state)
    with workspace.read() as conn:
        return [_stored(row) for row in conn.execute(query)]


def decide_proposal(workspace: Workspace, proposal_id: str, *, accept: bool, by: str, by_person: bool, reason: str) -> StoredProposal:
    """Accept or reject a proposal; accepting releases the next version of the contract with the change in it.

    A rename adds to ``renamed_from``, a unit sets ``arrives_in`` (what is stored keeps its unit), a level joins ``level_map`` or ``levels``. The
    change is applied to the contract's latest version, and first used when data are conformed to the new one.

    Parameters
    ----------
    by, by_person
        Who decides (a login), and that it is a person. A machine is refused: it proposes.

    Raises
    ------
    Refused
        If no person decides.
    NotFound
        If there is no such proposal.
    Conflict
        If it is decided already, or no longer fits the contract.
    """
    if not by_person:
        raise Refused(
            f"{by} is no person.",
            where=f"proposal {proposal_id}",
            why="what a column means is for people to say",
            mend="ask the contract's owner",
        )
    why = require_reason(reason)

    def job(tx: WriteTransaction) -> StoredProposal:
        found = _find(tx.conn, proposal_id, workspace_id=tx.workspace_id)
        if found is None:
            raise NotFound(f"There is no proposal {proposal_id}.", mend="see 'pilotage data contract proposals'")
        if found.state != "open":
            raise Conflict(f"This proposal is decided: {found.state} by {found.decided_by}.", where=f"proposal {proposal_id}", mend="leave it")
        result: Contract | None = None
        if accept:
            latest = find_contract(tx.conn, found.contract, workspace_id=tx.workspace_id)
            assert latest is not None  # noqa: S101 - a proposal is kept only beside its contract
            result = put(tx, apply_proposal(latest, found.proposal), actor=by)
        state: ProposalState = "accepted" if accept else "rejected"
        values = {
            "state": state,
            "reason": why,
            "decided_by": by,
            "decided_at": tx.clock.now_us(),
            "result_id": None if result is None else result.id,
        }
        update_if_unchanged(tx, contract_proposal, proposal_id, lock_version=found.lock_version, values=values)
        body = {"contract": found.contract, "summary": found.proposal.summary, "reason": why, "result": values["result_id"]}
        record(tx, type=f"contract.change_{state}", subject=proposal_id, body=body, actor=by)
        decided = _find(tx.conn, proposal_id, workspace_id=tx.workspace_id)
        assert decided is not None  # noqa: S101 - it was updated above
        return decided

    return workspace.write(job)


def _find(conn: Connection, proposal_id: str, *, workspace_id: str) -> StoredProposal | None:
    t = contract_proposal.c
    row = conn.execute(select(contract_proposal).where(t.workspace_id == workspace_id, t.id == proposal_id)).first()
    return None if row is None else _stored(row)


def _stored(row: Any) -> StoredProposal:
    content = row.content
    made = Proposal(row.contract_id, row.kind, row.column, content["before"], content["after"], row.score, content["evidence"])
    return StoredProposal(
        proposal=made,
        contract=row.contract,
        state=row.state,
        created_at=row.created_at,
        reason=row.reason,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        result_id=row.result_id,
        lock_version=row.lock_version,
    )
