"""The pages of features: what they say, that hostile text stays text, personal data stays masked, and what is missing is said."""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path

import pytest
from browserless import Client, sign_in
from feature_workspace import ACTIVITY, CANARY, NOW, Bank

from pilotage import people
from pilotage.core import ManualClock
from pilotage.features import load_views
from pilotage.features.replay import is_released
from pilotage.ledger import entries, open_workspace
from pilotage.server import create_app
from pilotage.server.queries.inspecting import draw
from pilotage.server.queries.views import as_yaml, changes
from pilotage.store import Workspace

PAGES = [
    "/features",
    "/features/activity@1",
    "/features/activity@2",
    "/features/visitor@1",
    "/features/activity@1/inspect",
    "/features/training-sets",
    "/features/training-sets/fraud/1",
    "/features/training-sets/buyers/1",
    "/features/skew",
    "/features/skew/{reports[0]}",
    "/features/skew/{reports[1]}",
    "/features/streams",
    "/features/streams/streamed@1",
]


@pytest.fixture(scope="module")
def client(bank: tuple[Workspace, Bank]) -> Client:
    return sign_in(bank[0])


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def links(page: str, pattern: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(f'href="({pattern})"', page)]


# --- views ------------------------------------------------------------------------------------------------------------------------------------------


def test_the_list_says_of_each_view_whether_it_may_be_served_and_how_fresh_it_is(client: Client) -> None:
    page = client.get("/features").text
    said = text_of(page)
    assert "activity" in said and "@2 of 2" in said and "replayed, not released" in said and "never replayed" in said
    assert links(page, "/features/activity@2") and links(page, "/data/transactions")


def test_a_view_is_told_in_words_with_the_columns_behind_each_feature(client: Client) -> None:
    said = text_of(client.get("/features/activity@1").text)
    assert "known from its 'known_at' on" in said and "unless it is older than 30d" in said
    assert "travel_7d int aggregate count of rows where shop == 'travel'" in said
    assert "shop filter , card key , at window , known_at window" in said
    assert "spent_7d float aggregate sum of amount" in said
    assert "all three paths agree to the bit" in said and "fraud@1" in said and "released" in said


def test_the_yaml_of_a_view_reads_back_to_the_same_hash(tmp_path: Path) -> None:
    for view in (ACTIVITY, *load_views(_example())):
        (tmp_path / "view.yaml").write_text(as_yaml(view), encoding="utf-8")
        assert [each.hash for each in load_views(tmp_path / "view.yaml")] == [view.hash]


def _example() -> Path:
    return Path(__file__).resolve().parents[2] / "examples" / "fraud-features" / "features.yaml"


def test_two_versions_are_compared_feature_by_feature(client: Client) -> None:
    said = text_of(client.get("/features/activity@2").text)
    assert "Against @1" in said
    assert "feature last_shop latest shop not there" in said and "feature last_amount latest amount latest amount / 100" in said
    assert "over 1w" in said and "over 2w" in said
    assert changes(ACTIVITY, ACTIVITY) == ()
    assert client.get("/features/activity@2?against=7").status == 404


def test_a_name_alone_leads_to_the_latest_version(client: Client) -> None:
    answer = client.get("/features/activity")
    assert (answer.status, answer.headers["location"]) == (303, "/features/activity@2")
    assert client.get("/features/nothing@1").status == 404


def test_a_view_is_released_by_a_person_who_may_on_a_replay_that_passed(bank_made: tuple[Path, Bank], tmp_path: Path) -> None:
    shutil.copytree(bank_made[0], tmp_path / "workspace")
    with open_workspace(tmp_path / "workspace", actor="ada", clock=ManualClock(NOW + 90_000_000)) as workspace:
        local = sign_in(workspace)
        assert "Release activity@2" in text_of(local.get("/features/activity@2").text)
        refused = local.post("/features/visitor@1/release")
        assert refused.status == 403 and "never replayed" in text_of(refused.text)
        for role in ("admin", "reviewer", "operator"):
            people.add_account(workspace, login=role, roles=[role], password="correct horse battery staple")
        for role, status in (("reviewer", 403), ("operator", 303)):
            person = Client(create_app(workspace))
            person.post("/login", {"login": role, "password": "correct horse battery staple"}, csrf=False)
            assert person.post("/features/activity@2/release").status == status
        assert ("Release activity@2" in text_of(person.get("/features/activity@2").text)) is False
        from pilotage.features import view_of

        assert is_released(workspace, view_of(workspace, "activity", 2))
        told = [entry for entry in entries(workspace) if entry.type == "features.released"][-1]
        assert (told.actor, told.subject) == ("operator", "activity@2")


