"""The monitor and the decisions on the pages: the watch of each slice, and what became of each output."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browserless import TOKEN, Client, sign_in
from routing_workspace import HOSTILE, NAME, OUTPUTS, PROJECT, Routed

from pilotage import people
from pilotage.judging import person
from pilotage.review import answer, claim
from pilotage.review.routing import monitor_states
from pilotage.server import create_app
from pilotage.server.queries.watch_drawing import draw_stack, draw_watch
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def client(routed: Workspace) -> Client:
    return sign_in(routed)


@pytest.fixture(scope="module")
def has(routed_made: tuple[Any, Routed]) -> Routed:
    return routed_made[1]


def test_the_monitor_shows_each_slice_against_the_contract_and_the_alarm(client: Client, routed: Workspace) -> None:
    text = client.get("/routing/monitor").text
    german = next(one for one in monitor_states(routed, NAME) if one.slice == "language=de")
    assert "Alarm in language=de" in text and "at least in the loop" in text and "must be made again" in text
    assert german.error_rate is not None and f"{100 * german.error_rate:.2f}&nbsp;% wrong" in text
    assert f"{german.audited} audits" in text and "alarm at 20" in text and "was reached" in text and "was not reached" in text
    assert "above_threshold" in text and "pattern:iban" in text and "not enough seeds" in text
    assert f"{OUTPUTS} decisions" in text and "of 60" in text
    assert HOSTILE not in text


def test_nothing_routed_yet_says_what_to_do_first(newcomer: Client) -> None:
    assert "Nothing is routed yet" in newcomer.get("/routing/monitor").text
    assert "Nothing is routed yet" in newcomer.get("/routing/decisions").text
    assert newcomer.get("/routing/monitor?policy=none").status == 404


def test_counting_takes_in_what_was_answered_since(routed_copy: Workspace) -> None:
    client = sign_in(routed_copy)
    before = sum(one.audited for one in monitor_states(routed_copy, NAME))
    rita = person("rita")
    while claimed := claim(routed_copy, PROJECT, rita, 50):
        for task in claimed:
            answer(routed_copy, task.task_id, rita, {"correct": "yes"}, idempotency_key=f"late-{task.task_id}")
    assert client.post("/routing/monitor/count", {"policy": NAME}).status == 303
    assert sum(one.audited for one in monitor_states(routed_copy, NAME)) > before
    assert client.post("/routing/monitor/count", {"policy": "none"}).status == 404


def test_decisions_are_paged_by_key_and_filtered(client: Client, has: Routed) -> None:
    seen: list[str] = []
    address = f"/routing/decisions?policy={NAME}&size=200"
    while True:
        text = client.get(address).text
        seen += re.findall(r'href="/routing/decisions/(rte_\w+)"', text)
        further = re.search(r'rel="next" href="([^"]*)"', text)
        if further is None:
            break
        address = further[1].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == OUTPUTS
    blocked = client.get(f"/routing/decisions?policy={NAME}&action=block&size=500").text
    assert has.blocked in blocked and 'chip good">accept' not in blocked
    assert "language=de" not in re.sub(r"<select.*?</select>", "", client.get(f"/routing/decisions?slice=-&policy={NAME}").text, flags=re.S)
    assert client.get("/routing/decisions?audited=yes").text.count(">drawn<") > 20
    assert "No decision like that" in client.get("/routing/decisions?held=yes").text
    assert client.get("/routing/decisions?policy=none").status == 404


def test_a_decision_tells_what_was_known_why_and_what_became_of_it(client: Client, has: Routed) -> None:
    text = client.get(f"/routing/decisions/{has.decision}").text
    assert "/routing/policies/refund-replies?version=1" in text and f"/routing/lab/{has.report}" in text
    assert "people answered" in text or "people have it" in text
    assert "customer_complaint &lt;script&gt;" in text and "never counted" in text and HOSTILE not in text
    assert f"/review/projects/{PROJECT}/items/" in text
    blocked = client.get(f"/routing/decisions/{has.blocked}").text
    assert "pattern:iban" in blocked and "was not kept" in blocked
    assert client.get("/routing/decisions/rte_none").status == 404


def test_who_reviews_does_not_learn_which_outputs_are_audits(routed_copy: Workspace, has: Routed) -> None:
    people.add_account(routed_copy, login="rob", roles=["reviewer"], password=PASSWORD)
    rob = Client(create_app(routed_copy, local_token=TOKEN))
    rob.post("/login", {"login": "rob", "password": PASSWORD}, csrf=False)
    assert rob.get("/routing/decisions").status == 403 and rob.get(f"/routing/decisions/{has.decision}").status == 403
    text = rob.get("/routing/monitor").text
    assert "/routing/decisions" not in text and "Count what was answered" not in text and "msg-" not in text


def test_the_drawn_way_reaches_the_line_where_the_watch_does() -> None:
    from pilotage.judging.calibration import Watch

    outcomes = [number % 4 == 0 for number in range(60)]
    watch = Watch(0.05).see_all(outcomes)
    drawn = draw_watch(outcomes, limit=0.05, alpha=0.05)
    assert watch.alarmed_at is not None and drawn.alarmed_at is not None
    assert drawn.alarmed_at == round(drawn.left + watch.alarmed_at / 60 * (drawn.right - drawn.left), 1)
    assert draw_watch([False] * 60, limit=0.05, alpha=0.05).alarmed_at is None
    assert draw_watch([True], limit=0.05, alpha=0.05).n == 1


def test_every_decision_is_in_one_bar() -> None:
    rows = [(1_700_000_000_000_000 + number * 37_000_000, "accept" if number % 3 else "block") for number in range(500)]
    drawn = draw_stack(rows, ("accept", "block"))
    assert sum(int(re.search(rf"(\d+) {kind}", bar.said)[1]) for bar in drawn.bars for kind in ("accept", "block") if kind in bar.said) == 500  # type: ignore[index]
    assert len(draw_stack(rows[:1], ("accept", "block")).bars) == 1
