from __future__ import annotations

import pytest

from pilotage.data import Card, Use, effective_use, use_of


@pytest.mark.parametrize(
    ("licence", "use", "expected"),
    [
        ("MIT", None, Use.COMMERCIAL),
        ("apache-2.0", None, Use.COMMERCIAL),
        ("CC-BY-NC-4.0", None, Use.NON_COMMERCIAL),
        ("MIT AND CC-BY-NC-4.0", None, Use.NON_COMMERCIAL),
        ("MIT OR CC-BY-NC-4.0", None, Use.COMMERCIAL),
        ("MIT AND Made-Up-1.0", None, Use.UNKNOWN),
        ("MIT AND CC0-1.0 OR Made-Up-1.0", None, Use.COMMERCIAL),
        ("(MIT OR Made-Up-1.0) AND CC0-1.0", None, Use.UNKNOWN),
        ("custom", "research", Use.RESEARCH),
        ("custom", None, Use.UNKNOWN),
        ("LicenseRef-ours", "commercial", Use.COMMERCIAL),
        ("MIT", "research", Use.RESEARCH),
        ("unknown", None, Use.UNKNOWN),
        ("", None, Use.UNKNOWN),
        (None, None, Use.UNKNOWN),
    ],
)
def test_what_a_licence_allows(licence: str | None, use: str | None, expected: Use) -> None:
    assert use_of(Card.model_validate({"licence": licence, "use": use})) is expected


def test_the_least_free_ancestor_decides() -> None:
    free, restricted = Card(licence="MIT"), Card(licence="CC-BY-NC-4.0")
    assert effective_use([free, restricted]) is Use.NON_COMMERCIAL
    assert effective_use([free, restricted, Card()]) is Use.UNKNOWN
    assert effective_use([]) is Use.UNKNOWN
