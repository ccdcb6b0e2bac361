"""routing check: the verdict on a confidence, from a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from terminal import Terminal

WORDS = ("--model", "m-1", "--labelled-by", "people", "--slice", "language")
COSTS = ("--error-cost", "2000", "--review-cost", "150", "--missed", "6/120")


@pytest.fixture
def labelled(terminal: Terminal) -> Path:
    rng = np.random.default_rng(0)
    p = rng.beta(4, 0.4, 2_500)
    rows = zip(p.round(6), (rng.random(2_500) < p**1.5).astype(int), rng.choice(["de", "en"], 2_500), strict=True)
    file = terminal.folder / "labelled.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        written = csv.writer(out)
        written.writerow(["id", "confidence", "correct", "language"])
        written.writerows([f"i{number}", *row] for number, row in enumerate(rows))
    return file


def test_a_confidence_that_will_do_is_routable_and_the_exit_code_says_so(terminal: Terminal, labelled: Path) -> None:
    said = terminal("routing", "check", str(labelled), *WORDS, *COSTS, "--fit-share", "0.4", "--mandatory", "language", "--save", "mending.json")
    assert said.out.startswith("m-1: ROUTABLE (n = 1500")
    assert "language=de" in said.out
    assert json.loads(Path("mending.json").read_text())["hash"].startswith("recal_")


def test_a_raw_confidence_is_to_be_recalibrated_and_not_routable(terminal: Terminal, labelled: Path) -> None:
    said = terminal("routing", "check", str(labelled), *WORDS, *COSTS, "--json", expect=1)
    assert said.json["verdict"] == "recalibrate"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--error-cost", "100"), "go together"),
        ((*COSTS[:-1], "six"), "does not say how many"),
        (("--fit-share", "1"), "Nothing would be left"),
        (("--save", "x.json"), "no recalibrator to save"),
        (("--mandatory", "language", "--slice", "region"), "no column 'region'"),
        (("--look", "2", "--only-look"), "not the only look"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(terminal: Terminal, labelled: Path, words: tuple[str, ...], problem: str) -> None:
    assert problem in terminal.refused("routing", "check", str(labelled), *WORDS, *words, code=2)
