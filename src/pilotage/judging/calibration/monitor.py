"""The watch over what was accepted: an alarm that may be looked at after every audit.

Accepted outputs are audited at random. The watch bets against "no more than ``limit`` of what is accepted is wrong"; while that is true, its
wealth (an e-value) reaches 1 / alpha with probability at most alpha, however often one looks. A test repeated at every audit would cry wolf in a
third of all cases.

Audits drawn alike: a mixture of likelihood ratios over rates above the limit (a Beta cut off there), in closed form. Audits drawn with unequal,
declared probabilities (more in risky slices): fixed bets on inverse-probability-weighted outcomes, mixed. Both need only counts by inclusion
probability and outcome, so that part of the state is a few integers.

Wealth lost over a long calm past would have to be won back before a late shift is seen. So a part of the stake (:data:`_RESTARTS`) is kept to be bet
anew from every audit on: start k gets the share ``w_k = H / ((k + H)(k + 1 + H))`` of it, these sum to 1, and what has not begun is kept as cash.
Each start is an e-process, so their weighted sum is one too, and alpha holds over an infinite horizon. With bets that are fixed, all starts of a bet
are one number: ``R <- (R + w_k)(1 + bet (x - limit))``. A look costs O(1), and the whole state is the counts and a number a bet.

References: Robbins (1970) and Howard et al. (2021) for mixtures and confidence sequences; Ville (1939); Waudby-Smith & Ramdas (2024) for betting;
Shin, Ramdas & Rinaldo (2023), E-detectors, for sums over starts, here with weights that keep alpha instead of a mean run length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pilotage.core import InputError
from pilotage.judging.calibration.measure import Measure, undefined

Floats = NDArray[np.float64]

# The prior over rates above the limit: Beta(a, b / limit). Chosen by simulation for limits of 1 to 10 % and true rates of 1.5 to 4 times that.
_PRIOR = (4.0, 1.5)
_BETS = np.geomspace(0.01, 0.98, 16)
_CANDIDATES = 400
# The part of the stake that is bet anew from every audit on, and the audits over which half of that is given out.
_RESTARTS = 0.1
_HORIZON = 5_000
# What the anew-begun bets are made for: rates so many times the limit.
_TIMES = np.geomspace(1.4, 8.0, 6)


class Audit(NamedTuple):
    """One accepted output that was audited: was it wrong, and with which probability was it drawn."""

    wrong: bool
    inclusion: float | None = None


@dataclass(frozen=True)
class Watch:
    """A watch, and what it has seen. Never changed: :meth:`see` answers with the next one.

    limit
        The contracted error rate among accepted outputs.
    alpha
        The chance, over the whole life of the watch, of an alarm while the rate is within the limit.
    smallest_inclusion
        None: audits are drawn alike. Else the smallest probability the audit plan can use; audits then say theirs.
    counts
        ``((inclusion or 1.0, n, wrong), …)``, sorted.
    alarmed_at
        The audit at which the alarm went off; it stays. None: it has not.
    restarts, restarts_since
        Log wealth of what was bet anew, a number a bet, over the starts since audit ``restarts_since``. States of before there were restarts have
        none, and begin with them when they are read: what is counted up to then stays as it was.
    """

    limit: float
    alpha: float = 0.05
    smallest_inclusion: float | None = None
    counts: tuple[tuple[float, int, int], ...] = ()
    alarmed_at: int | None = None
    highest: float = field(default=0.0)
    restarts: tuple[float, ...] = ()
    restarts_since: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1 or not 0 < self.alpha < 1:
            raise InputError(f"A watch at limit {self.limit:g} and alpha {self.alpha:g} watches nothing.", mend="both within (0, 1)")
        if self.smallest_inclusion is not None and not 0 < self.smallest_inclusion <= 1:
            raise InputError(f"{self.smallest_inclusion:g} is no inclusion probability.", where="smallest_inclusion")

    @property
    def n(self) -> int:
        """Audits seen."""
        return sum(n for _, n, _ in self.counts)

    @property
    def wrong(self) -> int:
        """Audits that found a wrong output."""
        return sum(wrong for _, _, wrong in self.counts)

    @property
    def alarmed(self) -> bool:
        """Whether the alarm has gone off."""
        return self.alarmed_at is not None

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now. The alarm is at ``log(1 / alpha)``; ``highest`` is the most it ever was."""
        anew = special.logsumexp(self.restarts) - math.log(len(self.restarts)) if self.restarts else -math.inf
        cash = math.log(_HORIZON / (self.n - self.restarts_since + _HORIZON))
        return float(_stake(self.log_e_since_start, np.logaddexp(anew, cash)))

    @property
    def log_e_since_start(self) -> float:
        """Natural log of the e-value of what was bet from the first audit on: in whichever order audits came, the same."""
        if self.smallest_inclusion is None:
            return float(log_e_binomial(self.n, self.wrong, self.limit))
        return _log_e_weighted(self.counts, self.limit, self.smallest_inclusion, above=True)

    def see(self, audit: Audit | bool) -> Watch:
        """The watch after one more audit.

        Raises
        ------
        InputError
            If the audit's inclusion probability is missing where they differ, below the declared smallest, or given where all are alike and differs.
        """
        seen = audit if isinstance(audit, Audit) else Audit(wrong=bool(audit))
        drawn = self._inclusion(seen)
        counts = {inclusion: (n, wrong) for inclusion, n, wrong in self.counts}
        n, wrong = counts.get(drawn, (0, 0))
        counts[drawn] = (n + 1, wrong + int(seen.wrong))
        held = tuple((inclusion, *counts[inclusion]) for inclusion in sorted(counts))
        after = replace(self, counts=held, restarts=self._anew(seen.wrong, drawn))
        now = after.log_e
        at = after.n if self.alarmed_at is None and now >= -math.log(self.alpha) else self.alarmed_at
        return replace(after, alarmed_at=at, highest=max(self.highest, now))

    def _anew(self, wrong: bool, inclusion: float) -> tuple[float, ...]:
        weight = 1.0 if self.smallest_inclusion is None else self.smallest_inclusion / inclusion
        bets = _bets_anew(self.limit)
        begun = np.asarray(self.restarts) if self.restarts else np.full(len(bets), -np.inf)
        start = float(_log_start(self.n - self.restarts_since))
        return tuple((np.logaddexp(begun, start) + np.log1p(bets * weight * (wrong - self.limit))).tolist())

    def see_all(self, audits: Iterable[Audit | bool]) -> Watch:
        """The watch after ``audits``, in their order: a replay gives the identical state."""
        after = self
        for audit in audits:
            after = after.see(audit)
        return after

    def interval(self, *, alpha: float | None = None) -> Measure:
        """The error rate of accepted outputs with a confidence sequence: true at every moment together with probability 1 - alpha. For display."""
        level = self.alpha if alpha is None else alpha
        name = "error rate of accepted outputs"
        if not self.n:
            return undefined(name, "nothing was audited yet")
        low, high = self._inverted(level)
        estimate = self._estimate()
        return Measure(
            name=name,
            estimate=estimate,
            lower=min(low, estimate),
            upper=max(high, estimate),
            level=1 - level,
            n=self.n,
            method="confidence sequence, Beta mixture" if self.smallest_inclusion is None else "confidence sequence, betting",
        )

    def to_dict(self) -> dict[str, Any]:
        """The whole state as plain data."""
        return {
            "limit": self.limit,
            "alpha": self.alpha,
            "smallest_inclusion": self.smallest_inclusion,
            "counts": [list(each) for each in self.counts],
            "alarmed_at": self.alarmed_at,
            "highest": self.highest,
            "restarts": list(self.restarts),
            "restarts_since": self.restarts_since,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Watch:
        """Go on from a stored state.

        Raises
        ------
        InputError
            If it is not one that :meth:`to_dict` wrote.
        """
        try:
            counts = tuple((float(inclusion), int(n), int(wrong)) for inclusion, n, wrong in state["counts"])
            made = cls(state["limit"], state["alpha"], state["smallest_inclusion"], counts, state["alarmed_at"], float(state["highest"]))
            anew = tuple(float(each) for each in state.get("restarts", ()))
            made = replace(made, restarts=anew, restarts_since=int(state.get("restarts_since", made.n)))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"This is no state of a watch: {error}.") from error
        if any(not 0 <= wrong <= n for _, n, wrong in counts):
            raise InputError("A watch cannot have found more wrong outputs than it audited.", where="counts")
        if (made.restarts and len(made.restarts) != len(_TIMES)) or not 0 <= made.restarts_since <= made.n:
            raise InputError("What was bet anew does not belong to this watch.", where="restarts")
        return made

    def _inclusion(self, audit: Audit) -> float:
        if self.smallest_inclusion is None:
            known = self.counts[0][0] if self.counts else audit.inclusion or 1.0
            if audit.inclusion is not None and audit.inclusion != known:
                raise InputError(
                    f"This audit was drawn with probability {audit.inclusion:g}, others with {known:g}.",
                    why="counted alike, they would speak for the audit plan and not for what is accepted",
                    mend="declare smallest_inclusion, the smallest probability of the plan",
                )
            return known
        if audit.inclusion is None or not self.smallest_inclusion <= audit.inclusion <= 1:
            given = "none" if audit.inclusion is None else f"{audit.inclusion:g}"
            raise InputError(f"An audit's inclusion probability is {given}; the plan's smallest is {self.smallest_inclusion:g}.", where="inclusion")
        return audit.inclusion

    def _estimate(self) -> float:
        mass = sum(n / inclusion for inclusion, n, _ in self.counts)
        return sum(wrong / inclusion for inclusion, _, wrong in self.counts) / mass

    def _inverted(self, alpha: float) -> tuple[float, float]:
        """The rates that neither side's e-value has ruled out."""
        rates = np.linspace(0, 1, _CANDIDATES + 1)[1:-1]
        line = -math.log(alpha)
        if self.smallest_inclusion is None:
            evidence = _log_e_two_sided(self.n, self.wrong, rates)
        else:
            # Half of alpha on either side.
            below = [_log_e_weighted(self.counts, float(rate), self.smallest_inclusion, above=True) for rate in rates]
            over = [_log_e_weighted(self.counts, float(rate), self.smallest_inclusion, above=False) for rate in rates]
            evidence = np.maximum(below, over) - math.log(2)
        kept = np.flatnonzero(evidence < line)
        if not len(kept):
            return self._estimate(), self._estimate()
        # One candidate further out on either side: the grid must not cut the sequence short.
        low = 0.0 if kept[0] == 0 else float(rates[kept[0] - 1])
        return low, 1.0 if kept[-1] == len(rates) - 1 else float(rates[kept[-1] + 1])


