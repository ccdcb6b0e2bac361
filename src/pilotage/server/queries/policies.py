"""Questions about routing policies: versions and what changed, what is in force, what keeps a version from being activated."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from sqlalchemy import select

from pilotage.core import IntegrityError, NotFound, PilotageError, parse_duration
from pilotage.people import may
from pilotage.people.permissions import Roles
from pilotage.review.assessment import slice_key
from pilotage.review.routing.compiling import preview
from pilotage.review.routing.fitness import doubts_of_report, doubts_of_slices
from pilotage.review.routing.managing import (
    Change,
    PolicyVersion,
    active_version,
    changes_in_force,
    changes_of,
    policies,
)
from pilotage.review.routing.reporting import StoredReport, find_report, reports
from pilotage.review.routing.tables import route_decision, routing_policy_version
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.review.routing.deciding import SliceRule
    from pilotage.review.routing.request import RouteDecision, RouteRequest

V, D = routing_policy_version.c, route_decision.c


@dataclass(frozen=True)
class PolicyLine:
    """A policy: what is in force (None: nothing), how many drafts wait, and which slices are tighter than it says."""

    name: str
    category: str
    in_force: PolicyVersion | None
    drafts: tuple[int, ...]
    tightened: tuple[str, ...]
    latest: PolicyVersion


@dataclass(frozen=True)
class Doubt:
    """One thing that keeps a version from being activated, and where it is mended."""

    what: str
    why: str | None
    mend: str | None
    link: str | None
    link_text: str = ""


@dataclass(frozen=True)
class PolicyDetail:
    """One version of a policy with everything around it.

    rules
        Slice by slice as it is in force, or as it would be; ``trouble`` says why that cannot be told.
    difference
        Lines against the version in force, or the one before: (mark, text), mark one of '+', '-', ' '.
    """

    name: str
    version: PolicyVersion
    versions: tuple[PolicyVersion, ...]
    report: StoredReport | None
    text: str
    rules: tuple[SliceRule, ...]
    trouble: dict[str, str | None] | None
    doubts: tuple[Doubt, ...]
    against: int | None
    difference: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    tightened: dict[str, Change]
    fresh: tuple[StoredReport, ...]
    expires_at: int | None
    in_force: int | None
    decided: bool


def list_policies(workspace: Workspace) -> list[PolicyLine]:
    """Every policy by name."""
    grouped: dict[str, list[PolicyVersion]] = {}
    for one in policies(workspace):
        grouped.setdefault(one.policy, []).append(one)
    found = []
    with workspace.read() as conn:
        for name, versions in grouped.items():
            tightened = [key for key, change in changes_in_force(conn, workspace.id, name).items() if change.direction == "tightened"]
            running = next((one for one in versions if one.state == "active"), None) or next(
                (one for one in reversed(versions) if one.state == "suspended"), None
            )
            drafts = tuple(one.number for one in versions if one.state == "draft")
            found.append(PolicyLine(name, versions[-1].category, running, drafts, tuple(tightened), versions[-1]))
    return found


def find_policy(workspace: Workspace, name: str, number: int | None, person: Roles) -> PolicyDetail:
    """One version (default: what is in force, else the newest). Raises ``NotFound``."""
    versions = policies(workspace, name=name)
    if not versions:
        raise NotFound(f"There is no routing policy '{name[:100]}'.", mend="see the list of policies")
    with workspace.read() as conn:
        running = active_version(conn, workspace.id, name)
    wanted = number if number is not None else int(running["number"]) if running is not None else versions[-1].number
    version = next((one for one in versions if one.number == wanted), None)
    if version is None:
        raise NotFound(f"'{name}' has no version {wanted}.", mend=f"its versions are 1 to {versions[-1].number}")
    report, trouble = None, None
    rules: tuple[SliceRule, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    now = workspace.clock.now_us()
    try:
        with workspace.read() as conn:
            report = find_report(conn, workspace.id, version.report_id)
            if version.state in ("draft", "suspended"):
                told = [*doubts_of_report(conn, workspace.id, version.settings, report, now_us=now)]
                sliced = [*doubts_of_slices(conn, workspace.id, version.settings, report, now_us=now)]
                doubts = (*(_of_report(one, report) for one in told), *(_of_slice(one, report) for _, one in sliced))
        rules = preview(workspace, name, version.number).compiled.rules
    except PilotageError as error:
        trouble = error.to_dict()
    if version.state in ("draft", "suspended"):
        doubts = (*doubts, *_who(version, person))
    before = _compared(versions, version, int(running["number"]) if running is not None else None)
    changes = changes_of(workspace, name)
    with workspace.read() as conn:
        in_force = {key: one for key, one in changes_in_force(conn, workspace.id, name).items() if one.direction == "tightened"}
        decided = conn.execute(select(D.id).where(D.workspace_id == workspace.id, D.policy == name).limit(1)).first() is not None
    fresh = _fresh(workspace, version, in_force)
    return PolicyDetail(
        name=name,
        version=version,
        versions=tuple(reversed(versions)),
        report=report,
        text=as_yaml(version.declared),
        rules=rules,
        trouble=trouble,
        doubts=doubts,
        against=before.number if before else None,
        difference=_difference(before, version),
        changes=tuple(changes),
        tightened=in_force,
        fresh=fresh,
        expires_at=report.created_at + parse_duration(version.settings.max_age) if report else None,
        in_force=int(running["number"]) if running is not None else None,
        decided=decided,
    )


def try_output(workspace: Workspace, name: str, number: int, request: RouteRequest) -> RouteDecision:
    """What the version would decide; nothing is kept, and whether it would be audited is not told."""
    from dataclasses import replace

    compiled = preview(workspace, name, number).compiled
    decision = compiled.decide(request, now_us=workspace.clock.now_us())
    return replace(decision, audit=False, inclusion=0.0)


def as_yaml(declared: dict[str, Any]) -> str:
    """A declared policy as people write it: what has its default is left out."""
    from pilotage.review.routing.policy import Policy

    policy = Policy.model_validate(declared)
    plain = policy.model_dump(mode="json", exclude_defaults=True)
    first = ("policy", "category", "project", "model", "report", "max_age", "contract", "record", "refresh", "output_fields", "slices")
    ordered = {key: plain[key] for key in (*first, *plain) if key in plain}
    return yaml.dump(ordered, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=140, default_flow_style=False)


class _Plain(yaml.SafeDumper):
    """Writes small mappings on one line, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    small = all(not isinstance(one, dict | list) for one in value.values()) and len(value) <= 4
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=small or None)


