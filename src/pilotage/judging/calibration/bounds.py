"""Bounds on an error rate that hold at a finite number of items, and corrections for asking more than once.

Clopper-Pearson for plain 0/1 errors of items that all stand for as many others; a betting bound for everything between 0 and 1 and for unequal
weights; Hoeffding-Bentkus beside it as a reading that needs no choice of bets.

References: Clopper & Pearson (1934); Bates et al. (2021) "Distribution-free, risk-controlling prediction sets" for Hoeffding-Bentkus;
Waudby-Smith & Ramdas (2024) "Estimating means of bounded random variables by betting".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pilotage.core import InputError

Floats = NDArray[np.float64]

# Bets as shares of the largest one that cannot lose everything: large ones for few items, small ones for many. The mixture loses at most a
# factor of 8 against the best of them.
_BETS = np.geomspace(0.03, 0.98, 8)


def binomial_p(errors: ArrayLike, n: ArrayLike, risk: float) -> Floats:
    """P(at most ``errors`` in ``n``) if the true rate were ``risk``: small values speak against a rate above ``risk``. 1 where n is 0."""
    k, m = np.asarray(errors, dtype=np.float64), np.asarray(n, dtype=np.float64)
    rest = np.maximum(m - k, 1e-12)
    return np.where(m > k, special.betaincc(k + 1, rest, risk), 1.0)


def clopper_pearson_upper(errors: float, n: float, alpha: float) -> float:
    """The exact upper bound at confidence 1 - ``alpha`` of the rate behind ``errors`` in ``n`` > 0: one-sided, and by scipy.

    Asked at every operating point, where the plain ``core.intervals.clopper_pearson`` takes milliseconds each; tests hold them to each other.
    """
    return 1.0 if errors >= n else float(special.betaincinv(errors + 1, n - errors, 1 - alpha))


def clopper_pearson_lower(errors: float, n: float, alpha: float) -> float:
    """The exact lower bound at confidence 1 - ``alpha``."""
    return 0.0 if errors <= 0 else float(special.betaincinv(errors, n - errors + 1, alpha))


def hoeffding_bentkus_p(mean_loss: ArrayLike, n: ArrayLike, risk: float) -> Floats:
    """p-value for "the mean loss is above ``risk``" from the mean of ``n`` independent losses in [0, 1]."""
    seen, m = np.asarray(mean_loss, dtype=np.float64), np.asarray(n, dtype=np.float64)
    held = np.minimum(seen, risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = special.xlogy(held, held / risk) + special.xlogy(1 - held, (1 - held) / (1 - risk))
    hoeffding = np.exp(-m * divergence)
    bentkus = math.e * binomial_p(np.ceil(m * seen - 1e-9), m, risk)
    return np.where(m > 0, np.minimum(1.0, np.minimum(hoeffding, bentkus)), 1.0)


def betting_log_wealth(losses: Floats, weights: Floats, risk: float) -> Floats:
    """Log wealth after each item, of bets that the weighted mean loss is below ``risk``; items along the last axis, weights in (0, 1].

    Under "the weighted mean is at least ``risk``" the wealth is a non-negative martingale started at 1 (a mixture over fixed bets), so
    ``exp(-wealth)`` is a p-value at any fixed item. A weight is the smallest inclusion probability there could be over the item's own.
    """
    gain = weights * (risk - losses)
    bets = _BETS / max(1e-12, 1 - risk)
    logs = np.empty((len(bets), *gain.shape))
    for row, bet in enumerate(bets):
        logs[row] = np.cumsum(np.log1p(bet * gain), axis=-1)
    return np.asarray(special.logsumexp(logs, axis=0) - math.log(len(bets)))


def alpha_of_look(delta: float, look: int, *, only: bool = False) -> float:
    """What the ``look``-th look at growing data may spend of ``delta``: 6 / (π² look²) of it, so that all looks ever together stay within.

    The only look there will ever be spends all of it.
    """
    if look < 1 or (only and look > 1):
        raise InputError(f"Look {look} is not the only look." if only else f"Look {look} is none.", mend="count looks from 1")
    if only:
        return delta
    return delta * 6.0 / (math.pi**2 * look**2)
