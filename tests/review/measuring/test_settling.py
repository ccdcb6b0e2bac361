"""Consensus by the policy declared, of what people said about items and of nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotage.core import InputError, NotFound
from pilotage.judging import consensuses, person
from pilotage.ledger import entries
from pilotage.review import claim
from pilotage.review.measuring.adjudicating import adjudications, open_adjudications, overturns, reopen
from pilotage.review.measuring.gold import add_gold
from pilotage.review.measuring.settling import consensus_of, settle

from .conftest import QUESTION, MakeTeam, Team


def test_a_majority_stands_and_a_tie_is_for_somebody_to_decide(team: Team) -> None:
    clear = team.judge("one", ann="good", ben="good", cem="bad")
    tied = team.judge("two", ann="good", ben="bad")
    found = settle(team.workspace, team.name)
    assert (found.questions[0].settled, found.questions[0].adjudicate) == (1, 1)
    assert consensus_of(team.workspace, team.name, clear, "tone").value == "good"
    standing = consensus_of(team.workspace, team.name, tied, "tone")
    assert standing.value is None and dict(standing.distribution) == {"good": 0.5, "bad": 0.5}
