"""Taking files into a project: who counts as a person, what is refused and named, what is gold, and what happens when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from samples import RUBRIC, TEXT, result, write_sample
from sqlalchemy import select

from pilotage.core import Conflict, InputError, NotFound
from pilotage.judging import ABOUT_ITEMS, Item, Option, Question, judgements, load_rater, person
from pilotage.ledger import create_workspace, entries, open_workspace, payload
from pilotage.people import add_account
from pilotage.review import answer, claim, counts, export_judgements
from pilotage.review.exchange import ExchangeLimits, export_from, import_into
from pilotage.review.exchange.fitting import fit
from pilotage.review.exchange.record import Misfit
from pilotage.review.exchange.tables import exchange_record
from pilotage.review.measuring import Known, add_gold
from pilotage.review.new_task import NewTask
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.put import put_tasks
from pilotage.review.tables import suggestion
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


@pytest.fixture
def project(workspace: Workspace) -> str:
    create_project(workspace, ProjectSettings(name="p"), rubric=RUBRIC)
    return "p"


def lines(folder: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tasks(folder: Path, *rows: dict[str, Any], name: str = "tasks.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(rows))
    return path


def annotated(number: int, value: str = "pos", **more: Any) -> dict[str, Any]:
    said = {"completed_by": "ada", "result": [result("sentiment", "choices", [value])], **more}
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": [said]}


def test_who_judged_elsewhere_is_never_a_person_unless_mapped(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = write_sample("table-csv", tmp_path)
    report = import_into(workspace, project, path, "table-csv", question="sentiment", people={"w2": "bob"})
    assert report.raters == ("bob", "w1") and report.answers == 3
    kinds = {load_rater(workspace, j.rater_id).name: j.rater_kind for j in judgements(workspace)}
    assert kinds == {"w1": "import", "bob": "person"}
    (mapped,) = entries(workspace, type="review.rater_mapped")
    assert mapped.body["login"] == "bob" and "w2" not in str(mapped.body)
    assert mapped.commitment is not None and payload(workspace, mapped.commitment) == {"name": "w2"}
    (imported,) = entries(workspace, type="review.imported")
    assert (imported.body["answers"], imported.body["people"]) == (3, ["bob"])


def test_a_name_is_mapped_to_an_account_that_exists(workspace: Workspace, project: str, tmp_path: Path) -> None:
    add_account(workspace, login="root", roles=["admin"], password=PASSWORD)
    with pytest.raises(NotFound):
        import_into(workspace, project, write_sample("table-csv", tmp_path), "table-csv", question="sentiment", people={"w2": "nobody"})
    assert not judgements(workspace)


UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    (
        "label-studio",
        {"data": {"text": "x"}, "predictions": [{"result": [result("mood", "choices", ["pos"])]}]},
        "predictions[0].result[0].from_name",
    ),
    ("label-studio", {"data": {"text": "x"}, "predictions": [{"result": [result("sentiment", "rating", 3)]}]}, "predictions[0].result[0].type"),
    (
        "label-studio",
        {"data": {"text": "x"}, "annotations": [{"result": [result("sentiment", "choices", ["glad"])]}]},
        "annotations[0].result[0].value",
    ),
    ("argilla", {"id": "1", "text": "x", "mood.suggestion": "pos"}, "mood.suggestion"),
    ("argilla", {"id": "1", "text": "x", "sentiment.responses": ["pos"], "sentiment.responses.users": []}, "sentiment.responses.users"),
    ("argilla-nested", {"fields": {"text": "x"}, "suggestions": {"mood": {"value": "pos"}}}, "suggestions.mood"),
    ("argilla-nested", {"fields": {"text": "x"}, "responses": {"mood": []}}, "responses.mood"),
    ("prodigy", {"text": "x", "accept": ["zzz"], "answer": "accept"}, "accept"),
    ("prodigy", {"text": "x", "answer": "maybe"}, "answer"),
    ("doccano", {"id": 1, "text": "x", "label": [[0, 9, "PER"]]}, "label"),
    ("doccano", {"id": 1, "text": "x", "label": [[0, 1, "ORG"]]}, "label"),
]


@pytest.mark.parametrize(("format", "row", "field"), UNKNOWN, ids=[f"{case[0]}-{case[2]}" for case in UNKNOWN])
def test_an_answer_or_suggestion_that_fits_no_question_is_refused_with_row_and_field(
    workspace: Workspace, project: str, tmp_path: Path, format: str, row: dict[str, Any], field: str
) -> None:
    make = tasks if format == "label-studio" else lines
    good = (
        {"id": 9, "data": {"text": "fine"}}
        if format == "label-studio"
        else {"fields": {"text": "y"}}
        if "nested" in format
        else {"id": "9", "text": "y"}
    )
    path = make(tmp_path, good, row)
    report = import_into(workspace, project, path, format, question="topics" if format == "prodigy" else None)
    (refused,) = report.refused
    assert (refused.row, refused.field) == (2, field) and refused.reason
    assert not report.taken and "nothing was taken" in str(report) and counts(workspace, project).total == 0
    taken = import_into(workspace, project, path, format, question="topics" if format == "prodigy" else None, skip_refused=True)
    assert taken.records == 1 and taken.refused == (refused,)


def test_every_refused_row_is_in_the_report(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = tasks(tmp_path, *(annotated(number, "pos" if number % 2 else "no such") for number in range(40)))
    assert [row.row for row in import_into(workspace, project, path, "label-studio").refused] == list(range(1, 41, 2))
    with pytest.raises(InputError, match="More than 5 rows"):
        import_into(workspace, project, path, "label-studio", limits=ExchangeLimits(refused=5))


def test_a_second_answer_of_one_rater_to_one_question_is_refused_or_the_last_stands(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("task,worker,label\na,w,pos\na,w,neg\n")
    (refused,) = import_into(workspace, project, path, "table-csv", question="sentiment").refused
    assert refused.row == 3 and "earlier row" in refused.reason
    report = import_into(workspace, project, path, "table-csv", question="sentiment", repeated="last")
    assert report.answers == 2
    assert [judgement.value for judgement in judgements(workspace)] == ["neg"]
    export_from(workspace, project, tmp_path / "out.csv", "table-csv")
    assert (tmp_path / "out.csv").read_text() == path.read_text()


def test_spans_are_code_points_whichever_the_file_counts_in(workspace: Workspace, project: str, tmp_path: Path) -> None:
    units = {"start": 3, "end": 6, "text": "Ada", "labels": ["PER"]}  # 👋 is two UTF-16 units
    wrong = {"start": 4, "end": 7, "text": "Ada", "labels": ["PER"]}
    made = [{"data": {"text": TEXT}, "annotations": [{"result": [result("names", "labels", told)]}]} for told in (units, wrong)]
    (refused,) = import_into(workspace, project, tasks(tmp_path, *made), "label-studio", skip_refused=True).refused
    assert refused.row == 2 and "does not cover" in refused.reason
    (judgement,) = judgements(workspace)
    assert judgement.value == [{"start": 2, "end": 5, "label": "PER"}]


def test_markup_in_a_file_stays_text(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = write_sample("label-studio", tmp_path)
    import_into(workspace, project, path, "label-studio", queue="all")
    shown = [task.payload for task in claim(workspace, project, person("eve"), 10)]
    assert {"text": TEXT, "html": "<script>alert(1)</script>"} in shown


def test_what_is_unanswered_is_put_before_people_and_answers_go_out_beside_what_came_in(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = tasks(tmp_path, annotated(1), {"id": 2, "data": {"text": "open"}, "odd": [1]})
    report = import_into(workspace, project, path, "label-studio")
    assert (report.items, report.tasks) == (2, 1)
    (task,) = claim(workspace, project, person("eve"), 5)
    answer(workspace, task.task_id, person("eve"), {"sentiment": "neg"}, idempotency_key="k", active_ms=2500)
    put_tasks(workspace, project, [NewTask(Item("record", "own", {"text": "ours"}))])
    exported = export_from(workspace, project, tmp_path / "out.json", "label-studio")
    told = json.loads((tmp_path / "out.json").read_text())
    assert (exported.rows, exported.answers) == (3, 2)
    assert told[0] == json.loads(path.read_text())[0]
    (said,) = told[1]["annotations"]
    assert (told[1]["odd"], said["completed_by"], said["lead_time"], said["result"][0]["value"]) == ([1], "eve", 2.5, {"choices": ["neg"]})
    assert told[2]["data"] == {"text": "ours"} and told[2]["annotations"] == []
    (entry,) = entries(workspace, type="review.exported")
    assert entry.body["sha256"] == exported.sha256


def test_gold_and_what_is_said_of_gold_never_leave(workspace: Workspace, project: str, tmp_path: Path) -> None:
    gold = annotated(1, ground_truth=True)
    report = import_into(workspace, project, tasks(tmp_path, gold, annotated(2)), "label-studio", gold=True)
    assert report.tasks == 1
    put_tasks(workspace, project, [NewTask(Item("record", "g", {"text": "exam"}), purpose="qualification", gold={"sentiment": "pos"})])
    (task,) = [one for one in claim(workspace, project, person("eve"), 5) if one.payload["text"] == "text 1"] or [None]
    if task is not None:
        answer(workspace, task.task_id, person("eve"), {"sentiment": "neg"}, idempotency_key="k")
    for format in ("label-studio", "argilla", "label-studio-min"):
        export_from(workspace, project, tmp_path / f"{format}.out", format)
        text = (tmp_path / f"{format}.out").read_text()
        assert "text 2" in text and "text 1" not in text and "exam" not in text and "eve" not in text
    assert set(ABOUT_ITEMS).isdisjoint({"gold", "seeded"})


def test_an_anonymous_export_names_nobody(workspace: Workspace, project: str, tmp_path: Path) -> None:
    import_into(workspace, project, write_sample("label-studio", tmp_path), "label-studio", people={"ada@example.org": "ada"})
    report = export_from(workspace, project, tmp_path / "out.json", "label-studio", anonymous=True)
    text = (tmp_path / "out.json").read_text()
    assert "ada" not in text and "bob" not in text and "rater 1" in text and report.left_out


def test_another_format_gets_what_it_can_hold_and_the_report_counts_the_rest(workspace: Workspace, project: str, tmp_path: Path) -> None:
    import_into(workspace, project, write_sample("label-studio", tmp_path), "label-studio")
    report = export_from(workspace, project, tmp_path / "out.jsonl", "argilla")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[0]["sentiment.responses"] == ["pos", "neg"] and rows[0]["sentiment.suggestion"] == "neg"
    assert report.left_out["what only the format it came in can hold"] == 4
    table = export_from(workspace, project, tmp_path / "out.csv", "table-csv", question="sentiment")
    assert table.rows == 3 and "suggestions" in table.left_out
    with pytest.raises(InputError, match="several questions"):
        export_from(workspace, project, tmp_path / "none.csv", "table-csv")
    assert sorted(each.name for each in tmp_path.iterdir() if "none" in each.name) == []


def test_what_stands_at_the_place_of_an_export_is_not_lost(workspace: Workspace, project: str, tmp_path: Path) -> None:
    place = tmp_path / "out.json"
    place.write_text("mine")
    with pytest.raises(Conflict):
        export_from(workspace, project, place, "label-studio")
    assert place.read_text() == "mine" and not list(entries(workspace, type="review.exported"))
    export_from(workspace, project, place, "label-studio", replace=True)
    assert json.loads(place.read_text()) == []


def test_the_same_file_again_changes_nothing(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = write_sample("label-studio", tmp_path)
    import_into(workspace, project, path, "label-studio")
    before = len(judgements(workspace))
    again = import_into(workspace, project, path, "label-studio")
    assert again.again and again.taken and len(judgements(workspace)) == before


@pytest.mark.parametrize("format", ["label-studio", "argilla", "table-csv", "table-parquet", "argilla-hf", "lewidi"])
def test_a_file_that_is_something_else_is_refused(workspace: Workspace, project: str, tmp_path: Path, format: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    try:
        report = import_into(workspace, project, path, format, question="sentiment")
    except InputError:
        return
    assert report.refused and not report.taken


def test_a_folder_that_names_files_outside_itself_is_refused(workspace: Workspace, project: str, tmp_path: Path) -> None:
    (tmp_path / "outside.arrow").write_bytes(b"x")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "state.json").write_text('{"_data_files": [{"filename": "../outside.arrow"}]}')
    with pytest.raises(InputError, match="outside"):
        import_into(workspace, project, folder, "argilla-hf")


def test_limits_hold(workspace: Workspace, project: str, tmp_path: Path) -> None:
    path = tasks(tmp_path, *(annotated(number) for number in range(10)))
    with pytest.raises(InputError, match="rows"):
        import_into(workspace, project, path, "label-studio", limits=ExchangeLimits(rows=5))
    with pytest.raises(InputError, match="bytes"):
        import_into(workspace, project, path, "label-studio", limits=ExchangeLimits(bytes=50))
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    rows = [{"data": {"text": deep}}, {"data": {"text": "a\x00"}}, {"data": {"text": "\ud800"}}, {"data": {"n": 2**60}}]
    refused = import_into(workspace, project, tasks(tmp_path, *rows, name="odd.json"), "label-studio").refused
    assert [row.row for row in refused] == [1, 2, 3, 4]


KILLED = """
import os, signal, sys
from pilotage.ledger import open_workspace
from pilotage.review.exchange import importing

