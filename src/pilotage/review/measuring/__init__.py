"""Raters measured, and what they say made one.

**Gold** items, whose answers are known, are mixed into the work; an **exam** decides who may start, and a **calibration round** practises a new
guideline. :func:`accuracy_of` and :func:`team_accuracy` say how often people are right, with bounds, and how fast; :func:`alerts` proposes, never
punishes. :func:`settle` makes the answers about an item one, by the policy its rubric declared; what cannot be settled goes to an adjudicator who
sees the others' answers under aliases (:func:`open_adjudications`). :func:`triage` says why people disagree: a slip, an ambiguous item, an unclear
guideline, or a real plurality. :func:`alternative_annotator_test` and :func:`prediction_powered_mean` hold model raters to the people they imitate.

What measures a rater never says anything about an item: it is read by its own purpose only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.measuring.standing_of import adjudication_context, calibration_tasks, must_calibrate

# numpy loads when a name that needs it is first used: the claim imports this room for one look-up by key.
_FROM: dict[str, tuple[str, ...]] = {
    "standing_of": ("adjudication_context", "calibration_tasks", "must_calibrate"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = ["adjudication_context", "calibration_tasks", "must_calibrate"]
