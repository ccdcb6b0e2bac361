"""What a policy needs to be in force: a report that is about it, routable and fresh, and an assessment for every slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from pilotage.core import InputError, Refused, parse_duration
from pilotage.review.assessment import AUTOMATED, Assessment, Due, assessment_for, at_least, due_in, slice_key, strictest
from pilotage.review.routing.policy import Policy, PolicySlice
from pilotage.review.routing.reporting import StoredReport, later_look


def check_fits(policy: Policy, report: StoredReport) -> None:
    """Raise ``InputError`` where the policy is not about what the report is about, or takes more than it certifies."""
    for field, said, shown in (
        ("category", policy.category, report.category),
        ("model.fingerprint", policy.model.fingerprint, report.model),
        ("model.prompt", policy.model.prompt, report.prompt),
    ):
        if said != shown:
            raise InputError(f"The report is about {shown or 'nothing'!r}, the policy about {said or 'nothing'!r}.", where=f"field '{field}'")
    for one in policy.slices:
        certified = report.threshold_for(slice_key(one.slice), alone=policy.alone)
        if one.threshold is not None and certified is not None and one.threshold < certified:
            raise InputError(
                f"A threshold of {one.threshold} is below the certified {certified}.",
                where=f"slice '{slice_key(one.slice)}' field 'threshold'",
                why="nothing is known of what lies between",
                mend="leave it out, or raise it",
            )


def require_current(conn: Connection, workspace_id: str, policy: Policy, report: StoredReport, *, now_us: int) -> None:
    """Raise ``Refused`` unless the report is about this model and prompt, routable, fresh, within the contract, and the latest look."""
    for doubt in doubts_of_report(conn, workspace_id, policy, report, now_us=now_us):
        raise doubt


def doubts_of_report(conn: Connection, workspace_id: str, policy: Policy, report: StoredReport, *, now_us: int) -> Iterator[Refused]:
    """Everything that speaks against standing on this report, the gravest first."""
    if (report.category, report.model, report.prompt) != (policy.category, policy.model.fingerprint, policy.model.prompt):
        yield Refused("The report is stale: it is about another model or prompt.", where=report.id, mend="label outputs of this one and report again")
    if report.verdict != "routable":
        yield Refused(f"The report's verdict is {report.verdict}.", where=report.id, why=report.why or None, mend="see 'pilotage routing report'")
    if now_us >= report.created_at + parse_duration(policy.max_age):
        yield Refused(f"The report is older than {policy.max_age}.", where=report.id, mend="label a fresh sample and report again")
    if report.risk is None or report.risk > policy.contract.error_rate:
        yield Refused(
            f"The report certifies an error rate of {report.risk}, and the contract allows {policy.contract.error_rate}.",
            where=report.id,
            mend="report again with the contract's error rate as the risk",
        )
    later = later_look(conn, workspace_id, report)
    if later is not None:
        yield Refused(
            f"There is a later look at the same model: {later}.",
            where=report.id,
            why="the best of several looks proves nothing",
            mend="stand on the latest",
        )


def require_levels(conn: Connection, workspace_id: str, policy: Policy, report: StoredReport, *, now_us: int) -> dict[str, tuple[str, Assessment]]:
    """Slice → (its level, the assessment it rests on). Raises ``Refused`` where one is missing or due, or what is automated is not certified."""
    due = {(one.category, one.slice): one for one in due_in(conn, workspace_id, now_us=now_us, models=_model_of(policy), category=policy.category)}
    return {slice_key(one.slice): _level_in_force(conn, workspace_id, policy, report, one, due) for one in policy.slices}


def doubts_of_slices(conn: Connection, workspace_id: str, policy: Policy, report: StoredReport, *, now_us: int) -> Iterator[tuple[str, Refused]]:
    """(slice, what speaks against it) for every slice that could not be activated now."""
    due = {(one.category, one.slice): one for one in due_in(conn, workspace_id, now_us=now_us, models=_model_of(policy), category=policy.category)}
    for one in policy.slices:
        try:
            _level_in_force(conn, workspace_id, policy, report, one, due)
        except Refused as doubt:
            yield slice_key(one.slice), doubt


def _level_in_force(
    conn: Connection, workspace_id: str, policy: Policy, report: StoredReport, one: PolicySlice, due: Mapping[tuple[str, str], Due]
) -> tuple[str, Assessment]:
    key = slice_key(one.slice)
    about = assessment_for(conn, workspace_id, policy.category, key)
    named = f"slice '{key}'" if key else "everything else"
    if about is None:
        raise Refused(f"Nobody assessed '{policy.category}' ({named}).", mend="answer the four questions: 'pilotage assess record'")
    for place in {key, about.slice}:
        if (doubt := due.get((policy.category, place))) is not None:
            raise Refused(f"The assessment of {named} is due again ({doubt.cause}).", mend="assess it anew: 'pilotage assess record'")
    if one.level is not None and not at_least(one.level, about.level):
        raise Refused(f"The policy asks for '{one.level}' in {named}; the assessment allows nothing laxer than '{about.level}'.", where=about.id)
    level = level_of(one, about)
    if level in AUTOMATED and report.threshold_for(key, alone=policy.alone) is None:
        raise Refused(
            f"The report does not certify {named}: {report.why_not(key, alone=policy.alone)}.",
            where=report.id,
            mend="label more of it, or declare 'level: in_the_loop' for it",
        )
    return level, about


def level_of(declared: PolicySlice, about: Assessment) -> str:
    """The stricter of what was assessed and what the policy declares."""
    return strictest([about.level, *([declared.level] if declared.level else [])])


def _model_of(policy: Policy) -> dict[str, str]:
    return {policy.category: policy.model.fingerprint}
