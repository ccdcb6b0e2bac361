"""The distribution functions, held to scipy's values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core.distributions import (
    beta_cdf,
    beta_quantile,
    binomial_cdf,
    fisher_exact,
    normal_cdf,
    normal_quantile,
    sign_test,
    t_cdf,
    t_quantile,
    t_two_sided,
)

stats = pytest.importorskip("scipy.stats")
PARAMETERS = [(0.5, 0.5), (1, 1), (0.5, 40), (3.5, 17.5), (200.5, 801.5), (25_000, 3)]


@pytest.mark.parametrize(("a", "b"), PARAMETERS)
def test_beta_is_scipys(a: float, b: float) -> None:
    for x in (1e-6, 0.01, 0.2, 0.5, 0.9, 0.999):
        assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-9, abs=1e-13)
    for p in (0.001, 0.025, 0.5, 0.975):
        assert beta_quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("df", [1, 2, 7, 19.5, 49, 1000])
def test_t_is_scipys(df: float) -> None:
    for x in (-4.2, -1.0, 0.0, 0.3, 2.5):
        assert t_cdf(x, df) == pytest.approx(stats.t.cdf(x, df), rel=1e-10)
    assert t_two_sided(2.5, df) == pytest.approx(2 * stats.t.sf(2.5, df), rel=1e-10)
    for p in (0.005, 0.5, 0.9, 0.975):
        assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9, abs=1e-12)


def test_the_normal_is_scipys() -> None:
    for p in (0.001, 0.5, 0.975):
        assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), abs=1e-12)
        assert normal_cdf(normal_quantile(p)) == pytest.approx(p)


def test_binomial_tails_are_exact_even_far_out() -> None:
    for k, n, p in [(0, 10, 0.3), (3, 10, 0.3), (9, 10, 0.3), (10, 10, 0.3), (7, 355, 0.5), (87, 217, 0.5)]:
        assert binomial_cdf(k, n, p) == pytest.approx(stats.binom.cdf(k, n, p), rel=1e-9)
    assert binomial_cdf(-1, 10, 0.3) == 0
    assert 0 < sign_test(7, 355) < 1e-90
    assert sign_test(0, 0) == 1
    assert sign_test(5, 10) == 1


@pytest.mark.parametrize("cells", [(1, 9, 11, 3), (0, 5, 5, 0), (3, 97, 9, 91), (0, 10, 0, 10)])
def test_fishers_exact_p_is_scipys(cells: tuple[int, int, int, int]) -> None:
    a, b, c, d = cells
    assert fisher_exact(a, b, c, d) == pytest.approx(stats.fisher_exact([[a, b], [c, d]]).pvalue, rel=1e-6)


@given(st.floats(0.2, 200), st.floats(0.2, 200), st.floats(0.001, 0.999))
def test_a_quantile_is_where_the_distribution_reaches_it(a: float, b: float, p: float) -> None:
    x = beta_quantile(p, a, b)
    assert 0 <= x <= 1
    # Close to the ends a step of one float in x is a large step in probability.
    if 1e-12 < x < 1 - 1e-12:
        assert math.isclose(beta_cdf(x, a, b), p, abs_tol=1e-6)