def log_e_path(wrong: Any, limit: float, *, since: int = 0) -> Floats:
    """The log e-values of a watch over audits drawn alike, after each of ``wrong`` (…, n; 0 or 1); the starts begin at audit ``since``."""
    x = np.asarray(wrong, dtype=np.float64)
    n = np.arange(1, x.shape[-1] + 1)
    anew = np.full(x.shape, -np.inf)
    starts = np.where(n > since, _log_start(np.maximum(n - 1 - since, 0)), -np.inf)
    for bet in _bets_anew(limit):
        gained = np.cumsum(np.log1p(bet * (x - limit)), axis=-1)
        before = gained - np.log1p(bet * (x - limit))
        anew = np.logaddexp(anew, gained + np.logaddexp.accumulate(starts - before, axis=-1))
    cash = np.log(_HORIZON / (np.maximum(n - since, 0) + _HORIZON))
    return _stake(log_e_binomial(n, np.cumsum(x, axis=-1), limit), np.logaddexp(anew - math.log(len(_TIMES)), cash))


def _stake(since_start: Any, anew: Any) -> Floats:
    return np.asarray(np.logaddexp(math.log1p(-_RESTARTS) + since_start, math.log(_RESTARTS) + anew))


def _log_start(k: Any) -> Floats:
    """Log of the share of the stake bet from the k-th audit on (from 0); all of them sum to 1."""
    return np.asarray(math.log(_HORIZON) - np.log(k + _HORIZON) - np.log(k + 1 + _HORIZON))


