"""Assessments on the pages: the spectrum, the four questions, what they come to, signing, and what changed."""

from __future__ import annotations

from typing import Any

import pytest
from browserless import TOKEN, Client, sign_in
from routing_workspace import CATEGORY, HOSTILE, Routed

from pilotage import people
from pilotage.ledger import entries
from pilotage.review.assessment import assessments, due_assessments
from pilotage.server import create_app
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"
ANSWERS = {
    "category": CATEGORY,
    "model": "shop-assistant-7",
    "severity": "minor",
    "reversible": "yes",
    "detected": "at_once",
    "defined": "executable",
    "check": "make check",
    "at_most": "0.05",
    "accountable": "none",
    "valid_for": "90d",
}


@pytest.fixture(scope="module")
def client(routed: Workspace) -> Client:
    return sign_in(routed)


@pytest.fixture(scope="module")
def has(routed_made: tuple[Any, Routed]) -> Routed:
    return routed_made[1]


def as_role(workspace: Workspace, role: str) -> Client:
    people.add_account(workspace, login=role, roles=[role], password=PASSWORD)
    signed = Client(create_app(workspace, local_token=TOKEN))
    assert signed.post("/login", {"login": role, "password": PASSWORD}, csrf=False).status == 303
    return signed


def answered(has: Routed, **changes: str) -> dict[str, str]:
    return {**ANSWERS, "mean": has.evidence, "worst_slice": has.evidence, "role": "owner", **changes}


def test_each_category_and_slice_shows_its_level_on_the_spectrum_and_what_is_due(client: Client) -> None:
    text = client.get("/routing/assessments").text
    assert "on the loop: step 3 of 6" in text and "in the loop: step 4 of 6" in text
    assert "language=fr" in text and "the audit raised an alarm" in text and "law_oversight" in text
    assert "1 of 2 must be made again" in text


def test_without_any_the_page_says_what_to_do_first(newcomer: Client) -> None:
    text = newcomer.get("/routing/assessments").text
    assert "Nothing is assessed yet" in text and "Answer the four questions" in text


def test_a_record_shows_every_rule_the_evidence_and_what_changed(client: Client, has: Routed) -> None:
    text = client.get(f"/routing/assessments/{has.assessment}").text
    assert text.count('class="fired"') == 2 and text.count('class="idle"') > 15
    assert f'href="/evidence/{has.evidence}"' in text
    assert "cost.severity" in text and "negligible" in text  # against the one before
    assert "&lt;script&gt;evil()" in text and HOSTILE not in text
    assert client.get("/routing/assessments/asm_nothing").status == 404


def test_an_earlier_record_says_which_one_holds_now(client: Client, routed: Workspace, has: Routed) -> None:
    first = next(one for one in assessments(routed, all_versions=True) if one.number == 1 and not one.slice)
    text = client.get(f"/routing/assessments/{first.id}").text
    assert "replaced" in text and f"/routing/assessments/{has.assessment}" in text
    assert "Assess again" not in text


def test_the_outcome_says_what_is_not_answered_and_then_what_the_rules_say(client: Client, has: Routed) -> None:
    assert "how well &#39;correct&#39; is defined" in client.get("/routing/assessments/outcome?category=x").text
    query = "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in answered(has).items())
    text = client.get(f"/routing/assessments/outcome?{query}").text
    assert '<p class="outcome-level">automatic</p>' in text and "1.3&nbsp;% wrong" in text and "23 rules did not fire" in text
    graver = client.get(f"/routing/assessments/outcome?{query.replace('reversible=yes', 'reversible=no')}").text
    assert '<p class="outcome-level">automatic with audit</p>' in graver and "for_good" in graver
    assert "There is no evidence ev_none." in client.get(f"/routing/assessments/outcome?{query.replace(has.evidence, 'ev_none')}").text


def test_the_same_outcome_is_there_without_script(client: Client, has: Routed) -> None:
    query = "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in answered(has).items())
    text = client.get(f"/routing/assessments/new?{query}").text
    assert '<p class="outcome-level">automatic</p>' in text and 'value="make check"' in text


