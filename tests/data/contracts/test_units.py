"""Units: exact, invertible, and never across dimensions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.contracts import conversion, dimensions, unit_named, units, units_of

_NAMES = st.sampled_from(sorted(units()))


@given(before=_NAMES, after=_NAMES, value=st.fractions(-(10**9), 10**9))
def test_there_and_back_is_the_identity_and_other_dimensions_are_refused(before: str, after: str, value: Fraction) -> None:
    if units()[before].dimension != units()[after].dimension:
        with pytest.raises(InputError):
            conversion(before, after)
        return
    way = conversion(before, after)
    there = value * way.scale + way.shift
    assert there * way.inverse.scale + way.inverse.shift == value


@given(value=st.floats(-1e6, 1e6), names=st.sampled_from([("degC", "degF"), ("K", "degC"), ("mi", "km"), ("EUR", "EUR_minor"), ("kn", "m/s")]))
def test_floats_come_back_within_rounding(value: float, names: tuple[str, str]) -> None:
    way = conversion(*names)
    assert way.inverse.apply(way.apply(value)) == pytest.approx(value, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("before", "after", "value", "wanted"),
    [
        ("degC", "degF", 100, 212),
        ("degF", "K", 32, 273.15),
        ("mi", "km", 1, 1.609344),
        ("kn", "km/h", 1, 1.852),
        ("EUR", "EUR_cent", 12.5, 1250),
        ("BHD", "BHD_minor", 1, 1000),
        ("percent", "bp", 1, 100),
        ("psi", "kPa", 1, 6.894757293168361),
        ("gal_us", "L", 1, 3.785411784),
        ("h", "min", 1.5, 90),
        ("MiB", "KiB", 1, 1024),
    ],
)
def test_known_conversions(before: str, after: str, value: float, wanted: float) -> None:
    assert conversion(before, after).apply(value) == pytest.approx(wanted, rel=1e-12)


def test_currencies_are_dimensions_of_their_own() -> None:
    assert unit_named("EUR_cent").name == "EUR_minor"
    assert unit_named("EUR").dimension == "money:EUR"
    with pytest.raises(InputError, match="money:EUR and USD is money:USD"):
        conversion("EUR", "USD")


def test_a_currency_without_a_minor_unit_has_none() -> None:
    with pytest.raises(InputError):
        unit_named("JPY_cent")


def test_an_unknown_unit_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="Unknown unit 'kmm'") as caught:
        unit_named("kmm")
    assert "km" in str(caught.value.mend)


def test_every_dimension_has_one_base_unit_or_more_and_no_factor_of_zero() -> None:
    for dimension in dimensions():
        found = units_of(dimension)
        assert any(unit.factor == 1 and unit.offset == 0 for unit in found)
        assert all(unit.factor > 0 for unit in found)
        for one in found:
            for other in found:
                # Whole numbers of 64 bits are converted in 128.
                way = conversion(one.name, other.name)
                assert way.scale.numerator * way.shift.denominator < 2**63
