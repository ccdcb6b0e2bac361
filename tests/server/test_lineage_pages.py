"""The graph, the incident and the OpenLineage endpoint."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import watched_workspace
from browserless import TOKEN, Client, sign_in
from watched_workspace import DAY, HOSTILE, MODEL, START, Watched

from pilotage import people
from pilotage.core import iso
from pilotage.data.lineage import Edge, Node, made_from, record_edges
from pilotage.data.lineage.openlineage import check_event
from pilotage.ledger import create_workspace, entries, open_workspace
from pilotage.server import create_app
from pilotage.server.guard import MAX_BODY_BYTES
from pilotage.server.lineage_api import MAX_UNPACKED
from pilotage.server.queries import lineage
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


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
    assert "<script>evil" not in answer.text and " style=" not in answer.text
    return answer.text


# --- the graph --------------------------------------------------------------------------------------------------------------------------------------


def test_the_first_page_offers_places_to_start(client: Client) -> None:
    page = shown(client, "/lineage")
    for word in ("bank", "payments@12", "2025-06-20", "Sources", "Models"):
        assert word in page


def test_from_a_model_the_graph_goes_up_to_the_source_and_down_to_the_predictions(client: Client) -> None:
    page = shown(client, f"/lineage?kind=model&id={MODEL}")
    heads = re.findall(r'class="layer"[^>]*>([^<]+)<', page)
    assert heads == ["source", "batch", "version", "view", "training set", "model", "predictions"]
    assert "1 source, 12 batches, 13 versions" in page and 'class="node start"' in page
    assert "payments@12" in page and "5 more" in page
    assert "source" not in re.findall(r'class="layer"[^>]*>([^<]+)<', shown(client, f"/lineage?kind=model&id={MODEL}&direction=down"))


def test_every_box_leads_on_and_the_table_says_the_same(client: Client, there: Watched) -> None:
    page = shown(client, f"/lineage?kind=version&id={there.training.id}&direction=up")
    links = re.findall(r'<a href="(/lineage\?[^"]*)" aria-label="([^"]*)"', page)
    assert len(links) > 10
    assert all(client.get(link.replace("&amp;", "&")).status == 200 for link, _ in links[:6])
    assert "training_set" not in page[page.index("The same as a table") :] and "training set" in page
    assert "2025-06-15" in page  # event times of a batch's rows
    assert shown(client, "/lineage?kind=version&id=fraud-training") == shown(client, f"/lineage?kind=version&id={quote(there.training.ref)}").replace(
        quote(there.training.ref), "fraud-training"
    )


def test_a_large_graph_is_drawn_with_few_boxes_and_counted_in_full(fresh: Workspace) -> None:
    edges = [Edge(Node("source", "s"), Node("batch", f"b{n}")) for n in range(3000)]
    edges += [Edge(Node("batch", f"b{n}"), Node("external", f"e{n}")) for n in range(3000)]
    fresh.write(lambda tx: record_edges(tx, edges))
    found = lineage.walk(fresh, Node("source", "s"))
    assert len(found.drawing.boxes) <= 60 and len(found.edges) == lineage.SHOWN_ROWS and found.more_edges
    assert found.counts == {"batch": 3000, "external": 3000}
    assert sum(box.count for box in found.drawing.boxes) == 6001
    answer = sign_in(fresh).get("/lineage?kind=source&id=s")
    assert answer.status == 200 and len(answer.body) < 400_000


def test_counts_stay_full_where_a_walk_lists_only_the_first(fresh: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.data.lineage.tracing.MAX_SHOWN", 50)
    fresh.write(lambda tx: record_edges(tx, [Edge(Node("source", "s"), Node("batch", f"b{n}")) for n in range(120)]))
    found = lineage.walk(fresh, Node("source", "s"))
    assert not found.complete and sum(box.count for box in found.drawing.boxes) == 121


def test_a_column_is_followed_to_where_it_comes_from(client: Client, there: Watched) -> None:
    page = shown(client, f"/lineage?kind=version&id={there.versions[0].id}&column=text")
    assert page[page.index("Where a column comes from") :].count("gives values") == 2
    page = shown(client, f"/lineage?kind=version&id={there.training.id}&column=spent")
    assert "sum(&lt;script&gt;" in page
    assert "Nothing is recorded of where the column" in shown(client, f"/lineage?kind=version&id={there.training.id}&column=%3Cscript%3Eevil()")


def test_gates_are_badges_on_versions(client: Client, opened: Workspace, there: Watched) -> None:
    from pilotage.data.quality.tables import quality_report

    row = {
        "dataset": "payments",
        "scope": "version",
        "subject_id": there.versions[-1].id,
        "position": 12,
        "contract_id": "c",
        "verdict": "fail",
        "rows": 1,
    }
    opened.write(lambda tx: tx.insert(quality_report, {"id": "qr_1", **row, "report": {}, "profile": {}}))
    page = shown(client, f"/lineage?kind=version&id={there.versions[-1].id}&direction=up")
    assert ", gate fail, the start" in page and 'class="badge bad"' in page


def test_what_is_not_there_is_said_and_how_to_mend_it(client: Client, newcomer: Client) -> None:
    assert "pilotage lineage rebuild" in newcomer.get("/lineage").text
    for path, status in {
        "/lineage?kind=model&id=nothing": 404,
        "/lineage?kind=version&id=nothing": 404,
        "/lineage?kind=table&id=x": 422,
        f"/lineage?kind=model&id={MODEL}&direction=sideways": 422,
    }.items():
        assert client.get(path).status == status, path
    assert "lineage rebuild" in client.get("/lineage?kind=model&id=nothing").text


def test_hostile_names_stay_text(client: Client) -> None:
    page = shown(client, f"/lineage?kind=source&id={quote(HOSTILE)}")
    assert "&lt;script&gt;" in page
    assert shown(client, f"/lineage/impact?kind=source&id={quote(HOSTILE)}&since=2025-01-01&until=2025-01-02")


# --- an incident ------------------------------------------------------------------------------------------------------------------------------------


def days(first: int, last: int) -> str:
    return f"since={quote(iso(START + first * DAY))}&until={quote(iso(START + last * DAY))}"


def test_an_incident_lists_what_those_days_reached_and_nothing_before(client: Client, there: Watched) -> None:
    page = shown(client, f"/lineage/impact?kind=source&id=bank&{days(10, 10)}")
    lists = page[page.index("As CSV") :]
    assert "ib_10" in lists and "ib_09" not in lists and "payments@11" in lists and "payments@10<" not in lists
    assert MODEL[:8] in lists and "2025-06-20" in lists
    nothing = shown(client, f"/lineage/impact?kind=source&id=bank&{days(40, 41)}")
    assert "Nothing that lineage knows" in nothing
    assert "Wrong from" in shown(client, "/lineage/impact") and "<option>bank</option>" in shown(client, "/lineage/impact")


def test_a_date_is_its_whole_day(client: Client) -> None:
    day = datetime.fromtimestamp((START + DAY // 2) / 1e6, UTC).strftime("%Y-%m-%d")
    assert "ib_00" in shown(client, f"/lineage/impact?kind=source&id=bank&since={day}&until={day}")
    for bad in ("since=yesterday&until=2025-01-01", "since=2025-01-02&until=2025-01-01", "since=2025-01-01T10:00:00&until=2025-01-02"):
        assert client.get(f"/lineage/impact?kind=source&id=bank&{bad}").status == 422


def test_the_files_hold_everything_and_no_formula(client: Client) -> None:
    answer = client.get(f"/lineage/impact/export?kind=source&id=bank&{days(0, 0)}&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-disposition"].startswith("attachment") and {row["kind"] for row in rows} == {
        "batch",
        "version",
        "model",
        "predictions",
    }
    told = client.get(f"/lineage/impact/export?kind=source&id=bank&{days(0, 0)}&format=json").json()
    assert sum(told["counts"].values()) == len(told["reached"]) == len(rows) and told["complete"]
    strange = client.get(f"/lineage/impact/export?kind=source&id={quote(HOSTILE)}&{days(0, 0)}").text
    assert "'=cmd" in strange and "\n=cmd" not in strange and ",=cmd" not in strange
    assert client.get(f"/lineage/impact/export?kind=source&id=bank&{days(0, 0)}&format=exe").status == 422


# --- for programs -----------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(fresh: Workspace) -> dict[str, str]:
    for role in ("admin", "operator", "auditor"):
        people.add_account(fresh, login=role, roles=[role], password=PASSWORD)
    return {role: people.issue_token(fresh, people.find_account(fresh, role), name="ol").token for role in ("operator", "auditor")}


def example(**more: Any) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-05-03T08:00:00Z",
        "producer": "https://example.org/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "0197a3d2-3c4f-7bbb-8a0c-111111111111"},
        "job": {"namespace": "airflow", "name": "daily.load"},
        "inputs": [{"namespace": "postgres://bank", "name": "public.payments"}],
        "outputs": [{"namespace": "s3://lake", "name": "payments"}],
        **more,
    }


def post(workspace: Workspace, token: str, body: bytes, **headers: str):
    client = Client(create_app(workspace, local_token=TOKEN), headers={"authorization": f"Bearer {token}"})
    return client.send("POST", "/api/v1/lineage", body=body, headers={"content-type": "application/json", **headers})


def test_an_event_is_taken_once_and_joins_the_graph(fresh: Workspace, tokens: dict[str, str]) -> None:
    first = post(fresh, tokens["operator"], json.dumps(example()).encode())
    again = post(fresh, tokens["operator"], gzip.compress(json.dumps(example()).encode()), content_encoding="gzip")
    assert (first.status, again.status) == (201, 201) and first.json()["id"] == again.json()["id"]
    assert (first.json()["created"], again.json()["created"], first.json()["edges"]) == (True, False, 1)
    assert len([entry for entry in entries(fresh) if entry.type == "lineage.event"]) == 1
    assert made_from(fresh, Node("external", "s3://lake/payments")).of_kind("external") == ("postgres://bank/public.payments",)
    dataset_event = {key: value for key, value in example().items() if key in ("eventTime", "producer", "schemaURL")} | {
        "dataset": {"namespace": "s3://lake", "name": "payments"}
    }
    job_event = {key: value for key, value in example().items() if key not in ("run", "eventType")}
    assert [post(fresh, tokens["operator"], json.dumps(each).encode()).json()["kind"] for each in (dataset_event, job_event)] == ["dataset", "job"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (json.dumps(example(run={"runId": "no"})).encode(), "run.runId"),
        (json.dumps(example(inputs=[{"namespace": "a", "name": "b", "facets": {"schema": {}}}])).encode(), "inputs[0].facets.schema"),
        (b"[]", "the event"),
        (b"{", "the body"),
        (b'{"a": 1, "a": 2}', "a"),
        (b"\xff", "the body"),
        (b'{"a": ' + b"[" * 100_000, "the body"),
        (json.dumps(example(eventTime="yesterday")).encode(), "eventTime"),
    ],
)
def test_what_is_no_event_is_refused_with_the_fields_path(fresh: Workspace, tokens: dict[str, str], body: bytes, where: str) -> None:
    answer = post(fresh, tokens["operator"], body)
    assert answer.status == 400 and where in answer.json()["where"], answer.text
    assert not [entry for entry in entries(fresh) if entry.type == "lineage.event"]


def test_too_much_is_refused_packed_or_not(fresh: Workspace, tokens: dict[str, str]) -> None:
    assert post(fresh, tokens["operator"], b" " * (MAX_BODY_BYTES + 1)).status == 413
    assert post(fresh, tokens["operator"], gzip.compress(b" " * (MAX_UNPACKED + 1)), content_encoding="gzip").status == 413
    assert post(fresh, tokens["operator"], b"no gzip", content_encoding="gzip").status == 400
    assert post(fresh, tokens["operator"], gzip.compress(b"{}")[:-4], content_encoding="gzip").status == 400
    assert post(fresh, tokens["operator"], b"{}", content_encoding="br").status == 400


def test_only_who_may_bring_data_in_may_send_events(fresh: Workspace, tokens: dict[str, str]) -> None:
    assert post(fresh, tokens["auditor"], json.dumps(example()).encode()).status == 403
    assert post(fresh, "nothing", json.dumps(example()).encode()).status == 401


def test_a_walk_as_json(client: Client, there: Watched) -> None:
    up = client.get(f"/api/v1/lineage?kind=model&id={MODEL}&direction=up").json()
    assert up["counts"] == {"batch": 12, "source": 1, "version": 13, "view": 1} and up["complete"]
    down = client.get("/api/v1/lineage?kind=source&id=bank").json()
    assert down["counts"]["predictions"] == 1
    touched = client.get(f"/api/v1/lineage?kind=source&id=bank&direction=impact&{days(11, 11)}").json()
    assert [node["id"] for node in touched["nodes"] if node["kind"] == "batch"] == ["ib_11"]
    column = client.get("/api/v1/lineage?kind=version&id=payments@1&direction=up&column=text").json()["column"]
    assert [each["of"]["kind"] for each in column] == ["batch", "source"]
    assert client.get("/api/v1/lineage?kind=source&id=bank&direction=impact").status == 422


def test_our_events_come_a_page_at_a_time_and_pass_the_check(client: Client) -> None:
    seen, address = [], "/api/v1/openlineage/events?size=5"
    while address:
        answer = client.get(address)
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert len(lines) <= 10 and {check_event(event) for event in lines} == {"run"}
        seen += lines
        following = re.search(r"<([^>]+)>", answer.headers.get("link", ""))
        address = following[1] if following else ""
    assert len(seen) == 26 and len({event["run"]["runId"] for event in seen}) == 13
    assert client.get("/api/v1/openlineage/events?after=nothing").status == 404


def test_an_empty_workspace_has_no_events(newcomer: Client) -> None:
    answer = newcomer.get("/api/v1/openlineage/events")
    assert (answer.status, answer.body) == (200, b"")


def test_the_reference_clients_http_transport_is_understood(fresh: Workspace, tokens: dict[str, str]) -> None:
    pytest.importorskip("openlineage.client")
    import uvicorn
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

    server = uvicorn.Server(uvicorn.Config(create_app(fresh, local_token=TOKEN), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not (server.started and server.servers):
            time.sleep(0.02)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        run = Run(runId=str(uuid4()))
        for compression, state in ((None, RunState.START), (HttpCompression.GZIP, RunState.COMPLETE)):
            auth = ApiKeyTokenProvider({"apiKey": tokens["operator"]})
            client = OpenLineageClient(transport=HttpTransport(HttpConfig(url=address, auth=auth, compression=compression)))
            client.emit(
                RunEvent(
                    eventType=state,
                    eventTime="2026-05-03T08:00:00+00:00",
                    run=run,
                    job=Job("airflow", "load"),
                    producer="https://example.org/dag",
                    inputs=[InputDataset("postgres://bank", "payments")],
                    outputs=[OutputDataset("s3://lake", "payments")],
                )
            )
    finally:
        server.should_exit = True
        thread.join(timeout=10)
    assert made_from(fresh, Node("external", "s3://lake/payments")).counts == {"external": 1}
    assert len([entry for entry in entries(fresh) if entry.type == "lineage.event"]) == 2
