"""Attacks on the workbench: every route from outside, every role against every change, hostile text in every field, hostile requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from browserless import TOKEN, Client, sign_in
from sqlalchemy import MetaData, Text, update

from pilotage import people
from pilotage.core import IntegrityError
from pilotage.server import create_app
from pilotage.server.guard import MAX_BODY_BYTES
from pilotage.store import JsonText, Workspace, WriteTransaction
from pilotage.store.schema import metadata

PASSWORD = "correct horse battery staple"
EVERYBODY = frozenset(people.ROLES)
REVIEWERS = frozenset({"reviewer", "owner"})
OPERATORS = frozenset({"operator", "owner"})

# Who may do what: every route that changes something, and every one that not everybody may read. A new one is put here, or the test fails.
REVIEW_ACTS = ("claim", "answer", "commit", "skip", "escalate", "undo", "flag", "reveal", "release", "viewed", "consent")
CHANGES: dict[tuple[str, str], frozenset[str]] = {
    ("POST", "/login"): EVERYBODY,
    ("POST", "/logout"): EVERYBODY,
    ("POST", "/ledger"): EVERYBODY,
    ("POST", "/api/v1/ledger/verify"): EVERYBODY,
    ("POST", "/api/v1/lineage"): frozenset({"operator", "owner"}),
    ("POST", "/people/accounts"): frozenset({"admin"}),
    ("POST", "/people/roles"): frozenset({"admin"}),
    ("POST", "/people/disable"): frozenset({"admin"}),
    ("POST", "/people/tokens"): EVERYBODY,
    ("POST", "/people/tokens/revoke"): EVERYBODY,
    ("POST", "/pilots/{name}/sign"): EVERYBODY - {"admin"},
    ("POST", "/pilots/{name}/run"): frozenset({"operator", "owner"}),
    ("POST", "/outputs/{output_id}/reveal"): EVERYBODY,
    ("POST", "/features/{ref}/release"): frozenset({"operator", "owner"}),
    ("POST", "/api/v1/features/get"): frozenset({"operator", "owner"}),
    # Data
    ("POST", "/data/{name}/{number}/cell"): frozenset({"operator", "owner"}),
    ("POST", "/data/{name}/{number}/personal"): frozenset({"operator", "owner"}),
    ("POST", "/data/contracts/{name}/proposals/{proposal_id}"): REVIEWERS,
    ("POST", "/data/batches/erase"): frozenset({"admin"}),
    ("POST", "/data/batches/{batch_id}/release"): frozenset({"owner"}),
    ("POST", "/data/batches/{batch_id}/discard"): OPERATORS,
    ("POST", "/data/batches/{batch_id}/retry"): OPERATORS,
    ("POST", "/data/batches/{batch_id}/erase"): frozenset({"admin"}),
    ("POST", "/data/gates/{report_id}/accept"): frozenset({"owner"}),
    ("POST", "/api/v1/ingest/{source}"): OPERATORS,
    # Projects
    ("POST", "/api/v1/projects"): OPERATORS,
    **{("POST", f"/api/v1/projects/{{name}}/{act}"): OPERATORS for act in ("changes", "pause", "resume", "archive", "items", "export", "import")},
    ("POST", "/review/projects/new"): OPERATORS,
    ("POST", "/review/projects/preview"): OPERATORS,
    **{("POST", f"/review/projects/{{name}}/{act}"): OPERATORS for act in ("settings", "state", "guideline", "import", "export")},
    **{("POST", f"/review/projects/{{name}}/items/{{item_id}}/{act}"): OPERATORS for act in ("priority", "withdraw", "gold", "adjudicate")},
    ("POST", "/review/projects/{name}/items/{item_id}/reveal"): EVERYBODY,
    # Review
    **{("POST", f"/review/adjudication/{{project}}/{act}"): OPERATORS for act in ("open", "reopen")},
    ("POST", "/review/disagreement/{project}/triage"): OPERATORS,
    ("POST", "/review/disagreement/{project}/{item_id}/cause"): OPERATORS,
    **{("POST", f"/review/projects/{{name}}/truth/{act}"): OPERATORS for act in ("settle", "compare", "adjudicate")},
    ("POST", "/review/projects/{name}/preferences/export"): OPERATORS,
    **{("POST", f"/review/projects/{{name}}/training/{act}"): OPERATORS for act in ("publish", "freeze", "select")},
    # People measured
    **{("POST", f"/review/me/{act}"): REVIEWERS for act in ("undo", "exams/{name}/begin", "exams/{name}/finish")},
    **{("POST", f"/review/team/skills/{act}"): OPERATORS for act in ("grant", "revoke")},
    ("POST", "/review/bias/plant"): OPERATORS,
    **{
        ("POST", f"/review/projects/{{name}}/{act}"): OPERATORS
        for act in ("gold/add", "gold/settled", "gold/retire", "exam/open", "round/open", "round/close")
    },
    # Routing
    ("POST", "/api/v1/route"): OPERATORS,
    ("POST", "/api/v1/route/{route_id}/outcome"): OPERATORS,
    ("POST", "/routing/assessments"): EVERYBODY - {"admin"},
    ("POST", "/routing/assessments/{assessment_id}/again"): EVERYBODY - {"admin"},
    **{("POST", f"/routing/lab/samples{rest}"): OPERATORS for rest in ("", "/project", "/{sample_id}/look")},
    ("POST", "/routing/policies"): OPERATORS,
    **{("POST", f"/routing/policies/{{name}}/{act}"): OPERATORS for act in ("suspend", "try")},
    **{("POST", f"/routing/policies/{{name}}/{act}"): frozenset({"owner"}) for act in ("activate", "retire", "loosen")},
    ("POST", "/routing/monitor/count"): OPERATORS,
    # Features
    ("POST", "/api/v1/events/{source}"): OPERATORS,
    # Monitoring
    ("POST", "/pipelines/{name}/promote"): frozenset({"owner"}),
    ("POST", "/pipelines/{name}/runs/{run_id}/retry"): OPERATORS,
    **{("POST", f"/api/v1/review/{act}"): REVIEWERS for act in REVIEW_ACTS},
}
FOR_SOME: dict[str, frozenset[str]] = {
    "/review/audit": EVERYBODY - {"reviewer"},
    **{f"/review/projects/{page}": OPERATORS for page in ("new", "{name}/settings", "{name}/state", "{name}/import", "{name}/export")},
    **{f"/review/projects/{{name}}/import/{{import_id}}{part}": OPERATORS for part in ("", "/live", "/refused.csv")},
    "/review/me": REVIEWERS,
    "/review/me/exams/{name}": REVIEWERS,
    **{f"/review/{page}": OPERATORS for page in ("team", "team/{login}", "bias", "bias/planting")},
    **{f"/review/projects/{{name}}/{page}": OPERATORS for page in ("gold", "exam", "round", "judges")},
    "/review/{queue}": REVIEWERS,
    "/api/v1/review/history": REVIEWERS,
    "/api/v1/review/tasks/{task_id}": REVIEWERS,
    "/api/v1/review/guidelines/{guideline_id}": REVIEWERS,
    "/api/v1/ledger": EVERYBODY - {"reviewer"},
    "/api/v1/route/{route_id}": OPERATORS,
    # Who was drawn for audit is nothing for those who will answer.
    "/routing/decisions": EVERYBODY - {"reviewer"},
    "/routing/decisions/{route_id}": EVERYBODY - {"reviewer"},
}
OPEN = {"/login", "/healthz", "/static"}


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """Every method and path the application answers, those of included routers too."""
    for route in app.routes:
        inside = getattr(route, "original_router", None)
        if inside is not None:
            yield from routes_of(inside)
            continue
        for method in getattr(route, "methods", None) or {"GET"}:
            yield method, route.path


def address(path: str) -> str:
    """A path with its parameters filled in, with what does not exist."""
    for name in ("number", "cycle"):
        path = path.replace("{" + name + "}", "1")
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + "nothing" + rest.partition("}")[2]
    return path


def as_role(workspace: Workspace, role: str) -> Client:
    client = Client(create_app(workspace, local_token=TOKEN))
    assert client.post("/login", {"login": role, "password": PASSWORD}, csrf=False).status == 303
    return client


@pytest.fixture
def staffed(filled: Workspace) -> Workspace:
    for role in ("admin", *sorted(EVERYBODY - {"admin"})):
        people.add_account(filled, login=role, roles=[role], password=PASSWORD)
    return filled


# --- the door ---------------------------------------------------------------------------------------------------------------------------------------


def test_nobody_gets_anything_from_any_route_without_signing_in(filled: Workspace) -> None:
    stranger = Client(create_app(filled, local_token=TOKEN))
    asked = 0
    for method, path in sorted(set(routes_of(stranger.app))):
        if path in OPEN:
            continue
        for way in {method, "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"}:
            for written in {address(path), address(path) + "/", "/" + address(path)}:
                answer = stranger.send(way, written)
                asked += 1
                assert answer.status in (303, 401), f"{way} {written}: {answer.status}"
                assert answer.status == 401 or answer.headers["location"].startswith("/login")
                assert "Support assistant" not in answer.text
    assert asked > 500
    assert not stranger.cookies


def test_each_role_may_change_what_the_table_says_and_nothing_else(staffed: Workspace) -> None:
    app = create_app(staffed)
    there = {(method, path) for method, path in routes_of(app) if method not in ("GET", "HEAD", "OPTIONS")}
    assert there == set(CHANGES), "a route that changes something is missing in CHANGES, with who may"
    for role in people.ROLES:
        client = as_role(staffed, role)
        token = client.csrf_token()
        for (method, path), allowed in sorted(CHANGES.items()):
            if path == "/logout":
                continue
            answer = client.send(method, address(path), body=b"{}", headers={"x-csrf-token": token, "content-type": "application/json"})
            assert answer.status < 500
            assert (answer.status == 403) == (role not in allowed), f"{role} {method} {path}: {answer.status}"
    assert [sorted(one.roles) for one in people.accounts(staffed)] == [[one.login] for one in people.accounts(staffed)]


def test_each_role_may_read_what_the_table_says(staffed: Workspace) -> None:
    app = create_app(staffed)
    paths = sorted({path for method, path in routes_of(app) if method == "GET"} - OPEN)
    assert set(FOR_SOME) <= set(paths)
    for role in people.ROLES:
        client = as_role(staffed, role)
        for path in paths:
            answer = client.get(address(path))
            assert answer.status < 500
            assert (answer.status == 403) == (role not in FOR_SOME.get(path, EVERYBODY)), f"{role} GET {path}: {answer.status}"


def test_a_bearer_token_has_its_owners_roles_and_ends_with_the_account(staffed: Workspace) -> None:
    auditor = people.find_account(staffed, "auditor")
    token = people.issue_token(staffed, auditor, name="ci").token
    client = Client(create_app(staffed), headers={"authorization": f"Bearer {token}"})
    assert client.get("/api/v1/me").json()["roles"] == ["auditor"]
    assert client.post("/people/accounts", {"login": "eve", "password": PASSWORD, "roles": "admin"}, csrf=False).status == 403
    people.disable_account(staffed, auditor)
    assert client.get("/api/v1/me").status == 401


HOSTS = [
    *("evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "[::1].evil.test", "[::1]evil.test", "127.0.0.1:80@evil.test", "localhost:80:evil"),
    *("0.0.0.0", "127.1", "2130706433", "[::ffff:127.0.0.1]", "localhost/evil", "", ":80"),
]


@pytest.mark.parametrize("host", HOSTS)
def test_only_our_own_host_names_are_answered(regular: Client, host: str) -> None:
    regular.host = host
    for path in ("/", "/login", "/healthz", "/static/app.css", "/api/v1/me"):
        assert regular.get(path).status == 422


ELSEWHERE = [{"origin": "null"}, {"origin": "http://evil.test"}, {"origin": "http://127.0.0.1:9"}, {"sec-fetch-site": "cross-site"}]


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_another_sites_form_changes_nothing_and_signs_nobody_in(filled: Workspace, headers: dict[str, str]) -> None:
    client = sign_in(filled)
    assert client.post("/ledger", None, **headers).status == 403
    fresh = Client(create_app(filled, local_token=TOKEN))
    assert fresh.post("/login", {"token": TOKEN}, csrf=False, **headers).status == 403
    assert not fresh.cookies


@pytest.mark.parametrize("override", ["x-http-method-override", "x-http-method", "x-method-override"])
def test_no_header_turns_a_look_into_a_change(regular: Client, override: str) -> None:
    assert regular.get("/people/tokens", **{override: "POST"}).status == 405


def test_a_form_of_another_type_still_needs_the_token(regular: Client) -> None:
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json", ""):
        assert regular.send("POST", "/ledger", body=b"csrf_token=x", headers={"content-type": kind}).status == 403


def test_a_session_that_somebody_else_chose_is_not_taken_over(staffed: Workspace) -> None:
    client = Client(create_app(staffed))
    client.cookies = {"pilotage_session_8321": "chosen-by-somebody-else"}
    assert client.get("/runs").status == 303
    client.post("/login", {"login": "owner", "password": PASSWORD}, csrf=False)
    assert client.cookies["pilotage_session_8321"] != "chosen-by-somebody-else"
    assert client.get("/runs").status == 200


# --- what is sent -----------------------------------------------------------------------------------------------------------------------------------


def test_a_body_larger_than_the_limit_is_refused_before_it_is_read_whoever_sends_it(filled: Workspace) -> None:
    stranger, known = Client(create_app(filled, local_token=TOKEN)), sign_in(filled)
    form = {"content-type": "application/x-www-form-urlencoded"}
    large = b"login=" + b"a" * MAX_BODY_BYTES
    assert stranger.send("POST", "/login", body=large, headers={**form, "content-length": str(len(large))}).status == 413
    assert stranger.send("POST", "/login", body=large, headers=form).status in (400, 413)  # of unknown length: cut off while it is read
    headers = {"content-type": "application/json", "x-csrf-token": known.csrf_token()}
    assert known.send("POST", "/api/v1/review/claim", body=b'{"queue":"' + b"a" * MAX_BODY_BYTES + b'"}', headers=headers).status in (400, 413)


HUGE = "9" * 30
QUERIES = [
    f"/pilots/support-assistant?cycle={HUGE}",
    f"/pilots/support-assistant/gates?cycle=-{HUGE}",
    f"/data/items/{HUGE}",
    f"/data/items/1?start={HUGE}",
    "/data/items/1?start=-1",
    "/data/items/-1",
    f'/data/batches?after=[{HUGE},"x"]',
    "/data/batches?state=%00&source=%ff",
    "/data/batches/ib_%00",
    f"/data/batches/ib_nothing?start={HUGE}",
    "/data/gates/..%2f..%2fetc",
    "/pipelines/%00",
    f"/pipelines/x/deliveries?after=[{HUGE}]",
    "/api/v1/batches?after={}",
    f'/runs?after=[{HUGE},"x"]',
    f"/findings?after=[{HUGE},{HUGE}]",
    f"/ledger?after=[{HUGE}]",
    "/ledger?after=[true]",
    "/ledger?after=[null]",
    '/ledger?after=["\\u0000"]',
    "/ledger?after={}",
    "/ledger?after=" + "[" * 250,
    "/runs?size=-1",
    f"/runs?size={HUGE}",
    f"/api/v1/versions/items/1/rows?size={HUGE}",
    "/api/v1/evidence?limit=-1",
    "/api/v1/review/history?limit=-1",
    "/runs/run_eval?slice=%25%27%3B--",
    "/runs?kind=%00&pilot=%ff",
    "/data/..%2f..%2fetc",
    "/static/..%2fapp.py",
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static//etc/passwd",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_hostile_address_is_refused_and_tells_nothing(regular: Client, filled: Workspace, query: str) -> None:
    answer = regular.get(query)
    assert answer.status < 500
    assert filled.location not in answer.text and "Traceback" not in answer.text and "root:" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [
        b'{"queue":"\\u0000"}',
        b'{"queue":"\\ud800"}',
        b'{"queue":' + b"[" * 100_000,
        b'{"queue":"x","n":' + HUGE.encode() + b"}",
        b'{"queue":"x","n":NaN}',
        b'{"queue":"x","__proto__":{"admin":true}}',
        b"\xff\xfe",
    ],
)
def test_a_hostile_body_is_refused_and_tells_nothing(regular: Client, filled: Workspace, body: bytes) -> None:
    headers = {"content-type": "application/json", "x-csrf-token": regular.csrf_token()}
    answer = regular.send("POST", "/api/v1/review/claim", body=body, headers=headers)
    assert answer.status < 500
    assert filled.location not in answer.text and "Traceback" not in answer.text


def test_an_error_does_not_tell_where_the_workspace_lies(regular: Client, filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: object, **__: object) -> None:
        raise IntegrityError("A stored file was changed.", where=f"{filled.location}/blobs/ab/cd", mend=f"look at {filled.location}")

    monkeypatch.setattr("pilotage.server.queries.runs.list_runs", changed)
    for headers in ({"accept": "text/html"}, {"accept": "application/json"}):
        answer = regular.get("/runs", **headers)
        assert "blobs/ab/cd" in answer.text and filled.location not in answer.text


# --- what is stored ---------------------------------------------------------------------------------------------------------------------------------

EVIL = """"'>--></title></script><evil-tag evil-name=1 onload=evil()></evil-tag><script>evil()</script> evil-name=1 javascript:evil() {{7*7}}"""
_KEPT = frozenset({"id", "name", "login", "roles", "state", "kind", "outcome", "verdict", "decision", "digest", "fingerprint", "blob", "role"})


