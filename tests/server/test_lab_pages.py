"""The routing lab on the pages: bringing a sample, looking, and what each threshold would do."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from typing import Any

import pytest
from browserless import TOKEN, Answer, Client, sign_in
from routing_workspace import CATEGORY, HOSTILE, MODEL, OTTO, Routed, labelled_csv, labels

from pilotage import people
from pilotage.judging.calibration import Costs, Limits, ReviewerError, Sample, calibration_report, recalibrate
from pilotage.ledger import entries
from pilotage.review.routing import load_report, store_report
from pilotage.review.routing.reporting import reports
from pilotage.server import create_app
from pilotage.store import Workspace
from suggested import fill_project

PASSWORD = "correct horse battery staple"
LOOK = {"category": CATEGORY, "risk": "0.05", "delta": "0.05", "fit_share": "0.4", "error": "1200", "review": "90", "missed": "6/120"}


@pytest.fixture(scope="module")
def client(routed: Workspace) -> Client:
    return sign_in(routed)


@pytest.fixture(scope="module")
def has(routed_made: tuple[Any, Routed]) -> Routed:
    return routed_made[1]


def bring(client: Client, content: bytes, name: str = "labels.csv", **fields: str) -> Answer:
    """POST a file as a browser's form does, its token first."""
    given = {"csrf_token": client.csrf_token(), "model": "model-9", "by": "people", "slices": "language", **fields}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode() for field, value in given.items()]
    file = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'.encode()
    body = b"".join(parts) + file + content + b"\r\n--x--\r\n"
    return client.send("POST", "/routing/lab/samples", body=body, headers={"content-type": "multipart/form-data; boundary=x"})


def points(text: str) -> list[dict[str, Any]]:
    found = re.search(r'data-points="([^"]*)"', text)
    assert found
    made: list[dict[str, Any]] = json.loads(unescape(found[1]))
    return made


def test_the_lab_lists_reports_and_samples_and_says_first_what_to_bring(client: Client, newcomer: Client) -> None:
    text = client.get("/routing/lab").text
    assert "ROUTABLE" in text and "HUMAN ONLY" in text and "3\u202f000 items of shop-assistant-7" in text
    assert HOSTILE not in text and "&lt;script&gt;evil()" in text
    assert "No confidence was looked at yet" in newcomer.get("/routing/lab").text


def test_a_sample_is_brought_looked_at_and_kept_as_a_look_whatever_it_says(routed_copy: Workspace) -> None:
    client = sign_in(routed_copy)
    brought = bring(client, labelled_csv())
    assert brought.status == 303
    shown = client.get(brought.headers["location"]).text
    assert "1\u202f200 labelled outputs" in shown and "the first 61 %" in shown
    (entry,) = entries(routed_copy, type="calibration.sampled", subject=brought.headers["location"].rpartition("/")[2])
    assert (entry.body["n"], entry.body["source"], entry.actor) == (1200, "file labels.csv", "ada")
    assert "up-17" not in str(routed_copy.blobs.get(entry.subject))  # of ids only digests are kept
    for look in (1, 2):
        answer = client.post(f"{brought.headers['location']}/look", {**LOOK, "slices_by": "language"})
        assert answer.status == 303
        stored = load_report(routed_copy, answer.headers["location"].rpartition("/")[2])
        assert (stored.look, stored.model, stored.category) == (look, "model-9", CATEGORY)
        assert client.get(answer.headers["location"]).status == 200
    assert "look 2" in client.get(brought.headers["location"]).text


def test_parquet_and_columns_of_other_names_are_read(routed_copy: Workspace) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    raw, right, language = labels(700, 4)
    held = io.BytesIO()
    parquet.write_table(pa.table({"p": raw, "ok": [bool(one) for one in right], "language": language.tolist()}), held)
    answer = bring(sign_in(routed_copy), held.getvalue(), "labels.parquet", column_confidence="p", column_correct="ok")
    assert answer.status == 303
    assert "700 labelled outputs" in sign_in(routed_copy).get(answer.headers["location"]).text


