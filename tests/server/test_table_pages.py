"""Pages of tables: rows by page, filter, order and key; what became of a row; versions, time travel and differences; personal data; binary cells."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from browserless import TOKEN, Client, sign_in
from tables_workspace import CANARY, Tables

from pilotage import people
from pilotage.core import Unavailable
from pilotage.data.tabular import withdraw
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.server.queries import table_differences
from pilotage.store import Workspace


@pytest.fixture
def client(tables_client: Client) -> Client:
    return tables_client


@pytest.fixture
def own(own_tables: Workspace) -> Workspace:
    return own_tables


PASSWORD = "correct horse battery staple"


def rows_of(text: str) -> list[str]:
    return re.findall(r'<a data-row href="[^"]*key=(p\d+)"', text)


def test_a_table_is_listed_and_opened(client: Client) -> None:
    assert 'href="/data/payments/4"' in client.get("/data").text
    answer = client.follow("/data/payments")
    assert answer.status == 200
    for said in ("payments@1", "132 rows", "append", "float, EUR", "text, key", "under the contract"):
        assert said in answer.text
    assert rows_of(answer.text)[:2] == ["p0000", "p0001"]


def test_the_counts_of_an_operation_add_up_before_the_readers_eyes(client: Client) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", client.get("/data/payments/3").text))
    assert "130 in = 128 kept + 2 dropped" in text and "128 rows = 128 kept" in text


def test_pages_turn_to_the_end_and_a_page_beyond_it_leads_back(client: Client) -> None:
    first = client.get("/data/payments/1").text
    turn = re.search(r'rel="next" href="([^"]*)"', first)
    assert turn and "start=50" in turn[1]
    last = client.get("/data/payments/1?start=100").text
    assert len(rows_of(last)) == 30 and 'rel="next"' not in last and 'rel="prev"' in last
    assert "Back to the first" in client.get("/data/payments/1?start=1000").text
    assert client.get("/data/payments/1?start=-1").status == 422


def test_rows_are_filtered_and_put_in_order(client: Client) -> None:
    found = client.get("/data/payments/1?where=" + quote("amount >= 49 AND channel = 'web'") + "&order_by=id&descending=true").text
    assert rows_of(found) == ["p0119", "p0079"]
    assert "2 of 130 rows keep the filter" in found and 'aria-sort="descending"' in found
    assert "No row keeps this filter" in client.get("/data/payments/1?where=" + quote("amount > 1e9")).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("where=nonsense", "there is no column"),
        ("where=" + quote("amount = 'x'"), "without quotes"),
        ("where=" + quote("id = 'a' OR 1=1 --"), "cannot be read"),
        ("where=" + quote("id = '"), "cannot be read"),
        ("order_by=nothing", "cannot be put in the order"),
        ("order_by=receipt", "cannot be put in the order"),
    ],
)
def test_a_mistake_in_the_filter_is_told_beside_it_and_what_was_typed_stays(client: Client, query: str, said: str) -> None:
    answer = client.get(f"/data/payments/1?{query}")
    assert answer.status == 422
    assert said in answer.text and "Filter" in answer.text and rows_of(answer.text) == []
    if query == "where=nonsense":
        assert 'value="nonsense"' in answer.text and 'aria-invalid="true"' in answer.text


def test_hostile_cells_filters_and_keys_stay_text(client: Client) -> None:
    for path in (
        "/data/payments/1",
        "/data/payments/1/row?key=p0001",
        "/data/payments/3/row?key=p0020",
        "/data/payments/1?where=" + quote(CANARY),
        "/data/payments/1/row?key=" + quote(CANARY),
        "/data/payments/diff?before=2&after=3",
        "/data/payments/versions?at=" + quote(CANARY),
    ):
        text = client.get(path).text
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text, path


def test_a_row_has_a_page_by_its_key(client: Client) -> None:
    answer = client.get("/data/payments/2/row?key=p0012")
    assert answer.status == 200
    assert "44" in answer.text and "2026-01-05 20:00:00 UTC" in answer.text and "present" in answer.text


def test_why_a_row_is_not_here(client: Client) -> None:
    removed = client.get("/data/payments/3/row?key=p0020")
    assert removed.status == 404
    assert "removed in" in removed.text and "duplicate" in removed.text and "the same as p0000" in removed.text
    later = client.get("/data/payments/1/row?key=p0131")
    assert later.status == 404 and "It came later" in later.text and "version 4" in later.text
    never = client.get("/data/payments/4/row?key=p9999")
    assert never.status == 404 and "never seen" in never.text
    assert client.get("/data/payments/4/row?key=" + "x" * 3000).status == 422
    assert "p0020" in client.get("/data/payments/2/row?key=p0020").text  # the version before has it still


# --- personal columns


def test_personal_columns_are_not_shown_and_not_told_by_filters_or_order(client: Client) -> None:
    for path in (
        "/data/payments/1",
        "/data/payments/1/row?key=p0001",
        "/data/payments/diff?before=1&after=2",
        "/data/payments/diff?before=2&after=3",
    ):
        text = client.get(path).text
        assert "holder-" not in text, path
    for query in ("where=" + quote("holder = 'holder-1'"), "where=" + quote("amount > 1 AND holder starts with 'h'"), "order_by=holder"):
        answer = client.get(f"/data/payments/1?{query}")
        assert answer.status == 422 and "personal data" in answer.text and rows_of(answer.text) == []


def test_the_api_leaves_personal_columns_out_too(client: Client) -> None:
    rows = client.get("/api/v1/versions/payments/1/rows?size=3").json()["rows"]
    assert [row["id"] for row in rows] == ["p0000", "p0001", "p0002"]
    assert "holder" not in rows[0] and rows[1]["receipt"]["size"] == 14
    assert client.get("/api/v1/versions/payments/1/rows?where=" + quote("holder = 'holder-1'")).status == 422


def test_who_may_take_data_out_may_see_them_and_that_is_in_the_ledger(own: Workspace) -> None:
    client = sign_in(own)
    assert "Show personal columns" in client.get("/data/payments/1").text
    assert client.post("/data/payments/1/personal").status == 303
    client.post("/data/payments/1/personal")
    assert "holder-3" in client.get("/data/payments/1").text
    assert rows_of(client.get("/data/payments/1?where=" + quote("holder = 'holder-3'")).text)[0] == "p0003"
    assert "holder-" not in client.get("/data/payments/2").text  # each version on its own
    assert len(entries(own, type="dataset.personal_shown", limit=10)) == 1


def test_a_reviewer_sees_no_personal_columns_and_takes_no_cell(own: Workspace) -> None:
    people.add_account(own, login="admin", roles=["admin"], password=PASSWORD)
    people.add_account(own, login="rae", roles=["reviewer"], password=PASSWORD)
    client = Client(create_app(own, local_token=TOKEN))
    assert client.post("/login", {"login": "rae", "password": PASSWORD}, csrf=False).status == 303
    text = client.get("/data/payments/1").text
    assert "holder-" not in text and "Show personal columns" not in text
    assert "Download" not in client.get("/data/payments/1/row?key=p0001").text
    assert client.post("/data/payments/1/personal").status == 403
    assert client.post("/data/payments/1/cell", {"key": "p0001", "column": "receipt"}).status == 403


# --- binary cells


def test_a_binary_cell_is_its_size_and_hash_in_lists_and_a_file_on_asking(own: Workspace) -> None:
    client = sign_in(own)
    text = client.get("/data/payments/1").text
    assert "14 bytes" in text and "%PDF" not in text
    taken = client.post("/data/payments/1/cell", {"key": "p0001", "column": "receipt"})
    assert taken.status == 200 and taken.body == b"%PDF receipt 1"
    assert taken.headers["content-type"] == "application/octet-stream"
    assert taken.headers["content-disposition"] == 'attachment; filename="payments-1-receipt.bin"'
    entry = entries(own, type="dataset.cell_taken", limit=10)[0]
    assert entry.actor == "ada" and entry.body["key"] == "p0001" and entry.body["bytes"] == 14
    for column, key, status in (("receipt", "p0002", 404), ("amount", "p0001", 422), ("nothing", "p0001", 422), ("receipt", "p9999", 404)):
        assert client.post("/data/payments/1/cell", {"key": key, "column": column}).status == status
    assert len(entries(own, type="dataset.cell_taken", limit=10)) == 1


# --- versions


def test_versions_have_their_tags_counts_and_changes(client: Client) -> None:
    text = client.get("/data/payments/versions").text
    assert [int(number) for number in re.findall(r'data-row href="/data/payments/(\d+)"', text)] == [4, 3, 2, 1]
    assert "golden" in text and "2 dropped" in text and 'href="/data/payments/diff?before=2&amp;after=3"' in text
    second = client.get("/data/payments/versions?size=2").text
    assert 'rel="next"' in second and len(re.findall(r"data-row href", second)) == 2


def test_what_was_the_latest_then(client: Client, made_tables: tuple[Path, Tables]) -> None:
    def at(moment_us: int) -> str:
        return datetime.fromtimestamp(moment_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M")

    times = made_tables[1].times
    answer = client.get("/data/payments/versions?at=" + at(times[2]))  # after the second version, before the third
    assert answer.status == 303 and answer.headers["location"].startswith("/data/payments/2?at=")
    assert "The latest version at" in client.get(answer.headers["location"]).text
    early = client.get("/data/payments/versions?at=2001-01-01T00:00")
    assert early.status == 404 and "no version yet" in early.text and "@4" in early.text
    assert client.get("/data/payments/versions?at=yesterday").status == 422
    assert client.get("/data/nothing/versions?at=2001-01-01T00:00").status == 404


def test_a_version_is_found_by_its_id(client: Client) -> None:
    version_id = client.get("/api/v1/versions/payments/2").json()["line"]["id"]
    assert client.get(f"/versions/{version_id}").headers["location"] == "/data/payments/2"
    assert client.get("/versions/dv_" + "0" * 32).status == 404


def test_a_difference_counts_and_shows_each_kind(client: Client) -> None:
    changed = client.get("/data/payments/diff?before=1&after=2").text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", changed))
    assert "125 unchanged, 5 changed, 0 added" in text
    assert rows_of(changed) == ["p0010", "p0011", "p0012", "p0013", "p0014"] and "20" in text and "40" in text
    removed = client.get("/data/payments/diff?before=2&after=3").text
    assert rows_of(removed) == ["p0020", "p0021"] and "duplicate" in removed and "the same as p0000" in removed
    added = client.get("/data/payments/diff?before=3&after=4").text
    assert rows_of(added) == ["p0130", "p0131", "p0132", "p0133"]
    assert "The two versions have the same rows" in client.get("/data/payments/diff?before=2&after=2").text
    assert client.get("/data/payments/diff?before=1&after=9").status == 404
    assert client.get("/data/payments/diff?before=1").status == 422


def test_a_long_difference_is_paged_and_reckoned_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_differences, "ROWS_A_PAGE", 3)
    first = client.get("/data/payments/diff?before=1&after=4&kind=changed").text
    import pilotage.data.tabular as tabular

    monkeypatch.setattr(tabular, "diff_tables", None)  # to ask again would fail
    second = client.get("/data/payments/diff?before=1&after=4&kind=changed&start=3").text
    assert rows_of(first) + rows_of(second) == [f"p{number:04d}" for number in range(10, 15)]
    assert 'rel="next"' in first and 'rel="next"' not in second


def test_a_withdrawn_version_is_shown_as_such_and_nothing_of_its_rows(own: Workspace) -> None:
    client = sign_in(own)
    client.get("/data/payments/diff?before=1&after=2")
    withdraw(own, subject="holder-2", reason="asked to be forgotten")
    shown = client.get("/data/payments/1")
    assert shown.status == 200 and "Withdrawn" in shown.text and "asked to be forgotten" in shown.text and "digest" in shown.text
    assert rows_of(shown.text) == [] and '<h2 id="rows">' not in shown.text
    assert client.get("/data/payments/diff?before=1&after=2").status == 403
    assert "withdrawn" in client.get("/data/payments/versions").text
    erased = client.follow("/data/payments")
    assert erased.status == 200
    row = client.get(f"{client.get('/data/payments').headers['location']}/row?key=p0002")
    assert row.status == 404 and "erased on request" in row.text


# --- what is missing


def test_without_the_extra_the_page_says_what_to_install(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise Unavailable("Tables need Polars.", mend="pip install 'pilotage[tables]'")

    import pilotage.data.tabular as tabular

    monkeypatch.setattr(tabular, "table_page", missing)
    answer = client.get("/data/payments/1")
    assert answer.status == 200
    assert "pilotage[tables]" in answer.text and "CC0-1.0" in answer.text


def test_the_application_imports_nothing_that_only_tables_need() -> None:
    import subprocess

    code = "import sys, pilotage.server; print([name for name in ('polars', 'lance', 'narwhals') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_dataset_without_a_place_is_not_found_and_rows_of_other_kinds_are_no_table(client: Client) -> None:
    assert client.get("/data/payments/99").status == 404
    assert client.get("/data/nothing/1/row?key=x").status == 404
    assert client.get("/data/nothing/diff?before=1&after=2").status == 404
