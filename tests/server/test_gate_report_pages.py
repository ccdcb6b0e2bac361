"""The page of a gate report: every check with its limit and history, failing rows, and accepting as the new normal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browserless import Client, sign_in

from pilotage import people
from pilotage.data.quality import gate_version, load_report
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.server.queries.drawing import draw_history
from pilotage.server.queries.gate_reports import find_report
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


def in_words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_a_failed_report_says_what_failed_by_how_much_and_how_it_was_before(looking: Client, has: Any) -> None:
    answer = looking.get(f"/data/gates/{has.failed}")
    text = in_words(answer.text)
    assert answer.status == 200 and "change of distribution of amount" in text and "times the limit" in text
    assert f"/data/batches/{has.changed}" in answer.text and "payments@1" in text
    assert 'class="history"' in answer.text and 'class="now fail"' in answer.text and "checks pass" in text
    assert "the limits are learned anew for amount" in text


def test_a_passed_report_has_nothing_to_accept(looking: Client, has: Any) -> None:
    text = in_words(looking.get(f"/data/gates/{has.passed}").text)
    assert "Every check of severity error holds." in text and "there is nothing to accept" in text


def test_every_check_is_on_the_page_and_the_worst_comes_first(looking: Client, deciding: Workspace, has: Any) -> None:
    detail = find_report(deciding, has.failed)
    text = looking.get(f"/data/gates/{has.failed}").text
    assert len(re.findall(r'data-label="Check"', text)) == len(detail.report.results) == len(detail.declared) + len(detail.learned)
    assert detail.learned[0].result.status == "fail" and detail.learned[0].drawing is not None


def test_an_owner_accepts_with_a_reason_and_a_new_history_begins(deciding: Workspace, has: Any) -> None:
    client = sign_in(deciding)
    assert client.post(f"/data/gates/{has.failed}/accept", {"reason": "  "}).status == 422
    assert client.post(f"/data/gates/{has.failed}/accept", {"reason": "prices are in cents <b>now</b>"}).status == 303
    report = load_report(deciding, has.failed)
    assert report.accepted is not None and (report.accepted.person, report.accepted.columns) == ("ada", ("amount",))
    page = client.get(f"/data/gates/{has.failed}").text
    assert "prices are in cents &lt;b&gt;now&lt;/b&gt;" in page and "It is accepted already." in page
    assert [one.actor for one in entries(deciding, type="quality.accepted")] == ["ada"]


def test_an_accepted_report_is_marked_in_the_histories_after_it(deciding: Workspace, has: Any) -> None:
    from deliveries_workspace import push, rows

    client = sign_in(deciding)
    client.post(f"/data/gates/{has.failed}/accept", {"reason": "cents"})
    later = push(deciding, rows(20_000, 150, times=100))
    assert later.gate_report_id is not None
    past = next(line.past for line in find_report(deciding, later.gate_report_id).learned if line.result.column == "amount" and line.past)
    assert [one.by_person for one in past if one.report_id == has.failed] == [True]
    assert 'class="by-person"' in client.get(f"/data/gates/{later.gate_report_id}").text


def test_a_token_accepts_nothing_and_nobody_but_an_owner_does(deciding: Workspace, has: Any) -> None:
    account = people.add_account(deciding, login="grace", roles=["owner", "admin"], password=PASSWORD)
    token = people.issue_token(deciding, account, name="ci").token
    client = Client(create_app(deciding), headers={"authorization": f"Bearer {token}", "accept": "application/json"})
    answer = client.post(f"/data/gates/{has.failed}/accept", {"reason": "it is fine"}, csrf=False)
    assert answer.status == 403 and "Only a person" in answer.json()["what"]
    people.add_account(deciding, login="otto", roles=["operator"], password=PASSWORD)
    other = Client(create_app(deciding))
    other.post("/login", {"login": "otto", "password": PASSWORD}, csrf=False)
    assert "Only an owner" in other.get(f"/data/gates/{has.failed}").text
    assert other.post(f"/data/gates/{has.failed}/accept", {"reason": "it is fine"}).status == 403
    assert load_report(deciding, has.failed).accepted is None


def test_failing_rows_of_a_version_lead_to_the_page_that_shows_them(deciding: Workspace) -> None:
    from pilotage.data.contracts import contract_of
    from pilotage.data.ingest import batches

    before = contract_of(deciding, "payments")
    columns = {**before.columns, "amount": before.columns["amount"].model_copy(update={"maximum": 60.0})}
    stricter = before.model_copy(update={"version": 2, "columns": columns})
    version = next(one.version for one in batches(deciding, state="published"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pilotage.data.quality.gating.Contract.from_dict", lambda _: stricter)
        report = gate_version(deciding, str(version), learn=False)
    assert report.verdict == "fail"
    client = sign_in(deciding)
    text = client.get(f"/data/gates/{report.id}").text
    found = re.findall(r'href="(/data/payments/\d+/row\?key=p\d+)"', text)
    assert found and client.get(found[0]).status == 200
    assert "The contract itself says otherwise" in text


def test_the_page_of_a_version_leads_to_its_gate_and_its_batch(looking: Client, has: Any) -> None:
    text = looking.get("/data/payments/6").text
    assert f"/data/gates/{has.passed}" in text and re.search(r"/data/batches/ib_\w+", text)


def test_what_is_not_there_says_so(looking: Client, newcomer: Client) -> None:
    for client in (looking, newcomer):
        answer = client.get("/data/gates/qr_nothing")
        assert answer.status == 404 and "There is no gate report" in answer.text


@pytest.mark.parametrize("past", [[0.1, None, 0.2], [0.0, 0.0], [None, 0.3], [1e-9], [5.0] * 24])
@pytest.mark.parametrize("present", [None, 0.0, 0.15, 1e12])
@pytest.mark.parametrize("limit", [None, 0.0, 0.2])
def test_a_drawing_stays_within_its_frame(past: list[float | None], present: float | None, limit: float | None) -> None:
    drawing = draw_history(past, present, limit=limit)
    assert len(drawing.points) == len(past) + 1
    assert [point is None for point in drawing.points] == [value is None for value in (*past, present)]
    for x, y in [point for point in drawing.points if point is not None]:
        assert 0 <= x <= drawing.width and 0 <= y <= drawing.height
    assert drawing.limit is None or 0 <= drawing.limit <= drawing.height
    if any(past) and present in (0.0, 1e12):
        assert drawing.cut == (present == 1e12)