def _bets_anew(limit: float) -> Floats:
    """The bets of likelihood ratios for rates of :data:`_TIMES` the limit, none of which can lose everything on one audit."""
    rates = np.minimum(_TIMES * limit, 0.5 + limit / 2)
    return np.asarray((rates - limit) / (limit * (1 - limit)))


def log_e_binomial(n: Any, wrong: Any, limit: float) -> Floats:
    """Log e-value against "the rate is at most ``limit``" after ``wrong`` of ``n`` (arrays broadcast): one-sided Beta mixture, closed form."""
    k, m = np.asarray(wrong, dtype=np.float64), np.asarray(n, dtype=np.float64)
    a, b = _PRIOR[0], _PRIOR[1] / limit
    posterior = special.betaln(a + k, b + m - k) + _log_upper(a + k, b + m - k, limit)
    prior = special.betaln(a, b) + _log_upper(a, b, limit)
    return np.asarray(posterior - prior - k * math.log(limit) - (m - k) * math.log1p(-limit))


def _log_upper(a: Any, b: Any, x: float) -> Floats:
    """Log of the upper tail of a Beta; far out, where it underflows, so low that no alarm can be near."""
    return np.asarray(np.log(np.maximum(special.betaincc(a, b, x), 1e-300)))


def _log_e_two_sided(n: int, wrong: int, rates: Floats) -> Floats:
    top = special.betaln(0.5 + wrong, 0.5 + n - wrong) - special.betaln(0.5, 0.5)
    return np.asarray(top - special.xlogy(wrong, rates) - special.xlog1py(n - wrong, -rates))


def _log_e_weighted(counts: Iterable[tuple[float, int, int]], rate: float, smallest: float, *, above: bool) -> float:
    """Log wealth of fixed bets that the weighted rate is above (or below) ``rate``; the largest bet cannot lose everything on one audit."""
    worst = rate if above else 1 - rate
    bets = _BETS / worst
    total = np.zeros(len(bets))
    for inclusion, n, wrong in counts:
        weight = smallest / inclusion
        sign = weight if above else -weight
        total += wrong * np.log1p(bets * sign * (1 - rate)) + (n - wrong) * np.log1p(-bets * sign * rate)
    return float(special.logsumexp(total) - math.log(len(bets)))
