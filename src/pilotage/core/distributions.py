"""The few distribution functions that intervals and tests need, in plain Python.

scipy.stats costs seconds to import; these cost nothing, and the tests hold them to its values. Regularised incomplete beta by Lentz's continued
fraction (Abramowitz & Stegun 26.5.8; Press et al. "Numerical Recipes" §6.4); quantiles by bisection on it, exact to about 1e-14.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_STEPS = 400


def normal_quantile(p: float) -> float:
    """The value below which a standard normal lies with probability ``p``, 0 < p < 1."""
    return _NORMAL.inv_cdf(p)


def normal_cdf(x: float) -> float:
    """The probability that a standard normal is at most ``x``."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def beta_cdf(x: float, a: float, b: float) -> float:
    """The probability that a Beta(a, b) variable is at most ``x``; a, b > 0."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(x, a, b) / a)
    return max(0.0, 1.0 - front * _fraction(1 - x, b, a) / b)


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    # The number of steps needed grows like the square root of the larger parameter.
    for m in range(1, _STEPS + int(4 * math.sqrt(max(a, b)))):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value


def beta_quantile(p: float, a: float, b: float) -> float:
    """The value below which a Beta(a, b) variable lies with probability ``p``."""
    if p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if beta_cdf(middle, a, b) < p else (low, middle)
    return (low + high) / 2


def t_cdf(x: float, df: float) -> float:
    """The probability that Student's t with ``df`` > 0 degrees of freedom is at most ``x``."""
    if x == 0:
        return 0.5
    tail = 0.5 * beta_cdf(df / (df + x * x), df / 2, 0.5)
    return tail if x < 0 else 1 - tail


def t_two_sided(x: float, df: float) -> float:
    """The probability that Student's t with ``df`` degrees of freedom is at least as far from 0 as ``x``."""
    return beta_cdf(df / (df + x * x), df / 2, 0.5)


def t_quantile(p: float, df: float) -> float:
    """The value below which Student's t with ``df`` degrees of freedom lies with probability ``p``."""
    if p == 0.5:
        return 0.0
    u = beta_quantile(2 * min(p, 1 - p), df / 2, 0.5)
    value = math.sqrt(df * (1 - u) / u)
    return value if p > 0.5 else -value


def binomial_cdf(k: int, n: int, p: float) -> float:
    """The probability of at most ``k`` events in ``n`` independent trials of probability ``p``."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return beta_cdf(1 - p, n - k, k + 1)  # the upper tail of the mirrored beta: exact where 1 - (…) would cancel


def sign_test(k: int, n: int) -> float:
    """The exact two-sided probability of a split at least as uneven as ``k`` of ``n`` if both sides are equally likely."""
    if n == 0:
        return 1.0
    return min(1.0, 2 * binomial_cdf(min(k, n - k), n, 0.5))


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact two-sided p of the table [[a, b], [c, d]]: the probability of tables no likelier than this one, margins fixed."""
    first, second, column = a + b, c + d, a + c

    def log_weight(x: int) -> float:
        return _log_choose(first, x) + _log_choose(second, column - x) - _log_choose(first + second, column)

    seen = log_weight(a)
    span = range(max(0, column - second), min(first, column) + 1)
    return min(1.0, math.fsum(math.exp(weight) for weight in map(log_weight, span) if weight <= seen + 1e-7))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
