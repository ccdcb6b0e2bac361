"""Signing on the pilot's page: who is offered what, what is refused and how that is said, and what a change of the evidence does to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browserless import Answer, Client, sign_in

from pilotage import people
from pilotage.core import MICROSECONDS, ManualClock
from pilotage.ledger import create_workspace, entries, open_workspace
from pilotage.readiness import cycles, find_pilot_id
from pilotage.server import create_app
from pilotage.store import Workspace
from small_pilot import Small

PAGE = "/pilots/support-assistant"
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Stages:
    """The folders of a workspace whose pilot may not go live, and of the same one when it may."""

    no_go: Path
    go: Path


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    folder = tmp_path_factory.mktemp("stages")
    with create_workspace(folder / "workspace", actor="ada") as workspace:
        small = Small(workspace, folder / "pilot")
        small.to_the_verdict()
    shutil.copytree(folder / "workspace", folder / "no-go")
    with open_workspace(folder / "workspace", actor="ada") as workspace:
        small.workspace = workspace
        small.desk.weak = False
        small.to_the_verdict()
    return Stages(folder / "no-go", folder / "workspace")


@pytest.fixture
def no_go(stages: Stages, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(stages.no_go, tmp_path / "no-go")
    with open_workspace(tmp_path / "no-go", actor="ada") as workspace:
        yield workspace


@pytest.fixture
def go(stages: Stages, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(stages.go, tmp_path / "go")
    with open_workspace(tmp_path / "go", actor="ada") as workspace:
        yield workspace


def newest(workspace: Workspace) -> str:
    return cycles(workspace, find_pilot_id(workspace, "support-assistant"))[0].id


def press_sign(client: Client, workspace: Workspace, role: str, decision: str, note: str = "") -> Answer:
    form = {"cycle_id": newest(workspace), "role": role, "decision": decision, "note": note}
    return client.post(f"{PAGE}/sign", form)


def somebody(workspace: Workspace, login: str, *roles: str) -> Client:
    people.add_account(workspace, login=login, roles=list(roles), password=PASSWORD)
    client = Client(create_app(workspace))
    assert client.post("/login", {"login": login, "password": PASSWORD}, csrf=False).status == 303
    return client


def test_both_roles_sign_a_go_from_the_page(go: Workspace) -> None:
    client = sign_in(go)
    text = client.get(PAGE).text
    assert '<h2 id="verdict">Go</h2>' in text and "the owner&#39;s signature" in text and "the auditor&#39;s signature" in text
    answer = press_sign(client, go, "owner", "go", "read the findings")
    assert (answer.status, answer.headers["location"]) == (303, f"{PAGE}#sign")
    text = client.get(PAGE).text
    assert "read the findings" in text and "the owner&#39;s signature" not in text and "the auditor&#39;s signature" in text
    assert press_sign(client, go, "auditor", "go").status == 303
    text = client.get(PAGE).text
    assert "Nothing waits for people." in text and "Sign otherwise" in text
    assert [entry.body["role"] for entry in entries(go, type="pilot.signed")] == ["owner", "auditor"]


def test_no_signature_is_asked_for_while_a_gate_fails_and_the_page_says_so_before_anybody_tries(no_go: Workspace) -> None:
    text = sign_in(no_go).get(PAGE).text
    assert "no signature is asked for" in text and "signature</a>" not in text
    assert 'value="go" required disabled aria-describedby="go-refused"' in text and "A go cannot be signed now (NO-GO: a gate fails)" in text
    assert "What would change it" in text and "open findings" in text


def test_a_go_signed_all_the_same_is_refused_on_the_page_with_what_was_written_kept(no_go: Workspace) -> None:
    client = sign_in(no_go)
    answer = press_sign(client, no_go, "owner", "go", "I insist")
    assert answer.status == 403
    assert "A go cannot be signed: NO-GO" in answer.text and "evidence decides; a signature answers for it" in answer.text
    assert "I insist</textarea>" in answer.text
    assert not entries(no_go, type="pilot.signed")


def test_a_no_go_needs_a_note_and_is_then_on_record(no_go: Workspace) -> None:
    client = sign_in(no_go)
    assert "A no-go needs a note" in press_sign(client, no_go, "owner", "no_go", "  ").text
    assert press_sign(client, no_go, "owner", "no_go", "the canary leaks").status == 303
    assert "the canary leaks" in client.get(PAGE).text


def test_only_roles_that_one_holds_and_that_the_pilot_asks_for_are_offered(go: Workspace) -> None:
    auditor = somebody(go, "ann", "auditor", "reviewer", "admin")
    text = auditor.get(PAGE).text
    assert "You sign as <strong>auditor</strong>" in text and "<option" not in text
    operator = somebody(go, "olaf", "operator")
    text = operator.get(PAGE).text
    assert f'action="{PAGE}/sign' not in text and "You hold none of these roles" in text
    assert "asks for no signature of the role" in press_sign(operator, go, "operator", "go").text
    assert "does not hold the role" in press_sign(auditor, go, "owner", "go").text


def test_a_no_go_stands_against_passing_gates_until_a_later_signature_takes_its_place(go: Workspace) -> None:
    ann = somebody(go, "ann", "owner", "admin")
    assert "Sign otherwise" not in ann.get(PAGE).text
    assert press_sign(ann, go, "owner", "no_go", "not yet").status == 303
    text = ann.get(PAGE).text
    assert '<h2 id="verdict">No-go</h2>' in text and "But the owner signed no-go." in text and "Sign otherwise" in text
    assert press_sign(ann, go, "owner", "go").status == 303
    text = ann.get(PAGE).text
    assert '<h2 id="verdict">Go</h2>' in text and "A later signature stands in its place." in text and "not yet" in text


def test_a_signature_under_evidence_that_changed_is_shown_as_such_and_asked_for_again(stages: Stages, tmp_path: Path) -> None:
    shutil.copytree(stages.go, tmp_path / "old")
    with open_workspace(tmp_path / "old", actor="ada") as today:
        assert press_sign(sign_in(today), today, "owner", "go", "seen").status == 303
        later = ManualClock(today.clock.now_us() + 40 * 24 * 3600 * MICROSECONDS)  # the evidence may be 30 days old
    with open_workspace(tmp_path / "old", actor="ada", clock=later) as workspace:
        text = sign_in(workspace).get(PAGE).text
    assert "Signed an earlier state of the evidence" in text and "Not known" in text
    assert "<option>owner</option>" in text and "A go cannot be signed now" in text


def test_a_signature_is_only_taken_for_the_cycle_that_was_shown(go: Workspace) -> None:
    first = cycles(go, find_pilot_id(go, "support-assistant"))[1].id
    answer = sign_in(go).post(f"{PAGE}/sign", {"role": "owner", "decision": "no_go", "cycle_id": first, "note": "n"})
    assert answer.status == 409 and "Another cycle has begun" in answer.text


def test_nobody_signs_without_the_permission(go: Workspace) -> None:
    admin = somebody(go, "adam", "admin")
    assert press_sign(admin, go, "owner", "go").status == 403
    assert not entries(go, type="pilot.signed")
