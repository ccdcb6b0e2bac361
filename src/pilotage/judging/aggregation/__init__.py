"""What many answers say together: truth inference, soft labels, and how many answers are enough.

:class:`Votes` holds the answers as whole numbers. :func:`infer` picks a method (on gold where there is enough of it, else hierarchical Dawid–Skene,
and says so) and gives a :class:`Truth`: a posterior for every unit, a label, and each rater's quality with n and interval. Methods can be called by
name. They draw nothing unless told to, give the same result in whatever order the votes come, and say whether they had come to rest. Gold stands at
its truth throughout. Where methods differ, :func:`disagreements_between` lists the units for somebody to decide.

:func:`posterior_of` is the same question for one item and a few answers, in plain Python; numpy and scipy load when the first method is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.judging.aggregation.choose import Choice, MethodScore, choose_method, infer
    from pilotage.judging.aggregation.confusion import dawid_skene, one_coin
    from pilotage.judging.aggregation.counting import majority
    from pilotage.judging.aggregation.difficulty import glad
    from pilotage.judging.aggregation.hierarchical import hierarchical_dawid_skene
    from pilotage.judging.aggregation.overlap import OverlapSaving, overlap_saving
    from pilotage.judging.aggregation.posterior import Posterior, posterior_of
    from pilotage.judging.aggregation.soft import GroupDistributions, SoftLabel, group_distributions, soft_label
    from pilotage.judging.aggregation.spamming import mace
    from pilotage.judging.aggregation.truth import Disagreement, RaterQuality, Truth, disagreements_between
    from pilotage.judging.aggregation.votes import Votes

_FROM = {
    "choose": ("Choice", "MethodScore", "choose_method", "infer"),
    "confusion": ("dawid_skene", "one_coin"),
    "difficulty": ("glad",),
    "hierarchical": ("hierarchical_dawid_skene",),
    "spamming": ("mace",),
    "counting": ("majority",),
    "overlap": ("OverlapSaving", "overlap_saving"),
    "posterior": ("Posterior", "posterior_of"),
    "soft": ("GroupDistributions", "SoftLabel", "group_distributions", "soft_label"),
    "truth": ("Disagreement", "RaterQuality", "Truth", "disagreements_between"),
    "votes": ("Votes",),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "Choice",
    "Disagreement",
    "GroupDistributions",
    "MethodScore",
    "OverlapSaving",
    "Posterior",
    "RaterQuality",
    "SoftLabel",
    "Truth",
    "Votes",
    "choose_method",
    "dawid_skene",
    "disagreements_between",
    "glad",
    "group_distributions",
    "hierarchical_dawid_skene",
    "infer",
    "mace",
    "majority",
    "one_coin",
    "overlap_saving",
    "posterior_of",
    "soft_label",
]
