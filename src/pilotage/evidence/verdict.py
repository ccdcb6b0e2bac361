"""Evidence against limits: pass, fail, inconclusive, not assessable, waived.

The interval decides. All of it on the right side of the limit: pass. All of it on the wrong side: fail. Across the limit: inconclusive, with the n
that would decide at the figure seen. Evidence that is missing, stale, measured on something else, or too full of gaps never passes and never fails:
it is not assessable, and the reason says which. A gate is as good as its worst limit, and the whole is as good as its worst gate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

from pilotage.core import MICROSECONDS, new_id
from pilotage.core.distributions import normal_quantile
from pilotage.core.intervals import wilson
from pilotage.evidence.figure import COUNT, Evidence
from pilotage.evidence.gate import Gate, Limit
from pilotage.evidence.tables import gate_result as gate_result_table
from pilotage.ledger import record
from pilotage.store import WriteTransaction

_DAY_US = 86_400 * MICROSECONDS
# Compared when a gate is about them. Runs are not: the same target and data measured again are the same subject.
_COMPARED = ("pilot", "fingerprint", "rubric", "code")
_MOST_N = 10_000_000


class Verdict(StrEnum):
    """What evidence says of a limit."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_ASSESSABLE = "not_assessable"
    WAIVED = "waived"


# Worst first: the conjunction of several verdicts is the first of these that occurs.
_WORST_FIRST = (Verdict.FAIL, Verdict.NOT_ASSESSABLE, Verdict.INCONCLUSIVE, Verdict.WAIVED, Verdict.PASS)
_EXIT_CODES = {Verdict.PASS: 0, Verdict.WAIVED: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 2, Verdict.NOT_ASSESSABLE: 3}


@dataclass(frozen=True)
class LimitResult:
    """What was decided of one limit. ``unwaived`` is what it would have been without its waiver."""

    limit: Limit
    verdict: Verdict
    why: str
    evidence: Evidence | None = None
    n_needed: int | None = None
    unwaived: Verdict | None = None

    def __str__(self) -> str:
        return f"{self.verdict}: {self.limit}: {self.why}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "limit": self.limit.to_dict(),
            "verdict": str(self.verdict),
            "why": self.why,
            "evidence_id": self.evidence.id if self.evidence else None,
            "n_needed": self.n_needed,
            "unwaived": None if self.unwaived is None else str(self.unwaived),
        }


@dataclass(frozen=True)
class GateResult:
    """What was decided of a gate: the worst of its limits."""

    gate: Gate
    verdict: Verdict
    why: str
    limits: tuple[LimitResult, ...]

    @property
    def evidence_ids(self) -> tuple[str, ...]:
        """The figures it rests on."""
        return tuple(result.evidence.id for result in self.limits if result.evidence is not None)

    @property
    def n_needed(self) -> int | None:
        """The largest n that one of its inconclusive limits asks for."""
        return max((result.n_needed for result in self.limits if result.n_needed is not None), default=None)

    def __str__(self) -> str:
        return "\n".join([f"{self.gate.name} ({self.gate.owner_role}): {self.verdict}", *(f"  {result}" for result in self.limits)])

    def _repr_html_(self) -> str:
        def row(result: LimitResult) -> str:
            cells = (result.limit, result.verdict, result.evidence or "", result.why)
            return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"

        rows = "".join(map(row, self.limits))
        title = f"{escape(self.gate.name)} ({escape(self.gate.owner_role)}): {escape(str(self.verdict))}"
        return f"<table><caption>{title}</caption>{rows}</table>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "gate": self.gate.name,
            "owner_role": self.gate.owner_role,
            "verdict": str(self.verdict),
            "why": self.why,
            "evidence_ids": list(self.evidence_ids),
            "n_needed": self.n_needed,
            "limits": [result.to_dict() for result in self.limits],
        }


def evaluate_gate(gate: Gate, evidence: Iterable[Evidence], *, subject: Mapping[str, Any], now_us: int) -> GateResult:
    """Hold ``evidence`` against every limit of ``gate``.

    Parameters
    ----------
    evidence
        Whatever was measured; each limit picks what is about it.
    subject
        What the gate is about: ``pilot``, ``fingerprint``, ``versions``, … Evidence must say the same of every key given here;
        its ``versions`` must be among those given.
    now_us
        Now, for age and waivers.
    """
    given = list(evidence)
    results = tuple(_waive(_decide(limit, given, subject=subject, now_us=now_us), now_us=now_us) for limit in gate.limits)
    verdict = conjunction([result.verdict for result in results])
    deciding = [result for result in results if result.verdict == verdict]
    why = "every limit is met" if verdict == Verdict.PASS else "; ".join(f"{result.limit}: {result.why}" for result in deciding)
    return GateResult(gate=gate, verdict=verdict, why=why, limits=results)


