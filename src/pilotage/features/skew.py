"""Skew in production: what was served, held against what the batch path computes for the same entities and moments.

The served vectors are those of the :mod:`.serving_log`. Each is computed again as of the moment it was served, by the engine of batches, from a
version of the source; per feature the report says how many differ and with which interval (vectors of one entity are one cluster), how many were
missing or extra, how far numbers were apart, the first examples, and the likeliest cause (:mod:`.skew_causes`). The verdict holds each feature's
interval against a declared limit: ``pass`` if all of it lies at or below, ``fail`` if above, else ``inconclusive`` with the n that would decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl
from sqlalchemy import desc, select

from pilotage.core import InputError, NotFound, new_id
from pilotage.data import load_version
from pilotage.data.tabular import scan
from pilotage.evidence import Evidence, Observation, Verdict, conjunction, n_needed, put_evidence, rate
from pilotage.features.definition import FeatureView
from pilotage.features.engines import engine
from pilotage.features.online.states import plain_times
from pilotage.features.online.tables import feature_skew_report
from pilotage.features.serving_log import ServedLog, ServedVector, entity_digest, served
from pilotage.features.skew_causes import Attribution, Case, attribute, request_columns, same
from pilotage.features.streams import entity_keys
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

_ENTITY, _AT = "__entity", "__served_at"
_CASES_LOOKED_INTO = 200
_EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """One differing value. ``entity`` is empty where the key is personal data."""

    entity: str
    at_us: int
    served: Any
    recomputed: Any


@dataclass(frozen=True)
class FeatureSkew:
    """One feature: ``missing`` were served as null and are not, ``extra`` the other way round.

    ``smape`` is the mean of ``2·|a - b| / (|a| + |b|)`` over pairs of numbers, equal ones too: 0 to 2; None without such pairs. ``causes`` counts the
    values looked into by cause; ``n_deciding`` is the n at which an inconclusive rate would be decided.
    """

    name: str
    evidence: Evidence
    verdict: str
    mismatches: int
    missing: int
    extra: int
    smape: float | None
    examples: tuple[Example, ...]
    cause: str | None
    cause_note: str
    causes: Mapping[str, int]
    n_deciding: int | None

    def __str__(self) -> str:
        of = self.evidence
        shown = "not assessable" if of.estimate is None else f"{of.estimate:.2%} [{of.lower:.2%}, {of.upper:.2%}]"
        why = f": {self.cause}{f' ({self.cause_note})' if self.cause_note else ''}" if self.cause else ""
        return f"{self.name:<32} {self.verdict:<14} {shown} of {of.n}{why}"


@dataclass(frozen=True)
class SkewReport:
    """What the comparison of ``compared`` vectors said. ``dropped`` were lost before they were logged; ``left_out`` features are personal."""

    id: str
    view: str
    definition: str
    source_version: str
    from_us: int
    to_us: int
    max_rate: float
    verdict: str
    compared: int
    dropped: int
    features: tuple[FeatureSkew, ...]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {**asdict(self), "features": [{**asdict(each), "evidence": each.evidence.to_dict()} for each in self.features]}

    def __str__(self) -> str:
        lost = f", {self.dropped} lost before they were logged" if self.dropped else ""
        head = f"{self.view}: {self.verdict}; {self.compared} served vectors against {self.source_version}, limit {self.max_rate:.2%}{lost}"
        return "\n".join([head, *(f"  {each}" for each in self.features)])


def measure_skew(
    workspace: Workspace, view: FeatureView, *, from_us: int, to_us: int, max_rate: float, source: str | None = None, level: float = 0.95
) -> SkewReport:
    """Compare the vectors of ``view`` logged in [from, to) with the batch path, and keep the report.

    Parameters
    ----------
    source
        A version of the view's source to compute from. Default: the latest.
    max_rate
        The share of differing values a feature may have, 0 to 1.

    Raises
    ------
    NotFound
        If there is no such source.
    InputError
        If the limit is no share.

    Cost: a join of the logged vectors with the source; causes are looked into for at most 200 vectors.
    """
    version = load_version(workspace, source or view.source)
    frame = scan(workspace, version.id, columns=view.source_columns()).collect()
    logged = served(workspace, view.ref, from_us=from_us, to_us=to_us)
    report = compare(workspace, view, logged, frame, source_version=version.id, from_us=from_us, to_us=to_us, max_rate=max_rate, level=level)
    workspace.write(lambda tx: _keep(tx, report))
    return report


def compare(
    workspace: Workspace,
    view: FeatureView,
    logged: ServedLog,
    source: pl.DataFrame,
    *,
    source_version: str,
    from_us: int,
    to_us: int,
    max_rate: float,
    level: float = 0.95,
) -> SkewReport:
    """The report of ``logged`` vectors against ``source``, not kept."""
    if not 0 <= max_rate < 1:
        raise InputError(f"A limit on the rate of differing values lies between 0 and 1, not {max_rate}.")
    vectors, names = logged.vectors, _names(workspace, logged)
    keyed = _keyed(workspace, view, source, by_digest=any(not vector.entity for vector in vectors))
    recomputed = _recomputed(view, vectors, names, keyed)
    logged_names = {name for vector in vectors for name in vector.values} or set(view.features)
    features = [name for name in view.features if name in logged_names]
    causes = _causes(view, vectors, names, recomputed, keyed, features)
    found = tuple(
        _feature(name, vectors, logged.digests, recomputed[name], causes.get(name), version=source_version, max_rate=max_rate, level=level)
        for name in features
    )
    return SkewReport(
        id=new_id("sk", clock=workspace.clock),
        view=view.ref,
        definition=view.hash,
        source_version=source_version,
        from_us=from_us,
        to_us=to_us,
        max_rate=max_rate,
        verdict=str(conjunction([Verdict(each.verdict) for each in found])) if found else str(Verdict.NOT_ASSESSABLE),
        compared=len(vectors),
        dropped=logged.dropped,
        features=found,
        left_out=tuple(name for name in view.features if name not in logged_names),
    )


def skew_reports(workspace: Workspace, view: str, *, limit: int = 20) -> list[dict[str, Any]]:
    """The kept reports of ``view`` (``name@version``) as plain data, newest first."""
    held = feature_skew_report.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(held.report)
            .where(held.workspace_id == workspace.id, held.view == view)
            .order_by(desc(held.created_at), desc(held.id))
            .limit(limit)
        )
        return [row.report for row in rows]


def skew_report(workspace: Workspace, report_id: str) -> dict[str, Any]:
    """One kept report as plain data. Raises ``NotFound`` if there is none."""
    held = feature_skew_report.c
    with workspace.read() as conn:
        found = conn.execute(select(held.report).where(held.workspace_id == workspace.id, held.id == report_id)).scalar()
    if found is None:
        raise NotFound(f"There is no skew report {report_id}.")
    return dict(found)


def _names(workspace: Workspace, logged: ServedLog) -> list[str]:
    """What each vector's entity is called in the comparison: its key, or the hash of it."""
    hashed = any(not vector.entity for vector in logged.vectors)
    return list(logged.digests) if hashed else [vector.entity for vector in logged.vectors]


