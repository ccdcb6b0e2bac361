"""Every page, filled and empty: that it is there, holds what it should, and holds nothing that could run."""

from __future__ import annotations

import gzip
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import demo_workspace
import pytest
from browserless import Client, sign_in
from sqlalchemy import update

from pilotage import data, people
from pilotage.core import ManualClock
from pilotage.judging.tables import judgement
from pilotage.ledger.tables import ledger_entry
from pilotage.readiness.tables import pilot
from pilotage.runs.tables import run
from pilotage.server import create_app
from pilotage.server.render import STATIC
from pilotage.store import Workspace

FILLED = {
    "/pilots/support-assistant": "Waiting for people",
    "/pilots/support-assistant?cycle=1": "No-go",
    "/pilots/support-assistant/live": "17",
    "/pilots/support-assistant/gates": "n ≈ 410 would decide",
    "/evidence/evi_1_2": "Wilson interval",
    "/evidence/evi_3_2": "agreement needs two",
    "/review": "17",
    "/runs": "run_eval",
    "/runs?pilot=support-assistant&kind=attack": "run_live",
    "/runs/run_eval": "item-000",
    "/runs/run_live": "hx-trigger",
    "/runs/run_live/live": "progress",
    "/runs/run_stuck": "connection refused",
    "/samples/smp_0012": "judge-small",
    "/samples/smp_0010": "HTTP 500 from the target",
    "/findings": "pirate",
    "/findings?state=fixed": "pirate",
    "/findings/fnd_1": "0 of 6 attempts",
    "/findings/fnd_2?attempt=att_0": "KESTREL-4417",
    "/data": "support-training",
    "/data/support-items/1": "CC-BY-4.0",
    "/data/support-training/2": "exports/train-2.jsonl",
    "/ledger": "pilot.signed",
    "/ledger?type=run.*&subject=run_1&actor=ada": "run.started",
    "/people": "Add the first account",
}
EMPTY = {
    "/": "pilotage run",
    "/review": "Nothing waits",
    "/runs": "pilotage run",
    "/findings": "pilotage run",
    "/data": "pilotage run",
    "/gates": "pilotage run",
    "/ledger": "pilotage run",
    "/people": "Add the first account",
}
MISSING = [
    "/nowhere",
    "/pilots/none",
    "/pilots/none/gates",
    "/runs/none",
    "/samples/none",
    "/findings/none",
    "/data/none",
    "/data/none/1",
    "/evidence/none",
]


