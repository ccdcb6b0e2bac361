"""Truth and agreement of long tables, from a terminal."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pilotage.cli.main import app
from pilotage.core import InputError, NotFound


def write(path: Path, header: list[str], rows: list[Any], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def labels() -> list[tuple[str, str, str]]:
    """Three good workers and one who always says yes."""
    rows = []
    for task in range(60):
        true = "yes" if task % 3 else "no"
        for worker in ("ann", "bob", "cy"):
            wrong = (task + len(worker)) % 11 == 0 and worker == "ann"
            rows.append((f"t{task}", worker, {"yes": "no", "no": "yes"}[true] if wrong else true))
        rows.append((f"t{task}", "eve", "yes"))
    return rows


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["raters", *map(str, arguments)])


def test_truth_says_its_method_its_banner_and_the_weakest_workers(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.csv", ["task", "worker", "label"], labels())
    out = tmp_path / "truth.csv"
    done = run("truth", file, "--out", out)
    assert done.exit_code == 0, done.output
    assert "hierarchical_dawid_skene: 60 units, 4 raters" in done.output
    assert "not chosen on gold" in done.output
    assert done.output.index("eve") < done.output.index("bob")
    with out.open() as written:
        rows = list(csv.DictReader(written))
    assert [row["task"] for row in rows] == sorted(f"t{task}" for task in range(60))
    assert all((row["label"] == "yes") == bool(int(row["task"][1:]) % 3) for row in rows)
    assert list(tmp_path.glob(".*")) == []


def test_gold_chooses_the_method(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.tsv", ["item", "annotator", "answer"], labels(), delimiter="\t")
    gold = write(tmp_path / "gold.csv", ["task", "label"], [(f"t{task}", "yes" if task % 3 else "no") for task in range(55)])
    done = run("truth", file, "--gold", gold, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert "chosen on 55 gold units" in said["banner"]
    assert len(said["units"]) == 60


def test_agreement_prints_three_figures_with_intervals(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.csv", ["task", "worker", "label"], labels())
    done = run("agreement", file)
    assert done.exit_code == 0, done.output
    lines = done.output.strip().splitlines()
    assert [line.split(" (")[0] for line in lines] == ["Krippendorff's alpha", "Fleiss' kappa", "Gwet's AC1"]
    assert all("60 units, 4 raters" in line for line in lines)
    ordinal = run("agreement", file, "--scale", "ordinal", "--values", "no,yes", "--json")
    assert json.loads(ordinal.output)[0]["scale"] == "ordinal"


@pytest.mark.parametrize(
    ("header", "rows", "arguments", "what"),
    [
        (["task", "label"], [("a", "x")], ["agreement"], "no column for the worker"),
        (["task", "item", "worker", "label"], [("a", "b", "w", "x")], ["agreement"], "Several columns"),
        (["task", "worker", "label"], [("a", "w", ""), ("a", "v", "x")], ["agreement"], "empty entry"),
        (["task", "worker", "label"], [("a", "w", "x"), ("a", "w", "y")], ["truth"], "twice"),
        (["task", "worker", "label"], [("a", "w", "x"), ("b", "w", "y")], ["truth"], "one rater"),
        (["task", "worker", "label"], [("a", "w", "x"), ("a", "v", "y")], ["truth", "--method", "wisdom"], "no method"),
        (["task", "worker", "label"], [("a", "w", "x"), ("a", "v", "y")], ["truth", "--values", "x,z"], "not a value"),
        (["task", "worker", "label"], [("a", "w", "x"), ("a", "v", "y")], ["agreement", "--scale", "interval"], "needs numbers"),
        (["task", "worker", "label"], [("a", "w", "x"), ("a", "v", "y")], ["agreement", "--scale", "cardinal"], "no scale"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, header: list[str], rows: list[Any], arguments: list[str], what: str) -> None:
    file = write(tmp_path / "labels.csv", header, rows)
    done = run(arguments[0], file, *arguments[1:])
    assert isinstance(done.exception, InputError)
    assert what in str(done.exception)


def test_an_empty_entry_is_named_by_its_line_and_a_missing_file_by_its_name(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.csv", ["task", "worker", "label"], [("a", "w", "x"), ("a", "", "y")])
    refused = run("truth", file).exception
    assert isinstance(refused, InputError)
    assert refused.where == f"{file}:3 column 'worker'"
    assert isinstance(run("truth", tmp_path / "none.csv").exception, NotFound)


def test_gold_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.csv", ["task", "worker", "label"], labels())
    gold = write(tmp_path / "gold.csv", ["task", "label"], [("t1", "yes"), ("t1", "no")])
    refused = run("truth", file, "--gold", gold).exception
    assert isinstance(refused, InputError)
    assert "two labels" in refused.what


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [(task, worker, task % 3) for task in range(60) for worker in range(2)]
    columns = dict(zip(("task", "worker", "label"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    done = run("agreement", tmp_path / "labels.parquet", "--scale", "interval")
    assert done.exit_code == 0, done.output
    assert "1.000" in done.output
