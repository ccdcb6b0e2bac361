"""What a few answers say of one item, cheaply enough to ask inside a claim: plain Python, no numpy.

One-coin model with known accuracies: a rater is right with probability a, and wrong answers fall evenly on the other values.

Reference: Nitzan & Paroush (1982), the log-odds weighting of independent votes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError, canonical_json

MOST_TRUSTED = 0.99


@dataclass(frozen=True)
class Posterior:
    """What the answers say.

    value
        The likeliest value; None where several are equally likely, or nobody answered.
    probability
        That of the likeliest value, 0 to 1; 1 / k where nobody answered.
    shares
        (value, probability) of each value somebody gave, likeliest first.
    other
        The probability, in all, of the values nobody gave.
    """

    value: Any
    probability: float
    shares: tuple[tuple[Any, float], ...]
    other: float
    n: int


def posterior_of(values: Sequence[Any], accuracies: Sequence[float], k: int) -> Posterior:
    """The posterior of one item from its answers, all values equally likely before.

    Parameters
    ----------
    values
        One answer a rater, as plain data.
    accuracies
        Of each of these raters, 0 to 1. Below chance counts as chance (a rater who is mostly wrong must not decide for the opposite), and
        nobody counts as more than .99 sure.
    k
        How many values there are to choose from, ≥ 2.

    Raises
    ------
    InputError
        If the two differ in length, ``k`` < 2, more values were given than there are, or an accuracy is no probability.

    Cost: O(answers × distinct answers), microseconds.
    """
    if len(values) != len(accuracies):
        raise InputError(f"There are {len(values)} answers and {len(accuracies)} accuracies.", mend="give one accuracy an answer")
    if k < 2:
        raise InputError(f"With {k} possible values there is nothing to infer.", mend="give the number of values of the question, at least 2")
    given = {canonical_json(value): value for value in values}
    if len(given) > k:
        raise InputError(f"{len(given)} different answers were given to a question of {k} values.")
    likelihood = dict.fromkeys(given, 0.0)
    unseen = 0.0
    for value, accuracy in zip(values, accuracies, strict=True):
        if not 0 <= accuracy <= 1:
            raise InputError(f"An accuracy of {accuracy} is not between 0 and 1.")
        trusted = min(MOST_TRUSTED, max(1 / k, accuracy))
        right, wrong = math.log(trusted), math.log((1 - trusted) / (k - 1))
        said = canonical_json(value)
        unseen += wrong
        for key in likelihood:
            likelihood[key] += right if key == said else wrong
    highest = max([*likelihood.values(), unseen])
    # Sorted before they are added, so that the order of the answers changes nothing.
    weight = {key: math.exp(value - highest) for key, value in sorted(likelihood.items())}
    rest = (k - len(given)) * math.exp(unseen - highest)
    total = math.fsum([*weight.values(), rest])
    ranked = sorted(((given[key], share / total) for key, share in weight.items()), key=lambda entry: -entry[1])
    if not ranked:
        return Posterior(None, 1 / k, (), 1.0, 0)
    # Sums in another order differ in their last digits; what differs only there is a tie.
    tied = len(ranked) > 1 and math.isclose(ranked[0][1], ranked[1][1], rel_tol=1e-9)
    blind = len(given) < k and math.exp(unseen - highest) / total >= ranked[0][1] * (1 - 1e-9)
    return Posterior(None if tied or blind else ranked[0][0], ranked[0][1], tuple(ranked), rest / total, len(values))