@pytest.mark.parametrize(
    ("content", "fields", "said"),
    [
        (b"", {}, "No file came"),
        (b"confidence,correct\n0.9,1\n", {"slices": ""}, None),
        (b"confidence,correct\n0.9,1\n", {}, "There is no column &#39;language&#39;"),
        (b"confidence,correct,language\n1.5,1,de\n0.2,0,en\n", {}, "outside [0, 1]"),
        (b"confidence,correct,language\n0.5,1,de\n0.5,0,en\n", {}, "All 2 confidences are 0.5"),
        (b"confidence,correct,language\n0.9,1,de\nhigh,0,en\n", {}, "labels.csv:3 field &#39;confidence&#39;"),
        (b"confidence,correct,language\n0.9,1,de\n0.8,0,en\n", {"by": "model-9"}, "labelled its own outputs"),
        (b"confidence,correct,language\n0.9,1,de\n0.8,0,en\n", {"by": ""}, "does not say who labelled"),
        (b"\xff\xfe", {}, "not valid UTF-8"),
    ],
)
def test_what_could_only_mislead_is_refused_and_nothing_is_kept(
    client: Client, routed: Workspace, content: bytes, fields: dict[str, str], said: str | None
) -> None:
    before = len(entries(routed, type="calibration.sampled"))
    answer = bring(client, content, **fields)
    if said is None:
        assert answer.status == 303 and "500 are needed" in client.get(answer.headers["location"]).text
        return
    assert answer.status in (403, 409, 422) and said in answer.text and "sample.csv" not in answer.text
    assert len(entries(routed, type="calibration.sampled")) == before


def test_a_file_without_the_pages_token_is_refused(client: Client) -> None:
    assert bring(client, labelled_csv(600), csrf_token="other").status == 403


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"missed": ""}, "go together"),
        ({"missed": "many"}, "how many of how many"),
        ({"category": ""}, "the task category"),
        ({"fit_share": "0.9"}, "too few for a verdict"),
        ({"risk": "5"}, "not within (0, 1)"),
        ({"slices_by": "region"}, "region"),
    ],
)
def test_a_look_that_cannot_be_taken_says_why_and_spends_nothing(client: Client, routed: Workspace, changes: dict[str, str], said: str) -> None:
    from pilotage.server.queries.lab import recent_samples

    sample, before = recent_samples(routed)[-1], len(reports(routed))
    answer = client.post(f"/routing/lab/samples/{sample.id}/look", {**LOOK, **changes})
    assert answer.status in (403, 409, 422) and said in answer.text
    assert len(reports(routed)) == before
    assert client.post(f"/routing/lab/samples/{'0' * 64}/look", LOOK).status == 404
    assert client.get(f"/routing/lab/samples/{'0' * 64}").status == 404


def test_a_report_shows_the_verdict_with_every_reason_and_its_figures(client: Client, has: Routed) -> None:
    text = client.get(f"/routing/lab/{has.report}").text
    for part in ("ROUTABLE", "recalibrated on other items", "p after Holm", "chosen", "What more labels would buy", "Draft a policy on it"):
        assert part in text
    for name in ("selective", "marginal", "set"):
        assert f">{name}</span>" in text
    assert text.count('class="consistency"') == text.count('class="inside"') + text.count('class="outside"') > 10
    assert client.get("/routing/lab/cal_" + "0" * 32).status == 404
    assert client.get("/routing/lab/nothing").status == 404


def test_a_report_that_says_no_says_why_and_offers_no_policy(client: Client, has: Routed) -> None:
    text = client.get(f"/routing/lab/{has.poor_report}").text
    assert "HUMAN ONLY" in text and "Nothing is certified here" in text and "Draft a policy on it" not in text
    assert {one["promise"] for one in points(text)} == {"none"}


def test_every_threshold_tells_what_it_would_do_and_only_the_certified_one_promises(client: Client, routed: Workspace, has: Routed) -> None:
    text = client.get(f"/routing/lab/{has.report}").text
    told = points(text)
    stored = load_report(routed, has.report)
    assert [one["value"] for one in told if one["promise"] == "certified"] == [stored.thresholds[""]]
    assert all(one["value"] > stored.thresholds[""] for one in told if one["promise"] == "stricter")
    assert all(one["value"] < stored.thresholds[""] and "not certified" in one["said"] for one in told if one["promise"] == "none")
    assert [one["x"] for one in told] == sorted(one["x"] for one in told)
    everything = told[-1]["told"]
    assert everything["coverage"] == "100.0 %" and everything["auto"].startswith(("+0.0", "−0.0")) and everything["reviewers"] == "0"


