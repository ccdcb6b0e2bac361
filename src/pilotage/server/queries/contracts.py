"""Questions about contracts: which there are, one with its versions and proposals, and what a change of one means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select

from pilotage.core import Conflict, NotFound, PilotageError
from pilotage.data.contracts import Change, Contract, Proposal, StoredProposal, compare_contracts, contract_of, contracts, proposals
from pilotage.data.contracts.tables import contract_proposal, data_contract
from pilotage.data.tables import dataset as dataset_table
from pilotage.data.tables import dataset_table_place, dataset_version
from pilotage.judging.tables import item
from pilotage.review.tables import review_task
from pilotage.server.queries.distributions import LevelDrawing, QuantileDrawing, draw_levels, draw_quantiles
from pilotage.store import Workspace

VERSIONS_SHOWN = 50
PROPOSALS_SHOWN = 50
COLUMNS_DRAWN = 40
# What the figures of a proposal's evidence say, in words; those of likeness and deciles are drawn.
FIGURES = {
    "ks_before": "unlike what is stored, as it arrives (0 alike to 1)",
    "ks_after": "unlike what is stored, once converted",
    "ks_runner_up": "unlike what is stored, by the next best unit",
    "n": "values looked at",
    "n_old": "values stored",
    "n_new": "values arriving",
    "count": "values",
    "share": "share of the values",
}


@dataclass(frozen=True)
class ContractLine:
    """A contract in the list: its latest version, and how many proposals wait for somebody to decide."""

    name: str
    version: int
    owner: str
    columns: int
    key: tuple[str, ...]
    description: str
    open_proposals: int


@dataclass(frozen=True)
class ContractVersion:
    """A version of a contract, and what it changed (None for the first)."""

    version: int
    id: str
    owner: str
    created_at: int
    created_by: str
    verdict: str | None
    differences: int


@dataclass(frozen=True)
class Under:
    """A dataset with versions under a contract: how many, and the latest of them."""

    dataset: str
    versions: int
    latest: int


@dataclass(frozen=True)
class ProposalView:
    """A proposal with its evidence as figures, drawings and the queue it waits in."""

    stored: StoredProposal
    figures: list[tuple[str, str]]
    likeness: list[tuple[str, float]]
    deciles: QuantileDrawing | None
    queue: str | None
    result: int | None

    @property
    def proposal(self) -> Proposal:
        """What is proposed."""
        return self.stored.proposal


@dataclass(frozen=True)
class ContractDetail:
    """A contract's version with the rest of its line."""

    contract: Contract
    newest: int
    versions: list[ContractVersion]
    under: list[Under]
    proposals: list[ProposalView]


def list_contracts(workspace: Workspace) -> list[ContractLine]:
    """Every contract by name, in its latest version."""
    c = data_contract.c
    latest = select(c.name, func.max(c.version).label("version")).where(c.workspace_id == workspace.id).group_by(c.name).subquery()
    p = contract_proposal.c
    with workspace.read() as conn:
        found = conn.execute(
            select(c.name, c.version, c.owner, c.content)
            .join(latest, (latest.c.name == c.name) & (latest.c.version == c.version))
            .where(c.workspace_id == workspace.id)
            .order_by(c.name)
        ).all()
        counted = select(p.contract, func.count()).where(p.workspace_id == workspace.id, p.state == "open").group_by(p.contract)
        waiting: dict[str, int] = {row[0]: row[1] for row in conn.execute(counted)}
    return [
        ContractLine(
            name=row.name,
            version=row.version,
            owner=row.owner,
            columns=len(row.content["columns"]),
            key=tuple(row.content["key"]),
            description=row.content["description"],
            open_proposals=waiting.get(row.name, 0),
        )
        for row in found
    ]


def find_contract(workspace: Workspace, name: str, version: int | None = None) -> ContractDetail:
    """A version of the contract ``name`` (or its id), or its latest. Raises ``NotFound``."""
    chosen = contract_of(workspace, name, version)
    line = contracts(workspace, name=chosen.name)
    return ContractDetail(
        contract=chosen,
        newest=line[0].version,
        versions=_versions(workspace, line),
        under=_under(workspace, chosen.id),
        proposals=list_proposals(workspace, chosen.name),
    )


def list_proposals(workspace: Workspace, name: str) -> list[ProposalView]:
    """The proposals to a contract, those to decide first, at most 50."""
    found = sorted(proposals(workspace, contract=name), key=lambda one: one.state != "open")[:PROPOSALS_SHOWN]
    queues = _queues(workspace, [one.id for one in found])
    numbers = _numbers(workspace, [one.result_id for one in found if one.result_id])
    return [_view(one, queue=queues.get(one.id), result=numbers.get(one.result_id or "")) for one in found]


