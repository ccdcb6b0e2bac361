"""Units: what a number counts, its dimension, and the exact conversion between two units of one dimension.

A value ``v`` in a unit is ``factor * v + offset`` in the dimension's base unit. Factors are exact fractions, as the SI brochure (9th edition), the
international yard and pound agreement of 1959 and ISO 4217 define them: there and back is the identity, and money never meets a binary fraction.
Every currency is a dimension of its own (``money:EUR``): a rate of exchange is data, not a unit. ``EUR_minor`` is a cent; where a currency has no
minor unit (JPY) there is none.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from pilotage.core import InputError


@dataclass(frozen=True)
class Unit:
    """A unit: ``base = factor * value + offset``, in the base unit of ``dimension``."""

    name: str
    dimension: str
    factor: Fraction
    offset: Fraction = Fraction(0)


@dataclass(frozen=True)
class Conversion:
    """``y = scale * x + shift``, exactly."""

    before: str
    after: str
    scale: Fraction
    shift: Fraction

    def apply(self, value: float) -> float:
        """One value converted; floats are rounded once by each of the two operations."""
        return value * float(self.scale) + float(self.shift)

    @property
    def inverse(self) -> Conversion:
        """The way back."""
        return Conversion(self.after, self.before, 1 / self.scale, -self.shift / self.scale)

    def __str__(self) -> str:
        shift = f" {'+' if self.shift > 0 else '-'} {abs(float(self.shift)):g}" if self.shift else ""
        return f"{self.before} -> {self.after} (× {float(self.scale):g}{shift})"


# dimension -> units as (name, factor), the base unit first.
_LINEAR: dict[str, tuple[tuple[str, str], ...]] = {
    "length": (
        ("m", "1"),
        ("um", "1e-6"),
        ("mm", "1e-3"),
        ("cm", "1e-2"),
        ("dm", "0.1"),
        ("km", "1000"),
        ("in", "0.0254"),
        ("ft", "0.3048"),
        ("yd", "0.9144"),
        ("mi", "1609.344"),
        ("nmi", "1852"),
    ),
    "mass": (("kg", "1"), ("ug", "1e-9"), ("mg", "1e-6"), ("g", "1e-3"), ("t", "1000"), ("oz", "0.028349523125"), ("lb", "0.45359237")),
    "duration": (
        ("s", "1"),
        ("us", "1e-6"),
        ("ms", "1e-3"),
        ("min", "60"),
        ("h", "3600"),
        ("d", "86400"),
        ("week", "604800"),
    ),
    "speed": (("m/s", "1"), ("km/h", "5/18"), ("mi/h", "0.44704"), ("ft/s", "0.3048"), ("kn", "463/900")),
    "area": (("m2", "1"), ("cm2", "1e-4"), ("ha", "10000"), ("km2", "1000000"), ("ft2", "0.09290304"), ("acre", "4046.8564224")),
    "volume": (
        ("m3", "1"),
        ("mL", "1e-6"),
        ("L", "1e-3"),
        ("ft3", "0.028316846592"),
        ("gal_us", "0.003785411784"),
        ("gal_uk", "0.00454609"),
    ),
    "energy": (
        ("J", "1"),
        ("kJ", "1000"),
        ("MJ", "1000000"),
        ("Wh", "3600"),
        ("kWh", "3600000"),
        ("MWh", "3600000000"),
        ("cal", "4.184"),
        ("kcal", "4184"),
        ("BTU", "1055.05585262"),
    ),
    "power": (("W", "1"), ("mW", "1e-3"), ("kW", "1000"), ("MW", "1000000"), ("hp", "745.699872")),
    "pressure": (
        ("Pa", "1"),
        ("hPa", "100"),
        ("kPa", "1000"),
        ("bar", "100000"),
        ("atm", "101325"),
        ("psi", "8896443230521/1290320000"),
        ("mmHg", "133.322387415"),
    ),
    "data": (
        ("B", "1"),
        ("bit", "0.125"),
        ("kB", "1000"),
        ("MB", "1000000"),
        ("GB", "1000000000"),
        ("TB", "1000000000000"),
        ("KiB", "1024"),
        ("MiB", "1048576"),
        ("GiB", "1073741824"),
    ),
    "ratio": (("ratio", "1"), ("percent", "0.01"), ("permille", "1e-3"), ("bp", "1e-4"), ("ppm", "1e-6")),
    "count": (("count", "1"), ("dozen", "12"), ("thousand", "1000"), ("million", "1000000")),
    "angle": (("deg", "1"), ("gon", "0.9"), ("turn", "360")),
}

_TEMPERATURE = (
    Unit("K", "temperature", Fraction(1)),
    Unit("degC", "temperature", Fraction(1), Fraction("273.15")),
    Unit("degF", "temperature", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
)

# ISO 4217: digits after the decimal point -> currencies.
_CURRENCIES: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN "
    "ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK "
    "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
    "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW",
    3: "BHD IQD JOD KWD LYD OMR TND",
}

# Other ways people write a unit; the name is what is kept.
_ALSO = {
    "°C": "degC",
    "celsius": "degC",
    "°F": "degF",
    "fahrenheit": "degF",
    "kelvin": "K",
    "%": "percent",
    "sec": "s",
    "hour": "h",
    "day": "d",
    "µs": "us",
    "µm": "um",
    "µg": "ug",
    "km²": "km2",
    "m²": "m2",
    "m³": "m3",
    "l": "L",
    "ml": "mL",
    "kmh": "km/h",
    "mph": "mi/h",
    "mbar": "hPa",
    "°": "deg",
    "unit": "count",
}


@cache
def units() -> dict[str, Unit]:
    """Every unit by name."""
    made = {name: Unit(name, dimension, Fraction(factor)) for dimension, entries in _LINEAR.items() for name, factor in entries}
    made |= {unit.name: unit for unit in _TEMPERATURE}
    for digits, codes in _CURRENCIES.items():
        for code in codes.split():
            scales = [("", Fraction(1)), ("_thousand", Fraction(1000)), ("_million", Fraction(1_000_000))]
            if digits:
                scales.append(("_minor", Fraction(1, 10**digits)))
            made |= {f"{code}{suffix}": Unit(f"{code}{suffix}", f"money:{code}", factor) for suffix, factor in scales}
    return made


@cache
def dimensions() -> tuple[str, ...]:
    """Every dimension, by name."""
    return tuple(sorted({unit.dimension for unit in units().values()}))


def unit_named(name: str) -> Unit:
    """The unit called ``name`` (``°C``, ``%``, ``EUR_cent`` and the like are understood). Raises ``InputError``, naming the nearest."""
    found = units().get(_ALSO.get(name, name)) or units().get(re.sub(r"_cents?$", "_minor", name))
    if found is None:
        near = difflib.get_close_matches(name, [*units(), *_ALSO], n=3, cutoff=0.5)
        raise InputError(
            f"Unknown unit {name!r}.", why="what cannot be converted cannot be compared", mend=f"use {', '.join(near) or 'one of the units in docs'}"
        )
    return found


def units_of(dimension: str) -> tuple[Unit, ...]:
    """The units of a dimension, by name. Raises ``InputError`` if there is no such dimension."""
    found = tuple(sorted((unit for unit in units().values() if unit.dimension == dimension), key=lambda unit: unit.name))
    if not found:
        near = difflib.get_close_matches(dimension, dimensions(), n=3, cutoff=0.5)
        raise InputError(f"Unknown dimension {dimension!r}.", mend=f"use {', '.join(near) or 'one of: ' + ', '.join(dimensions()[:14])}")
    return found


def conversion(before: str, after: str) -> Conversion:
    """How values in ``before`` become values in ``after``. Raises ``InputError`` if they measure different things."""
    one, other = unit_named(before), unit_named(after)
    if one.dimension != other.dimension:
        raise InputError(
            f"{one.name} is {one.dimension} and {other.name} is {other.dimension}.",
            why="values of different dimensions cannot be converted into one another",
            mend="declare units of one dimension; between currencies a rate is needed, and a rate is data",
        )
    return Conversion(one.name, other.name, one.factor / other.factor, (one.offset - other.offset) / other.factor)
