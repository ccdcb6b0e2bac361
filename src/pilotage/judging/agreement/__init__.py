"""Agreement beyond chance, of every kind of answer.

Each figure has its interval, its n and, where it is not defined, its reason. Below 50 units judged twice nothing may be decided on it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.judging.agreement.alpha import Agreement, Rating, cohen_kappa, krippendorff_alpha, ratings_of

_FROM = {"alpha": ("Agreement", "Rating", "cohen_kappa", "krippendorff_alpha", "ratings_of")}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = ["Agreement", "Rating", "cohen_kappa", "krippendorff_alpha", "ratings_of"]