def _soiled(value: Any) -> Any:
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, list):
        return [_soiled(each) for each in value]
    if isinstance(value, dict):
        return {name: each if name in _KEPT or name.endswith("_at") else _soiled(each) for name, each in value.items()}
    return value


def soil(workspace: Workspace, tables: MetaData) -> int:
    """Put hostile text into every text and JSON column that is no key, flag or reference; return how many columns."""
    columns = 0

    def job(tx: WriteTransaction) -> None:
        nonlocal columns
        columns = 0
        for table in tables.sorted_tables:
            if "workspace_id" not in table.c:
                continue
            free = [
                column
                for column in table.c
                if not column.primary_key
                and column.name not in _KEPT
                and not column.name.endswith(("_id", "_hash", "_digest", "_ids"))
                and isinstance(column.type, Text | JsonText)
                and column.name not in ("parents", "versions", "steps", "idempotency_key", "supersedes", "created_by", "config", "leaf")
            ]
            keys = list(table.primary_key.columns)
            for row in tx.conn.execute(table.select()).mappings().all():
                changed = {column.name: _soiled(row[column.name]) for column in free if row[column.name] is not None}
                if changed:
                    tx.conn.execute(update(table).where(*(key == row[key.name] for key in keys)).values(changed))
                    columns += len(changed)

    workspace.write(job)
    return columns


