"""What a licence allows, and what a version's ancestors leave of it.

Uses are ordered: ``commercial`` (any use) > ``non-commercial`` > ``research`` > ``unknown``. The effective use of a version is the least of its own
and all its ancestors': a permissive card on rows derived from restricted ones frees nothing.

The table holds the licences datasets are commonly published under, by their SPDX identifiers (https://spdx.org/licenses/). A licence that is not in
it is not forbidden; it is unknown, and somebody must say what it allows (``licence: custom`` with ``use``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from pilotage.core import Refused
from pilotage.data.card import Card


class Use(StrEnum):
    """The widest use a licence allows."""

    COMMERCIAL = "commercial"
    NON_COMMERCIAL = "non-commercial"
    RESEARCH = "research"
    UNKNOWN = "unknown"


_ORDER = [Use.UNKNOWN, Use.RESEARCH, Use.NON_COMMERCIAL, Use.COMMERCIAL]

_COMMERCIAL = """
    0BSD AFL-3.0 Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 C-UDA-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-PDDC
    CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 ISC MIT MIT-0 MPL-2.0 ODbL-1.0 ODC-By-1.0 OGL-UK-3.0 PDDL-1.0 Unlicense
    AGPL-3.0-only AGPL-3.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later LGPL-3.0-only LGPL-3.0-or-later
"""
_NON_COMMERCIAL = """
    CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-NC-ND-4.0 PolyForm-Noncommercial-1.0.0
"""
_USES = {name.lower(): use for names, use in ((_COMMERCIAL, Use.COMMERCIAL), (_NON_COMMERCIAL, Use.NON_COMMERCIAL)) for name in names.split()}


def use_of(card: Card) -> Use:
    """What the card's licence allows. ``A AND B`` allows what both do, ``A OR B`` what either does; anything not understood is ``unknown``."""
    licence = (card.licence or "").strip()
    if licence.lower() == "custom" or licence.startswith("LicenseRef-"):
        return Use(card.use) if card.use else Use.UNKNOWN
    if "(" in licence:
        return Use.UNKNOWN
    either = [[part.strip().lower() for part in re.split(r"\s+AND\s+", group)] for group in re.split(r"\s+OR\s+", licence)]
    return max((_meet(_USES.get(part, Use.UNKNOWN) for part in both) for both in either), key=_ORDER.index)


def effective_use(cards: Iterable[Card]) -> Use:
    """The least use among ``cards``: a version's own and all its ancestors'."""
    return _meet(use_of(card) for card in cards)


def require_use(cards: dict[str, Card], *, purpose: str) -> Use:
    """The effective use of ``cards`` (version name -> card), if it covers ``purpose``.

    Raises
    ------
    Refused
        If the purpose is commercial and any licence is unknown or narrower, naming the version it comes from.
    """
    found = effective_use(cards.values())
    if purpose == "commercial" and found is not Use.COMMERCIAL:
        held = [f"{name}: {card.licence or 'no licence'} ({use_of(card)})" for name, card in cards.items() if use_of(card) is not Use.COMMERCIAL]
        raise Refused(
            "These rows may not be exported for commercial use.",
            where="; ".join(held),
            why="a version is only as free as the least free of its ancestors, and an unknown licence permits nothing",
            mend="state the licence on the source's card, leave that source out, or export with purpose 'research'",
        )
    return found


def _meet(uses: Iterable[Use]) -> Use:
    return min(uses, key=_ORDER.index, default=Use.UNKNOWN)
