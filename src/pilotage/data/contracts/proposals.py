"""Proposals: a change of a source that the data suggest, for a person to decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pilotage.core import Conflict, InputError, content_id, require
from pilotage.data.contracts.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa

    from pilotage.data.contracts.profile import Profile

ProposalKind = Literal["rename", "unit", "level"]


@dataclass(frozen=True)
class Proposal:
    """One suspected change.

    column
        The contract's column.
    before, after
        Rename: the name so far and the name it arrives under. Unit: the units. Level: the new value (``before``) and the known level it seems to be,
        or None: then it is proposed as a level of its own (``after``).
    score
        0 to 1; how well the evidence fits. Not a probability.
    evidence
        The figures behind it, and the rivals it was chosen over.
    """

    contract_id: str
    kind: ProposalKind
    column: str
    before: str
    after: str | None
    score: float
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Made from what is proposed to which version, not from the score: the same proposal again is one."""
        change = {"contract": self.contract_id, "kind": self.kind, "column": self.column, "before": self.before, "after": self.after}
        return content_id("cp", change)

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.kind == "rename":
            return f"'{self.column}' now arrives as '{self.after}'"
        if self.kind == "unit":
            return f"'{self.column}' now arrives in {self.after}, not in {self.before}"
        return f"'{self.column}' has a new level {self.before!r}" + ("" if self.after is None else f", a spelling of {self.after!r}")

    def __str__(self) -> str:
        return f"{self.id} {self.kind}: {self.summary} (score {self.score:.2f})"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**self.__dict__, "evidence": dict(self.evidence), "id": self.id, "summary": self.summary}


def propose_changes(contract: Contract, old: pa.Table | Profile, new: pa.Table) -> tuple[Proposal, ...]:
    """What seems to have changed at the source between ``old`` (data that keep the contract, or their profile) and ``new`` (as it arrives).

    *Renames*: columns that are gone are matched with columns that are new by their look (distribution, nulls, distinct values, levels, lengths, and a
    little by their name), all at once (Hungarian method). *Units*: where the numbers of a column with a declared unit no longer look as they did,
    every other unit of its dimension is undone, and the one that restores the look (Kolmogorov-Smirnov) is named; never across dimensions, and not at
    all where two units explain it about as well or the values are too few. *Levels*: values that are no level yet, as a spelling of the nearest known
    one, or as a level of their own. Personal columns take part in renames and units by their figures only, never in levels.

    Nothing is applied: keep them with :func:`put_proposal`; a person decides.

    Cost: one sort per numeric column, O(gone × new) comparisons of profiles. Raises ``Unavailable`` without Polars (the extra ``tables``).
    """
    require("polars", extra="tables")
    from pilotage.data.contracts.proposing import propose

    return propose(contract, old, new)


def apply_proposal(contract: Contract, proposal: Proposal) -> Contract:
    """The next version of ``contract``, with the proposed change in it. Raises ``Conflict`` if the contract has moved on and it no longer fits."""
    column = contract.columns.get(proposal.column)
    if column is None:
        raise Conflict(f"{contract.ref} has no column '{proposal.column}' any more.", mend="reject the proposal")
    change: dict[str, Any]
    if proposal.kind == "rename":
        change = {"renamed_from": (*column.renamed_from, str(proposal.after))}
    elif proposal.kind == "unit":
        if (column.arrives_in or column.unit) != proposal.before:
            raise Conflict(f"'{proposal.column}' of {contract.ref} no longer arrives in {proposal.before}.", mend="reject the proposal")
        change = {"arrives_in": None if proposal.after == column.unit else proposal.after}
    elif proposal.after is not None:
        change = {"level_map": {**column.level_map, proposal.before: proposal.after}}
    else:
        change = {"levels": (*(column.levels or ()), proposal.before)}
    content = contract.to_dict()
    content["columns"][proposal.column] |= {name: dict(value) if isinstance(value, Mapping) else value for name, value in change.items()}
    content["version"] = contract.version + 1
    try:
        return Contract.model_validate(content)
    except ValueError as error:
        raise Conflict(
            f"The proposal no longer fits {contract.ref}: {proposal.summary}.",
            why=str(error).splitlines()[-1],
            mend="reject it, or change the contract",
        ) from error


def require_reason(reason: str) -> str:
    """The reason, which every decision has. Raises ``InputError`` if it is empty."""
    if not reason.strip():
        raise InputError("A decision needs a reason.", why="somebody will ask", mend="say in a sentence why")
    return reason.strip()
