"""Monitoring's pages: what they say of each kind of report, and that they stay text, bounded and usable by keyboard."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import watched_workspace
from browserless import Client, sign_in
from sqlalchemy import event
from watched_workspace import HOSTILE, MODEL, Watched

from pilotage.ledger import create_workspace, open_workspace
from pilotage.server.queries import reports
from pilotage.server.queries.figures import draw_shape, draw_trend
from pilotage.server.queries.paging import Turn
from pilotage.store import Workspace


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watched]:
    folder = tmp_path_factory.mktemp("watched") / "workspace"
    with create_workspace(folder, actor="ada") as workspace:
        return folder, watched_workspace.fill(workspace)


@pytest.fixture(scope="module")
def opened(kept: tuple[Path, Watched]) -> Iterator[Workspace]:
    with open_workspace(kept[0], actor="ada") as workspace:
        yield workspace


@pytest.fixture(scope="module")
def client(opened: Workspace) -> Client:
    return sign_in(opened)


@pytest.fixture(scope="module")
def there(kept: tuple[Path, Watched]) -> Watched:
    return kept[1]


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status == 200, answer.text
    assert "<script>evil" not in answer.text and " style=" not in answer.text and " onclick" not in answer.text
    return answer.text


def test_the_list_says_verdict_in_words_windows_and_figures_with_intervals(client: Client, there: Watched) -> None:
    page = shown(client, "/monitoring")
    assert page.index(there.reports["groups"]) < page.index(there.reports["quiet"])  # newest first
    for word in ("undecided", "covariate shift", "fraud-training@1", "estimated drop accuracy", "n = ", "ada"):
        assert word in page
    assert re.search(r"<span aria-hidden=\"true\">[^<]+</span> undecided", page)


def test_reports_are_filtered_by_verdict_kind_and_pipeline(client: Client, there: Watched) -> None:
    few = shown(client, "/monitoring?verdict=undecided&kind=diagnosis")
    assert there.reports["few"] in few and there.reports["drift"] not in few
    of_pipeline = shown(client, "/monitoring?pipeline=card-fraud")
    assert there.reports["moved"] in of_pipeline and there.reports["few"] not in of_pipeline
    assert "No report is like that" in shown(client, "/monitoring?pipeline=nothing")
    assert "No report is like that" in shown(client, "/monitoring?verdict=%3Cscript%3Eevil")
    assert client.get("/monitoring?pilot=nothing").status == 404


def test_pages_are_turned_by_key_and_never_repeat_a_report(opened: Workspace) -> None:
    seen, turn = [], Turn(size=2)
    while True:
        found = reports.list_reports(opened, turn=turn)
        assert len(found.rows) <= 2
        seen += [line.id for line in found.rows]
        if found.next is None:
            break
        turn = Turn(after=found.next, size=2)
    assert len(seen) == len(set(seen)) == 5


def test_the_list_reads_no_body_and_asks_no_more_for_a_longer_page(opened: Workspace) -> None:
    asked: list[str] = []
    with opened.read() as conn:
        engine = conn.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    reports.list_reports(opened)
    assert len(asked) < 12 and not any("monitor_report.body" in statement for statement in asked)


def test_a_diagnosis_is_shown_as_a_ladder_that_says_where_it_stopped(client: Client, there: Watched) -> None:
    page = shown(client, f"/monitoring/{there.reports['moved']}")
    for asked in reports.RUNGS.values():
        assert asked in page
    assert page.count('aria-current="step"') == 1 and page.count("Not reached.") == 2
    assert "blind to concept drift" in page.lower()
    assert "negligible auc from 0.55" in page.lower() and 'class="interval"' in page
    few = shown(client, f"/monitoring/{there.reports['few']}")
    assert "would decide" in few and few.count("Not reached.") == 5


def test_the_columns_behind_it_come_first_with_their_shapes(client: Client, there: Watched) -> None:
    page = shown(client, f"/monitoring/{there.reports['moved']}")
    first = page[page.index('class="columns-behind"') :]
    assert first.index("amount") < first.index("calm")
    assert first.count('class="shape"') == 3 and "the median was" in first and "&lt;script&gt;" in first
    drift = shown(client, f"/monitoring/{there.reports['drift']}")
    assert "drift PSI" in drift and drift.count('class="shape"') == 3 and "The ladder" not in drift
    assert "Figures" in shown(client, f"/monitoring/{there.reports['groups']}")


def test_what_was_decided_after_it_stands_under_it(client: Client, there: Watched) -> None:
    page = shown(client, f"/monitoring/{there.reports['moved']}")
    assert f'href="/pipelines/card-fraud/runs/{there.run}"' in page and "tick 2025" in page
    assert f"/lineage?kind=model&amp;id={MODEL}" in page and "which serves now" in page and "gain 0.01" in page
    assert "estimated fall" in page
    assert "No pipeline decided" in shown(client, f"/monitoring/{there.reports['few']}")


def test_a_pipelines_metric_is_drawn_over_time_and_told_as_a_table(client: Client, there: Watched) -> None:
    page = shown(client, "/monitoring?pipeline=card-fraud")
    assert page.count('class="mark estimated"') == 2 and page.count('class="mark realised"') == 1
    assert "Accuracy over time" in page and "not measured" in page and "blind to concept drift" in page
    assert 'class="trend"' not in shown(client, "/monitoring")


def test_an_empty_workspace_says_what_to_run_first(newcomer: Client) -> None:
    page = newcomer.get("/monitoring")
    assert page.status == 200 and "pilotage monitor diagnose" in page.text
    assert newcomer.get("/monitoring/mr_nothing").status == 404


def test_a_report_of_before_shapes_were_kept_is_shown_without_them(opened: Workspace, there: Watched) -> None:
    assert draw_shape({"column": "x", "kind": "number", "at": [], "before": [], "after": []}) is None
    assert draw_trend([]) is None
    found = reports.find_report(opened, there.reports["moved"])
    body = {"columns": ["amount"], "behind": [{"column": "amount", "alone": 0.5, "importance": 0.1}], "path": []}
    (old,) = reports._columns(body, {})
    assert old.drawing is None and old.behind and found.columns[0].drawing is not None


def test_the_application_starts_without_the_extra_for_tables() -> None:
    code = (
        "import sys\n"
        "for name in ('polars', 'lance', 'pyarrow'): sys.modules[name] = None\n"
        "import pilotage.server.queries.reports, pilotage.server.queries.lineage, pilotage.server.pages.monitoring, pilotage.server.pages.lineage\n"
        "import pilotage.server.lineage_api\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_hostile_text_stays_text(client: Client, there: Watched) -> None:
    page = shown(client, f"/monitoring/{there.reports['drift']}")
    assert HOSTILE not in page and "&lt;script&gt;evil()" in page