def _sequence(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    small = all(not isinstance(one, dict | list) for one in value) and len(value) <= 8
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=small or None)


_Plain.add_representer(dict, _mapping)
_Plain.add_representer(list, _sequence)


def draft_on(workspace: Workspace, report_id: str) -> str:
    """A policy to begin with, on a report: its slices with thresholds of their own, and people for everything else."""
    with workspace.read() as conn:
        report = find_report(conn, workspace.id, report_id)
    own = [key for key in report.thresholds if key]
    slices: list[dict[str, Any]] = []
    for key in own:
        parts = dict(part.split("=", 1) for part in key.split(","))
        slices.append({"slice": parts} if report.threshold_for(key, alone=False) is not None else {"slice": parts, "level": "in_the_loop"})
    slices = slices or [{"slice": {}}]
    if own:
        slices.append({"slice": {}, "level": "in_the_loop"})
    from pilotage.review.projects import projects

    names = [one.name for one in projects(workspace)]
    declared = {
        "policy": report.category,
        "category": report.category,
        "project": names[0] if len(names) == 1 else "THE PROJECT WHOSE PEOPLE LOOK",
        "model": {"fingerprint": report.model, **({"prompt": report.prompt} if report.prompt else {})},
        "report": report.id,
        "contract": {"error_rate": report.risk},
        "slices": slices,
        "audit": {"question": "correct", "wrong": ["no"], "rate": 0.02},
        "fallback": {"queue_limit": 1000, "full": "hold"},
        "alarm": {"alpha": 0.05, "then": "in_the_loop"},
    }
    return yaml.dump(declared, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=140, default_flow_style=False)


def _of_report(error: PilotageError, report: StoredReport) -> Doubt:
    return Doubt(error.what, error.why, _page_words(error.mend), f"/routing/lab/{report.id}", "Look at the report")


def _of_slice(error: PilotageError, report: StoredReport) -> Doubt:
    if "report" in error.what:
        return Doubt(error.what, error.why, _page_words(error.mend), f"/routing/lab/{report.id}#slices", "Look at the report")
    return Doubt(error.what, error.why, _page_words(error.mend), "/routing/assessments", "To the assessments")


def _page_words(mend: str | None) -> str | None:
    """A mend without the command: the page has the link."""
    said = (mend or "").partition(": 'pilotage")[0].partition(" 'pilotage")[0]
    return said if said and said not in ("see", "assess it anew") else None


def _fresh(workspace: Workspace, version: PolicyVersion, tightened: dict[str, Change]) -> tuple[StoredReport, ...]:
    """Routable reports about the version's model from after what tightened a slice first; none where one of them was tampered with."""
    if not tightened:
        return ()
    since, model = min(one.created_at for one in tightened.values()), version.settings.model
    try:
        every = reports(workspace, category=version.category)
    except IntegrityError:
        return ()
    return tuple(
        one for one in every if one.created_at > since and one.verdict == "routable" and (one.model, one.prompt) == (model.fingerprint, model.prompt)
    )


def _who(version: PolicyVersion, person: Roles) -> tuple[Doubt, ...]:
    if not may(person, "waive"):
        return (Doubt("You are no owner.", "activating puts outputs before customers unseen", "ask an owner who did not write it", None),)
    if person.login.casefold() == version.author.casefold():
        return (Doubt("You wrote this version.", "a check by the author is no check", "ask another owner to activate it", None),)
    return ()


def _compared(versions: list[PolicyVersion], version: PolicyVersion, running: int | None) -> PolicyVersion | None:
    wanted = running if running is not None and running != version.number and version.state == "draft" else version.number - 1
    return next((one for one in versions if one.number == wanted), None)


def _difference(before: PolicyVersion | None, version: PolicyVersion) -> tuple[tuple[str, str], ...]:
    if before is None:
        return ()
    lines = difflib.ndiff(as_yaml(before.declared).splitlines(), as_yaml(version.declared).splitlines())
    told = [(line[0], line[2:]) for line in lines if line[0] in "+- "]
    return tuple(told) if any(mark != " " for mark, _ in told) else ()


def slice_names(version: PolicyVersion) -> list[str]:
    """The slices of a version, as keys."""
    return [slice_key(one.slice) for one in version.settings.slices]
