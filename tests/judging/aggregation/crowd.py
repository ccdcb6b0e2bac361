"""The crowd data sets with truth, as (task, worker, label) rows, and votes drawn from raters of known quality."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilotage.judging.aggregation import Truth, Votes

SETS = ("CF_amt.csv", "MS.csv", "SP_amt.csv", "rte.tsv", "temp.tsv")


def crowd(folder: Path, name: str) -> tuple[Votes, dict[str, str]]:
    """Votes and truth of one set. CF_amt has five rows in which a worker labelled a tweet again: the last stands."""
    path = folder / "crowd" / name
    if not path.is_file():
        pytest.skip(f"the crowd labels are not here ({name})")
    with path.open() as file:
        if name.endswith(".csv"):
            rows = [(row[1], row[0], row[2], row[3]) for row in csv.reader(file)]
        else:
            rows = [(row["orig_id"], row["!amt_worker_ids"], row["response"], row["gold"]) for row in csv.DictReader(file, delimiter="\t")]
    units, raters, values, gold = zip(*rows, strict=True)
    return Votes.from_rows(units, raters, values, duplicates="last"), dict(zip(units, gold, strict=True))


def accuracy(truth: Truth, gold: dict[Any, Any]) -> float:
    """The share of units labelled as the gold says."""
    return sum(truth.by_unit[unit] == value for unit, value in gold.items()) / len(gold)


def drawn(
    *, units: int = 120, raters: int = 12, per_unit: int = 5, k: int = 3, accuracies: list[float] | None = None, seed: int = 0
) -> tuple[Votes, dict[int, int]]:
    """Votes of raters with these accuracies, whose wrong votes fall evenly."""
    rng = np.random.default_rng(seed)
    right = np.array(accuracies if accuracies is not None else rng.uniform(0.55, 0.95, raters))
    truth = rng.integers(0, k, units)
    rows = []
    for unit in range(units):
        for rater in rng.choice(raters, per_unit, replace=False):
            good = rng.random() < right[rater]
            rows.append((unit, int(rater), int(truth[unit] if good else (truth[unit] + rng.integers(1, k)) % k)))
    columns = [list(column) for column in zip(*rows, strict=True)]
    return Votes.from_rows(*columns, values=range(k)), dict(enumerate(truth.tolist()))