class Reader(HTMLParser):
    """Collects what a strict policy forbids, and the links."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.inside_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.forbidden += [f"<{tag} {name}>" for name in values if name == "style" or name.startswith(("on", "hx-on"))]
        if tag in ("style", "iframe", "object", "embed", "base") or (tag == "script" and not values.get("src")):
            self.forbidden.append(f"<{tag}>")
        for name in ("src", "href", "action"):
            value = values.get(name)
            if value is not None:
                self.links.append(value)
                if value.startswith(("http:", "https:", "//", "javascript:", "data:")):
                    self.forbidden.append(f"<{tag} {name}={value}>")
        if values.get("id"):
            self.ids.append(str(values["id"]))


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """One filled workspace for all tests that only look."""
    workspace = Workspace.create(tmp_path_factory.mktemp("shared"), actor="ada", clock=ManualClock())
    demo_workspace.fill(workspace)
    return sign_in(workspace)


@pytest.mark.parametrize(("address", "holds"), FILLED.items())
def test_a_page_with_data_shows_it_and_nothing_that_could_run(shared: Client, address: str, holds: str) -> None:
    answer = shared.get(address)
    assert answer.status == 200
    assert holds in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'; style-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    reader = read(answer.text)
    assert not reader.forbidden
    assert len(reader.ids) == len(set(reader.ids)), "an id is there twice"
    assert "<script>alert" not in answer.text and "<img src=x" not in answer.text and "49" not in answer.text.split("{{7*7}}")[0][-20:]


@pytest.mark.parametrize(("address", "holds"), EMPTY.items())
def test_a_page_without_data_says_what_to_do_first(newcomer: Client, address: str, holds: str) -> None:
    answer = newcomer.get(address)
    assert answer.status == 200 and holds in answer.text
    assert not read(answer.text).forbidden


@pytest.mark.parametrize("address", MISSING)
def test_what_is_not_there_is_said_with_a_mend(shared: Client, address: str) -> None:
    answer = shared.get(address)
    assert answer.status == 404 and "Mend" in answer.text
    assert not read(answer.text).forbidden


def test_what_is_not_there_is_said_in_json_to_programs(shared: Client) -> None:
    answer = shared.get("/api/v1/runs/none")
    assert answer.status == 404 and answer.json()["error"] == "NotFound" and answer.json()["mend"]


@pytest.mark.parametrize("address", ["/samples/smp_0012", "/findings/fnd_2", "/findings", "/data/support-items/1", "/ledger"])
def test_hostile_text_is_shown_as_it_was_written_and_never_run(shared: Client, address: str) -> None:
    text = shared.get(address).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{7*7}}" in text
    assert 'dir="auto"' in text


def test_a_conversation_flagged_as_harmful_is_veiled_until_asked_for(shared: Client) -> None:
    veiled = shared.get("/samples/smp_0012").text
    assert 'class="reveal"' in veiled and "conversation veiled" in veiled
    assert 'class="reveal"' not in shared.get("/samples/smp_0013").text


def test_every_link_of_every_page_leads_somewhere(shared: Client) -> None:
    seen: dict[str, str] = {}
    for address in FILLED:
        for link in read(shared.get(address).text).links:
            path = link.partition("#")[0]
            if path.startswith("/") and not path.startswith(("/logout", "/static", "/review/")):
                seen.setdefault(path, address)
    posts = ("/pilots/support-assistant/sign", "/people/accounts", "/people/roles", "/people/disable", "/people/tokens")
    broken = {path: source for path, source in seen.items() if path not in posts and shared.follow(path).status != 200}
    assert not broken
    assert len(seen) > 100


def test_samples_are_paged_without_losing_or_repeating_one(shared: Client) -> None:
    seen: list[str] = []
    address = "/api/v1/runs/run_eval/samples?size=50"
    cursor: str | None = ""
    while cursor is not None:
        page = shared.send("GET", address + (f"&after={_quote(cursor)}" if cursor else "")).json()
        seen += [row["item_key"] for row in page["rows"]]
        cursor = page["next"]
    assert seen == [f"item-{number:03d}" for number in range(120)]


def test_turning_back_shows_the_page_before(shared: Client) -> None:
    first = shared.get("/api/v1/ledger?size=30").json()
    second = shared.get(f"/api/v1/ledger?size=30&after={_quote(first['next'])}").json()
    back = shared.get(f"/api/v1/ledger?size=30&before={_quote(second['previous'])}").json()
    assert [row["seq"] for row in first["rows"]] == list(range(130, 100, -1))
    assert [row["seq"] for row in second["rows"]] == list(range(100, 70, -1))
    assert back["rows"] == first["rows"] and back["previous"] is None and back["next"]


@pytest.mark.parametrize("cursor", ["x", "[]", "[1,2,3]", '{"a":1}', '[null,"a"]', "[[1],2]"])
def test_a_malformed_page_marker_is_refused(shared: Client, cursor: str) -> None:
    assert shared.get(f"/api/v1/runs/run_eval/samples?after={_quote(cursor)}").status == 422


def test_samples_are_filtered_by_outcome_and_by_slice(shared: Client) -> None:
    refused = shared.get("/api/v1/runs/run_eval/samples?outcome=refused").json()["rows"]
    assert {row["outcome"] for row in refused} == {"refused"} and len(refused) == 8
    delivery = shared.get("/api/v1/runs/run_eval/samples?slice=topic:delivery&size=500").json()["rows"]
    assert {row["slices"]["topic"] for row in delivery} == {"delivery"} and len(delivery) == 40
    assert shared.get("/api/v1/runs/run_eval/samples?slice=topic").status == 422


def test_lists_never_carry_what_was_said(shared: Client) -> None:
    for address in ("/api/v1/runs/run_eval/samples?size=500", "/runs/run_eval", "/runs", "/findings"):
        assert "KESTREL-4417" not in shared.get(address).text


def test_the_overview_of_a_workspace_with_one_pilot_is_that_pilot(shared: Client) -> None:
    assert shared.get("/").headers["location"] == "/pilots/support-assistant"
    assert shared.get("/gates").headers["location"] == "/pilots/support-assistant/gates"


def test_with_several_pilots_the_overview_lists_them(filled: Workspace) -> None:
    row = {"id": "pil_2", "name": "second", "title": "Second", "folder": "/p", "file_digest": "", "declaration": {}}
    filled.write(lambda tx: demo_workspace.put(tx, pilot, row))
    client = sign_in(filled)
    text = client.get("/").text
    assert "Support assistant" in text and "Second" in text and "not begun" in text
    assert "Second" in client.get("/gates").text
    assert "Not begun" in client.get("/pilots/second").text


def test_every_api_answer_of_the_pages_nouns_is_there(shared: Client) -> None:
    for path, ways in shared.get("/api/openapi.json").json()["paths"].items():
        wants = [one for one in ways.get("get", {}).get("parameters", []) if one["required"]]
        if "get" in ways and not wants:
            assert shared.get(path).status == 200, path
    pilot_answer = shared.get("/api/v1/pilots/support-assistant").json()
    assert pilot_answer["headline"] == "Waiting for people"
    assert pilot_answer["steps"][0]["name"] == "ingest"
    assert shared.get("/api/v1/evidence/evi_0_2").json()["n"] == 60
    assert shared.get("/api/v1/versions/support-training/2").json()["parents"][0]["dataset"] in ("support-items", "support-training")
    assert shared.get("/api/v1/samples/smp_0012").json()["outputs"][0]["said"]
    assert shared.get("/api/v1/findings/fnd_1").json()["line"]["state"] == "fixed"


def test_a_finished_run_stops_asking_for_progress(filled: Workspace) -> None:
    client = sign_in(filled)
    assert 'hx-trigger="every 2s"' in client.get("/runs/run_live/live").text
    filled.write(lambda tx: tx.conn.execute(update(run).where(run.c.workspace_id == tx.workspace_id, run.c.id == "run_live").values(state="done")))
    assert "hx-trigger" not in client.get("/runs/run_live/live").text


def test_the_ledger_is_verified_in_three_separate_lines(regular: Client) -> None:
    text = regular.post("/ledger").text
    assert "Integrity" in text and "Signer" in text and "Anchored until" in text
    assert "all 130 entries match" in text


def test_a_tampered_ledger_is_said_to_be_broken_and_where(filled: Workspace) -> None:
    changed = update(ledger_entry).where(ledger_entry.c.workspace_id == filled.id, ledger_entry.c.seq == 57).values(body='{"n":0}')
    filled.write(lambda tx: tx.conn.execute(changed) and None)
    text = sign_in(filled).post("/ledger").text
    assert "broken" in text and "from entry 57 on" in text


def test_a_later_judgement_marks_the_one_it_replaces(filled: Workspace) -> None:
    row = {
        "id": "jud_again", "item_id": "itm_0013", "question": "correct", "rater_id": "rat_ada", "rubric_id": "rub_1", "value": "yes", "abstained": 0,
        "supersedes": "jud_p13", "idempotency_key": "again",
    }  # fmt: skip
    filled.write(lambda tx: demo_workspace.put(tx, judgement, row))
    text = sign_in(filled).get("/samples/smp_0013").text
    assert "withdrawn later" in text


def test_a_versions_rows_are_shown_a_page_at_a_time(empty: Workspace, tmp_path: Path) -> None:
    lines = [{"id": f"r{number}", "question": f"Question {number}?", "reference": "An answer"} for number in range(60)]
    lines[0]["question"] = demo_workspace.HOSTILE
    source = tmp_path / "items.jsonl"
    source.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    card = data.Card(licence="CC-BY-4.0", consent="own staff", purposes=("evaluation",), source="tests", contains_personal_data=False)
    data.import_file(empty, source, dataset="items", kind="evaluation", card=card)
    client = sign_in(empty)
    assert client.get("/data/items").headers["location"] == "/data/items/1"
    first = client.get("/data/items/1").text
    assert "&lt;script&gt;" in first and "Question 24?" in first and "Question 25?" not in first
    assert "Question 25?" in client.get("/data/items/1?start=25").text
    assert "Back to the first" in client.get("/data/items/1?start=900").text
    assert len(client.get("/api/v1/versions/items/1/rows?size=500").json()["rows"]) == 60


def test_a_signature_is_only_taken_for_the_cycle_that_was_shown(regular: Client) -> None:
    answer = regular.post("/pilots/support-assistant/sign", {"role": "owner", "decision": "no_go", "cycle_id": "cyc_1", "note": "n"})
    assert answer.status == 409 and "Another cycle" in answer.text


def test_the_page_offers_only_the_roles_that_have_not_signed(shared: Client) -> None:
    assert "<option selected>auditor</option>" in shared.get("/pilots/support-assistant?cycle=1").text
    assert "<option selected>owner</option>" not in shared.get("/pilots/support-assistant?cycle=1").text


def test_the_first_account_must_be_an_admins_and_then_everybody_signs_in(newcomer: Client, empty: Workspace) -> None:
    form = {"login": "grace", "display_name": "Grace", "password": "correct horse battery", "roles": "owner"}
    assert newcomer.post("/people/accounts", form).status == 422
    assert not people.has_accounts(empty)
    added = newcomer.post("/people/accounts", {**form, "roles": "admin"})
    assert (added.status, added.headers["location"]) == (303, "/login")
    assert newcomer.post("/login", {"login": "grace", "password": "correct horse battery"}, csrf=False).status == 303
    assert "Grace" in newcomer.get("/people").text


def test_the_last_admin_cannot_be_disabled_or_lose_the_role(empty: Workspace) -> None:
    people.add_account(empty, login="grace", roles=["admin"], password="correct horse battery")
    client = sign_in_as(empty, "grace")
    assert client.post("/people/disable", {"login": "grace"}).status == 409
    assert client.post("/people/roles", {"login": "grace", "roles": "owner"}).status == 409
    assert client.post("/people/roles", {"login": "grace", "roles": "admin"}).status == 303


def test_a_token_is_shown_once_and_works_until_it_is_revoked(empty: Workspace) -> None:
    people.add_account(empty, login="grace", roles=["admin", "owner"], password="correct horse battery")
    client = sign_in_as(empty, "grace")
    answer = client.post("/people/tokens", {"name": "ci", "valid_days": "7"})
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    secret = answer.text.split('<pre class="command">')[1].split("<")[0]
    assert secret not in client.get("/people").text
    program = Client(client.app)
    assert program.get("/api/v1/me", authorization=f"Bearer {secret}").json()["login"] == "grace"
    token_id = people.tokens(empty, people.find_account(empty, "grace"))[0].id
    assert client.post("/people/tokens/revoke", {"token_id": token_id}).status == 303
    assert program.get("/api/v1/me", authorization=f"Bearer {secret}").status == 401


def test_a_reviewer_may_verify_the_ledger_but_not_read_it(filled: Workspace) -> None:
    people.add_account(filled, login="rob", roles=["reviewer"], password="correct horse battery")
    client = sign_in_as(filled, "rob")
    assert "not read its entries" in client.get("/ledger").text
    assert "run.started" not in client.get("/ledger").text
    assert "Integrity" in client.post("/ledger").text
    assert client.get("/api/v1/ledger").status == 403


def test_the_chosen_theme_is_rendered_at_once(shared: Client) -> None:
    shared.cookies["pilotage_theme"] = "dark"
    assert '<html lang="en" data-theme="dark">' in shared.get("/runs").text
    shared.cookies["pilotage_theme"] = '"><script>'
    assert '<html lang="en">' in shared.get("/runs").text
    del shared.cookies["pilotage_theme"]


def test_all_styles_and_scripts_together_weigh_less_than_150_kb_gzipped() -> None:
    files = [file for file in STATIC.rglob("*") if file.suffix in (".css", ".js")]
    weight = sum(len(gzip.compress(file.read_bytes())) for file in files)
    assert {"app.css", "app.js"} <= {file.name for file in files}
    assert weight < 150_000, f"{weight} bytes in {len(files)} files"


def test_static_files_are_served_with_their_type_and_may_not_be_guessed(shared: Client) -> None:
    answer = shared.get("/static/app.js")
    assert answer.status == 200 and "javascript" in answer.headers["content-type"] and answer.headers["x-content-type-options"] == "nosniff"
    assert shared.get("/static/../app.py").status == 404
    assert shared.get("/static/%2e%2e/app.py").status == 404


def sign_in_as(workspace: Workspace, login: str) -> Client:
    client = Client(create_app(workspace))
    assert client.post("/login", {"login": login, "password": "correct horse battery"}, csrf=False).status == 303
    return client


def _quote(cursor: str) -> str:
    return quote(cursor, safe="")