def conjunction(verdicts: Sequence[Verdict]) -> Verdict:
    """All must pass: the worst of ``verdicts``. Nothing at all is not assessable."""
    if not verdicts:
        return Verdict.NOT_ASSESSABLE
    return next(verdict for verdict in _WORST_FIRST if verdict in verdicts)


def overall(results: Iterable[GateResult]) -> Verdict:
    """The verdict over several gates."""
    return conjunction([result.verdict for result in results])


def exit_code(verdict: Verdict) -> int:
    """What a command exits with: 0 pass (or waived), 1 fail, 2 inconclusive, 3 missing or invalid evidence."""
    return _EXIT_CODES[verdict]


def put_gate_result(tx: WriteTransaction, result: GateResult, *, pilot_id: str, cycle: int) -> list[str]:
    """Keep the decision, one row a limit, and record it in the ledger. Returns the rows' ids. Every look is kept."""
    ids: list[str] = []
    rows: list[dict[str, Any]] = []
    for limit in result.limits:
        made = new_id("gr", clock=tx.clock)
        ids.append(made)
        rows.append(
            {
                "id": made,
                "pilot_id": pilot_id,
                "cycle": cycle,
                "gate": result.gate.name,
                "verdict": str(limit.verdict),
                "limit": {**limit.limit.to_dict(), "owner_role": result.gate.owner_role},
                "evidence_id": limit.evidence.id if limit.evidence else None,
                "why": limit.why,
                "n_needed": limit.n_needed,
            }
        )
    tx.insert(gate_result_table, *rows)
    record(tx, type="gate.decided", subject=pilot_id, body={"cycle": cycle, "results": ids, **result.to_dict()})
    return ids


def _waive(result: LimitResult, *, now_us: int) -> LimitResult:
    waiver = result.limit.waiver
    if waiver is None or result.verdict == Verdict.PASS:
        return result
    if not waiver.holds(now_us):
        why = f"{result.why}; the waiver by {waiver.who} ran out on {waiver.until}"
        return LimitResult(result.limit, result.verdict, why, result.evidence, result.n_needed)
    why = f"waived by {waiver.who} until {waiver.until}: {waiver.why} (otherwise {result.verdict}: {result.why})"
    return LimitResult(result.limit, Verdict.WAIVED, why, result.evidence, result.n_needed, unwaived=result.verdict)


def _decide(limit: Limit, evidence: list[Evidence], *, subject: Mapping[str, Any], now_us: int) -> LimitResult:
    about = [entry for entry in evidence if _is_about(entry, limit)]
    if not about:
        return LimitResult(limit, Verdict.NOT_ASSESSABLE, "missing: nothing was measured for this limit")
    fitting = [(entry, _foreign(entry, subject)) for entry in about]
    matching = [entry for entry, problem in fitting if problem is None]
    if not matching:
        entry, problem = max(fitting, key=lambda pair: (pair[0].created_at, pair[0].id))
        return LimitResult(limit, Verdict.NOT_ASSESSABLE, str(problem), entry)
    newest_time = max(entry.created_at for entry in matching)
    newest = {entry.id: entry for entry in matching if entry.created_at == newest_time}
    if len(newest) > 1:
        return LimitResult(limit, Verdict.NOT_ASSESSABLE, f"ambiguous: {len(newest)} figures of the same age claim to be this one")
    entry = next(iter(newest.values()))
    problem = _unusable(entry, limit, now_us=now_us)
    if problem is not None:
        return LimitResult(limit, Verdict.NOT_ASSESSABLE, problem, entry)
    return _compare(limit, entry)


def _is_about(entry: Evidence, limit: Limit) -> bool:
    if entry.metric != limit.metric or entry.slice != limit.slice:
        return False
    difference = entry.detail.get("kind") == "difference"
    if limit.no_worse_than is None:
        return not difference
    return difference and entry.detail.get("against") == limit.no_worse_than.against


def _foreign(entry: Evidence, subject: Mapping[str, Any]) -> str | None:
    """Why ``entry`` is not about ``subject``, or None."""
    for key in _COMPARED:
        if key not in subject:
            continue
        if key not in entry.subject:
            return f"unknown subject: the figure does not say which {key} it was measured on"
        if entry.subject[key] != subject[key]:
            return f"wrong version: measured on {key} {entry.subject[key]}, but this gate is about {subject[key]}"
    if "versions" in subject:
        if not entry.subject.get("versions"):
            return "unknown subject: the figure does not say which dataset versions it was measured on"
        strange = sorted(set(entry.subject["versions"]) - set(subject["versions"]))
        if strange:
            return f"wrong version: measured on dataset version {strange[0]}, which is not one of this gate's"
    return None