def test_each_slice_has_a_threshold_and_curves_of_its_own(client: Client, routed: Workspace, has: Routed) -> None:
    told = points(client.get(f"/routing/lab/{has.report}?slice=language%3Dde").text)
    assert [one["value"] for one in told if one["promise"] == "certified"] == [load_report(routed, has.report).thresholds["language=de"]]
    assert client.get(f"/routing/lab/{has.report}?slice=language%3Dxx").status == 404


def test_without_script_a_number_moves_the_threshold_and_costs_may_be_tried(client: Client, has: Routed) -> None:
    text = client.get(f"/routing/lab/{has.report}?at=0.99").text
    shown = re.search(r'data-told="threshold">([^<]*)<', text)
    assert shown and abs(float(shown[1]) - 0.99) < 0.01
    cheap = client.get(f"/routing/lab/{has.report}?error=100&review=90&missed=6/120").text
    assert "dearer than one of the extremes" in cheap
    busy = points(client.get(f"/routing/lab/{has.report}?per_hour=3000&minutes=5").text)
    assert int(busy[len(busy) // 2]["told"]["reviewers"]) > 50
    for wrong in ("at=2", "per_hour=0", "missed=x", "error=-1", "minutes=nan"):
        assert client.get(f"/routing/lab/{has.report}?{wrong}").status == 422, wrong


def test_a_report_from_a_terminal_is_shown_from_what_it_holds(routed_copy: Workspace) -> None:
    raw, right, language = labels(1_600, 21)
    sample = Sample.of(raw, right, model="model-3", labelled_by="people", ids=[f"t{n}" for n in range(1_600)], slices={"language": language})
    curve = recalibrate(sample.where(_rows(0, 600)))
    costs = Costs(error=1_200, review=90, reviewer=ReviewerError(6, 120))
    report = calibration_report(sample.where(_rows(600, 1_600)), limits=Limits(), recalibrator=curve, costs=costs)
    stored = store_report(routed_copy, report, category=CATEGORY, recalibrator=curve, person=OTTO)
    text = sign_in(routed_copy).get(f"/routing/lab/{stored.id}").text
    assert "the labels of this report are not in the workspace" in text
    assert [one["value"] for one in points(text) if one["promise"] == "certified"] == [report.threshold.value]


def test_a_later_look_is_said_on_the_one_before(routed_copy: Workspace, has: Routed) -> None:
    from pilotage.server.queries.lab import recent_samples

    client = sign_in(routed_copy)
    sample = next(one for one in recent_samples(routed_copy) if one.model == MODEL)
    answer = client.post(f"/routing/lab/samples/{sample.id}/look", {**LOOK, "prompt": "prompt-3", "slices_by": "language"})
    assert answer.status == 303
    text = client.get(f"/routing/lab/{has.report}").text
    assert "There is a later look" in text and "Draft a policy on it" not in text


def test_a_project_gives_a_sample_and_says_what_it_left_out(routed_copy: Workspace) -> None:
    fill_project(routed_copy, name="mini", items=20, answered=12)
    client = sign_in(routed_copy)
    assert "correct: judge 3" in client.get("/routing/lab?project=mini").text
    sent = {"project": "mini", "suggester": "correct\x1fjudge\x1f3", "model": "judge-3"}
    answer = client.post("/routing/lab/samples/project", sent)
    assert answer.status == 303
    text = client.get(answer.headers["location"]).text
    assert "12 labelled outputs" in text and "without having seen a suggestion" in text
    assert "everything in order, all alike" in text and "are needed to certify" in text
    refused = client.post("/routing/lab/samples/project", {**sent, "suggester": "correct\x1fjudge\x1f4"})
    assert refused.status == 403 and "No item of the project can be in the sample" in refused.text
    assert client.post("/routing/lab/samples/project", {**sent, "suggester": "x"}).status == 422
    assert "Nothing in refunds was suggested" in client.get("/routing/lab?project=refunds").text


def test_who_may_not_run_sees_reports_and_brings_nothing(routed_copy: Workspace, has: Routed) -> None:
    people.add_account(routed_copy, login="rob", roles=["reviewer"], password=PASSWORD)
    rob = Client(create_app(routed_copy, local_token=TOKEN))
    rob.post("/login", {"login": "rob", "password": PASSWORD}, csrf=False)
    assert "brought, and looks taken, by an operator or an owner" in rob.get("/routing/lab").text
    assert "Draft a policy on it" not in rob.get(f"/routing/lab/{has.report}").text
    assert bring(rob, labelled_csv(600)).status == 403


def _rows(first: int, last: int) -> Any:
    import numpy as np

    return np.arange(first, last)
