"""The records of a gate: one result a check, failing rows, and the report with its verdict.

The law of the verdict (:func:`verdict_of`): any failed check of severity ``error`` fails the gate; else an ``error`` check that could not be assessed
leaves it inconclusive; warnings never fail. A table without rows, or a gate that assessed nothing, is ``not_assessable``, never a pass.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pilotage.data.quality.policy import Limits
from pilotage.data.quality.profile import Profile

if TYPE_CHECKING:
    import polars as pl

Verdict = Literal["pass", "fail", "inconclusive", "not_assessable"]
Status = Literal["pass", "fail", "not_assessable"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class FailingRow:
    """One row that breaks a check. ``row`` counts from 0 in the order of the table that was gated.

    ``key`` and ``value`` are None where the contract calls the column personal: what is personal is never echoed.
    """

    row: int
    key: Mapping[str, Any] | None
    value: Any
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return {"row": self.row, "key": None if self.key is None else dict(self.key), "value": self.value, "reason": self.reason}


@dataclass(frozen=True)
class CheckResult:
    """What one check measured, beside what it allows.

    ``figure`` is None where it is undefined, and ``reason`` says why. ``n`` is what the figure is taken over: rows, or values that are there.
    ``at_least`` and ``at_most`` are the limits; ``needed`` is how many rows would decide, where too few did not.
    """

    check: str
    kind: str
    column: str | None
    severity: Severity
    status: Status
    figure: float | None
    at_least: float | None
    at_most: float | None
    n: int
    reason: str = ""
    needed: int | None = None
    examples: tuple[FailingRow, ...] = ()

    @property
    def limit(self) -> float | None:
        """The limit that is broken, or else the one there is (the upper of two)."""
        if self.figure is not None and self.at_least is not None and self.figure < self.at_least:
            return self.at_least
        return self.at_most if self.at_most is not None else self.at_least

    @property
    def failing_rows(self) -> tuple[int, ...]:
        """The first failing rows, as indices from 0."""
        return tuple(example.row for example in self.examples)

    @property
    def is_learned(self) -> bool:
        """Whether the limit was learned from history, not declared."""
        return self.kind.startswith("change.")

    def __str__(self) -> str:
        figure = "not assessable" if self.figure is None else f"{self.figure:.6g}"
        bounds = [f"at least {self.at_least:.6g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:.6g}"] if self.at_most is not None else []
        text = f"{self.status:14} {self.check}: {figure}" + (f" ({' and '.join(bounds)}, n = {self.n})" if bounds else f" (n = {self.n})")
        return text + (f"; {self.reason}" if self.reason else "") + (" [warning]" if self.severity == "warning" else "")

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "check": self.check,
            "kind": self.kind,
            "column": self.column,
            "severity": self.severity,
            "status": self.status,
            "figure": self.figure,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "n": self.n,
            "reason": self.reason,
            "needed": self.needed,
            "examples": [example.to_dict() for example in self.examples],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> CheckResult:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**value, "examples": tuple(FailingRow(**example) for example in value["examples"])})


@dataclass(frozen=True)
class Acceptance:
    """A person's word that what a report shows is the new normal. ``at`` is in microseconds, UTC; ``columns`` start a new history there."""

    person: str
    reason: str
    at: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class GateReport:
    """The outcome of a gate. ``id`` and what follows it are empty until the report is kept in a workspace.

    ``subject`` is what was gated: a version's id or a batch's; ``version_id`` the version that came of it, if any. ``history`` names the accepted
    reports that limits were learned from.
    """

    verdict: Verdict
    results: tuple[CheckResult, ...]
    profile: Profile
    rows: int
    contract: str
    contract_id: str
    limits: Limits | None = None
    history: tuple[str, ...] = ()
    id: str = ""
    dataset: str = ""
    subject: str = ""
    version_id: str | None = None
    created_at: int = 0
    created_by: str = ""
    accepted: Acceptance | None = field(default=None)

    @property
    def passed(self) -> bool:
        """Whether what was gated may be used: it passed, or a person has accepted it as normal."""
        return self.verdict == "pass" or self.accepted is not None

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed, errors first."""
        return tuple(sorted((each for each in self.results if each.status == "fail"), key=lambda each: each.severity != "error"))

    @property
    def undecided(self) -> tuple[CheckResult, ...]:
        """The error checks that could not be assessed."""
        return tuple(each for each in self.results if each.status == "not_assessable" and each.severity == "error")

    @property
    def headline(self) -> str:
        """The report in one sentence."""
        errors = sum(each.severity == "error" for each in self.failed)
        warnings = len(self.failed) - errors
        said = f"{self.verdict}: {len(self.results)} checks on {self.rows} rows"
        said += f", {errors} failed" if errors else ""
        said += f", {warnings} {'warns' if warnings == 1 else 'warn'}" if warnings else ""
        said += f", {len(self.undecided)} undecided" if self.undecided else ""
        return said + (f"; accepted as normal by {self.accepted.person}: {self.accepted.reason}" if self.accepted else "")

    def __str__(self) -> str:
        shown = [*self.failed, *self.undecided]
        return "\n".join([self.headline, *(f"  {each}" for each in shown)])

    def _repr_html_(self) -> str:
        cells = ("check", "status", "figure", "limit", "n", "reason")
        head = "".join(f"<th>{cell}</th>" for cell in cells)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape('' if value is None else str(value))}</td>"
                for value in (each.check, each.status, each.figure, each.limit, each.n, each.reason)
            )
            + "</tr>"
            for each in self.results
        )
        return f"<p>{html.escape(self.headline)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, without the profile (which is large; see ``report.profile.to_dict()``)."""
        return {
            "id": self.id,
            "verdict": self.verdict,
            "dataset": self.dataset,
            "subject": self.subject,
            "version_id": self.version_id,
            "contract": self.contract,
            "contract_id": self.contract_id,
            "rows": self.rows,
            "results": [each.to_dict() for each in self.results],
            "limits": None if self.limits is None else self.limits.to_dict(),
            "history": list(self.history),
            "created_at": self.created_at,
            "created_by": self.created_by,
            "accepted": None
            if self.accepted is None
            else {
                "person": self.accepted.person,
                "reason": self.accepted.reason,
                "at": self.accepted.at,
                "columns": list(self.accepted.columns),
            },
        }

    def to_frame(self) -> pl.DataFrame:
        """One row a check, without examples."""
        import polars as pl

        rows = [{name: value for name, value in each.to_dict().items() if name != "examples"} for each in self.results]
        return pl.DataFrame(rows, infer_schema_length=None)


def verdict_of(results: Iterable[CheckResult], *, rows: int) -> Verdict:
    """The verdict that the results give, by the law in this module's first lines."""
    results = list(results)
    if any(each.status == "fail" and each.severity == "error" for each in results):
        return "fail"
    if rows == 0 or not any(each.status != "not_assessable" for each in results):
        return "not_assessable"
    if any(each.status == "not_assessable" and each.severity == "error" for each in results):
        return "inconclusive"
    return "pass"
