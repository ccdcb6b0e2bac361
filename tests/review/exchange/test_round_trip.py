"""Import → export → import is identity, for every format, predictions and unknown keys included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import SAMPLES, content, write_sample

from pilotage.core import Refused
from pilotage.judging import person
from pilotage.ledger import create_workspace, entries
from pilotage.review import answer, claim
from pilotage.review.exchange import FORMATS, ExchangeLimits, Misfit, Terms, export_from, find_format, import_into, read_records
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.store import Workspace


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Workspace]:
    with create_workspace(tmp_path / "other", actor="tester") as opened:
        yield opened


def project_for(workspace: Workspace, format: str) -> str:
    rubric, _, _ = SAMPLES[format]
    create_project(workspace, ProjectSettings(name="exchange"), rubric=rubric)
    return "exchange"


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
def test_a_row_read_and_written_is_the_row(format: str, tmp_path: Path) -> None:
    rubric, question, _ = SAMPLES[format]
    path, chosen, terms = write_sample(format, tmp_path), find_format(format), Terms(rubric, question)
    header: dict[str, object] = {}
    rows = []
    for _, record in read_records(path, chosen, terms, ExchangeLimits(), header):
        assert not isinstance(record, Misfit), (record.field, record.reason)
        rows += chosen.codec.write(record, terms, lambda what: pytest.fail(what))
    written = tmp_path / f"written{chosen.suffix}"
    chosen.container.write(written, iter(rows), header)
    assert content(format, written) == content(format, path)


@pytest.mark.parametrize("format", FORMATS)
def test_import_then_export_then_import_is_identity(workspace: Workspace, other: Workspace, tmp_path: Path, format: str) -> None:
    path = write_sample(format, tmp_path)
    suffix = find_format(format).suffix
    question = SAMPLES[format][1]
    for number, place in enumerate((workspace, other)):
        report = import_into(place, project_for(place, format), path, format, question=question)
        assert not report.refused, str(report)
        assert report.records and (report.answers or report.suggestions)
        out = tmp_path / f"out{number}{suffix}"
        exported = export_from(place, "exchange", out, format)
        assert not exported.left_out, str(exported)
        assert content(format, out) == content(format, path)
        path = out


@pytest.mark.parametrize("format", ["dpo", "kto", "hh-rlhf"])
def test_answers_given_here_become_training_rows_in_the_flywheels_way_only(workspace: Workspace, tmp_path: Path, format: str) -> None:
    project = project_for(workspace, format)
    import_into(workspace, project, write_sample(format, tmp_path), format, queue="all")
    rita = person("rita")
    task = claim(workspace, project, rita, 1)[0]
    question = task.questions[0]
    answer(workspace, task.task_id, rita, {question: True if format == "kto" else {"preferred": "b"}}, idempotency_key="k1")
    with pytest.raises(Refused, match="training rows") as refused:
        export_from(workspace, project, tmp_path / "out.jsonl", format)
    assert "flywheel preferences" in str(refused.value.mend)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
    assert not list(entries(workspace, type="review.exported"))
    export_from(workspace, project, tmp_path / "looked-at.json", "label-studio")  # to look at, it may leave
