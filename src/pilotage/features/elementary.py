"""log1p, exp and lower whose results have the same bits everywhere.

The ``exp`` and ``log`` of a C library differ in the last bit between machines, versions and vector widths. These are built from ``+ - * /``, floor
and scaling by powers of two, each of which IEEE 754 rounds in exactly one way, so an array and a single value, today's machine and tomorrow's, agree
bit for bit. Their error is below 2 units in the last place (tested against 60-digit arithmetic), which is the price of the promise. Lower-casing is
Python's on every path, done once per distinct text.

Each function takes an array and has a twin for one value (``*_one``) that a request uses. Method: argument reduction by powers of two, then the
series of the hyperbolic arctangent (log) and of the exponential (exp), to the term that no longer changes a double.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# ln 2 in two parts: the first has 32 trailing zero bits, so that a whole number of them is exact.
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_INVERSE_LN2 = float.fromhex("0x1.71547652b82fep+0")
_ROOT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")
_LOG_TERMS = tuple(1.0 / (2 * n + 1) for n in range(1, 13))
_EXP_TERMS = tuple(1.0 / math.factorial(n) for n in range(2, 16))
_EXP_LARGEST = 709.782712893384
_EXP_SMALLEST = -745.2


def log1p(x: Floats) -> Floats:
    """The natural logarithm of ``1 + x``, element by element; NaN where ``x <= -1`` or is not finite."""
    x = np.asarray(x, dtype=np.float64)
    bad = ~(np.isfinite(x) & (x > -1.0))
    safe = np.where(bad, 0.0, x)
    u = 1.0 + safe
    mantissa, exponent = np.frexp(u)
    small = mantissa < _ROOT_HALF
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    k = (exponent - small).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    series = np.full_like(z, _LOG_TERMS[-1])
    for term in reversed(_LOG_TERMS[:-1]):
        series = series * z + term
    # What rounding 1 + x lost, put back to first order; for a large x the loss lies in the 1 and not in the x.
    lost = np.where(safe < 1.0, safe - (u - 1.0), 1.0 - (u - safe)) / u
    value = k * _LN2_HIGH + (2.0 * s + (2.0 * s * (z * series) + (k * _LN2_LOW + lost)))
    value = np.where(u == 1.0, safe, value)
    return np.where(bad, np.nan, value)


def log1p_one(x: float) -> float | None:
    """As :func:`log1p`, for one finite value; None where ``x <= -1``."""
    if not x > -1.0:
        return None
    u = 1.0 + x
    if u == 1.0:
        return x
    mantissa, exponent = math.frexp(u)
    if mantissa < _ROOT_HALF:
        mantissa *= 2.0
        exponent -= 1
    k = float(exponent)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    series = _LOG_TERMS[-1]
    for term in reversed(_LOG_TERMS[:-1]):
        series = series * z + term
    lost = (x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)) / u
    return k * _LN2_HIGH + (2.0 * s + (2.0 * s * (z * series) + (k * _LN2_LOW + lost)))


def exp(x: Floats) -> Floats:
    """e to the power ``x``, element by element; infinite above 709.78, 0 below -745.2, NaN where ``x`` is not finite."""
    x = np.asarray(x, dtype=np.float64)
    bad = ~np.isfinite(x)
    safe = np.where(bad, 0.0, np.clip(x, -750.0, 710.0))
    k = np.floor(safe * _INVERSE_LN2 + 0.5)
    r = (safe - k * _LN2_HIGH) - k * _LN2_LOW
    series = np.full_like(r, _EXP_TERMS[-1])
    for term in reversed(_EXP_TERMS[:-1]):
        series = series * r + term
    with np.errstate(over="ignore", under="ignore"):
        value = np.ldexp(1.0 + (r + r * r * series), k.astype(np.int32))
    value = np.where(x > _EXP_LARGEST, np.inf, np.where(x < _EXP_SMALLEST, 0.0, value))
    return np.where(bad, np.nan, value)


def exp_one(x: float) -> float | None:
    """As :func:`exp`, for one finite value; None where the result would be infinite."""
    if x > _EXP_LARGEST:
        return None
    if x < _EXP_SMALLEST:
        return 0.0
    k = float(math.floor(x * _INVERSE_LN2 + 0.5))
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    series = _EXP_TERMS[-1]
    for term in reversed(_EXP_TERMS[:-1]):
        series = series * r + term
    return math.ldexp(1.0 + (r + r * r * series), int(k))


def lower(texts: Any) -> Any:
    """Lower-case texts (a Polars series) as Python does. Cost: one call per distinct text."""
    import polars as pl

    distinct = texts.drop_nulls().unique()
    if len(distinct) == 0:
        return texts
    return texts.replace_strict(distinct, pl.Series([text.lower() for text in distinct], dtype=pl.String), default=None, return_dtype=pl.String)
