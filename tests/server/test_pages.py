"""Every page, filled and empty: that it is there, holds what it should, and holds nothing that could run."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import demo_workspace
import pytest
from browserless import Client, sign_in
from demo_workspace import Demo
from sqlalchemy import select, update

from pilotage import data, people
from pilotage.judging import person
from pilotage.judging.tables import item
from pilotage.ledger import create_workspace, entries
from pilotage.ledger.tables import ledger_entry
from pilotage.readiness import load_pilot
from pilotage.readiness.cycle import put_pilot
from pilotage.readiness.deciding import declaration_of
from pilotage.review import answer, claim, undo
from pilotage.runs.tables import output, run
from pilotage.server import create_app
from pilotage.server.render import STATIC
from pilotage.store import Workspace
from small_pilot import CANARY, change, make_small_pilot

# Addresses of the filled workspace (names in braces are fields of ``Demo``), and something each page holds.
FILLED = {
    "/pilots/support-assistant": "Waiting for people",
    "/pilots/support-assistant?cycle=1": "as it was decided then",
    "/pilots/support-assistant/live": "Go on",
    "/pilots/support-assistant/gates": "No gate has been decided",
    "/pilots/support-assistant/gates?cycle=1": "would decide at this figure",
    "/evidence/{evidence[quality.accuracy]}": "clusters",
    "/evidence/{evidence[findings.open]}": "nothing was sampled",
    "/review": "Begin",
    "/review/support-assistant": "Support assistant",
    "/runs": "{live}",
    "/runs?pilot=support-assistant&kind=attack": "{live}",
    "/runs/{evaluation}": "returns-01",
    "/runs/{live}": "hx-trigger",
    "/runs/{live}/live?outcome=waiting": "attack-0",
    "/runs/{stuck}": "connection refused",
    "/samples/{answer}": "How many days",
    "/samples/{harmful}": "may be harmful",
    "/findings": "Show",
    "/findings?state=open&pilot=support-assistant": "Show all",
    "/findings?state=fixed&clause=internal-code": "internal-code",
    "/findings/{finding}": "attempts were held off",
    "/findings/{finding}?attempt={attempt}": "may be harmful",
    "/data": "support-safety",
    "/data/support-assistant.items/1": "CC0-1.0",
    "/data/support-safety/1": "chat-sft",
    "/lineage": "support-assistant.items@1",
    "/lineage?kind=version&id=support-assistant.items": "The graph",
    "/lineage/impact": "What did it reach?",
    "/monitoring": "No reports yet",
    "/ledger": "note.made",
    "/ledger?type=note.*&subject=note_1&actor=ada": "note.read",
    "/people": "Add the first account",
}
EMPTY = {
    "/": "pilotage run",
    "/review": "Nothing waits",
    "/runs": "pilotage run",
    "/findings": "pilotage run",
    "/data": "pilotage run",
    "/lineage": "pilotage run",
    "/lineage/impact": "pilotage ingest",
    "/monitoring": "pilotage monitor",
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


def of(demo: Demo, text: str) -> str:
    """``text`` with the fields of the demo it names."""
    return text.format_map(vars(demo))


@pytest.mark.parametrize(("address", "holds"), FILLED.items())
def test_a_page_with_data_shows_it_and_nothing_that_could_run(shared: Client, demo: Demo, address: str, holds: str) -> None:
    answer = shared.get(of(demo, address))
    assert answer.status == 200
    assert of(demo, holds) in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'; style-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    reader = read(answer.text)
    assert not reader.forbidden
    assert len(reader.ids) == len(set(reader.ids)), "an id is there twice"
    assert "<script>alert" not in answer.text and "<img src=x" not in answer.text


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


@pytest.mark.parametrize("address", ["/samples/{answer}", "/findings/{finding}", "/data/support-assistant.items/1", "/ledger"])
def test_hostile_text_is_shown_as_it_was_written_and_never_run(shared: Client, demo: Demo, address: str) -> None:
    text = shared.get(of(demo, address)).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{7*7}}" in text
    assert 'dir="auto"' in text


def test_what_may_be_harmful_is_veiled_until_somebody_asks_and_that_is_on_record(filled: Workspace, demo: Demo) -> None:
    client = sign_in(filled)
    assert "conversation veiled" not in client.get(f"/samples/{demo.answer}").text
    for address in (f"/samples/{demo.harmful}", f"/findings/{demo.finding}?attempt={demo.attempt}"):
        veiled = client.get(address).text
        assert 'class="conversation veiled" inert aria-hidden="true"' in veiled
    answer = client.post(f"/outputs/{demo.harmful_output}/reveal", {"next": f"/samples/{demo.harmful}"})
    assert (answer.status, answer.headers["location"]) == (303, f"/samples/{demo.harmful}")
    assert "veiled" not in client.get(f"/samples/{demo.harmful}").text
    client.post(f"/outputs/{demo.harmful_output}/reveal", {"next": "//elsewhere.example"})
    (entry,) = entries(filled, type="output.revealed")
    assert (entry.actor, entry.subject, entry.body["sample"]) == ("ada", demo.harmful_output, demo.harmful)
    assert client.post("/outputs/none/reveal").status == 404


def test_what_one_person_uncovered_stays_veiled_to_another(filled: Workspace, demo: Demo) -> None:
    sign_in(filled).post(f"/outputs/{demo.harmful_output}/reveal")
    people.add_account(filled, login="rob", roles=["reviewer"], password="correct horse battery")
    assert "conversation veiled" in sign_in_as(filled, "rob").get(f"/samples/{demo.harmful}").text


def test_every_link_of_every_page_leads_somewhere(shared: Client, demo: Demo) -> None:
    seen: dict[str, str] = {}
    kinds: dict[str, int] = {}
    for address in FILLED:
        here = of(demo, address)
        for link in read(shared.get(here).text).links:
            path = link.partition("#")[0]
            path = here.partition("?")[0] + path if path.startswith("?") else path
            if path.startswith("/") and not path.startswith(("/logout", "/static", "/review/")):
                # Of links that differ in an id or a value only, a few will do.
                kind = re.sub(r"(=|_)[^&/]+", r"\1", path)
                kinds[kind] = kinds.get(kind, 0) + 1
                if kinds[kind] <= 2:
                    seen.setdefault(path, address)
    posts = ("/sign", "/run", "/reveal", "/accounts", "/roles", "/disable", "/tokens")
    broken = {path: source for path, source in seen.items() if not path.endswith(posts) and shared.follow(path).status != 200}
    assert not broken
    assert len(kinds) > 30


def test_samples_are_paged_without_losing_or_repeating_one(shared: Client, demo: Demo) -> None:
    seen: list[str] = []
    address = f"/api/v1/runs/{demo.live}/samples?size=50"
    cursor: str | None = ""
    while cursor is not None:
        page = shared.send("GET", address + (f"&after={_quote(cursor)}" if cursor else "")).json()
        seen += [row["item_key"] for row in page["rows"]]
        cursor = page["next"]
    assert seen == [f"attack-{number}" for number in range(120)]


def test_turning_back_shows_the_page_before(shared: Client) -> None:
    first = shared.get("/api/v1/ledger?size=30").json()
    second = shared.get(f"/api/v1/ledger?size=30&after={_quote(first['next'])}").json()
    back = shared.get(f"/api/v1/ledger?size=30&before={_quote(second['previous'])}").json()
    top = first["rows"][0]["seq"]
    assert [row["seq"] for row in first["rows"]] == list(range(top, top - 30, -1))
    assert [row["seq"] for row in second["rows"]] == list(range(top - 30, top - 60, -1))
    assert back["rows"] == first["rows"] and back["previous"] is None and back["next"]


@pytest.mark.parametrize("cursor", ["x", "[]", "[1,2,3]", '{"a":1}', "[null]", "[[1]]"])
def test_a_malformed_page_marker_is_refused(shared: Client, demo: Demo, cursor: str) -> None:
    assert shared.get(f"/api/v1/runs/{demo.evaluation}/samples?after={_quote(cursor)}").status == 422


def test_samples_are_filtered_by_outcome_and_by_slice(shared: Client, demo: Demo) -> None:
    samples = f"/api/v1/runs/{demo.evaluation}/samples"
    assert len(shared.get(f"{samples}?outcome=answered&size=500").json()["rows"]) == 12
    assert shared.get(f"{samples}?outcome=refused").json()["rows"] == []
    held_back = shared.get(f"{samples}?slice=split:gate&size=500").json()["rows"]
    assert {row["slices"]["split"] for row in held_back} == {"gate"} and 0 < len(held_back) < 12
    assert shared.get(f"{samples}?slice=topic").status == 422


def test_findings_are_filtered_and_counted_by_state_clause_and_technique(shared: Client) -> None:
    every = shared.get("/api/v1/findings").json()["rows"]
    clauses = {row["cluster_key"].partition(" / ")[0] for row in every}
    assert len(clauses) > 1 and {row["state"] for row in every} == {"fixed"}
    for clause in clauses:
        rows = shared.get(f"/api/v1/findings?clause={clause}").json()["rows"]
        assert {row["cluster_key"].partition(" / ")[0] for row in rows} == {clause}
    assert {row["cluster_key"].rpartition(" / ")[2] for row in shared.get("/api/v1/findings?technique=base64").json()["rows"]} == {"base64"}
    assert shared.get("/api/v1/findings?state=open").json()["rows"] == []
    assert f'fixed <span class="n">{len(every)}</span>' in shared.get("/findings").text
    assert "No findings like that" in shared.get("/findings?clause=%25").text


def test_a_finding_shows_each_models_attempts_and_who_judged_them(shared: Client, demo: Demo) -> None:
    found = shared.get(f"/api/v1/findings/{demo.finding}").json()
    before, after = found["models"]
    assert (before["cycle"], after["cycle"]) == (1, 2)
    assert before["verdicts"].keys() == {"breached"} and after["verdicts"].keys() == {"defended"}
    text = shared.get(f"/findings/{demo.finding}").text
    assert 'class="kind person">person</span> ada' in text and 'class="kind rule">rule</span> attack-evidence' in text


def test_lists_never_carry_what_was_said(shared: Client, demo: Demo) -> None:
    for address in (f"/api/v1/runs/{demo.attack}/samples?size=500", f"/runs/{demo.attack}", "/runs", "/findings"):
        assert CANARY not in shared.get(address).text


def test_the_overview_of_a_workspace_with_one_pilot_is_that_pilot(shared: Client) -> None:
    assert shared.get("/").headers["location"] == "/pilots/support-assistant"
    assert shared.get("/gates").headers["location"] == "/pilots/support-assistant/gates"


def test_with_several_pilots_the_overview_lists_them(filled: Workspace, tmp_path: Path) -> None:
    folder = make_small_pilot(tmp_path / "second")
    change(folder, "pilot: support-assistant", "pilot: second")
    change(folder, "title: Support assistant of Harbour Electronics", "title: Second")
    second = load_pilot(folder)
    filled.write(lambda tx: put_pilot(tx, second, declaration=declaration_of(second)))
    client = sign_in(filled)
    text = client.get("/").text
    assert "Support assistant" in text and "Second" in text and "not begun" in text
    assert "Second" in client.get("/gates").text
    assert "Not begun" in client.get("/pilots/second").text
    assert client.get("/pilots/second/gates").status == 200


def test_every_api_answer_of_the_pages_nouns_is_there(shared: Client, demo: Demo) -> None:
    for path, ways in shared.get("/api/openapi.json").json()["paths"].items():
        wants = [one for one in ways.get("get", {}).get("parameters", []) if one["required"]]
        if "get" in ways and not wants:
            assert shared.get(path).status == 200, path
    pilot = shared.get("/api/v1/pilots/support-assistant").json()
    assert pilot["headline"] == "Waiting for people"
    assert pilot["steps"][0]["name"] == "ingest"
    assert shared.get(f"/api/v1/evidence/{demo.evidence['quality.accuracy']}").json()["n"] == 12
    assert shared.get("/api/v1/versions/support-safety/1").json()["parents"][0]["dataset"] == "support-assistant.objectives"
    assert shared.get(f"/api/v1/samples/{demo.answer}").json()["outputs"][0]["said"]
    assert shared.get(f"/api/v1/findings/{demo.finding}").json()["finding"]["state"] == "fixed"
    gates = shared.get("/api/v1/pilots/support-assistant/gates?cycle=1").json()
    assert [gate["name"] for gate in gates] == ["safety", "helpfulness", "operations"]


def test_gates_stand_in_the_order_in_which_they_were_declared_with_who_answers_for_them(shared: Client) -> None:
    for address in ("/pilots/support-assistant?cycle=1", "/pilots/support-assistant/gates?cycle=1"):
        text = shared.get(address).text
        gates = text[text.index("attack success rate at most") :]
        places = [gates.index(words) for words in ("open findings at most", "over-refusal rate", "accuracy of the answers", "tone alpha")]
        assert places == sorted(places)
        assert all(role in text for role in ("auditor", "owner", "operator"))


def test_a_count_is_a_whole_number_without_an_interval(shared: Client, demo: Demo) -> None:
    gates = shared.get("/api/v1/pilots/support-assistant/gates?cycle=1").json()
    counted = next(line for gate in gates for line in gate["limits"] if line["limit"]["metric"] == "findings.open")
    count = int(counted["evidence"]["estimate"])
    assert counted["drawing"]["low"] == 0 and counted["drawing"]["counted"] and counted["drawing"]["high"] == count + 1
    text = shared.get("/pilots/support-assistant?cycle=1").text
    assert f'<span class="figure">{count}</span>' in text and f"the count {count} is beyond 0" in text
    assert f'<p class="big-figure">{count}</p>' in shared.get(f"/evidence/{demo.evidence['findings.open']}").text


def test_an_earlier_cycle_is_shown_as_it_was_decided_and_cannot_be_signed_or_gone_on_with(shared: Client) -> None:
    text = shared.get("/pilots/support-assistant?cycle=1").text
    assert "No-go" in text and "The canary leaks." in text and "Data to train on" in text
    assert 'action="/pilots/support-assistant/sign' not in text and "Go on" not in text
    assert "does not count" not in text
    assert shared.get("/pilots/support-assistant?cycle=9").status == 404


def test_a_finished_run_stops_asking_for_progress(filled: Workspace, demo: Demo) -> None:
    client = sign_in(filled)
    assert 'hx-trigger="every 2s"' in client.get(f"/runs/{demo.live}/live").text
    ended = update(run).where(run.c.workspace_id == filled.id, run.c.id == demo.live).values(state="done")
    filled.write(lambda tx: tx.conn.execute(ended) and None)
    assert "hx-trigger" not in client.get(f"/runs/{demo.live}/live").text


def test_the_live_part_of_a_run_links_as_its_page_does(shared: Client, demo: Demo) -> None:
    live = shared.get(f"/runs/{demo.live}/live?outcome=waiting").text
    assert f'hx-get="/runs/{demo.live}/live?outcome=waiting"' in live
    assert f'href="/runs/{demo.live}?outcome=error"' in live and "/live?outcome=error" not in live


def test_the_ledger_is_verified_in_three_separate_lines(regular: Client) -> None:
    text = regular.post("/ledger").text
    assert "Integrity" in text and "Signer" in text and "Anchored until" in text
    assert re.search(r"all \d+ entries match", text)


def test_a_tampered_ledger_is_said_to_be_broken_and_where(filled: Workspace) -> None:
    changed = update(ledger_entry).where(ledger_entry.c.workspace_id == filled.id, ledger_entry.c.seq == 57).values(body='{"n":0}')
    with filled.engine.connect() as conn, conn.begin():  # as somebody with the file would, past the writer
        conn.execute(changed)
    text = sign_in(filled).post("/ledger").text
    assert "broken" in text and "from entry 57 on" in text


def test_a_later_judgement_marks_the_one_it_replaces(filled: Workspace, demo: Demo) -> None:
    client = sign_in(filled)
    rater = person("grace")
    (task,) = claim(filled, "support-assistant", rater, n=1)
    answer(filled, task.task_id, rater, {"failure": "no"}, idempotency_key="k1")
    undo(filled, task.task_id, rater)
    with filled.read() as conn:
        source = conn.execute(select(item.c.source_id).where(item.c.workspace_id == filled.id, item.c.id == task.item_id)).scalar_one()
        sample_id = conn.execute(select(output.c.sample_id).where(output.c.workspace_id == filled.id, output.c.id == source)).scalar_one()
    assert "withdrawn later" in client.get(f"/samples/{sample_id}").text


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
    secret = answer.text.split('<pre tabindex="0" class="command">')[1].split("<")[0]
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


@pytest.mark.parametrize("location", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_the_pages_show_the_same_on_postgresql(location: str, tmp_path: Path) -> None:
    with create_workspace(location, actor="ada") as workspace:
        elsewhere = demo_workspace.fill(workspace, tmp_path / "pilot")
        client = sign_in(workspace)
        for address, holds in FILLED.items():
            answer = client.get(of(elsewhere, address))
            assert answer.status == 200 and of(elsewhere, holds) in answer.text, address
        notes = "/api/v1/ledger?type=note.*&size=30"
        first = client.get(notes).json()
        second = client.get(f"{notes}&after={_quote(first['next'])}").json()
        assert [row["body"]["n"] for row in first["rows"] + second["rows"]] == list(range(130, 70, -1))
        form = {"decision": "go", "role": "owner", "cycle_id": client.get("/api/v1/pilots/support-assistant").json()["cycle"]["id"]}
        assert client.post("/pilots/support-assistant/sign", form).status == 403
        assert client.post(f"/outputs/{elsewhere.harmful_output}/reveal").status == 303
