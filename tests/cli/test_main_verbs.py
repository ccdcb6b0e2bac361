"""init, show, run, status, gate, sign: what they print, and what their exit codes say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

NAME = "support-assistant"
ROOT = Path(__file__).resolve().parents[2]


def test_the_first_run_makes_the_workspace_and_stops_at_review(terminal: Terminal) -> None:
    pilot = terminal.make_pilot()
    said = terminal("run", str(pilot))
    assert "waiting" in said.out
    assert f"pilotage review answer {NAME}" in said.out
    assert (terminal.workspace / "pilotage.db").exists()
    assert terminal("run", str(pilot)).out.splitlines()[-1] == said.out.splitlines()[-1]


def test_init_twice_is_one_workspace(terminal: Terminal) -> None:
    assert terminal("init").out == terminal("init").out


def test_show_prints_every_default_and_its_json_parses(terminal: Terminal) -> None:
    pilot = str(terminal.make_pilot())
    assert "timeout_s: 60.0" in terminal("show", pilot).out
    shown = terminal("show", pilot, "--json").json
    assert shown["target"]["timeout_s"] == 60.0
    assert len(shown["digest"]) == 64
    assert not terminal.workspace.exists()  # looking makes nothing


def test_status_without_a_workspace_says_what_comes_first(terminal: Terminal) -> None:
    said = terminal.refused("status", code=2)
    assert "no workspace here yet" in said
    assert "pilotage run pilot.yaml" in said
    assert not terminal.workspace.exists()


def test_status_of_an_empty_workspace_says_what_comes_first(terminal: Terminal) -> None:
    terminal("init")
    assert "pilotage run pilot.yaml" in terminal("status").out


def test_status_says_where_it_stands_and_its_json_parses(at: Any) -> None:
    terminal = at("waiting")
    assert "waits: 5 items" in terminal("status").out
    (shown,) = terminal("status", NAME, "--json").json
    assert shown["steps"]["review"]["state"] == "waiting"
    assert shown["decision"] is None
    assert len(shown["waits"]) == 1


def test_status_of_a_pilot_nobody_knows(at: Any) -> None:
    assert "no pilot named 'other'" in at("waiting").refused("status", "other", code=2)


@pytest.mark.parametrize(("stands", "code", "says"), [("pass", 0, "GO"), ("fail", 1, "NO-GO"), ("waiting", 3, "evidence is missing")])
def test_gate_exits_as_a_build_needs_it(at: Any, stands: str, code: int, says: str) -> None:
    terminal = at(stands)
    assert says in terminal("gate", NAME, expect=code).out
    shown = terminal("gate", NAME, "--json", expect=code).json
    assert {gate["gate"] for gate in shown["gates"]} == {"safety", "helpfulness"}


def test_gate_exits_2_where_the_evidence_does_not_decide(at: Any) -> None:
    from pilotage.ledger import open_workspace
    from small_pilot import Small

    terminal = at("pass")
    terminal.change("attack.success_rate, at_most: 0.8", "attack.success_rate, at_most: 0.2", "gates.yaml")
    with open_workspace(terminal.workspace) as workspace:
        small = Small.__new__(Small)
        small.workspace, small.folder = workspace, terminal.pilot
        from small_pilot import Desk

        small.desk = Desk(terminal.pilot, weak=False)
        small.advance()
    assert "about n =" in terminal("gate", NAME, expect=2).out


def test_gate_without_a_workspace_or_a_pilot_is_missing_evidence_and_not_an_undecided_gate(terminal: Terminal) -> None:
    assert "no workspace here" in terminal.refused("gate", NAME, code=3)
    terminal("init")
    assert "no pilot named" in terminal.refused("gate", NAME, code=3)


def test_signing_a_go(at: Any) -> None:
    terminal = at("pass")
    assert "signed go as owner by captain" in terminal("sign", NAME, "--role", "owner", "--decision", "go").out
    assert "signed go as owner" in terminal("sign", NAME, "--role", "owner", "--decision", "go").out  # twice is once
    assert "'auditor'" in terminal("status").out
    assert "'owner'" not in terminal("status").out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--role", "owner", "--decision", "go"), 1, "A go cannot be signed"),
        (("--role", "owner", "--decision", "no-go"), 2, "needs a note"),
        (("--role", "operator", "--decision", "no-go", "--note", "x"), 1, "asks for no signature"),
        (("--role", "emperor", "--decision", "no-go", "--note", "x"), 1, "does not hold the role"),
        (("--role", "owner", "--decision", "perhaps"), 2, "'go' or 'no_go'"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(at: Any, words: tuple[str, ...], code: int, says: str) -> None:
    assert says in at("fail").refused("sign", NAME, *words, code=code)


def test_where_there_are_accounts_one_signs_with_a_password_and_in_a_role_one_holds(at: Any) -> None:
    terminal = at("pass")
    terminal("user", "add", "ines", "--role", "owner", "--password-stdin", typed="correct horse battery\n")
    signing = ("sign", NAME, "--decision", "go", "--role")
    assert "wrong" in terminal("--as", "ines", *signing, "owner", typed="guess\n", expect=1).err
    assert "does not hold the role 'auditor'" in terminal("--as", "ines", *signing, "auditor", typed="correct horse battery\n", expect=1).err
    assert "by ines" in terminal("--as", "ines", *signing, "owner", typed="correct horse battery\n").out


def test_another_target_needs_its_own_authorisation(terminal: Terminal) -> None:
    pilot = str(terminal.make_pilot())
    assert "needs its own authorisation" in terminal.refused("run", pilot, "--target", "http://127.0.0.1:9/v1", code=1)


def test_a_malformed_target_is_refused(terminal: Terminal) -> None:
    pilot = str(terminal.make_pilot())
    said = terminal.refused("run", pilot, "--target", "http://[broken", "--authorisation", "us", code=2)
    assert "malformed" in said
    assert not terminal.workspace.exists()


def test_the_declared_key_is_not_sent_to_another_target(terminal: Terminal) -> None:
    from pilotage.cli.pilot import _replacement
    from pilotage.readiness import load_pilot

    pilot = terminal.make_pilot()
    terminal.change("  temperature: 0", "  api_key_env: PROD_KEY\n  temperature: 0")
    assert load_pilot(pilot).declaration.target.api_key_env == "PROD_KEY"
    elsewhere = load_pilot(pilot, target=_replacement("http://127.0.0.1:9/v1", None, None, "us"))
    assert elsewhere.declaration.target.api_key_env is None
    named = load_pilot(pilot, target=_replacement("http://127.0.0.1:9/v1", None, "THEIR_KEY", "us"))
    assert named.declaration.target.api_key_env == "THEIR_KEY"


def test_help_and_the_package_load_nothing_heavy() -> None:
    heavy = (
        "numpy",
        "scipy",
        "sklearn",
        "pyarrow",
        "sqlalchemy",
        "alembic",
        "pydantic",
        "fastapi",
        "starlette",
        "aiohttp",
        "uvicorn",
        "cryptography",
    )
    program = f"""
import sys
sys.argv = ["pilotage", "--help"]
from pilotage.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, loaded
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    assert "review" in done.stdout


@pytest.mark.parametrize("noun", ["data", "runs", "review", "findings", "practice", "ledger", "user"])
def test_every_noun_has_help(terminal: Terminal, noun: str) -> None:
    assert "Usage: pilotage " + noun in terminal(noun, "--help").out


def test_as_a_process_of_its_own_an_error_is_four_lines_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pilotage", "run", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "error: The file nowhere does not exist."
    assert "  where: nowhere" in done.stderr
    assert "  mend: " in done.stderr
    assert list(tmp_path.iterdir()) == []
