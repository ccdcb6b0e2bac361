"""Automation bias: whether people still look, measured.

Three arms are dealt by salted hash per person and item (:mod:`pilotage.review.arms`): suggestion shown, withheld, planted wrong; a fourth asks for an
answer first. :func:`plan_seeds` and :func:`plant` choose and plant plausible wrong values on a small share of tasks; a planted value counts as no
answer, and never reaches training, exports or customers. :func:`measure` turns answers into figures: miss rate, excess agreement, appropriate
reliance, over-correction, d′, time, fast accepts; :func:`board` does so from a workspace, per person, slice and hour of shift. Intervals account for
persons, and below the numbers of :class:`Needed` there is no figure, but how many answers are lacking. :func:`compare` and
:func:`answer_first_effect` say what a countermeasure changed.

Nobody is judged by a single item: there is no function here that tells who missed which seed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.bias.answers import AidedAnswer, hours_of_shift
    from pilotage.review.bias.effects import Change, Effects, answer_first_effect, compare, measure, measure_by
    from pilotage.review.bias.overview import Board, Window, aided_answers, board, compare_settings
    from pilotage.review.bias.power import Needed, SeedPlan, for_width, half_width, per_arm, plan_collection
    from pilotage.review.bias.seeds import (
        CONSENT,
        PlannedSeed,
        SeedCandidate,
        Seeding,
        machine_confusion,
        plan_seeds,
        plant,
        secret_draw,
        seed_candidates,
    )

_FROM = {
    "answers": ("AidedAnswer", "hours_of_shift"),
    "overview": ("Board", "Window", "aided_answers", "board", "compare_settings"),
    "effects": ("Change", "Effects", "answer_first_effect", "compare", "measure", "measure_by"),
    "power": ("Needed", "SeedPlan", "for_width", "half_width", "per_arm", "plan_collection"),
    "seeds": ("CONSENT", "PlannedSeed", "SeedCandidate", "Seeding", "machine_confusion", "plan_seeds", "plant", "secret_draw", "seed_candidates"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "CONSENT",
    "AidedAnswer",
    "Board",
    "Change",
    "Effects",
    "Needed",
    "PlannedSeed",
    "SeedCandidate",
    "SeedPlan",
    "Seeding",
    "Window",
    "aided_answers",
    "answer_first_effect",
    "board",
    "compare",
    "compare_settings",
    "for_width",
    "half_width",
    "hours_of_shift",
    "machine_confusion",
    "measure",
    "measure_by",
    "per_arm",
    "plan_collection",
    "plan_seeds",
    "plant",
    "secret_draw",
    "seed_candidates",
]
