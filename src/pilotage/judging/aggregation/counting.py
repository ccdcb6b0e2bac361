"""Majority: the value most raters gave, with a tie rule that is said, not left to the order of rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Literal

import numpy as np

from pilotage.core import InputError
from pilotage.judging.aggregation.em import clamp, vote_shares
from pilotage.judging.aggregation.labels import truth_of
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Votes, gold_at

Tie = Literal["open", "first", "random"]


def majority(votes: Votes, *, tie: Tie = "open", seed: int = 0, gold: Mapping[Hashable, Hashable] | None = None) -> Truth:
    """The value most raters gave. The posterior is the share of votes.

    Parameters
    ----------
    tie
        ``open``: the label is None, and somebody decides. ``first``: the first of the tied values in the schema's order (which favours it: say so).
        ``random``: one of them, drawn with ``seed``. Ties are listed in every case.

    Raises
    ------
    InputError
        If there are no votes, or all are of one rater.
    """
    if tie not in ("open", "first", "random"):
        raise InputError(f"'{tie}' is no tie rule.", mend="use open, first or random")
    if not votes.n:
        raise InputError("There are no votes.", mend="wait for answers")
    if len(votes.raters) < 2:
        raise InputError("All votes are of one rater.", where=f"rater {votes.raters[0]!r}", mend="have a second rater answer some of the same units")
    at = gold_at(votes, gold)
    posterior = clamp(vote_shares(votes), at)
    found = truth_of(votes, "majority", posterior, gold=at, parameters={"tie": tie}, seed=seed if tie == "random" else None)
    if tie == "open" or not found.tied:
        return found
    return _settled(votes, found, tie, seed)


def _settled(votes: Votes, found: Truth, tie: Tie, seed: int) -> Truth:
    from dataclasses import replace

    generator = np.random.default_rng(seed)
    labels = list(found.labels)
    for unit in found.tied:
        at = votes.place(unit)
        assert at is not None  # noqa: S101  tied units were voted on
        best = np.flatnonzero(found.posterior[at] >= found.posterior[at].max() - 1e-9)
        labels[at] = votes.values[int(best[0] if tie == "first" else generator.choice(best))]
    return replace(found, labels=tuple(labels))
