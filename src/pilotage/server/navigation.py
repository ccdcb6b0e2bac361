"""The workbench's navigation: a few areas at the top, and the pages of the area you are in below it.

One list, a page a line, in the order it is shown. A new page is a new line in its area; an area appears with its first page. Put a page here only
when its route is there: a test opens every address of the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A page that the navigation leads to.

    area
        The word at the top. The area's first place is where that word leads.
    also
        A regular expression of the paths besides ``address`` and what lies under it that belong to the place.
    needs
        The permission without which the place is not shown: its page would refuse.
    """

    area: str
    name: str
    address: str
    also: str | None = None
    needs: str | None = None

    def holds(self, path: str) -> bool:
        """Whether ``path`` is a page of this place."""
        if path == self.address or (self.address != "/" and path.startswith(self.address + "/")):
            return True
        return self.also is not None and re.fullmatch(self.also, path) is not None


PLACES: tuple[Place, ...] = (
    Place("Pilots", "Overview", "/", also=r"/pilots/.*"),
    Place("Pilots", "Runs", "/runs", also=r"/samples/.*"),
    Place("Pilots", "Findings", "/findings"),
    Place("Pilots", "Gates", "/gates", also=r"/evidence/.*|/pilots/[^/]+/gates"),
    # Review
    Place("Review", "Queues", "/review"),
    Place("Review", "Adjudication", "/review/adjudication"),
    Place("Review", "Disagreement", "/review/disagreement"),
    Place("Review", "My page", "/review/me"),
    Place("Review", "Team", "/review/team", also=r"/review/projects/[^/]+/(gold|exam|round|judges)", needs="run"),
    Place("Review", "Bias", "/review/bias", needs="run"),
    Place("Review", "Audit trail", "/review/audit", needs="ledger"),
    # Routing
    Place("Routing", "Assessments", "/routing/assessments"),
    Place("Routing", "Lab", "/routing/lab"),
    Place("Routing", "Policies", "/routing/policies", also="/routing/draft"),
    Place("Routing", "Monitor", "/routing/monitor", also=r"/routing/decisions(/.*)?"),
    # Data
    Place("Data", "Datasets", "/data", also=r"/versions/.*"),
    Place("Data", "Batches", "/data/batches", also=r"/data/gates/.*"),
    Place("Data", "Contracts", "/data/contracts"),
    Place("Data", "Lineage", "/lineage"),
    # Features
    Place("Features", "Views", "/features"),
    Place("Features", "Training sets", "/features/training-sets"),
    Place("Features", "Skew", "/features/skew"),
    Place("Features", "Streams", "/features/streams"),
    # Monitoring
    Place("Monitoring", "Pipelines", "/pipelines"),
    Place("Monitoring", "Reports", "/monitoring"),
    # What is kept of all
    Place("Ledger", "Ledger", "/ledger"),
    Place("People", "People", "/people"),
)


@dataclass(frozen=True)
class Link:
    """A link of the navigation. ``current``: None, ``page`` (you are on it) or ``true`` (you are below it), as ``aria-current`` says it."""

    name: str
    address: str
    current: str | None


@dataclass(frozen=True)
class Navigation:
    """The areas, and the places of the current one where it has more than one."""

    areas: tuple[Link, ...]
    area: str | None
    places: tuple[Link, ...]


def navigate(path: str, places: tuple[Place, ...] = PLACES, *, may: Callable[[str], bool] = lambda _: True) -> Navigation:
    """The navigation as it is shown at ``path``. The place with the longest address that holds the path is the current one.

    ``may`` says which permissions who looks has: a place that needs another is left out.
    """
    places = tuple(one for one in places if one.needs is None or may(one.needs))
    here = max((one for one in places if one.holds(path)), key=lambda one: (_is_named(one, path), len(one.address)), default=None)
    first: dict[str, Place] = {}
    for one in places:
        first.setdefault(one.area, one)
    inside = [one for one in places if here is not None and one.area == here.area]
    return Navigation(
        areas=tuple(Link(area, one.address, _current(here is not None and area == here.area, one.address, path)) for area, one in first.items()),
        area=here.area if here is not None else None,
        places=tuple(Link(one.name, one.address, _current(one is here, one.address, path)) for one in inside) if len(inside) > 1 else (),
    )


def _is_named(place: Place, path: str) -> bool:
    """Whether the place claims the path by pattern: ``/pilots/x/gates`` belongs to the gates, though it lies under the pilots."""
    return place.also is not None and place.address != "/" and re.fullmatch(place.also, path) is not None


def _current(inside: bool, address: str, path: str) -> str | None:
    return None if not inside else "page" if address == path else "true"