# --- why this value ---------------------------------------------------------------------------------------------------------------------------------


def test_a_cell_of_a_training_set_leads_to_the_rows_behind_it(client: Client, bank: tuple[Workspace, Bank]) -> None:
    page = client.get("/features/training-sets/fraud/1?start=60").text
    (address, *_) = [one for one in links(page, r"/features/activity@1/inspect\?[^\"]+") if one.endswith("#feature-spent_7d")]
    answer = client.get(address.partition("#")[0])
    said = text_of(answer.text)
    assert answer.status == 200 and 'id="feature-spent_7d"' in answer.text
    assert "won the latest row known at the moment" in said and "superseded" in said
    assert "not yet happened" in said and "the row's own event, in a training set" in said
    assert "transactions@1" in said and "<svg" in answer.text
    assert "not shown: times_usual" in said


def test_what_was_not_yet_known_is_shown_with_how_long_it_took() -> None:
    from datetime import UTC, datetime

    import polars as pl

    from pilotage.features.inspect import explain

    def at(minute: int) -> datetime:
        return datetime.fromtimestamp(NOW / 1e6 + 60 * minute, UTC)

    rows = pl.DataFrame(
        {"card": ["a"] * 3, "at": [at(0), at(5), at(6)], "known_at": [at(1), at(20), at(7)], "amount": [1.0, 2.0, 3.0], "shop": ["x"] * 3}
    )
    found = explain(rows, ACTIVITY, {"card": "a"}, NOW + 10 * 60_000_000)
    drawn = draw(found, ACTIVITY)
    by_state = {lane.state: lane for lane in drawn.lanes}
    assert by_state["not-yet-known"].event < drawn.moment < by_state["not-yet-known"].known
    assert by_state["won"].known < drawn.moment and "10.0 min after the moment" in by_state["not-yet-known"].said
    assert all(0 <= place <= drawn.width for lane in drawn.lanes for place in (lane.event, lane.known))


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("", 200, "Name an entity and a moment"),
        ("entity.card=c1&at=yesterday", 422, "Not a moment"),
        ("entity.card=c1&at=2026-05-01T00:00:00", 422, "zone"),
        ("entity.card=&at=2026-05-01T00:00:00Z", 422, "Say which 'card'"),
        ("entity.card=c1&at=2026-05-01T00:00:00Z&source=nothing@3", 404, "nothing"),
        ("entity.card=nobody&at=2026-05-01T00:00:00Z", 200, "The source has no row of this entity"),
        ("of=fraud@1&row=999999", 404, "has no row"),
        ("of=buyers@1&row=0", 422, "does not hold the features"),
    ],
)
def test_the_inspector_says_what_is_wrong_and_keeps_the_form(client: Client, query: str, status: int, said: str) -> None:
    answer = client.get(f"/features/activity@1/inspect?{query}")
    assert answer.status == status and said in text_of(answer.text)
    assert 'name="entity.card"' in answer.text


# --- training sets ----------------------------------------------------------------------------------------------------------------------------------


def test_a_training_set_tells_what_it_was_made_of_and_what_was_left_out(client: Client, bank: tuple[Workspace, Bank]) -> None:
    said = text_of(client.get("/features/training-sets/fraud/1").text)
    assert "transactions@1" in said and ACTIVITY.hash[:8] in said and "by entity" in said and "seed 7" in said
    assert re.search(r"\d+ label not yet known at as_of", said) and "Left out of 300" in said
    assert "impute" in said and "one hot" in said and "pilotage features rebuild fraud@1" in said
    assert "pilotage features leaks fraud@1" in said
    train, test = (int(re.search(rf"{part} ([\d\u202f]+)", said)[1].replace("\u202f", "")) for part in ("train", "test"))  # type: ignore[index]
    assert train + test == bank[1].fraud.rows
    assert "not assessable" in text_of(client.get("/features/training-sets/buyers/1").text).partition("Leak probe")[2]


