"""The flywheel: what people correct becomes data that a model learns from, and whether it learnt is measured on items it never saw.

:func:`publish_corrections` makes the next version of a training set, in which each row says what it rests on: input, the model's output, the human
value, reason, reliability of the people, guideline and rubric, consent, and lineage to the judgement and the dataset versions.
:func:`export_preferences` does so for pair questions, with votes, agreement and guideline, as DPO, KTO or HH, and refuses below the declared floor of
agreement. :func:`freeze_slice` keeps a random part of the items from all training, and :func:`loop_report` compares the new model with the old one
there. What measures people (gold, exams, planted errors) never leaves.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.flywheel.corrections import Corrections, CorrectionsReady, corrections_ready, publish_corrections
    from pilotage.review.flywheel.exchange import Exchange, exchange_of
    from pilotage.review.flywheel.loop import LoopReport, loop_report, require_disjoint
    from pilotage.review.flywheel.preference_export import PreferenceExport, export_preferences, export_refusal
    from pilotage.review.flywheel.preferences import PairVotes, Preferences, RaterPool, pair_votes
    from pilotage.review.flywheel.ranking import PreferenceRanking, rank_preferences
    from pilotage.review.flywheel.reliability import Reliability, reliabilities
    from pilotage.review.flywheel.slices import FrozenSlice, freeze_slice, load_slice

_FROM = {
    "corrections": ("Corrections", "CorrectionsReady", "corrections_ready", "publish_corrections"),
    "exchange": ("Exchange", "exchange_of"),
    "loop": ("LoopReport", "loop_report", "require_disjoint"),
    "preference_export": ("PreferenceExport", "export_preferences", "export_refusal"),
    "preferences": ("PairVotes", "Preferences", "RaterPool", "pair_votes"),
    "ranking": ("PreferenceRanking", "rank_preferences"),
    "reliability": ("Reliability", "reliabilities"),
    "slices": ("FrozenSlice", "freeze_slice", "load_slice"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "Corrections",
    "CorrectionsReady",
    "Exchange",
    "FrozenSlice",
    "LoopReport",
    "PairVotes",
    "PreferenceExport",
    "PreferenceRanking",
    "Preferences",
    "RaterPool",
    "Reliability",
    "corrections_ready",
    "exchange_of",
    "export_preferences",
    "export_refusal",
    "freeze_slice",
    "load_slice",
    "loop_report",
    "pair_votes",
    "publish_corrections",
    "rank_preferences",
    "reliabilities",
    "require_disjoint",
]
