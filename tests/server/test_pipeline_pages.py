"""The pages of pipelines: ticks, deliveries, decisions, models, and what people do about them."""

from __future__ import annotations

import re
from typing import Any

from browserless import Client, sign_in

from pilotage import people
from pilotage.ledger import entries
from pilotage.pipelines import champion, load_run
from pilotage.server import create_app
from pilotage.server.queries.paging import Turn
from pilotage.server.queries.pipelines import find_pipeline, list_deliveries, list_runs
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"
HERE = "/pipelines/card-fraud"


def in_words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_the_list_says_where_each_stands_and_what_waits_for_whom(looking: Client, has: Any) -> None:
    text = looking.get("/pipelines").text
    assert 'href="/pipelines/card-fraud"' in text and "failed" in text and has.champion[:12] in text
    said = in_words(text)
    assert "1 delivery is held (owner)" in said and "a challenger has won and is not promoted yet (owner)" in said


def test_a_tick_is_a_row_and_each_step_a_cell(looking: Client, has: Any) -> None:
    text = looking.get(HERE).text
    assert len(re.findall(r'data-row href="/pipelines/card-fraud/runs/', text)) == 3
    said = in_words(text)
    for words in ("1 taken, 1 held", "a model of 101 rows", "It could not be trained", "nothing since Monday", "not begun"):
        assert words in said
    grid = text[text.index("ticks") :]
    assert 'class="cell wait' in grid and 'class="cell bad' in grid and 'class="cell good' in grid


def test_a_decision_shows_every_trigger_with_its_figure_interval_and_limit(looking: Client, has: Any) -> None:
    said = in_words(looking.get(HERE).text)
    assert "realised fall fires 0.08 [0.060, 0.100] 0.05" in said and "schedule quiet 1.0 d none 28.0 d" in said
    assert "mr_1" in looking.get(HERE).text


def test_a_challenge_shows_the_gain_with_its_interval_and_margin(looking: Client, has: Any) -> None:
    said = in_words(looking.get(HERE).text)
    assert "+0.0200 [+0.0110, +0.0290], margin 0.005" in said and "4 321" in said and "waits for a person" in said


def test_hostile_text_stays_text_on_every_page(looking: Client, has: Any) -> None:
    for address in ("", "/deliveries", f"/runs/{has.done}", f"/runs/{has.failed_run}"):
        text = looking.get(HERE + address).text
        assert "&lt;script&gt;" in text and "<script>alert" not in text and "<img src=x" not in text and "{{" not in text.replace("{{7*7}}", "")


def test_deliveries_are_listed_by_state_and_lead_to_their_batches(looking: Client, has: Any) -> None:
    assert f"/data/batches/{has.changed}" in looking.get(f"{HERE}/deliveries?state=held").text
    given_up = looking.get(f"{HERE}/deliveries?state=poisoned").text
    assert "broken.csv" in given_up and has.changed not in given_up
    assert "No delivery is like that" in looking.get(f"{HERE}/deliveries?state=failing").text


def test_a_run_shows_what_each_step_said_or_why_it_did_not(looking: Client, has: Any) -> None:
    said = in_words(looking.get(f"{HERE}/runs/{has.done}").text)
    assert "payments@" in said and "Champion kept" in said and "1 taken, 1 held" in said and "realised fall fires 0.08" in said
    failed = looking.get(f"{HERE}/runs/{has.failed_run}").text
    assert "It could not be trained" in failed and "Let it be tried again" in failed


def test_an_owner_promotes_a_model_with_a_reason(deciding: Workspace, has: Any) -> None:
    client = sign_in(deciding)
    assert client.post(f"{HERE}/promote", {"model": has.challenger, "reason": ""}).status == 422
    assert client.post(f"{HERE}/promote", {"model": "mdl_nothing", "reason": "why not"}).status == 404
    assert client.post(f"{HERE}/promote", {"model": has.challenger, "reason": "it sees the new fraud"}).status == 303
    serving = champion(deciding, "card-fraud")
    assert serving is not None and serving.id == has.challenger
    assert client.post(f"{HERE}/promote", {"model": has.challenger, "reason": "again"}).status == 409
    assert "it sees the new fraud" in client.get(HERE).text and "not promoted yet" not in client.get("/pipelines").text


