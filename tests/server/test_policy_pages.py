"""Policies on the pages: drafts with errors beside the line, what keeps one from being activated, and the acts of people."""

from __future__ import annotations

from typing import Any

import pytest
from browserless import TOKEN, Client, sign_in
from routing_workspace import CATEGORY, HOSTILE, NAME, OLGA, OTTO, POLICY, PROMPT, Routed
from sqlalchemy import func, select

from pilotage import people
from pilotage.core import parse_declared
from pilotage.judging.calibration import Costs, Limits, ReviewerError
from pilotage.review.assessment import assessment_of, record_assessment
from pilotage.review.routing import policies, policy_changes
from pilotage.review.routing.looking import take_look
from pilotage.review.routing.samples import load_sample
from pilotage.review.routing.tables import route_decision
from pilotage.server import create_app
from pilotage.server.queries.lab import recent_samples
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"
HERE = f"/routing/policies/{NAME}"


@pytest.fixture(scope="module")
def client(routed: Workspace) -> Client:
    return sign_in(routed)


@pytest.fixture(scope="module")
def has(routed_made: tuple[Any, Routed]) -> Routed:
    return routed_made[1]


def as_role(workspace: Workspace, login: str, *roles: str) -> Client:
    people.add_account(workspace, login=login, roles=list(roles) or [login], password=PASSWORD)
    signed = Client(create_app(workspace, local_token=TOKEN))
    assert signed.post("/login", {"login": login, "password": PASSWORD}, csrf=False).status == 303
    return signed


def assess_again(workspace: Workspace) -> None:
    text = f"""\
category: {CATEGORY}
model: shop-assistant-7
cost: {{severity: minor, reversible: yes, detected: at_once}}
correctness: {{defined: guideline}}
consistency:
  at_most: 0.05
  mean: {{estimate: 0.02, lower: 0.01, upper: 0.03, n: 900}}
  worst_slice: {{estimate: 0.03, lower: 0.01, upper: 0.045, n: 200}}
legal: {{accountable: none}}
"""
    record_assessment(workspace, assessment_of(parse_declared(text, file="a.yaml")), person=OLGA, role="owner")


def look_again(workspace: Workspace) -> str:
    sample = next(one for one in recent_samples(workspace) if one.model == "shop-assistant-7")
    limits, costs = Limits(risk=0.05, by="language"), Costs(error=1_200, review=90, reviewer=ReviewerError(6, 120))
    return take_look(
        workspace, load_sample(workspace, sample.id), category=CATEGORY, prompt=PROMPT, limits=limits, costs=costs, fit_share=0.3, person=OTTO
    ).id


def test_the_list_says_what_is_in_force_what_waits_and_what_is_tightened(client: Client, newcomer: Client) -> None:
    text = client.get("/routing/policies").text
    assert "v1" in text and "written by otto" in text and f'href="{HERE}?version=2"' in text and "language=de" in text
    empty = newcomer.get("/routing/policies").text
    assert "No policy yet" in empty and "/routing/lab" in empty


def test_what_is_in_force_is_told_slice_by_slice(client: Client) -> None:
    text = client.get(HERE).text
    assert ">active</span>" in text and "tightened" in text and "at least in the loop" in text
    assert "pattern:iban" in text and "sensitive:vulnerable" in text and "from 60 open tasks on" in text
    assert client.get(f"{HERE}?version=9").status == 404 and client.get("/routing/policies/none").status == 404


def test_a_draft_says_everything_that_keeps_it_from_being_activated_and_what_changed(client: Client) -> None:
    text = client.get(f"{HERE}?version=2").text
    assert text.count("is due again (alarm)") == 3 and "To the assessments" in text
    assert 'class="removed">-   audit: 0.3' in text and 'class="added">+   audit: 0.2' in text
    assert f"{HERE}/activate" not in text


def test_a_draft_on_a_report_is_written_and_kept(routed_copy: Workspace, has: Routed) -> None:
    client = sign_in(routed_copy)
    text = client.get(f"/routing/draft?report={has.report}").text
    assert f"report: {has.report}" in text and "slice: {language: de}" in text and "level: in_the_loop" in text
    answer = client.post("/routing/policies", {"text": POLICY.replace("policy: refund-replies", "policy: other").replace("\n", "\r\n")})
    assert (answer.status, answer.headers["location"]) == (303, "/routing/policies/other?version=1")
    assert "You wrote this version." in client.get("/routing/policies/other?version=1").text  # the local person holds every role, and still may not
    assert client.get(f"/routing/draft?policy={NAME}&version=2").text.count("audit: 0.2") == 1


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("contract: {error_rate: 0.05}", "contract: {error_rate: 2}", 6, "error_rate"),
        ("audit: 0.3", "audit: lots", 11, "slices"),
        ("  - slice: {}", "  - slice: {language: en}", 14, "here twice"),
        ("record: behind", "recorded: behind", 7, "recorded"),
        ("project: refunds", "project: none", None, "There is no project"),
        ("report: latest", f"report: cal_{'0' * 32}", None, "There is no calibration report"),
        ("audit: 0.4", f"audit: '{HOSTILE}'", 13, "slices"),
    ],
)
def test_what_does_not_fit_stands_beside_its_line(client: Client, routed: Workspace, before: str, after: str, line: int | None, said: str) -> None:
    answer = client.post("/routing/policies", {"text": POLICY.replace(before, after, 1)})
    assert answer.status in (404, 422) and said in answer.text and HOSTILE not in answer.text
    assert (f'<tr class="wrong"><th scope="row">{line}</th>' in answer.text) == (line is not None)
    assert len(policies(routed, name=NAME)) == 2