def _unusable(entry: Evidence, limit: Limit, *, now_us: int) -> str | None:
    if not entry.measured:
        return f"not assessable: {entry.reason}"
    if limit.max_age_days is not None:
        if not entry.created_at:
            return "unknown age: the figure was never kept, so it cannot be shown to be fresh"
        age = (now_us - entry.created_at) / _DAY_US
        if age > limit.max_age_days:
            return f"stale: {age:.1f} days old; the limit takes {limit.max_age_days:g}"
        if age < 0:
            return "the figure is from the future: a clock is wrong"
    missing = float(entry.detail.get("missing_share", 0.0))
    if missing > limit.max_missing_share:
        return f"{missing:.1%} of the outcomes are missing; the limit takes {limit.max_missing_share:.1%}"
    if entry.level < limit.level - 1e-12:
        return f"measured at {entry.level:.0%} confidence; the limit asks for {limit.level:.0%}"
    if limit.no_worse_than is not None and entry.detail.get("better") not in ("higher", "lower"):
        return "the difference does not say which way is better"
    return None


@dataclass(frozen=True)
class _Bound:
    """A limit as a number on the figure's own scale, and the side that is right."""

    value: float
    below: bool


def _bound(limit: Limit, entry: Evidence) -> _Bound:
    if limit.at_most is not None:
        return _Bound(limit.at_most, below=True)
    if limit.at_least is not None:
        return _Bound(limit.at_least, below=False)
    margin = limit.no_worse_than.margin if limit.no_worse_than is not None else 0.0
    lower_is_better = entry.detail["better"] == "lower"
    return _Bound(margin if lower_is_better else -margin, below=lower_is_better)


def _compare(limit: Limit, entry: Evidence) -> LimitResult:
    if entry.estimate is None or entry.lower is None or entry.upper is None:
        return LimitResult(limit, Verdict.NOT_ASSESSABLE, "not assessable: there is no figure", entry)
    bound = _bound(limit, entry)
    right = entry.upper <= bound.value if bound.below else entry.lower >= bound.value
    wrong = entry.lower > bound.value if bound.below else entry.upper < bound.value
    span = f"[{entry.lower:.3f}, {entry.upper:.3f}]"
    whole = f"the count {entry.estimate:g}" if entry.method == COUNT else f"the whole interval {span}"
    if wrong:
        return LimitResult(limit, Verdict.FAIL, f"{whole} is beyond {bound.value:g}", entry)
    if right and entry.n >= limit.min_n:
        return LimitResult(limit, Verdict.PASS, f"{whole} is within {bound.value:g}", entry)
    if right:
        why = f"the interval {span} is within {bound.value:g}, but n is {entry.n} and the limit asks for {limit.min_n}"
        return LimitResult(limit, Verdict.INCONCLUSIVE, why, entry, limit.min_n)
    needed = n_needed(entry, bound.value)
    if needed is None:
        return LimitResult(
            limit, Verdict.INCONCLUSIVE, f"the interval {span} crosses {bound.value:g}, and no n would decide a figure this close", entry
        )
    needed = max(needed, limit.min_n)
    why = f"the interval {span} crosses {bound.value:g}; about n = {needed} would decide at this figure (now {entry.n})"
    return LimitResult(limit, Verdict.INCONCLUSIVE, why, entry, needed)


def n_needed(entry: Evidence, bound: float) -> int | None:
    """The n at which the interval would no longer cross ``bound`` if the estimate and the clustering stayed as they are; None where none would.

    Rates are searched with Wilson's interval; for other figures the interval's half towards ``bound`` shrinks like 1 / √n.
    """
    if entry.estimate is None or entry.lower is None or entry.upper is None:
        return None
    gap = abs(entry.estimate - bound)
    if gap < 1e-12:
        return None
    if "Wilson" in entry.method and "n_effective" in entry.detail:
        return _n_for_rate(entry, bound)
    half = entry.upper - entry.estimate if bound > entry.estimate else entry.estimate - entry.lower
    needed = entry.n * (half / gap) ** 2
    return None if needed > _MOST_N else max(entry.n + 1, math.ceil(needed))


def _n_for_rate(entry: Evidence, bound: float) -> int | None:
    rate = float(entry.estimate or 0.0)
    per_effective = entry.n / float(entry.detail["n_effective"])
    clusters_per_n = (entry.n_clusters or entry.n) / entry.n
    clustered = entry.detail.get("df") is not None

    def decides(n: int) -> bool:
        df = max(1.0, n * clusters_per_n - 1) if clustered else None
        effective = n / per_effective
        made = wilson(rate * effective, effective, level=entry.level, df=df)
        return made.upper <= bound if bound > rate else made.lower >= bound

    low, high = entry.n, entry.n * 2
    while not decides(high):
        low, high = high, high * 2
        if high > _MOST_N:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def n_for_none(limit: float, *, level: float = 0.95) -> int:
    """How many independent outcomes without any event put the upper bound of the rate at or below ``limit``. For planning."""
    z = normal_quantile((1 + level) / 2)
    return math.ceil(z * z * (1 - limit) / limit - 1e-9)