def test_signing_keeps_a_record_of_the_one_slice_that_was_looked_at(routed_copy: Workspace, has: Routed) -> None:
    client = sign_in(routed_copy)
    before = len(assessments(routed_copy, all_versions=True))
    answer = client.post("/routing/assessments", answered(has, slice="language=en", note="seen by two"))
    assert answer.status == 303
    made = assessments(routed_copy, all_versions=True)
    assert len(made) == before + 1
    (new,) = [one for one in made if one.slice == "language=en"]
    assert answer.headers["location"] == f"/routing/assessments/{new.id}"
    assert (new.level, new.signed_by, new.role) == ("automatic", "ada", "owner")
    assert new.profile["mean"]["evidence"] == has.evidence and new.profile["mean"]["n"] == 900
    assert [one.category for one in due_assessments(routed_copy)] == [CATEGORY]  # the category itself stays due
    assert client.get(answer.headers["location"]).status == 200


def test_assessing_again_begins_with_the_answers_before(client: Client, has: Routed) -> None:
    text = client.get(f"/routing/assessments/new?from={has.assessment}").text
    assert "Assess again" in text and f'<option value="{has.evidence}" selected>' in text
    assert 'value="with_effort" checked' in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mean": ""}, "how well it does on average"),
        ({"at_most": "much"}, "is no number"),
        ({"slice": "german"}, "This is no slice"),
        ({"accountable": "oversight"}, "name the &#39;rule&#39;"),
        ({"mean": "none"}, "says why"),
        ({"amount": "12.5", "currency": "EUR"}, "is no whole number"),
        ({"valid_for": "soon"}, "valid_for"),
        ({"role": "admin"}, "Say in which role"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_lost_of_the_form(
    client: Client, routed: Workspace, has: Routed, changes: dict[str, str], said: str
) -> None:
    before = len(assessments(routed, all_versions=True))
    answer = client.post("/routing/assessments", answered(has, **changes))
    assert answer.status == 422 and said in answer.text
    assert 'value="make check"' in answer.text
    assert len(assessments(routed, all_versions=True)) == before


def test_an_amount_becomes_a_severity_and_the_graver_counts(routed_copy: Workspace, has: Routed) -> None:
    bands = {"amount": "60000", "currency": "EUR", "minor": "500", "moderate": "5000", "major": "50000", "critical": "500000"}
    answer = sign_in(routed_copy).post("/routing/assessments", answered(has, slice="language=es", **bands))
    made = next(one for one in assessments(routed_copy) if one.slice == "language=es")
    assert answer.status == 303 and made.profile["severity"] == "major" and made.level == "on_the_loop"


def test_asking_again_puts_it_in_doubt_with_a_reason(routed_copy: Workspace, has: Routed) -> None:
    client = sign_in(routed_copy)
    french = next(one for one in assessments(routed_copy) if one.slice == "language=fr")
    assert client.post(f"/routing/assessments/{french.id}/again", {"reason": " "}).status == 422
    assert client.post(f"/routing/assessments/{french.id}/again", {"reason": "the launch is over"}).status == 303
    assert [one.cause for one in due_assessments(routed_copy) if one.slice == "language=fr"] == ["asked"]
    assert "a person asked for it" in client.get(f"/routing/assessments/{french.id}").text
    assert "the launch is over" not in str([entry.body for entry in entries(routed_copy, type="assessment.due")])


def test_who_may_not_sign_sees_and_cannot_sign(routed_copy: Workspace, has: Routed) -> None:
    admin = as_role(routed_copy, "admin")
    assert "Your roles do not sign" in admin.get("/routing/assessments/new").text
    assert "Assess again" not in admin.get(f"/routing/assessments/{has.assessment}").text
    assert admin.post("/routing/assessments", answered(has)).status == 403
    auditor = as_role(routed_copy, "auditor")
    assert auditor.post("/routing/assessments", answered(has, role="owner")).status == 403  # a role they do not hold
    assert auditor.post("/routing/assessments", answered(has, role="auditor")).status == 303