def find_proposal(workspace: Workspace, name: str, proposal_id: str) -> StoredProposal:
    """One proposal to the contract ``name``. Raises ``NotFound``."""
    for one in proposals(workspace, contract=name):
        if one.id == proposal_id:
            return one
    raise NotFound(f"There is no such proposal to '{name}'.", where=proposal_id, mend="open it from the contract's page")


def require_no_queue(workspace: Workspace, stored: StoredProposal) -> None:
    """Raise ``Conflict`` if the proposal waits in a review queue: its pipeline acts on the answer given there, and on no other."""
    queue = _queues(workspace, [stored.id]).get(stored.id)
    if queue is not None:
        raise Conflict(
            f"This waits in the review queue of {queue}.",
            why="the pipeline acts on the answer given there: it then reads the held deliveries anew",
            mend=f"answer it under /review/{queue}",
        )


def _view(stored: StoredProposal, *, queue: str | None, result: int | None) -> ProposalView:
    evidence = stored.proposal.evidence
    likeness = evidence.get("likeness")
    known = ("likeness", "deciles_old", "deciles_new") if "deciles_old" not in evidence else ("deciles_old", "deciles_new", "n_old", "n_new")
    return ProposalView(
        stored=stored,
        figures=[(FIGURES.get(name, name), _short(value)) for name, value in evidence.items() if name not in known and value not in (None, {}, [])],
        likeness=sorted(((str(part), float(share)) for part, share in likeness.items()), key=lambda one: -one[1])
        if isinstance(likeness, Mapping)
        else [],
        deciles=draw_deciles(evidence),
        queue=queue,
        result=result,
    )


def draw_deciles(evidence: Mapping[str, Any]) -> QuantileDrawing | None:
    """The deciles of a proposal's evidence, before and after, drawn; None where it has none."""
    old, new = evidence.get("deciles_old"), evidence.get("deciles_new")
    if not old or not new:
        return None
    return draw_quantiles([("stored", evidence.get("n_old"), old), ("arriving", evidence.get("n_new"), new)])


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(one)}" for name, one in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _queues(workspace: Workspace, ids: list[str]) -> dict[str, str]:
    """Proposal -> the review queue it waits in."""
    t, i = review_task.c, item.c
    query = (
        select(i.source_id, t.queue)
        .join(review_task, (t.item_id == i.id) & (t.workspace_id == i.workspace_id))
        .where(i.workspace_id == workspace.id, i.source_id.in_(ids), t.state == "open")
    )
    with workspace.read() as conn:
        return {row.source_id: row.queue for row in conn.execute(query)}


def _numbers(workspace: Workspace, ids: list[str]) -> dict[str, int]:
    c = data_contract.c
    with workspace.read() as conn:
        return {row.id: row.version for row in conn.execute(select(c.id, c.version).where(c.workspace_id == workspace.id, c.id.in_(ids)))}


def _versions(workspace: Workspace, line: list[Contract]) -> list[ContractVersion]:
    c = data_contract.c
    with workspace.read() as conn:
        made = {
            row.id: row
            for row in conn.execute(select(c.id, c.created_at, c.created_by).where(c.workspace_id == workspace.id, c.name == line[0].name))
        }
    found = []
    for place, one in enumerate(line[:VERSIONS_SHOWN]):
        change = compare_contracts(line[place + 1], one) if place + 1 < len(line) else None
        row = made[one.id]
        found.append(
            ContractVersion(
                version=one.version,
                id=one.id,
                owner=one.owner,
                created_at=row.created_at,
                created_by=row.created_by,
                verdict=None if change is None else change.verdict,
                differences=0 if change is None else len(change.differences),
            )
        )
    return found


def _under(workspace: Workspace, contract_id: str) -> list[Under]:
    v, place, d = dataset_version.c, dataset_table_place.c, dataset_table.c
    query = (
        select(d.name, func.count(), func.max(v.number))
        .select_from(dataset_version)
        .join(dataset_table_place, (place.version_id == v.id) & (place.workspace_id == v.workspace_id))
        .join(dataset_table, (d.id == v.dataset_id) & (d.workspace_id == v.workspace_id))
        .where(v.workspace_id == workspace.id, place.contract_id == contract_id)
        .group_by(d.name)
        .order_by(d.name)
    )
    with workspace.read() as conn:
        return [Under(*row) for row in conn.execute(query)]


# A change, with the data before and after it


@dataclass(frozen=True)
class Drawn:
    """A column before and after: drawn as quantiles or as levels, or the ``reason`` why it cannot be."""

    column: str
    differs: bool
    unit_before: str | None
    unit_after: str | None
    quantiles: QuantileDrawing | None = None
    levels: LevelDrawing | None = None
    nulls: tuple[float | None, float | None] = (None, None)
    what: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Seen:
    """Of which data a side's distributions are: the version of a dataset, and how many rows its gate looked at."""

    ref: str
    dataset: str
    number: int
    rows: int


