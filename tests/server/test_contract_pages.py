"""Pages of contracts: what is promised, what a change means, how the data looked on either side, and deciding on what the data propose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browserless import TOKEN, Client, sign_in
from hypothesis import given
from hypothesis import strategies as st
from tables_workspace import CANARY, Tables

from pilotage import people
from pilotage.data.contracts import contract_of, from_odcs, proposals
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.server.queries.distributions import LEFT, LEVEL_WIDTH, LEVELS_DRAWN, RIGHT, WIDTH, draw_levels, draw_quantiles
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_an_empty_workspace_says_how_to_get_a_contract(newcomer: Client) -> None:
    assert "pilotage data contract infer" in newcomer.get("/data/contracts").text


def test_contracts_are_listed_with_what_waits(tables_client: Client) -> None:
    text = plain(tables_client.get("/data/contracts").text)
    assert "payments @2" in text and "3 to decide" in text


def test_a_contract_says_columns_units_times_and_checks(tables_client: Client) -> None:
    answer = tables_client.get("/data/contracts/payments")
    text = plain(answer.text)
    for said in (
        "payments @2",
        "EUR_minor",
        "money:EUR",
        "1h after it happened",
        "the person in holder",
        "web",
        "new ones: review",
        "enough",
        "at least 20",
    ):
        assert said in text
    assert "semantic suspect" in text and 'href="/data/contracts/payments/diff?before=1&amp;after=2"' in answer.text
    first = plain(tables_client.get("/data/contracts/payments?version=1").text)
    assert "payments @1" in first and "the latest is @2" in first and "payments@4" in first
    assert tables_client.get("/data/contracts/payments?version=9").status == 404
    assert tables_client.get("/data/contracts/nothing").status == 404


def test_it_is_taken_away_as_odcs(tables_client: Client, looked_at_tables: Workspace) -> None:
    answer = tables_client.get("/data/contracts/payments/odcs?version=1")
    assert answer.headers["content-disposition"] == 'attachment; filename="payments-1.odcs.yaml"'
    assert from_odcs(answer.text).columns == contract_of(looked_at_tables, "payments", 1).columns


def test_a_change_has_its_verdict_each_effect_and_both_distributions(tables_client: Client) -> None:
    answer = tables_client.get("/data/contracts/payments/diff?before=1&after=2")
    text = plain(answer.text)
    assert "semantic suspect" in text and "the same numbers mean something else" in text
    assert 'href="/data/payments/1"' in answer.text and 'href="/data/payments-minor/1"' in answer.text
    assert "before, n = 129; after, n = 59" in text and answer.text.count('class="quantiles"') >= 3
    assert 'class="level-bars"' in answer.text and "EUR before, EUR_minor after" in text
    assert "personal: only how many are missing is kept" in text
    drawn = answer.text.index('class="proposal-title" dir="auto">amount'), answer.text.index('class="proposal-title" dir="auto">id')
    assert drawn[0] < drawn[1]  # what changed in the contract comes first


def test_without_a_gate_the_distributions_are_not_assessable_with_the_reason(own_tables: Workspace) -> None:
    from pilotage.data.contracts import Contract, put_contract

    content = contract_of(own_tables, "payments").to_dict() | {"version": 3, "available_lag": "2h"}
    put_contract(own_tables, Contract.from_dict(content))
    text = plain(sign_in(own_tables).get("/data/contracts/payments/diff?before=2&after=3").text)
    assert "not assessable" in text and "no version of a dataset under payments@3 has a gate report" in text and "pilotage data gate" in text


def test_hostile_text_in_a_contract_stays_text(tables_client: Client) -> None:
    for path in ("/data/contracts", "/data/contracts/payments", "/data/contracts/payments/diff?before=1&after=2"):
        text = tables_client.get(path).text
        assert "<script>alert" not in text, path
    assert "&lt;script&gt;alert" in tables_client.get("/data/contracts/payments").text


# --- proposals


def test_a_proposal_shows_its_evidence_and_is_decided_with_a_reason(own_tables: Workspace, made_tables: tuple[Path, Tables]) -> None:
    client, wanted = sign_in(own_tables), made_tables[1].open_proposal
    text = client.get("/data/contracts/payments").text
    assert "now arrives in EUR" in text and 'aria-label="amount as stored and as it arrives. stored: median 15' in text and "Alike in" in text
    address = f"/data/contracts/payments/proposals/{wanted}"
    refused = client.post(address, {"decision": "accept", "reason": "  "})
    assert refused.status == 422 and "A decision needs a reason" in refused.text
    assert client.post(address, {"decision": "perhaps", "reason": "x"}).status == 422
    done = client.post(address, {"decision": "accept", "reason": f"they said so {CANARY}"})
    assert done.status == 303 and done.headers["location"] == f"/data/contracts/payments#{wanted}"
    assert contract_of(own_tables, "payments").columns["amount"].arrives_in == "EUR"
    assert entries(own_tables, type="contract.change_accepted", limit=5)[0].actor == "ada"
    again = client.post(address, {"decision": "reject", "reason": "changed my mind"})
    assert again.status == 409 and "This proposal is decided" in again.text
    shown = client.get("/data/contracts/payments").text
    assert 'href="/data/contracts/payments?version=3"' in shown and "<script>alert" not in shown
    assert client.post("/data/contracts/payments/proposals/cp_nothing", {"decision": "accept", "reason": "x"}).status == 404


def test_what_waits_in_a_review_queue_is_answered_there(own_tables: Workspace, made_tables: tuple[Path, Tables]) -> None:
    client, wanted = sign_in(own_tables), made_tables[1].from_queue
    text = client.get("/data/contracts/payments").text
    assert 'href="/review/card-fraud"' in text and f"/proposals/{wanted}" not in text
    answer = client.post(f"/data/contracts/payments/proposals/{wanted}", {"decision": "accept", "reason": "yes"})
    assert answer.status == 409 and "waits in the review queue of card-fraud" in answer.text
    assert {one.id: one.state for one in proposals(own_tables)}[wanted] == "open"


def test_an_auditor_reads_and_does_not_decide(own_tables: Workspace, made_tables: tuple[Path, Tables]) -> None:
    people.add_account(own_tables, login="admin", roles=["admin"], password=PASSWORD)
    people.add_account(own_tables, login="olga", roles=["auditor"], password=PASSWORD)
    client = Client(create_app(own_tables, local_token=TOKEN))
    assert client.post("/login", {"login": "olga", "password": PASSWORD}, csrf=False).status == 303
    text = client.get("/data/contracts/payments").text
    assert "A reviewer or owner decides" in text and 'name="decision"' not in text
    wanted = made_tables[1].open_proposal
    assert client.post(f"/data/contracts/payments/proposals/{wanted}", {"decision": "accept", "reason": "x"}).status == 403


# --- drawings

NUMBERS = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)


@given(st.lists(st.lists(NUMBERS, min_size=2, max_size=101).map(sorted), min_size=1, max_size=3))
def test_every_quantile_lies_on_the_drawing_in_order(grids: list[list[float]]) -> None:
    drawing = draw_quantiles([("side", len(grid), grid) for grid in grids])
    for bar in drawing.bars:
        places = [bar.low, bar.p10, bar.p25, bar.p50, bar.p75, bar.p90, bar.high]
        assert places == sorted(places)
        assert places[0] >= LEFT and places[-1] <= WIDTH - RIGHT


def test_what_spans_many_sizes_is_drawn_logarithmically_and_says_so() -> None:
    assert draw_quantiles([("a", 5, [1.0, 2.0, 3.0]), ("b", 5, [100.0, 200.0, 300.0])]).scale == "logarithmic"
    assert draw_quantiles([("a", 5, [-1.0, 2.0, 3.0]), ("b", 5, [100.0, 200.0, 300.0])]).scale == "linear"
    assert draw_quantiles([("a", 2, [5.0, 5.0])]).bars[0].p50 == pytest.approx((LEFT + WIDTH - RIGHT) / 2)


@given(
    st.dictionaries(st.text(max_size=5), st.integers(1, 100), min_size=1, max_size=20),
    st.dictionaries(st.text(max_size=5), st.integers(1, 100), min_size=1, max_size=20),
)
def test_levels_and_the_rest_add_up_on_both_sides(before: dict[str, int], after: dict[str, int]) -> None:
    sides = [{level: n / sum(side.values()) for level, n in side.items()} for side in (before, after)]
    drawing = draw_levels(("before", sum(before.values()), sides[0]), ("after", sum(after.values()), sides[1]))
    assert len(drawing.rows) + drawing.others == len({*before, *after}) and len(drawing.rows) <= LEVELS_DRAWN
    assert sum(row.before for row in drawing.rows) + drawing.rest[0] == pytest.approx(1)
    assert sum(row.after for row in drawing.rows) + drawing.rest[1] == pytest.approx(1)
    assert all(0 <= row.before_width <= LEVEL_WIDTH for row in drawing.rows)
