"""The navigation: short, in areas, with one current page; every address it names is there."""

from __future__ import annotations

import pytest
from browserless import Client

from pilotage.server.navigation import PLACES, Place, navigate


@pytest.mark.parametrize("place", PLACES, ids=lambda one: one.address)
def test_every_place_of_the_navigation_can_be_opened(newcomer: Client, place: Place) -> None:
    answer = newcomer.follow(place.address)
    assert answer.status == 200
    assert f'href="{place.address}"' in answer.text


@pytest.mark.parametrize(
    ("path", "area", "name"),
    [
        ("/", "Pilots", "Overview"),
        ("/pilots/support-assistant", "Pilots", "Overview"),
        ("/pilots/support-assistant/gates", "Pilots", "Gates"),
        ("/samples/smp_1", "Pilots", "Runs"),
        ("/data/orders/3", "Data", "Datasets"),
        ("/databases", None, None),
    ],
)
def test_a_page_knows_where_it_stands(path: str, area: str | None, name: str | None) -> None:
    nav = navigate(path)
    assert nav.area == area
    assert [one.name for one in nav.areas if one.current] == ([area] if area else [])
    if len(nav.places) > 1:
        assert [one.name for one in nav.places if one.current] == [name]


def test_the_most_particular_place_is_the_current_one() -> None:
    places = (Place("Data", "Datasets", "/data"), Place("Data", "Batches", "/data/batches", also="/deliveries"))
    assert [one.name for one in navigate("/data/batches/b_1", places).places if one.current] == ["Batches"]
    assert [one.current for one in navigate("/data/batches", places).places] == [None, "page"]
    assert [one.current for one in navigate("/deliveries", places).places] == [None, "true"]


def test_the_navigation_stays_short() -> None:
    assert len(navigate("/").areas) <= 8
    for area in {one.area for one in PLACES}:
        assert sum(one.area == area for one in PLACES) <= 7
