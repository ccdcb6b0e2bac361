"""The pages of batches: what is shown, what is not, and what people decide there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browserless import TOKEN, Client, sign_in

from pilotage import people
from pilotage.core import Unavailable
from pilotage.data.contracts import contract_of, put_contract
from pilotage.data.ingest import STATES, load_batch, quarantined
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.server.pages import batches as pages
from pilotage.server.queries import batches as queries
from pilotage.server.queries.paging import Turn
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


def in_words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_the_states_to_choose_from_are_all_there_are() -> None:
    assert set(pages.STATES) == set(STATES)


def test_the_list_has_every_batch_with_what_became_of_it(looking: Client, has: Any) -> None:
    answer = looking.get("/data/batches")
    assert answer.status == 200
    for batch in (has.good, has.dirty, has.changed, has.refused):
        assert f"/data/batches/{batch}" in answer.text
    assert answer.text.count('<tr class="wait">') == 2 and answer.text.count('<tr class="bad">') == 1
    assert "payments@1" in answer.text and "the gate failed: change of distribution of amount" in answer.text


def test_the_list_is_narrowed_and_turned_by_key(looking: Client, has: Any) -> None:
    held = looking.get("/data/batches?state=held&source=payments&dataset=payments")
    assert has.changed in held.text and has.good not in held.text
    assert "No batch is like that" in looking.get("/data/batches?source=other").text
    first = looking.get("/data/batches?size=4")
    further = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert further
    second = looking.get(further[1].replace("&amp;", "&"))
    seen = [re.findall(r"data-row href=\"/data/batches/(ib_\w+)\"", page.text) for page in (first, second)]
    assert len(seen[0]) == len(seen[1]) == 4 and not set(seen[0]) & set(seen[1])


def test_a_page_says_what_came_and_that_the_rows_add_up(looking: Client, has: Any) -> None:
    text = in_words(looking.get(f"/data/batches/{has.dirty}").text)
    assert "155" in text and "= kept 150" in text and "+ quarantined 5" in text
    assert "payments@1" in text and "Published as payments@" in text
    assert "naive" in text or "zone" in text


def test_what_was_set_aside_is_text_and_without_personal_columns(looking: Client, has: Any) -> None:
    for address in (f"/data/batches/{has.dirty}", f"/data/batches/{has.refused}", "/data/batches"):
        answer = looking.get(address)
        assert answer.status == 200
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text and "49" not in re.findall(r"script>(\d+)", answer.text)
        assert "ann-the-customer" not in answer.text
    assert "&lt;script&gt;" in looking.get(f"/data/batches/{has.dirty}").text


def test_the_quarantine_is_counted_by_reason_and_narrowed(looking: Client, has: Any) -> None:
    page = looking.get(f"/data/batches/{has.dirty}")
    chosen = [one.replace("&amp;", "&") for one in re.findall(r'href="(/data/batches/ib_\w+\?code=[^"]+)"', page.text)]
    assert len(chosen) == 3
    assert sum(len(re.findall(r'data-label="Where"', looking.get(one).text)) for one in chosen) == 5


def test_an_owner_releases_with_a_reason_and_is_named(deciding: Workspace, has: Any) -> None:
    client = sign_in(deciding)
    assert client.post(f"/data/batches/{has.changed}/release", {"reason": " "}).status == 422
    assert client.post(f"/data/batches/{has.changed}/release", {"reason": "the bank pays in cents now"}).status == 303
    assert load_batch(deciding, has.changed).state == "published"
    said = list(entries(deciding, type="ingest.released"))
    assert [(one.actor, one.body["reason"]) for one in said] == [("ada", "the bank pays in cents now")]
    assert "the bank pays in cents now" in client.get(f"/data/batches/{has.changed}").text
    assert client.post(f"/data/batches/{has.changed}/discard", {"reason": "late"}).status == 409


def test_what_is_decided_has_the_name_of_whoever_is_signed_in(deciding: Workspace, has: Any) -> None:
    people.add_account(deciding, login="root", roles=["admin"], password=PASSWORD)
    people.add_account(deciding, login="grace", roles=["owner"], password=PASSWORD)
    client = Client(create_app(deciding, local_token=TOKEN))
    client.post("/login", {"login": "grace", "password": PASSWORD}, csrf=False)
    assert client.post(f"/data/batches/{has.spare}/discard", {"reason": "a test"}).status == 303
    assert client.post(f"/data/batches/{has.changed}/release", {"reason": "as it should be"}).status == 303
    assert {one.actor for type in ("ingest.discarded", "ingest.released") for one in entries(deciding, type=type)} == {"grace"}
    published = [one for one in entries(deciding, type="ingest.batch") if one.subject == has.changed and one.body["state"] == "published"]
    assert [one.actor for one in published] == ["grace"]


def test_a_token_lets_nothing_through(deciding: Workspace, has: Any) -> None:
    owner = people.add_account(deciding, login="grace", roles=["owner", "admin"], password=PASSWORD)
    token = people.issue_token(deciding, owner, name="ci").token
    client = Client(create_app(deciding), headers={"authorization": f"Bearer {token}", "accept": "application/json"})
    for act in ("release", "discard"):
        answer = client.post(f"/data/batches/{has.changed}/{act}", {"reason": "a machine says so"}, csrf=False)
        assert answer.status == 403 and "person" in answer.json()["what"]
    assert load_batch(deciding, has.changed).state == "held"


def test_rows_are_tried_again_after_the_contract_has_changed(deciding: Workspace, has: Any) -> None:
    client = sign_in(deciding)
    before = contract_of(deciding, "payments")
    columns = {**before.columns, "at": before.columns["at"].model_copy(update={"zone": "Europe/Paris"})}
    put_contract(deciding, before.model_copy(update={"version": 2, "columns": columns}))
    assert "payments@2" in client.get(f"/data/batches/{has.dirty}").text
    done = client.post(f"/data/batches/{has.dirty}/retry")
    assert done.status == 200 and "3 of 4 rows keep the contract now" in done.text
    assert "taken in by" in client.get(f"/data/batches/{has.dirty}").text


def test_what_rows_said_is_erased_by_batch_and_by_person(deciding: Workspace, has: Any) -> None:
    client = sign_in(deciding)
    assert client.post("/data/batches/erase", {"subject": "", "reason": "asked"}).status == 422
    done = client.post("/data/batches/erase", {"subject": "ann-the-customer", "reason": "asked on 3 May"})
    assert done.status == 200 and "The text of 4 quarantined rows is gone" in done.text
    assert has.changed in done.text  # a held batch is about the same person, and is named
    assert client.post(f"/data/batches/{has.dirty}/erase", {"reason": "the rest too"}).status == 200
    assert all(row.erased_at for row in quarantined(deciding, batch_id=has.dirty).rows)
    assert "Everything here is erased." in client.get(f"/data/batches/{has.dirty}").text
    assert "ann-the-customer" not in str([one.body for one in entries(deciding, type="ingest.erased")])


def test_without_deliveries_the_page_says_what_to_do_first(newcomer: Client) -> None:
    answer = newcomer.get("/data/batches")
    assert answer.status == 200 and "pilotage data ingest" in answer.text


def test_what_is_not_there_says_so(looking: Client) -> None:
    for address in ("/data/batches/ib_nothing", "/data/batches/17", "/data/batches/ib_nothing?start=5"):
        answer = looking.get(address)
        assert answer.status == 404 and "There is no batch" in answer.text


def test_where_the_extra_is_missing_the_page_names_it(newcomer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise Unavailable("This needs the extra 'tables'.", mend="pip install 'pilotage[tables]'")

    monkeypatch.setattr("pilotage.server.queries.batches.show_batches", missing)
    answer = newcomer.get("/data/batches")
    assert answer.status == 503 and "pilotage[tables]" in answer.text


def test_a_late_page_of_many_batches_is_read_from_an_index(deciding: Workspace) -> None:
    from sqlalchemy import event

    asked: list[tuple[str, Any]] = []

    @event.listens_for(deciding.engine, "before_cursor_execute")
    def _note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    for wanted in ({}, {"state": "held"}, {"source": "payments"}, {"dataset": "payments"}):
        queries.list_batches(deciding, **wanted, turn=Turn(after='[1800000000000000,"ib_x"]'))
    lists = [one for one in asked if "FROM ingest_batch" in one[0]]
    assert len(lists) == 4
    with deciding.read() as conn:
        for statement, parameters in lists:
            plan = " ".join(str(row) for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).all())
            assert "USING INDEX ix_ingest_batch_" in plan and "TEMP B-TREE" not in plan, plan
