"""Settling the answers: figures are read from the evidence they name, amounts become severities."""

from __future__ import annotations

from pilotage.core import InputError, NotFound
from pilotage.evidence import load_evidence
from pilotage.review.assessment.answers import SEVERITIES, Answers, Bands, Cost, Figure
from pilotage.review.assessment.rules import Measured, Profile
from pilotage.store import Workspace


def profile_of(workspace: Workspace, answers: Answers, *, bands: Bands | None = None, model: str | None = None) -> Profile:
    """The answers as the rules look at them.

    Raises
    ------
    InputError
        If an evidence id names nothing, an evidence figure is no share, or an amount comes without ``bands``.
    """
    consistency = answers.consistency
    return Profile(
        severity=severity_of(answers.cost, bands),
        reversible=answers.cost.reversible,
        detected=answers.cost.detected,
        defined=answers.correctness.defined,
        at_most=consistency.at_most,
        mean=_measured(workspace, consistency.mean, "consistency.mean", model),
        worst_slice=_measured(workspace, consistency.worst_slice, "consistency.worst_slice", model),
        accountable=answers.legal.accountable,
        law=answers.legal.rule or "",
    )


def severity_of(cost: Cost, bands: Bands | None) -> str:
    """The graver of what was said and what the amount comes to."""
    said = cost.severity or SEVERITIES[0]
    if cost.wrong_output is None:
        return said
    if bands is None or bands.currency != cost.wrong_output.currency:
        raise InputError("An amount needs bands in its currency.", where="cost.wrong_output", mend="say from which amount on an error is major")
    amount = cost.wrong_output.amount
    reached = sum(amount >= limit for limit in (bands.minor, bands.moderate, bands.major, bands.critical))
    return max(said, SEVERITIES[reached], key=SEVERITIES.index)


def _measured(workspace: Workspace, figure: Figure, where: str, model: str | None) -> Measured:
    if figure.not_measured is not None:
        return Measured(reason=figure.not_measured, slice=figure.slice)
    if figure.evidence is None:
        return _turned(figure, figure.estimate, figure.lower, figure.upper, figure.n or 0, figure.slice)
    try:
        found = load_evidence(workspace, ids=[figure.evidence])[0]
    except NotFound as error:
        raise InputError(f"There is no evidence {figure.evidence}.", where=where, mend="name a figure of this workspace") from error
    said = found.slice or figure.slice
    if not found.measured:
        return Measured(reason=found.reason or "not assessable", evidence=found.id, slice=said)
    about = found.subject.get("fingerprint")
    if model and about and about != model:
        return Measured(reason=f"{found.id} was measured on {about}, not on {model}", evidence=found.id, slice=said)
    if found.lower is None or found.upper is None or found.lower < 0 or found.upper > 1:
        raise InputError(f"The figure '{found.metric}' is no share of outputs.", where=f"{where}: {found.id}", mend="name a rate between 0 and 1")
    return _turned(figure, found.estimate, found.lower, found.upper, found.n, said, evidence=found.id)


def _turned(
    figure: Figure, estimate: float | None, lower: float | None, upper: float | None, n: int, slice: dict[str, str], evidence: str = ""
) -> Measured:
    if figure.of == "correct" and estimate is not None and lower is not None and upper is not None:
        estimate, lower, upper = 1 - estimate, 1 - upper, 1 - lower
    return Measured(estimate, lower, upper, n, evidence=evidence, slice=dict(slice))
