"""Choosing what people look at next, so that their labels teach most, and knowing whether that helped.

:func:`choose_batch` fills a batch by uncertainty, disagreement, diversity and risk, and at least a fifth of it at random, each item with how it was
chosen (``selected_by``) and the random ones with their probability. :func:`select_batch` does so for a project's pool of items, puts them before
people and keeps the batch. :func:`estimate_rate` says how things stand from the random part alone, without bias; :func:`errors_per_label` and
:func:`improvement` say what choosing gained over chance, with an interval: it may be about zero.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.selecting.batches import Selected, SelectionReport, batches_of, pool_of, select_batch, selection_report
    from pilotage.review.selecting.candidate import STRATEGIES, Candidate, Strategy
    from pilotage.review.selecting.choosing import LEAST_RANDOM, Batch, Picked, choose_batch
    from pilotage.review.selecting.estimating import Gain, errors_per_label, estimate_rate, improvement

_FROM = {
    "batches": ("Selected", "SelectionReport", "batches_of", "pool_of", "select_batch", "selection_report"),
    "candidate": ("STRATEGIES", "Candidate", "Strategy"),
    "choosing": ("LEAST_RANDOM", "Batch", "Picked", "choose_batch"),
    "estimating": ("Gain", "errors_per_label", "estimate_rate", "improvement"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "LEAST_RANDOM",
    "STRATEGIES",
    "Batch",
    "Candidate",
    "Gain",
    "Picked",
    "Selected",
    "SelectionReport",
    "Strategy",
    "batches_of",
    "choose_batch",
    "errors_per_label",
    "estimate_rate",
    "improvement",
    "pool_of",
    "select_batch",
    "selection_report",
]
