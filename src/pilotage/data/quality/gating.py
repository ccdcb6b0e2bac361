"""The gate at the door: versions and batches are checked, the report is kept, and what has not passed is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pilotage.core import InputError, NotFound, Refused
from pilotage.data.catalogue import load_version
from pilotage.data.contracts.contract import Contract
from pilotage.data.quality.keeping import Scope, gate_of, history_of, keep_report, load_report, report_id
from pilotage.data.quality.learning import History
from pilotage.data.quality.policy import Limits
from pilotage.data.quality.report import GateReport
from pilotage.data.version import Version
from pilotage.store import Workspace

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def gate_version(workspace: Workspace, ref: str, *, limits: Limits | None = None, learn: bool = True) -> GateReport:
    """Gate a version of a table against its contract and the accepted versions before it; the report is kept, and in the ledger.

    The same gate again (version, contract, history, limits, code) is the report that is there, found without reading a row. "Now" is the moment the
    version was published, so that freshness does not change with the day the gate is run.

    Parameters
    ----------
    limits
        How limits are learned. Default: :class:`Limits`.
    learn
        False: only what the contract declares.

    Raises
    ------
    NotFound
        If there is no such version.
    InputError
        If it is no table, or its contract cannot be compiled.
    """
    from pilotage.data.tabular import scan

    version = load_version(workspace, ref)
    if version.kind != "table" or version.contract is None:
        raise InputError(f"{version.ref} is of kind {version.kind}.", why="gates read tables with a contract", mend="gate a version of a table")
    contract = Contract.from_dict(version.contract)
    past = history_of(workspace, version.dataset, before=version.number, limits=limits) if learn else None
    return _gate(
        workspace,
        lambda: scan(workspace, version.id),
        contract,
        dataset=version.dataset,
        subject=version.id,
        history=past,
        now_us=version.created_at,
        scope="version",
        position=version.number,
    )


def gate_batch(
    workspace: Workspace,
    frame: pl.LazyFrame | pa.Table,
    contract: Contract,
    *,
    dataset: str,
    batch_id: str,
    arrived_at: int,
    limits: Limits | None = None,
    learn: bool = True,
) -> GateReport:
    """Gate a batch before it is published, beside the accepted batches of its dataset; the report is kept, and in the ledger.

    ``batch_id`` names the batch by its content, ``arrived_at`` says when it came (microseconds, UTC): both are the same when the work is done again,
    and so is the report. :func:`attach_report` later says which version the batch became.
    """
    past = history_of(workspace, dataset, scope="batch", before=arrived_at, limits=limits) if learn else None
    return _gate(
        workspace,
        lambda: frame,
        contract,
        dataset=dataset,
        subject=batch_id,
        history=past,
        now_us=arrived_at,
        scope="batch",
        position=arrived_at,
    )


def _gate(
    workspace: Workspace,
    frame: object,
    contract: Contract,
    *,
    dataset: str,
    subject: str,
    history: History | None,
    now_us: int,
    scope: Scope,
    position: int,
) -> GateReport:
    from pilotage.data.quality.running import run_gate

    found = report_id(subject=subject, contract=contract, history=history, limits=None if history is None else history.limits, now_us=now_us)
    try:
        return load_report(workspace, found)
    except NotFound:
        made = run_gate(frame(), contract, history=history, now_us=now_us)  # type: ignore[operator]
    return keep_report(workspace, replace(made, id=found, dataset=dataset, subject=subject), scope=scope, position=position)


def require_passed(workspace: Workspace, version: Version | str) -> GateReport:
    """The report of a version that may be used: it passed its gate, or a person accepted it as normal.

    Raises
    ------
    Refused
        If no gate has looked at it, or the gate says fail, inconclusive or not assessable: it names the version, the verdict and how to mend it.
    """
    version = load_version(workspace, version) if isinstance(version, str) else version
    report = gate_of(workspace, version.id)
    if report is None:
        raise Refused(
            f"{version.ref} has not been through its gate.",
            where=version.id,
            why="nothing trains on data that nobody has checked",
            mend=f"run 'pilotage data gate {version.ref}'",
        )
    if not report.passed:
        troubles = "; ".join(f"{each.check}: {each.reason}" if each.reason else each.check for each in (*report.failed, *report.undecided)[:3])
        raise Refused(
            f"{version.ref} has not passed its gate: {report.verdict}.",
            where=f"{version.id}, report {report.id}",
            why=troubles or report.headline,
            mend=f"mend the data and publish again; or, if this is how the data is from now on, 'pilotage data gate accept {report.id} --reason …'",
        )
    return report