def test_a_leak_that_was_found_is_shown_with_what_it_costs(bank_made: tuple[Path, Bank], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.features import leaks

    score = leaks.Score(0.9, 0.8, 0.95, 90)
    found = leaks.LeakReport(
        "leak", (leaks.Leak(leaks.OWN_LABEL, f"activity.{CANARY}", 3, 90, "it counts itself"),), "auc", score, score, score, 90, 0
    )
    monkeypatch.setattr(leaks, "probe_leaks", lambda *_, **__: found)
    shutil.copytree(bank_made[0], tmp_path / "workspace")
    with open_workspace(tmp_path / "workspace", actor="ada", clock=ManualClock(NOW + 90_000_000)) as workspace:
        assert leaks.probe_training_set(workspace, "fraud@1", keep=True) == found
        page = sign_in(workspace).get("/features/training-sets/fraud/1").text
    said = text_of(page)
    assert "own label in the window" in said and "promised and not kept 0.9000 [0.8000, 0.9500] 90" in said and "3 of 90" in said
    assert "<script>alert" not in page


def test_what_is_no_training_set_is_refused(client: Client) -> None:
    assert client.get("/features/training-sets/transactions/1").status == 422
    assert client.get("/features/training-sets/nothing/1").status == 404
    assert "Back to the first" in text_of(client.get("/features/training-sets/fraud/1?start=100000").text)


# --- skew -------------------------------------------------------------------------------------------------------------------------------------------


def test_a_skew_report_names_the_cause_with_its_evidence_and_the_trend(client: Client, bank: tuple[Workspace, Bank]) -> None:
    _, lagged = bank[1].reports
    answer = client.get(f"/features/skew/{lagged}")
    said = text_of(answer.text)
    assert "staleness" in said and "values looked into it explains" in said and "10 entities" in said
    assert "differing values of spent_7d over 2 reports" in answer.text
    assert re.search(r"0\.\d+ \[0\.\d+, ", said) and links(answer.text, '/evidence/[^"]+')
    assert text_of(client.get("/features/skew").text).count("activity@1") >= 3
    assert client.get("/features/skew/sk_nothing").status == 404
    assert "No report of x" in text_of(client.get("/features/skew?view=x").text)


# --- streams ----------------------------------------------------------------------------------------------------------------------------------------


def test_streams_tell_their_lag_their_late_events_and_who_holds_them(client: Client) -> None:
    said = text_of(client.get("/features/streams").text)
    assert "streamed@1" in said and "worker-7" in said and "lease ran out" in said and "1 min 30 s" in said
    detail = text_of(client.get("/features/streams/streamed@1").text)
    assert "2 events wait" in detail and "Nobody works this stream" in detail
    assert detail.count("masked") >= 1, "the view is not registered: nobody has said whether its key is personal"
    assert client.get("/features/streams/activity@1").status == 404


# --- all of them ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_hostile_text_stays_text_and_personal_data_stays_masked(client: Client, bank: tuple[Workspace, Bank], page: str) -> None:
    answer = client.get(page.format_map(vars(bank[1])))
    assert answer.status == 200
    assert CANARY not in answer.text and "<script>alert" not in answer.text
    assert "grace-" not in answer.text
    assert answer.text.count("<h1") == 1


def test_hostile_text_is_escaped_where_it_is_shown(client: Client, bank: tuple[Workspace, Bank]) -> None:
    for address in (
        "/features/activity@1",
        f"/features/skew/{bank[1].reports[1]}",
        f"/features/activity@1/inspect?entity.card={CANARY}&at=2026-05-20T00:00:00Z",
    ):
        assert "&lt;script&gt;" in client.get(address.replace("<", "%3C").replace(">", "%3E")).text, address


def test_the_inspector_keeps_a_personal_key_out_of_addresses_until_somebody_asked_to_see_it(client: Client) -> None:
    page = client.get("/features/training-sets/buyers/1").text
    address = links(page, r"/features/visitor@1/inspect\?[^\"]+")[0]
    assert "grace" not in address and "of=buyers%401" in address
    hidden = client.get(address.partition("#")[0])
    assert hidden.status == 200 and "grace-" not in hidden.text and "masked: made of personal data" in text_of(hidden.text)
    for dataset in ("visits", "buyers"):
        assert client.post(f"/data/{dataset}/1/personal").status == 303
    assert "grace-" in client.get(address.partition("#")[0]).text
    assert "grace-" in client.get("/features/training-sets/buyers/1").text


def test_an_empty_workspace_says_what_to_do_first(newcomer: Client) -> None:
    for address, command in (
        ("/features", "pilotage features register"),
        ("/features/training-sets", "pilotage features train"),
        ("/features/skew", "pilotage features skew"),
        ("/features/streams", "pilotage features stream"),
    ):
        answer = newcomer.get(address)
        assert answer.status == 200 and command in text_of(answer.text)


def test_without_the_extra_a_page_says_which_to_install(newcomer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    for address in ("/features", "/features/training-sets/x/1", "/features/skew", "/features/streams", "/api/v1/features/views"):
        answer = newcomer.get(address)
        assert answer.status == 503 and "pilotage[tables]" in text_of(answer.text)


def test_the_application_starts_without_the_extra() -> None:
    import subprocess

    code = "import sys; sys.modules['polars'] = sys.modules['lance'] = sys.modules['pyarrow'] = None; import pilotage.server.app"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
