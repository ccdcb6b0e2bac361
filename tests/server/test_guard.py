"""Who is let in, and what is refused at the door."""

from __future__ import annotations

import pytest
from browserless import TOKEN, Client, sign_in
from hypothesis import given
from hypothesis import strategies as st

from pilotage import people
from pilotage.core import ManualClock
from pilotage.server import create_app
from pilotage.server.guard import cookie_name, safe_next
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


@pytest.fixture
def staffed(empty: Workspace) -> Workspace:
    people.add_account(empty, login="grace", display_name="Grace", roles=["admin", "owner"], password=PASSWORD)
    people.add_account(empty, login="rob", display_name="Rob", roles=["reviewer"], password=PASSWORD)
    return empty


def signed_in_as(workspace: Workspace, login: str) -> Client:
    client = Client(create_app(workspace, local_token=TOKEN))
    assert client.post("/login", {"login": login, "password": PASSWORD}, csrf=False).status == 303
    return client


def test_the_printed_address_signs_in_and_its_token_leaves_the_address_bar(stranger: Client) -> None:
    answer = stranger.get(f"/runs?kind=attack&token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/runs?kind=attack")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and TOKEN not in cookie
    assert stranger.get("/runs").status == 200


def test_a_wrong_token_opens_nothing(stranger: Client) -> None:
    answer = stranger.get("/?token=guess")
    assert answer.status == 303 and answer.headers["location"].startswith("/login")
    assert not stranger.cookies


def test_a_stranger_is_sent_to_sign_in_and_then_to_what_they_wanted(stranger: Client) -> None:
    answer = stranger.get("/ledger?type=run.started")
    assert (answer.status, answer.headers["location"]) == (303, "/login?next=%2Fledger%3Ftype%3Drun.started")
    page = stranger.get(answer.headers["location"])
    assert page.status == 200 and 'value="/ledger?type=run.started"' in page.text


def test_the_printed_token_may_be_pasted_on_the_sign_in_page(stranger: Client) -> None:
    answer = stranger.post("/login", {"token": TOKEN, "next": "/data"}, csrf=False)
    assert (answer.status, answer.headers["location"]) == (303, "/data")
    assert stranger.get("/data").status == 200


def test_a_program_without_a_token_is_told_so_in_json(stranger: Client) -> None:
    answer = stranger.get("/api/v1/pilots")
    assert answer.status == 401 and answer.json()["error"] == "SignInNeeded" and answer.json()["mend"]


def test_the_first_account_closes_the_printed_address_and_ends_its_sessions(newcomer: Client, empty: Workspace) -> None:
    assert newcomer.get("/runs").status == 200
    people.add_account(empty, login="grace", roles=["admin"], password=PASSWORD)
    assert newcomer.get("/runs").status == 303
    assert newcomer.get(f"/?token={TOKEN}").headers["location"].startswith("/login")
    assert newcomer.get("/runs").status == 303


def test_login_and_password_open_a_session_and_signing_out_ends_it(staffed: Workspace) -> None:
    client = signed_in_as(staffed, "grace")
    assert "Grace" in client.get("/runs").text
    kept = dict(client.cookies)
    assert client.post("/logout").headers["location"] == "/login"
    assert not client.cookies
    client.cookies = kept  # whoever copied the cookie has nothing
    assert client.get("/runs").status == 303


def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(staffed: Workspace) -> None:
    client = Client(create_app(staffed))
    known = client.post("/login", {"login": "grace", "password": "wrong password"}, csrf=False)
    unknown = client.post("/login", {"login": "nobody", "password": "wrong password"}, csrf=False)
    assert known.status == unknown.status == 401
    assert known.text.replace("grace", "") == unknown.text.replace("nobody", "")
    assert not client.cookies


def test_many_failures_from_one_address_must_wait_and_then_may_try_again(stranger: Client, clock: ManualClock) -> None:
    for _ in range(20):
        assert stranger.post("/login", {"token": "guess"}, csrf=False).status == 401
    refused = stranger.post("/login", {"token": TOKEN}, csrf=False)
    assert refused.status == 429 and "try again in" in refused.text
    clock.advance(301)
    assert stranger.post("/login", {"token": TOKEN}, csrf=False).status == 303


@pytest.mark.parametrize("hours", [13, 24 * 365])
def test_a_local_session_ends(newcomer: Client, clock: ManualClock, hours: int) -> None:
    clock.advance(hours * 3600)
    assert newcomer.get("/runs").status == 303


def test_an_accounts_session_ends(staffed: Workspace, clock: ManualClock) -> None:
    client = signed_in_as(staffed, "grace")
    clock.advance(365 * 24 * 3600)
    assert client.get("/runs").status == 303


def test_a_disabled_accounts_session_ends_at_once(staffed: Workspace) -> None:
    client = signed_in_as(staffed, "rob")
    people.disable_account(staffed, people.find_account(staffed, "rob"))
    assert client.get("/runs").status == 303