importing.CHUNK = 3
standing, calls = importing._Import._write, []

def dies(self, tx, chunk):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return standing(self, tx, chunk)

importing._Import._write = dies
with open_workspace(sys.argv[1], actor="importer") as workspace:
    importing.import_into(workspace, "p", sys.argv[2], "label-studio")
"""


@pytest.mark.crash
def test_an_import_that_was_killed_goes_on_where_it_stopped(location: str, tmp_path: Path) -> None:
    path = tasks(tmp_path, *(annotated(number) for number in range(20)))
    with create_workspace(location, actor="tester") as workspace:
        create_project(workspace, ProjectSettings(name="p"), rubric=RUBRIC)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, location, str(path)], env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with open_workspace(location, actor="tester") as workspace:
        assert len(judgements(workspace)) == 6
        assert import_into(workspace, "p", path, "label-studio").records == 14
        assert len(judgements(workspace)) == 20
        with workspace.read() as conn:
            rows = conn.execute(exchange_record.select().where(exchange_record.c.workspace_id == workspace.id)).all()
        assert sorted(row.position for row in rows) == list(range(20))
        export_from(workspace, "p", tmp_path / "out.json", "label-studio")
        (entry,) = entries(workspace, type="review.imported")
        assert entry.body["records"] == 20
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(path.read_text())


def test_work_of_a_file_that_became_gold_still_leaves_with_its_answers(workspace: Workspace, project: str, tmp_path: Path) -> None:
    import_into(workspace, project, tasks(tmp_path, annotated(1), annotated(2)), "label-studio", queue="all")
    made = add_gold(workspace, project, [Known(min(j.item_id for j in judgements(workspace)), {"sentiment": "pos"})])
    assert made.task_ids
    assert export_from(workspace, project, tmp_path / "out.json", "label-studio").items == 2


def test_a_span_whose_place_is_no_number_is_refused_with_its_row(workspace: Workspace, project: str, tmp_path: Path) -> None:
    broken = {"start": {}, "end": 3, "label": "x"}
    with pytest.raises(Misfit):
        fit(Question("s", "?", "spans", options=(Option("x"),)), [broken, broken], {"text": "abc"}, field="spans")


def test_fields_named_so_become_slices_and_one_that_holds_a_list_is_refused(workspace: Workspace, project: str, tmp_path: Path) -> None:
    rows = [{"id": 1, "data": {"text": TEXT, "language": "de", "urgent": True}}, {"id": 2, "data": {"text": TEXT, "language": ""}}]
    path = tasks(tmp_path, *rows)
    assert import_into(workspace, project, path, "label-studio", slices=["language", "urgent"]).tasks == 2
    found = [task.slices for task in claim(workspace, project, person("ann"), 5)]
    assert sorted(found, key=len) == [{}, {"language": "de", "urgent": "true"}]
    lists = tasks(tmp_path, {"id": 3, "data": {"text": TEXT, "language": ["de", "en"]}}, name="lists.json")
    [refused] = import_into(workspace, project, lists, "label-studio", slices=["language"]).refused
    assert (refused.row, refused.field) == (1, "language")


def test_answers_that_came_in_a_file_leave_with_their_origin_also_of_items_never_put_before_people(
    workspace: Workspace, project: str, tmp_path: Path
) -> None:
    import_into(workspace, project, tasks(tmp_path, annotated(1), annotated(2, "neg")), "label-studio", queue="none")
    import_into(workspace, project, tasks(tmp_path, annotated(3), name="more.json"), "label-studio", queue="all")
    (task,) = claim(workspace, project, person("ann"), n=9)
    answer(workspace, task.task_id, person("ann"), {"sentiment": "neg"}, idempotency_key="k")
    sent = [each for each in export_judgements(workspace, project) if each.question == "sentiment"]
    assert sorted((each.origin, str(each.rater_kind), each.value) for each in sent) == [
        ("import", "import", "neg"),
        ("import", "import", "pos"),
        ("import", "import", "pos"),
        ("queue", "person", "neg"),
    ]
    assert len({each.id for each in sent}) == 4, "nothing is twice"
    assert [each.item_id for each in sent[2:]] == sorted(each.item_id for each in sent[2:]), "what was never put comes last, by item"
    assert not list(export_judgements(workspace, project, purposes=["gold"]))


def test_many_imported_answers_leave_a_chunk_at_a_time(workspace: Workspace, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.review.exporting.CHUNK", 3)
    import_into(workspace, project, tasks(tmp_path, *(annotated(number) for number in range(11))), "label-studio", queue="none")
    assert len([each for each in export_judgements(workspace, project) if each.question == "sentiment"]) == 11


def test_what_became_gold_does_not_leave_as_an_answer(workspace: Workspace, project: str, tmp_path: Path) -> None:
    row = annotated(1)
    row["annotations"][0]["ground_truth"] = True
    import_into(workspace, project, tasks(tmp_path, row, annotated(2)), "label-studio", queue="none", gold=True)
    imported = [each for each in export_judgements(workspace, project) if each.origin == "import" and each.question == "sentiment"]
    assert [each.source_id for each in imported] == ["2"]


@pytest.mark.parametrize(
    ("prediction", "task", "model"),
    [
        ({"model": {"id": 3, "title": "Sentiment v2"}}, {}, "Sentiment v2"),
        ({"model": "distil"}, {"project": {"title": "Reviews"}}, "distil"),
        ({"model": 12}, {}, "label-studio backend 12"),
        ({"ml_backend": {"id": 4}}, {}, "label-studio backend 4"),
        ({}, {"project": {"id": 7, "title": "Reviews"}}, "Reviews"),
        ({"model": None, "project": "Reviews"}, {}, "Reviews"),
        ({}, {"project": 7}, "label-studio"),
        ({"model": True}, {}, "label-studio"),
    ],
)
def test_a_suggestion_is_its_backends_or_its_projects_where_the_file_names_them(
    workspace: Workspace, project: str, tmp_path: Path, prediction: dict[str, Any], task: dict[str, Any], model: str
) -> None:
    row = {**annotated(1), **task}
    row["predictions"] = [{**prediction, "model_version": "2024-01", "score": 0.7, "result": row["annotations"][0]["result"]}]
    path = tasks(tmp_path, row)
    import_into(workspace, project, path, "label-studio", queue="all")
    s = suggestion.c
    with workspace.read() as conn:
        found = {(each.model, each.model_version) for each in conn.execute(select(s.model, s.model_version).where(s.workspace_id == workspace.id))}
    assert found == {(model, "2024-01")}
    export_from(workspace, project, tmp_path / "out.json", "label-studio")
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(path.read_text())
