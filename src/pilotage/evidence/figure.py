"""Evidence: one measured figure with its interval, its n, how it was measured and on what. There are no bare numbers elsewhere.

A figure that cannot be measured is evidence too: ``not_assessable``, with the reason. Equal figures over the same subject are one record: the id is
made from the content.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import Any, Literal

from sqlalchemy import select

from pilotage.core import InputError, NotFound, content_id
from pilotage.evidence.tables import evidence as evidence_table
from pilotage.store import Workspace, WriteTransaction

Status = Literal["measured", "not_assessable"]
SUBJECT_KEYS = ("pilot", "fingerprint", "runs", "versions", "rubric", "code")
COUNT = "count"
_CHUNK = 500


@dataclass(frozen=True)
class Evidence:
    """One figure.

    metric
        What was measured, in the words gates use.
    estimate, lower, upper, level
        The figure and its interval at this confidence level. None only where ``status`` is ``not_assessable``.
    n, n_clusters
        Observations that went in, and the independent groups they fall into (None where the method has none).
    slice
        The part of the data it is about; {} for all of it.
    subject
        What it was measured on. Keys: ``pilot``, ``fingerprint`` (the target), ``runs``, ``versions`` (dataset versions), ``rubric``, ``code``.
    detail
        What a reader needs to check it: counts, design effect, missing outcomes and their bounds, seed, p-value, MDE.
    created_at
        When it was first kept (µs, UTC); 0 before. Not part of the id.
    """

    metric: str
    status: Status
    estimate: float | None
    lower: float | None
    upper: float | None
    level: float
    n: int
    n_clusters: int | None
    method: str
    slice: dict[str, str] = field(default_factory=dict)
    subject: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    id: str = ""
    created_at: int = 0

    def __post_init__(self) -> None:
        if not self.metric:
            raise InputError("A figure needs a name.", where="evidence field 'metric'")
        strange = sorted(set(self.subject) - set(SUBJECT_KEYS))
        if strange:
            raise InputError(f"Unknown subject '{strange[0]}'.", where=f"evidence '{self.metric}'", mend=f"use: {', '.join(SUBJECT_KEYS)}")
        if not 0 < self.level < 1:
            raise InputError(f"A confidence level of {self.level} is not between 0 and 1.", where=f"evidence '{self.metric}'")
        numbers = (self.estimate, self.lower, self.upper)
        if self.status == "measured":
            if (
                self.estimate is None
                or self.lower is None
                or self.upper is None
                or not all(map(math.isfinite, (self.estimate, self.lower, self.upper)))
            ):
                raise InputError(
                    "A measured figure has a finite estimate and interval.", where=f"evidence '{self.metric}'", mend="use not_assessable(…)"
                )
            # A count of everything there is was not sampled, so it alone has an interval of one point.
            if not self.lower <= self.estimate <= self.upper or (self.lower == self.upper and self.method != COUNT):
                raise InputError(
                    f"An interval [{self.lower}, {self.upper}] around {self.estimate} is not one.",
                    where=f"evidence '{self.metric}'",
                    why="an interval contains its estimate and is never of zero width",
                )
        elif any(number is not None for number in numbers) or not self.reason:
            raise InputError("A figure that is not assessable has no numbers and says why.", where=f"evidence '{self.metric}'")
        object.__setattr__(self, "id", content_id("ev", self._content()))

    def _content(self) -> dict[str, Any]:
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in ("id", "created_at")}

    @property
    def measured(self) -> bool:
        """Whether there is a figure."""
        return self.status == "measured"

    def about(self, *, slice: Mapping[str, str] | None = None, subject: Mapping[str, Any] | None = None) -> Evidence:
        """The same figure, said to be about this slice or subject."""
        return replace(
            self,
            slice=dict(self.slice if slice is None else slice),
            subject=dict(self.subject if subject is None else subject),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self._content(), "id": self.id, "created_at": self.created_at}

    def __str__(self) -> str:
        of = f" [{', '.join(f'{key}={value}' for key, value in sorted(self.slice.items()))}]" if self.slice else ""
        if self.estimate is None or self.lower is None or self.upper is None:
            return f"{self.metric}{of}: not assessable: {self.reason}"
        clusters = f" in {self.n_clusters} clusters" if self.n_clusters not in (None, self.n) else ""
        return (
            f"{self.metric}{of}: {self.estimate:.3f} [{self.lower:.3f}, {self.upper:.3f}] at {self.level:.0%}, n = {self.n}{clusters} ({self.method})"
        )

    def _repr_html_(self) -> str:
        return f"<p><code>{escape(self.id)}</code> {escape(str(self))}</p>"


def not_assessable(
    metric: str,
    *,
    reason: str,
    n: int = 0,
    n_clusters: int | None = None,
    level: float = 0.95,
    method: str = "none",
    slice: Mapping[str, str] | None = None,
    subject: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Evidence:
    """Evidence that ``metric`` could not be measured, and why."""
    return Evidence(
        metric=metric,
        status="not_assessable",
        estimate=None,
        lower=None,
        upper=None,
        level=level,
        n=n,
        n_clusters=n_clusters,
        method=method,
        slice=dict(slice or {}),
        subject=dict(subject or {}),
        detail=dict(detail or {}),
        reason=reason,
    )


def put_evidence(tx: WriteTransaction, evidence: Evidence) -> str:
    """Keep ``evidence`` and return its id. The same figure again changes nothing, its age included."""
    t = evidence_table
    if tx.conn.execute(select(t.c.id).where(t.c.workspace_id == tx.workspace_id, t.c.id == evidence.id)).first() is None:
        tx.insert(t, {"id": evidence.id, **evidence._content()})
    return evidence.id


def load_evidence(
    workspace: Workspace,
    *,
    ids: Iterable[str] | None = None,
    metric: str | None = None,
    pilot: str | None = None,
    fingerprint: str | None = None,
) -> list[Evidence]:
    """The evidence that matches, oldest first.

    Raises
    ------
    NotFound
        If one of ``ids`` is not there.
    """
    t = evidence_table
    conditions = [t.c.workspace_id == workspace.id]
    if metric is not None:
        conditions.append(t.c.metric == metric)
    base = select(t).where(*conditions)
    wanted = None if ids is None else sorted(set(ids))
    with workspace.read() as conn:
        if wanted is None:
            rows = list(conn.execute(base))
        else:
            rows = [row for start in range(0, len(wanted), _CHUNK) for row in conn.execute(base.where(t.c.id.in_(wanted[start : start + _CHUNK])))]
    found = [_evidence(row) for row in rows]
    missing = set(wanted or ()) - {evidence.id for evidence in found}
    if missing and metric is None:
        raise NotFound(f"There is no evidence {min(missing)}.")
    about = {"pilot": pilot, "fingerprint": fingerprint}
    matching = [e for e in found if all(value is None or e.subject.get(key) == value for key, value in about.items())]
    return sorted(matching, key=lambda evidence: (evidence.created_at, evidence.id))


def _evidence(row: Any) -> Evidence:
    values = {entry.name: getattr(row, entry.name) for entry in fields(Evidence) if entry.name != "id"}
    return Evidence(**values)
