"""Rankings from pairs, and the biases of those who compared.

:func:`bradley_terry` turns "a was preferred to b" into strengths with intervals: ties have their own chance (Davidson), and raters are believed as
far as they have earned it (Crowd-BT). Beside the strengths stand how often the left one and the longer one was preferred, and the circles that no
strength can explain. One ranking is about one dimension; :func:`rank_dimensions` makes one of each and never a single one of all. Items that were
never compared, not even through others, are refused; items that won or lost everything are marked.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.judging.preferences.pairs import Pair, pairs_of
    from pilotage.judging.preferences.ranking import Care, Pull, Ranking, Strength
    from pilotage.judging.preferences.strengths import bradley_terry, rank_dimensions
    from pilotage.judging.preferences.transitivity import Transitivity

_FROM = {
    "pairs": ("Pair", "pairs_of"),
    "ranking": ("Care", "Pull", "Ranking", "Strength"),
    "strengths": ("bradley_terry", "rank_dimensions"),
    "transitivity": ("Transitivity",),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = ["Care", "Pair", "Pull", "Ranking", "Strength", "Transitivity", "bradley_terry", "pairs_of", "rank_dimensions"]