class Elements(HTMLParser):
    """What a browser would make of a page: its elements and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_hostile_text_in_any_column_makes_no_element_and_no_attribute(filled: Workspace) -> None:
    assert soil(filled, metadata) > 100
    client = sign_in(filled)
    seen, queue, hostile = (
        set(),
        ["/", "/gates", "/runs", "/findings", "/data", "/lineage", "/monitoring", "/ledger", "/review", "/people", "/evidence/nothing"],
        0,
    )
    while queue:
        path = queue.pop()
        if path in seen or len(seen) > 120:
            continue
        seen.add(path)
        answer = client.follow(path)
        if answer.status >= 500:  # a value no page was made for: nothing is shown of it
            assert "evil" not in answer.text
            continue
        hostile += "evil-tag" in answer.text
        for tag, attributes in Elements(answer.text).found:
            assert tag != "evil-tag" and "evil-name" not in attributes, path
            assert not any(name.startswith("on") or name == "style" for name in attributes), path
            assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), path
            for name in ("href", "src", "action"):
                target = attributes.get(name) or ""
                assert not target or (target[0] in "/?#" and not target.startswith("//")), f"{path}: {target}"
            found = (attributes.get("href") or "").partition("#")[0]
            if tag == "a" and found.startswith("/") and "evil" not in found:
                queue.append(found)
    assert hostile >= 5 and len(seen) > 30


def test_a_hostile_address_makes_no_element(regular: Client) -> None:
    for path in ("/runs?kind=", "/findings?state=", "/ledger?actor=", "/ledger?subject=", "/runs/run_eval?slice=", "/pilots/", "/login?next=/"):
        shown = Elements(regular.get(path + "%22%3E%3Cevil-tag%20evil-name%3D1%3E").text).found
        assert all(tag != "evil-tag" and "evil-name" not in attributes for tag, attributes in shown)


def test_json_is_sent_as_json_and_never_as_a_page(filled: Workspace) -> None:
    soil(filled, metadata)
    client = sign_in(filled)
    for path in ("/api/v1/pilots", "/api/v1/findings", "/api/v1/runs", "/api/v1/ledger", "/api/v1/pilots/nothing"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/json" and answer.headers["x-content-type-options"] == "nosniff"
        json.loads(answer.text)
