"""Preferences leave with their votes and agreement, or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from team import CARD, PAIRS, PROJECT, pair, project, put, work

from pilotage.core import InputError, Refused
from pilotage.data import Card
from pilotage.data.formats import from_format, to_format
from pilotage.data.training import check_training_row
from pilotage.review.flywheel import PairVotes, export_preferences
from pilotage.review.projects import change_project
from pilotage.store import Workspace

N = 54


def prefers_a(_login: str, task: Any) -> dict[str, Any]:
    """Everybody says a, but of every ninth b, of two ties and of one that both are bad; Bob errs once."""
    number = int(task.payload["prompt"].split()[1])
    wanted = "tie" if number in (1, 2) else "both_bad" if number == 3 else "b" if number % 9 == 0 else "a"
    return {"better": {"preferred": "b" if _login == "bob" and number == 5 else wanted}}


def coin(login: str, task: Any) -> dict[str, Any]:
    return {"better": {"preferred": "a" if (len(login) + sum(map(ord, login + task.payload["prompt"]))) % 2 else "b"}}


def asked(workspace: Workspace, *, says: Any = prefers_a, people: tuple[str, ...] = ("ada", "bob"), n: int = N, **settings: Any) -> None:
    project(workspace, rubric=PAIRS, overlap={"start": len(people)}, **settings)
    put(workspace, [pair(number) for number in range(n)], topic=None)
    for login in people:
        work(workspace, login, says)


def send(workspace: Workspace, folder: Path, **more: Any) -> Any:
    return export_preferences(workspace, PROJECT, "better", **{"format": "dpo", "path": folder / "out.jsonl", "card": CARD, **more})


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_form_leaves_with_votes_agreement_and_guideline(workspace: Workspace, tmp_path: Path) -> None:
    asked(workspace, agreement_floor=0.6)
    made = send(workspace, tmp_path)
    sent = read(made.export.path)
    by_prompt = {row["prompt"][0]["content"]: row for row in sent}
    assert len(sent) == N - 4  # two ties, one bad on both sides, one on which the two disagree
    assert made.left_out == {"tied": 3, "bad on both sides": 1}
    assert by_prompt["ask 9"]["chosen"] == [{"role": "assistant", "content": "right 9"}]
    row = by_prompt["ask 4"]
    assert (row["margin"], row["n_votes"], row["vote_share"], row["dimension"]) == (1.0, 2, 1.0, "better")
    assert row["alpha"] == made.alpha.estimate and row["guideline"] == made.guideline != ""
    assert made.pool.people == 2 and not re.search(r"\bada\b", made.export.path.read_text())
    again = send(workspace, tmp_path)
    assert again.version == made.version and again.export.sha256 == made.export.sha256
    plain = read(send(workspace, tmp_path, format="dpo-plain", path=tmp_path / "plain.jsonl").export.path)
    assert {"prompt", "chosen", "rejected"} <= {name for name, value in plain[0].items() if isinstance(value, str)}
    hh = read(send(workspace, tmp_path, format="hh", path=tmp_path / "hh.jsonl").export.path)
    assert hh[0]["chosen"].startswith("\n\nHuman: ask ") and "\n\nAssistant: " in hh[0]["rejected"]
    kto = read(send(workspace, tmp_path, format="kto", path=tmp_path / "kto.jsonl", both_bad="unpaired").export.path)
    assert sum(row["label"] for row in kto) == N - 4
    assert [row["label"] for row in kto if row["prompt"][0]["content"] == "ask 3"] == [False, False]
    with pytest.raises(Refused, match="declared rule"):
        send(workspace, tmp_path, ties="refuse")
    with pytest.raises(InputError, match="how strongly"):
        send(workspace, tmp_path, margin="strength")
    with pytest.raises(InputError, match="Only KTO"):
        send(workspace, tmp_path, both_bad="unpaired")


def test_below_the_floor_nothing_leaves_and_the_figure_is_named(workspace: Workspace, tmp_path: Path) -> None:
    asked(workspace, says=coin, agreement_floor=0.4)
    with pytest.raises(Refused, match=r"lower bound of alpha is -?0\.\d+, the declared floor 0\.4"):
        send(workspace, tmp_path)
    assert not list(tmp_path.glob("out*"))


def test_too_few_pairs_no_floor_or_no_licence_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    asked(workspace, n=6)
    with pytest.raises(Refused, match="No floor"):
        send(workspace, tmp_path)
    with pytest.raises(Refused, match="a verdict needs 50"):
        send(workspace, tmp_path, floor=0.1)
    with pytest.raises(Refused, match="licence"):
        send(workspace, tmp_path, floor=0.1, card=Card())


def test_votes_under_two_guidelines_are_not_added_up(workspace: Workspace, tmp_path: Path) -> None:
    asked(workspace, people=("ada",), agreement_floor=0.0)
    change_project(workspace, PROJECT, number=1, guideline="Prefer the shorter answer.", settings=None)
    put(workspace, [pair(number) for number in range(100, 102)], topic=None)
    work(workspace, "eve", prefers_a)
    with pytest.raises(Refused):
        send(workspace, tmp_path)


def test_what_was_decided_goes_before_the_votes_and_equal_votes_are_a_tie() -> None:
    votes = PairVotes("i", (), "x", "y", {"a": 2, "b": 1}, (), {})
    assert (votes.winner, votes.vote_share) == ("a", pytest.approx(2 / 3))
    assert PairVotes("i", (), "x", "y", {"a": 2, "b": 1}, (), {}, decided="b").winner == "b"
    assert PairVotes("i", (), "x", "y", {"a": 1, "b": 1}, (), {}).winner == "tie"


@pytest.mark.parametrize("format", ["dpo", "dpo-plain", "hh"])
def test_a_preference_goes_out_and_comes_back_the_same(format: Any) -> None:
    row = {
        "id": "1",
        "kind": "preference",
        "messages": [{"role": "user", "content": "why?"}],
        "chosen": [{"role": "assistant", "content": "so\n\nthat"}],
        "rejected": [{"role": "assistant", "content": "no"}],
        "label": None,
        "lineage": {"item": "i"},
        "tags": {"measures": {"margin": 0.5, "alpha": 0.8}},
    }
    sent = to_format(row, format)
    assert isinstance(sent, dict) and (sent["margin"], sent["alpha"]) == (0.5, 0.8)
    back = from_format(sent, format)
    assert isinstance(back, dict) and check_training_row(back) is None
    assert back == {name: value for name, value in row.items() if name != "label"}


def test_what_a_transcript_cannot_hold_is_not_expressed() -> None:
    base = {"id": "1", "kind": "preference", "lineage": {}, "tags": {}, "chosen": [{"role": "assistant", "content": "x"}]}
    other = [{"role": "assistant", "content": "y\n\nHuman: z"}]
    asked = [{"role": "user", "content": "q"}]
    assert not isinstance(to_format({**base, "messages": asked, "rejected": other}, "hh"), dict)
    system = [{"role": "system", "content": "be kind"}, *asked]
    assert not isinstance(to_format({**base, "messages": system, "rejected": [{"role": "assistant", "content": "y"}]}, "hh"), dict)
