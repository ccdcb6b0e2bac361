"""The main job end to end: run to the human step, review with keys only, train on the export, run again, and let the gates decide."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import Captain, review_with_keys

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def open_workbench(captain: Captain, browser: Any) -> tuple[Any, str]:
    _, found = captain.start("serve", "--port", "0", until=r"workbench: (http://127\.0\.0\.1:\d+)/\?token=(\S+)")
    address, token = found.groups()
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(f"{address}/?token={token}")
    return page, address


def serve_newest(captain: Captain) -> Any:
    process, _ = captain.start("practice", "serve", "--models", str(captain.models), "--port", "0", until=r"at (http://127\.0\.0\.1:\d+/v1)")
    return process, _.group(1)


def standing(captain: Captain) -> dict[str, Any]:
    (found,) = json.loads(captain.run("status", "--json"))
    return found


def once_round(captain: Captain, page: Any, address: str) -> dict[str, Any]:
    """Run to the human step, review, run on to the verdict, with the newest model served."""
    process, url = serve_newest(captain)
    target = ("--target", url, "--authorisation", "the test's own service")
    captain.run("run", str(captain.pilot), *target)
    assert standing(captain)["steps"]["review"]["state"] == "waiting"
    assert review_with_keys(page, address) > 0
    captain.run("run", str(captain.pilot), *target)
    captain.stop(process)
    return standing(captain)


def test_reviewed_failures_become_data_that_fixes_the_model_and_the_gates_pass(captain: Captain, browser: Any) -> None:
    captain.run("init")
    page, address = open_workbench(captain, browser)

    first = once_round(captain, page, address)
    assert first["decision"] is not None, json.dumps(first, indent=1)
    assert first["decision"]["outcome"] == "fail"
    assert first["steps"]["curate"]["counts"]["twins"] > 0
    export = first["steps"]["curate"]["links"]["exports"]["chat-sft"]
    captain.run("gate", "support-assistant", expect=1)

    captain.run("practice", "train", "--data", export, "--models", str(captain.models))
    second = once_round(captain, page, address)
    assert second["cycle"] == 2
    assert second["fingerprint"] != first["fingerprint"]
    assert second["decision"]["outcome"] == "pass", json.dumps(second["decision"], indent=1)
    captain.run("gate", "support-assistant")

    findings = captain.run("findings", "list", "support-assistant")
    assert "fixed" in findings
    assert not re.search(r"\b(new|confirmed|reopened)\b", findings)
    assert re.search(r"integrity\W+ok", captain.run("verify"))

    page.goto(f"{address}/pilots/support-assistant")
    assert "go" in page.locator("main").inner_text().lower()
    for role in ("owner", "auditor"):
        captain.run("sign", "support-assistant", "--role", role, "--decision", "go", "--note", "seen")
    page.reload()
    assert "captain" in page.locator("main").inner_text()
    assert standing(captain)["waits"] == []


def test_data_without_benign_twins_makes_a_model_that_refuses_too_much_and_fails(captain: Captain, browser: Any) -> None:
    captain.change("twins_per_attack: 0.5", "twins_per_attack: 0.0")
    captain.run("init")
    page, address = open_workbench(captain, browser)

    first = once_round(captain, page, address)
    assert first["steps"]["curate"]["counts"]["twins"] == 0
    assert "refuse harmless requests" in first["steps"]["curate"]["detail"]
    export = first["steps"]["curate"]["links"]["exports"]["chat-sft"]
    assert "learns to refuse too much" in captain.run("practice", "train", "--data", export, "--models", str(captain.models))

    second = once_round(captain, page, address)
    assert second["decision"]["outcome"] == "fail"
    helpfulness = next(gate for gate in second["decision"]["gates"] if gate["gate"] == "helpfulness")
    refusal = next(limit for limit in helpfulness["limits"] if limit["limit"]["metric"] == "over_refusal.rate")
    assert refusal["verdict"] == "fail"
    captain.run("gate", "support-assistant", expect=1)