def test_an_api_token_needs_no_csrf_token_and_a_made_up_one_opens_nothing(staffed: Workspace) -> None:
    issued = people.issue_token(staffed, people.find_account(staffed, "grace"), name="ci")
    client = Client(create_app(staffed))
    me = client.get("/api/v1/me", authorization=f"Bearer {issued.token}")
    assert me.status == 200 and me.json()["login"] == "grace"
    assert client.send("POST", "/api/v1/ledger/verify", headers={"authorization": f"Bearer {issued.token}"}).status == 200
    assert client.get("/api/v1/me", authorization="Bearer made-up").status == 401
    people.revoke_token(staffed, issued.id)
    assert client.get("/api/v1/me", authorization=f"Bearer {issued.token}").status == 401


@pytest.mark.parametrize("given", [{}, {"csrf_token": "wrong"}, {"csrf_token": ""}])
def test_a_change_without_the_right_csrf_token_is_refused(newcomer: Client, given: dict[str, str]) -> None:
    answer = newcomer.post("/logout", given, csrf=False)
    assert answer.status == 403 and "security token" in answer.text
    assert newcomer.get("/runs").status == 200


def test_the_csrf_token_may_come_as_a_header_and_belongs_to_its_session(newcomer: Client, empty: Workspace) -> None:
    other = sign_in(empty)
    assert newcomer.send("POST", "/ledger", headers={"x-csrf-token": other.csrf_token()}).status == 403
    assert newcomer.send("POST", "/ledger", headers={"x-csrf-token": newcomer.csrf_token()}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_a_change_asked_for_by_another_site_is_refused_even_with_the_token(newcomer: Client, headers: dict[str, str]) -> None:
    assert newcomer.post("/ledger", **headers).status == 403


def test_a_change_from_our_own_page_passes(newcomer: Client) -> None:
    assert newcomer.post("/ledger", origin="http://127.0.0.1:8321", sec_fetch_site="same-origin").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "", "localhost@evil.example"])
def test_an_unknown_host_name_is_refused_before_anything_else(newcomer: Client, host: str) -> None:
    newcomer.host = host
    answer = newcomer.get("/runs")
    assert answer.status == 422 and "host name" in answer.text and "Runs" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8321", "LOCALHOST", "[::1]:8321", "127.0.0.1", "pilots.example:443"])
def test_loopback_names_and_allowed_ones_are_answered(empty: Workspace, host: str) -> None:
    client = Client(create_app(empty, local_token=TOKEN, allowed_hosts=["Pilots.example"]), host=host)
    assert client.get("/login").status == 200


def test_cookies_of_two_servers_on_one_host_have_two_names() -> None:
    assert cookie_name("127.0.0.1:8321") != cookie_name("127.0.0.1:8322")
    assert cookie_name("[::1]") == cookie_name("localhost") == "pilotage_session"


def test_over_https_the_cookie_is_secure(empty: Workspace) -> None:
    client = Client(create_app(empty, local_token=TOKEN), scheme="https")
    assert "Secure" in client.get(f"/?token={TOKEN}").headers["set-cookie"]


@given(st.text(max_size=40))
def test_after_signing_in_nobody_is_sent_elsewhere(target: str) -> None:
    settled = safe_next(target)
    assert settled.startswith("/") and settled[1:2] not in ("/", "\\") and all(ord(character) >= 32 for character in settled)


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\tevil", None, ""])
def test_addresses_elsewhere_become_the_overview(target: str | None) -> None:
    assert safe_next(target) == "/"


def test_a_role_that_does_not_give_the_permission_is_refused(staffed: Workspace) -> None:
    client = signed_in_as(staffed, "rob")
    answer = client.post("/people/accounts", {"login": "eve", "password": PASSWORD, "roles": "admin"})
    assert answer.status == 403 and "permission" in answer.text
    assert [one.login for one in people.accounts(staffed)] == ["grace", "rob"]


def test_a_form_that_is_too_large_is_refused(newcomer: Client) -> None:
    answer = newcomer.post("/logout", {"csrf_token": "x" * 2_000_000}, csrf=False)
    assert answer.status == 413 and "too large" in answer.text


def test_a_defect_of_ours_tells_no_secrets_and_keeps_the_headers(newcomer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("pilotage.server.queries.runs.list_runs", broken)
    answer = newcomer.get("/runs")
    assert answer.status == 500 and "secret detail" not in answer.text and "defect" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_no_documentation_page_that_loads_code_from_elsewhere(newcomer: Client) -> None:
    assert newcomer.get("/docs").status == newcomer.get("/redoc").status == newcomer.get("/api/docs").status == 404
    described = newcomer.get("/api/openapi.json").json()
    assert {"/api/v1/pilots", "/api/v1/runs", "/api/v1/ledger"} <= set(described["paths"])