def _keyed(workspace: Workspace, view: FeatureView, source: pl.DataFrame, *, by_digest: bool) -> pl.DataFrame:
    keys = entity_keys(source, view.entity)
    if by_digest:
        unique = {key: entity_digest(workspace.id, key) for key in keys.unique().to_list()}
        keys = keys.replace_strict(list(unique), list(unique.values()), return_dtype=pl.String)
    return source.with_columns(keys.alias(_ENTITY))


def _recomputed(view: FeatureView, vectors: Sequence[ServedVector], names: Sequence[str], keyed: pl.DataFrame) -> dict[str, list[Any]]:
    spine = pl.DataFrame(
        [
            pl.Series(_ENTITY, names, dtype=pl.String),
            pl.Series(_AT, [vector.at_us for vector in vectors], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            *request_columns(view, vectors),
        ]
    )
    made = engine().point_in_time(spine, keyed, replace(view, entity=(_ENTITY,)), time=_AT)
    found: dict[str, list[Any]] = plain_times(made, view.features).select(list(view.features)).to_dict(as_series=False)
    return found


def _causes(
    view: FeatureView,
    vectors: Sequence[ServedVector],
    names: Sequence[str],
    recomputed: Mapping[str, list[Any]],
    keyed: pl.DataFrame,
    features: Sequence[str],
) -> dict[str, Attribution]:
    cases = []
    for i, vector in enumerate(vectors):
        if any(name in vector.values and not same(vector.values[name], recomputed[name][i]) for name in features):
            cases.append(
                Case(
                    entity=names[i],
                    at_us=vector.at_us,
                    known_us=vector.available_us,
                    same_definition=vector.definition == view.hash and vector.flag != "version",
                    served=vector.values,
                    recomputed={name: recomputed[name][i] for name in features},
                    request_values=vector.request_values,
                )
            )
    # Spread over the whole stretch, so that no one hour decides the cause.
    step = max(1, len(cases) // _CASES_LOOKED_INTO)
    chosen = cases[::step][:_CASES_LOOKED_INTO]
    return attribute(view, keyed, chosen, entity=_ENTITY, time=_AT) if chosen else {}


def _feature(
    name: str,
    vectors: Sequence[ServedVector],
    digests: Sequence[str],
    recomputed: Sequence[Any],
    attribution: Attribution | None,
    *,
    version: str,
    max_rate: float,
    level: float,
) -> FeatureSkew:
    observations: list[Observation] = []
    examples: list[Example] = []
    apart: list[float] = []
    mismatches = missing = extra = 0
    for i, (vector, digest, there) in enumerate(zip(vectors, digests, recomputed, strict=True)):
        if name not in vector.values:
            continue
        here = vector.values[name]
        differs = not same(here, there)
        observations.append(Observation(item=str(i), value=differs, cluster=digest))
        if _number(here) and _number(there):
            apart.append(0.0 if here == there else 2 * abs(here - there) / (abs(here) + abs(there)))
        if differs:
            mismatches += 1
            missing += here is None
            extra += there is None
            if len(examples) < _EXAMPLES:
                examples.append(Example(vector.entity, vector.at_us, here, there))
    evidence = rate(observations, metric="features.skew_rate", level=level, slice={"feature": name}, subject={"versions": [version]})
    return FeatureSkew(
        name=name,
        evidence=evidence,
        verdict=str(_verdict(evidence, max_rate)),
        mismatches=mismatches,
        missing=missing,
        extra=extra,
        smape=sum(apart) / len(apart) if apart else None,
        examples=tuple(examples),
        cause=None if attribution is None else attribution.cause,
        cause_note="" if attribution is None else attribution.note,
        causes={} if attribution is None else attribution.explained,
        n_deciding=n_needed(evidence, max_rate) if _verdict(evidence, max_rate) is Verdict.INCONCLUSIVE else None,
    )


def _verdict(evidence: Evidence, max_rate: float) -> Verdict:
    if evidence.lower is None or evidence.upper is None:
        return Verdict.NOT_ASSESSABLE
    if evidence.upper <= max_rate:
        return Verdict.PASS
    return Verdict.FAIL if evidence.lower > max_rate else Verdict.INCONCLUSIVE


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _keep(tx: WriteTransaction, report: SkewReport) -> None:
    evidence = [put_evidence(tx, each.evidence) for each in report.features]
    tx.insert(
        feature_skew_report,
        {
            "id": report.id,
            "view": report.view,
            "definition": report.definition,
            "source_version": report.source_version,
            "from_us": report.from_us,
            "to_us": report.to_us,
            "verdict": report.verdict,
            "max_rate": report.max_rate,
            "report": report.to_dict(),
        },
    )
    causes = {each.name: each.cause for each in report.features if each.cause is not None}
    record(
        tx,
        type="features.skew",
        subject=report.definition,
        body={
            "report": report.id,
            "view": report.view,
            "source_version": report.source_version,
            "from_us": report.from_us,
            "to_us": report.to_us,
            "max_rate": repr(report.max_rate),
            "verdict": report.verdict,
            "compared": report.compared,
            "dropped": report.dropped,
            "causes": causes,
            "evidence": evidence,
        },
    )
