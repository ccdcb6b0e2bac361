"""Reviewers are few: whom to show what when not everything can be shown, how many are needed, and what one more hour is worth.

References: Erlang (1917) for the waiting line; Dantzig (1957) for the knapsack by benefit a minute; Alves et al. (2024) for assigning under
workload limits. The assignment is solved by HiGHS (scipy).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError

Floats = NDArray[np.float64]

MOST_UTILISATION = 0.85
_MOST_REVIEWERS = 100_000


@dataclass(frozen=True, eq=False)
class Ranked:
    """Which items to review within the minutes there are.

    reviewed
        One boolean an item.
    shadow_price_per_hour
        What the next reviewer hour would save, in minor units: the benefit an hour of the best item left out. 0: nothing worth reviewing is left.
    saved, left
        Expected saving of what is reviewed, and of what was worth it and is left out.
    """

    reviewed: NDArray[np.bool_]
    minutes: float
    saved: float
    left: float
    n_left: int
    shadow_price_per_hour: float


def rank_by_benefit(benefit: Floats, minutes: Floats | float, *, capacity_minutes: float) -> Ranked:
    """Review where it saves most a minute, as long as there are minutes; an item whose ``benefit`` is not above 0 is never reviewed.

    ``benefit`` is ``p_err · C_err - (c_review + c_delay + e_h · C_err)`` of each item, in minor units.
    """
    gain = np.asarray(benefit, dtype=np.float64)
    if not np.isfinite(gain).all():
        raise InputError("A benefit is not finite.", where="benefit")
    each = np.broadcast_to(np.asarray(minutes, dtype=np.float64), gain.shape)
    if (each <= 0).any() or capacity_minutes < 0:
        raise InputError("A review takes more than 0 minutes, and the capacity is not below 0.")
    order = np.argsort(-gain / each, kind="stable")
    order = order[gain[order] > 0]
    taken = int((np.cumsum(each[order]) <= capacity_minutes + 1e-9).sum())
    reviewed = np.zeros(len(gain), dtype=bool)
    reviewed[order[:taken]] = True
    # The first that is too long for what is left does not keep shorter ones out.
    spare, shortest = capacity_minutes - float(each[order[:taken]].sum()), float(each.min(initial=np.inf))
    for item in order[taken:]:
        if spare + 1e-9 < shortest:
            break
        if each[item] <= spare + 1e-9:
            reviewed[item] = True
            spare -= float(each[item])
    out = order[~reviewed[order]]
    return Ranked(
        reviewed=reviewed,
        minutes=float(each[reviewed].sum()),
        saved=float(gain[reviewed].sum()),
        left=float(gain[out].sum()),
        n_left=len(out),
        shadow_price_per_hour=float(60 * gain[out[0]] / each[out[0]]) if len(out) else 0.0,
    )


@dataclass(frozen=True)
class Staffing:
    """How many reviewers a flow of items needs (M/M/c), and how long items then wait; None where the line grows for ever."""

    reviewers: int
    utilisation: float
    waits: float
    mean_wait_minutes: float | None
    wait_minutes_at_quantile: float | None
    quantile: float
    meets_sla: bool
    reason: str


def erlang_c(servers: int, load: float) -> float:
    """The probability that an arrival waits, with ``servers`` busy at ``load`` erlangs (arrivals × service time); 1 where they cannot keep up."""
    if servers < 1 or load < 0:
        raise InputError(f"{servers} servers at {load:g} erlangs are no waiting line.")
    if load >= servers:
        return 1.0
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1 - (load / servers) * (1 - blocked))


def staffing(reviewers: int, *, per_hour: float, minutes_each: float, sla_minutes: float, quantile: float = 0.95) -> Staffing:
    """How ``reviewers`` fare with ``per_hour`` items of ``minutes_each`` on average."""
    _check_flow(per_hour, minutes_each, sla_minutes, quantile)
    load = per_hour * minutes_each / 60
    waits = erlang_c(reviewers, load)
    if load >= reviewers:
        return Staffing(reviewers, load / reviewers, 1.0, None, None, quantile, False, "more work comes in than they can do: the line grows for ever")
    spare = (reviewers - load) / minutes_each  # items a minute beyond what comes in
    at = 0.0 if waits <= 1 - quantile else math.log(waits / (1 - quantile)) / spare
    meets = at <= sla_minutes and load / reviewers <= MOST_UTILISATION
    why = "" if meets else (f"{quantile:.0%} wait up to {at:.1f} minutes" if at > sla_minutes else f"busier than {MOST_UTILISATION:.0%}")
    return Staffing(reviewers, load / reviewers, waits, waits / spare, at, quantile, meets, why)


def reviewers_needed(*, per_hour: float, minutes_each: float, sla_minutes: float, quantile: float = 0.95) -> Staffing:
    """The fewest reviewers who are busy at most 85 % of the time and begin ``quantile`` of items within ``sla_minutes``.

    Above 85 % a small surplus makes the line grow for hours, and tired reviewers miss more.
    """
    _check_flow(per_hour, minutes_each, sla_minutes, quantile)
    load = per_hour * minutes_each / 60
    number = max(1, math.ceil(load / MOST_UTILISATION - 1e-9))
    while number <= _MOST_REVIEWERS:
        found = staffing(number, per_hour=per_hour, minutes_each=minutes_each, sla_minutes=sla_minutes, quantile=quantile)
        if found.meets_sla:
            return found
        number += 1
    raise InputError(f"More than {_MOST_REVIEWERS} reviewers would be needed.", mend="raise the threshold's risk, or review less")


@dataclass(frozen=True, eq=False)
class Assigned:
    """Who reviews what: the index of the reviewer per item, -1 for nobody. ``price_per_item``: what one more item of workload would save."""

    reviewer: NDArray[np.int64]
    saved: float
    load: tuple[int, ...]
    price_per_item: tuple[float, ...]


def assign(
    benefit: Floats, *, most: Floats | list[int], least: Floats | list[int] | None = None, allowed: NDArray[np.bool_] | None = None
) -> Assigned:
    """Items to reviewers so that the sum of ``benefit`` (items, reviewers) is largest, within each reviewer's workload.

    An item goes to one reviewer or to nobody. ``allowed`` (items, reviewers) leaves out those who may not (skills, own work). A transportation
    problem: the linear programme's best corner is whole, and its duals are the price of each reviewer's workload. Memory: items × reviewers.

    Raises
    ------
    InputError
        If shapes differ, or the workloads cannot be met.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    gain = np.asarray(benefit, dtype=np.float64)
    upper = np.asarray(most, dtype=np.float64)
    if gain.ndim != 2 or upper.shape != (gain.shape[1],) or not np.isfinite(gain).all():
        raise InputError(f"Benefits of shape {gain.shape} for {len(upper)} reviewers.", mend="(items, reviewers), and one workload a reviewer")
    n, m = gain.shape
    lower = np.zeros(m) if least is None else np.asarray(least, dtype=np.float64)
    if (lower < 0).any() or (lower > upper).any() or (upper != upper.round()).any() or (lower != lower.round()).any():
        raise InputError("A workload is a whole number of items, the least not above the most.", where="least, most")
    if n == 0:
        return Assigned(np.empty(0, dtype=np.int64), 0.0, (0,) * m, (0.0,) * m)
    open_ = np.ones((n, m), dtype=bool) if allowed is None else np.asarray(allowed, dtype=bool)
    row, column = np.nonzero(open_)
    cells = np.arange(len(row))
    one_each = sparse.csr_array((np.ones(len(row)), (row, cells)), shape=(n, len(row)))
    workload = sparse.csr_array((np.ones(len(row)), (column, cells)), shape=(m, len(row)))
    solved = linprog(
        -gain[row, column],
        A_ub=sparse.vstack([one_each, workload, -workload]),
        b_ub=np.concatenate([np.ones(n), upper, -lower]),
        bounds=(0, 1),
        method="highs-ds",
    )
    if solved.x is None:
        raise InputError("The workloads cannot be met.", why=str(solved.message), mend="lower the least workloads, or allow more pairs")
    chosen = solved.x > 0.5
    reviewer = np.full(n, -1, dtype=np.int64)
    reviewer[row[chosen]] = column[chosen]
    return Assigned(
        reviewer=reviewer,
        saved=float(gain[row[chosen], column[chosen]].sum()),
        load=tuple(np.bincount(column[chosen], minlength=m).tolist()),
        price_per_item=tuple(abs(float(each)) for each in solved.ineqlin.marginals[n : n + m]),
    )


def _check_flow(per_hour: float, minutes_each: float, sla_minutes: float, quantile: float) -> None:
    if per_hour < 0 or minutes_each <= 0 or sla_minutes < 0 or not 0 < quantile < 1:
        raise InputError("A flow has arrivals ≥ 0 an hour, a review > 0 minutes, an SLA ≥ 0 minutes, and a quantile within (0, 1).")