def test_what_is_decided_has_the_name_of_whoever_is_signed_in(deciding: Workspace, has: Any) -> None:
    people.add_account(deciding, login="grace", roles=["owner", "admin"], password=PASSWORD)
    client = Client(create_app(deciding))
    client.post("/login", {"login": "grace", "password": PASSWORD}, csrf=False)
    client.post(f"{HERE}/promote", {"model": has.challenger, "reason": "it is better"})
    client.post(f"{HERE}/runs/{has.failed_run}/retry", {"reason": "the disk has room again"})
    assert [one.actor for one in entries(deciding, type="model.promoted")][-1] == "grace"
    assert [(one.actor, one.body["reason"]) for one in entries(deciding, type="pipeline.retry")] == [("grace", "the disk has room again")]


def test_a_token_promotes_nothing(deciding: Workspace, has: Any) -> None:
    owner = people.add_account(deciding, login="grace", roles=["owner", "admin"], password=PASSWORD)
    token = people.issue_token(deciding, owner, name="ci").token
    client = Client(create_app(deciding), headers={"authorization": f"Bearer {token}", "accept": "application/json"})
    assert client.post(f"{HERE}/promote", {"model": has.challenger, "reason": "a machine says so"}, csrf=False).status == 403
    serving = champion(deciding, "card-fraud")
    assert serving is not None and serving.id == has.champion


def test_a_failed_run_is_let_go_on_and_no_other(deciding: Workspace, has: Any) -> None:
    client = sign_in(deciding)
    assert client.post(f"{HERE}/runs/{has.done}/retry", {"reason": "once more"}).status == 409
    assert client.post(f"/pipelines/other/runs/{has.failed_run}/retry", {"reason": "once more"}).status == 404
    assert client.post(f"{HERE}/runs/{has.failed_run}/retry", {"reason": " "}).status == 422
    assert len(load_run(deciding, has.failed_run).steps) == 5
    assert client.post(f"{HERE}/runs/{has.failed_run}/retry", {"reason": "mended"}).status == 303
    assert len(load_run(deciding, has.failed_run).steps) == 4


def test_ticks_and_deliveries_are_turned_by_key(deciding: Workspace) -> None:
    first = list_runs(deciding, "card-fraud", turn=Turn(size=2))
    rest = list_runs(deciding, "card-fraud", turn=Turn(size=2, after=first.next))
    assert [len(first.rows), len(rest.rows)] == [2, 1] and rest.next is None
    assert [one.key[:10] for one in [*first.rows, *rest.rows]] == ["2025-01-20", "2025-01-13", "2025-01-06"]
    one, two = (list_deliveries(deciding, "card-fraud", turn=Turn(size=2)), list_deliveries(deciding, "card-fraud", turn=Turn(size=2)).next)
    assert len(one.rows) == 2 and len(list_deliveries(deciding, "card-fraud", turn=Turn(size=2, after=two)).rows) == 1


def test_a_missing_feed_is_named(deciding: Workspace) -> None:
    from pilotage.pipelines.workflow import Hold, Step, advance

    def hold(context: Any) -> dict[str, Any]:
        raise Hold("payments: nothing since Monday; due every 7d, waited 1d longer; loans: nothing since May; due every 7d, waited 1d longer")

    advance(deciding, pipeline="late", key="2025-02-01T00:00:00.000Z", declared="d", steps=[Step("deliver", hold)])
    assert set(find_pipeline(deciding, "late").missing) == {"payments", "loans"}
    assert "nothing since May" in sign_in(deciding).get("/pipelines/late").text


def test_without_pipelines_the_page_says_what_to_do_first(newcomer: Client) -> None:
    assert "pilotage pipeline run" in newcomer.get("/pipelines").text
    for address in ("/pipelines/nothing", "/pipelines/nothing/deliveries", "/pipelines/nothing/runs/x"):
        assert newcomer.get(address).status == 404