@dataclass(frozen=True)
class ContractChange:
    """The change from one version of a contract to another, and how the data looked on either side of it."""

    old: Contract
    new: Contract
    change: Change
    before: Seen | None
    after: Seen | None
    columns: list[Drawn]
    left_out: int
    reason: str | None


def compare(workspace: Workspace, name: str, before: int, after: int) -> ContractChange:
    """What changes from version ``before`` to ``after`` of a contract. Raises ``NotFound``."""
    old, new = contract_of(workspace, name, before), contract_of(workspace, name, after)
    change = compare_contracts(old, new)
    differs = {each.column for each in change.differences if each.column}
    renamed = {str(each.after): str(each.before) for each in change.differences if each.kind == "renamed"}
    try:
        earlier, later = _profiled(workspace, old, newest=True), _profiled(workspace, new, newest=False)
    except PilotageError as error:
        return ContractChange(old, new, change, None, None, [], 0, f"{error.what} {error.mend or ''}".strip())
    if earlier is None or later is None:
        lacking = old if earlier is None else new
        return ContractChange(old, new, change, None, None, [], 0, f"no version of a dataset under {lacking.ref} has a gate report with a profile")
    (seen_before, profile_before), (seen_after, profile_after) = earlier, later
    drawn = []
    for column in sorted(profile_after.columns, key=lambda one: (one not in differs, list(profile_after.columns).index(one))):
        was = renamed.get(column, column)
        if was in profile_before.columns:
            drawn.append(_draw(column, was, old, new, profile_before.columns[was], profile_after.columns[column], differs=column in differs))
    return ContractChange(
        old, new, change, seen_before, seen_after, drawn[:COLUMNS_DRAWN], max(0, len(drawn) - COLUMNS_DRAWN), None if drawn else "no column of both"
    )


def _draw(column: str, was: str, old: Contract, new: Contract, before: Any, after: Any, *, differs: bool) -> Drawn:
    units = [None if one is None else one.unit for one in (old.columns.get(was), new.columns.get(column))]
    drawn = Drawn(column, differs, units[0], units[1], nulls=(before.null_share, after.null_share))
    if "hidden" in (before.kind, after.kind):
        return replace(drawn, reason="personal: only how many are missing is kept")
    if before.kind != after.kind:
        return replace(drawn, reason=f"{before.kind} before and {after.kind} after: there is nothing to lay side by side")
    if not before.values or not after.values:
        return replace(drawn, reason="one side has no value")
    if before.levels or after.levels:
        levels = draw_levels(("before", before.values, before.shares()), ("after", after.values, after.shares()))
        return replace(drawn, levels=levels, what="share of values")
    sides: Sequence[tuple[str, int | None, Sequence[float]]] = [("before", before.values, before.grid), ("after", after.values, after.grid)]
    what = {"length": "characters", "time": "time, UTC"}.get(before.kind, "value")
    return replace(drawn, quantiles=draw_quantiles(sides, times=before.kind == "time"), what=what)


def _profiled(workspace: Workspace, contract: Contract, *, newest: bool) -> tuple[Seen, Any] | None:
    """The newest (or oldest) dataset version under a contract that a gate has looked at, with the profile the gate kept."""
    from pilotage.data.quality import gate_of
    from pilotage.data.quality.tables import quality_attachment, quality_report

    v, place, d = dataset_version.c, dataset_table_place.c, dataset_table.c
    gated = (
        select(quality_report.c.id)
        .outerjoin(
            quality_attachment,
            (quality_attachment.c.report_id == quality_report.c.id) & (quality_attachment.c.workspace_id == quality_report.c.workspace_id),
        )
        .where(
            quality_report.c.workspace_id == v.workspace_id,
            quality_report.c.contract_id == contract.id,
            (quality_report.c.subject_id == v.id) | (quality_attachment.c.version_id == v.id),
        )
        .exists()
    )
    query = (
        select(v.id, v.number, d.name)
        .select_from(dataset_version)
        .join(dataset_table_place, (place.version_id == v.id) & (place.workspace_id == v.workspace_id))
        .join(dataset_table, (d.id == v.dataset_id) & (d.workspace_id == v.workspace_id))
        .where(v.workspace_id == workspace.id, gated)
        .order_by(v.created_at.desc() if newest else v.created_at, v.number.desc() if newest else v.number)
        .limit(1)
    )
    with workspace.read() as conn:
        found = conn.execute(query).first()
    report = None if found is None else gate_of(workspace, found.id)
    if found is None or report is None:
        return None
    return Seen(f"{found.name}@{found.number}", found.name, found.number, report.rows), report.profile