def test_an_output_is_tried_with_its_reasons_and_nothing_is_kept(client: Client, routed: Workspace) -> None:
    with routed.read() as conn:
        before = conn.execute(select(func.count()).select_from(route_decision)).scalar()
    sent = {
        "version": "1",
        "payload": '{"reply": "Yes."}',
        "confidence": "0.99",
        "slices": "language=en",
        "model": "shop-assistant-7",
        "prompt": "prompt-3",
    }
    text = client.post(f"{HERE}/try", sent).text
    assert 'chip good">accept' in text and "above_threshold" in text and "drawn" not in text
    fragment = client.post(f"{HERE}/try", {**sent, "payload": f"{HOSTILE} DE02120300000000202051"}, **{"hx-request": "true"}).text
    assert 'chip bad">block' in fragment and "pattern:iban" in fragment and "<html" not in fragment
    sensitive = client.post(f"{HERE}/try", {**sent, "context": '{"customer.vulnerable": true}'}).text
    assert "sensitive:vulnerable" in sensitive
    draft = client.post(f"{HERE}/try", {**sent, "version": "2"}).text
    assert "By v2." in draft
    for wrong in ({"confidence": "high"}, {"payload": "{"}, {"slices": "german"}, {"context": "[1]"}):
        assert client.post(f"{HERE}/try", {**sent, **wrong}).status == 422, wrong
    with routed.read() as conn:
        assert conn.execute(select(func.count()).select_from(route_decision)).scalar() == before


def test_an_owner_who_did_not_write_it_activates_once_everything_is_met(routed_copy: Workspace) -> None:
    owner = as_role(routed_copy, "olga", "owner")
    refused = owner.post(f"{HERE}/activate", {"version": "2"})
    assert refused.status == 403 and "Not activated" in refused.text and "due again" in refused.text
    assess_again(routed_copy)
    assert "Ready to be activated" in owner.get(f"{HERE}?version=2").text
    assert owner.post(f"{HERE}/activate", {"version": "2"}).status == 303
    assert [one.state for one in policies(routed_copy, name=NAME)] == ["retired", "active"]
    assert set(policy_changes(routed_copy, NAME)) == {"language=de"}  # what an alarm tightened stays tightened


def test_who_wrote_it_or_is_no_owner_is_told_so(routed_copy: Workspace) -> None:
    assess_again(routed_copy)
    author = as_role(routed_copy, "otto", "owner", "operator")
    text = author.get(f"{HERE}?version=2").text
    assert "You wrote this version." in text and f'action="{HERE}/activate"' not in text
    assert author.post(f"{HERE}/activate", {"version": "2"}).status == 403
    operator = as_role(routed_copy, "oskar", "operator")
    assert "You are no owner." in operator.get(f"{HERE}?version=2").text
    assert operator.post(f"{HERE}/activate", {"version": "2"}).status == 403
    reviewer = as_role(routed_copy, "reviewer")
    text = reviewer.get(HERE).text
    assert "Try an output" not in text and "/suspend" not in text
    assert reviewer.post(f"{HERE}/try", {"payload": "x"}).status == 403


def test_suspending_takes_a_reason_and_retiring_an_owner(routed_copy: Workspace) -> None:
    operator, owner = as_role(routed_copy, "oskar", "operator"), as_role(routed_copy, "olga", "owner")
    assert operator.post(f"{HERE}/suspend", {"reason": ""}).status == 422
    assert operator.post(f"{HERE}/suspend", {"reason": "complaints"}).status == 303
    assert "every output goes to people" in operator.get(HERE).text
    assert operator.post(f"{HERE}/retire", {"version": "1"}).status == 403
    assert owner.post(f"{HERE}/retire", {"version": "1"}).status == 303
    assert policies(routed_copy, name=NAME)[0].state == "retired"


def test_loosening_takes_a_fresh_report_a_reason_and_another_owner(routed_copy: Workspace, has: Routed) -> None:
    owner = as_role(routed_copy, "olga", "owner")
    assert "There is no routable report from after the alarm" in owner.get(HERE).text
    old = owner.post(f"{HERE}/loosen", {"slice": "language=de", "report": has.report, "reason": "mended"})
    assert old.status == 403 and "Not loosened" in old.text and "older than what tightened" in old.text
    fresh = look_again(routed_copy)
    assert f'<option value="{fresh}">' in owner.get(HERE).text
    assert owner.post(f"{HERE}/loosen", {"slice": "language=de", "report": fresh, "reason": " "}).status == 422
    answer = owner.post(f"{HERE}/loosen", {"slice": "language=de", "report": fresh, "reason": "the prompt was mended"})
    # Either the fresh look certifies the threshold in use, or the page says what would have to be drafted.
    assert answer.status == 303 or "draft a policy on the fresh report" in answer.text
    author = as_role(routed_copy, "otto", "owner", "operator")
    assert author.post(f"{HERE}/loosen", {"slice": "language=de", "report": fresh, "reason": "x"}).status == 403


def test_a_report_that_was_changed_is_said_and_nothing_is_hidden(routed_copy: Workspace, has: Routed) -> None:
    from sqlalchemy import update

    from pilotage.review.routing.tables import calibration_report

    routed_copy.write(
        lambda tx: tx.conn.execute(update(calibration_report).where(calibration_report.c.id == has.report).values(verdict="human_only"))
    )
    text = sign_in(routed_copy).get(HERE).text
    assert "does not match its own hash" in text and "Versions" in text
