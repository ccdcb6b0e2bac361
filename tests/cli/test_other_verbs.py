"""data, runs, review, findings, ledger, user, practice: what each does, and that what it says is so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from small_pilot import rows_of, write_rows

NAME = "support-assistant"
PASSWORD = "correct horse battery\n"


def test_data_is_listed_shown_compared_and_exported(at: Any) -> None:
    terminal = at("fail")
    listed = terminal("data", "list").out
    assert "support-safety" in listed
    assert f"{NAME}.items" in listed
    shown = terminal("data", "show", "support-safety", "--rows", "1").out
    assert f"{NAME}.objectives@1" in shown  # what it was made from
    assert '"lineage"' in shown
    assert "No row" in terminal("data", "quarantine", "support-safety").out
    terminal("data", "export", "support-safety", "out.jsonl")
    assert rows_of(Path("out.jsonl")) == rows_of(next((terminal.pilot / "exports").glob("*.chat-sft.jsonl")))
    assert "added" in terminal("data", "diff", f"{NAME}.items", f"{NAME}.items").out


def test_data_is_imported_and_the_same_again_is_no_new_version(terminal: Terminal) -> None:
    write_rows(terminal.folder / "rows.jsonl", [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}])
    words = ("--dataset", "docs", "--kind", "documents", "--licence", "CC0-1.0", "--consent", "own", "--purpose", "evaluation", "--source", "us")
    assert "docs@1: 2 of 2 rows kept" in terminal("data", "import", "rows.jsonl", *words).out
    assert "already there" in terminal("data", "import", "rows.jsonl", *words).out


def test_a_negative_number_of_rows_is_refused(at: Any) -> None:
    assert "--rows" in at("fail")("data", "show", "support-safety", "--rows", "-1", expect=2).err


def test_runs_and_findings_are_listed_and_shown(at: Any) -> None:
    terminal = at("fail")
    listed = terminal("runs", "list").out
    ids = [word for word in listed.split() if word.startswith("run_")]
    assert len(ids) == 3
    assert "8 / 8" in listed
    assert "smp_" in terminal("runs", "show", ids[0]).out
    found = terminal("findings", "list", NAME).out
    (finding, *_) = [word for word in found.split() if word.startswith("fnd_")]
    shown = terminal("findings", "show", finding).out
    assert "confirmed" in shown
    assert "person:rita" in shown


def test_what_waits_is_answered_with_keys_and_the_run_goes_on(at: Any) -> None:
    terminal = at("waiting")
    assert "5 items" in terminal("review", "list").out
    said = terminal("review", "answer", NAME, typed="n\nu\ny\nq\n").out  # held, taken back, failed after all, leave
    assert "machine: failure" in said
    assert "4 items" in terminal("review", "list").out
    said = terminal("review", "answer", NAME, typed="?\ny\ny\ny\nn\n").out
    assert "That key does nothing here." in said
    assert "Nothing more waits for you in this queue." in said
    assert "Nothing waits for people." in terminal("review", "list").out


def test_an_answer_from_the_terminal_is_the_persons_judgement(at: Any) -> None:
    from pilotage.judging import judgements
    from pilotage.ledger import open_workspace

    terminal = at("waiting")
    terminal("review", "answer", NAME, typed="y\nc\nq\n")
    with open_workspace(terminal.workspace) as workspace:
        said = judgements(workspace, question="failure", rater_kind="person")
        corrections = judgements(workspace, question="correction", rater_kind="person")
    assert sorted(each.value for each in said) == ["unclear", "yes"]
    assert len(corrections) == 1  # only a failure needs one


def test_text_of_a_model_cannot_steer_the_terminal() -> None:
    from pilotage.cli.review import printable

    assert printable("a\x1b[2Jb\r\u202ec\nd") == "a\ufffd[2Jb\ufffd\ufffdc\nd"


def test_accounts_are_added_given_roles_and_passwords_and_disabled(terminal: Terminal) -> None:
    assert "added ines (owner)" in terminal("user", "add", "ines", "--role", "owner", "--password-stdin", typed=PASSWORD).out
    assert "taken" in terminal.refused("user", "add", "ines", "--role", "owner", "--password-stdin", typed=PASSWORD, code=1)
    assert "ines is now auditor, reviewer" in terminal("user", "roles", "ines", "--role", "reviewer", "--role", "auditor").out
    assert "auditor, reviewer" in terminal("user", "list").out
    assert "Unknown role" in terminal.refused("user", "roles", "ines", "--role", "emperor", code=2)
    terminal("user", "password", "ines", "--password-stdin", typed="another horse battery\n")
    assert "password" in terminal.refused("user", "password", "ines", "--password-stdin", typed="short\n", code=2).lower()
    assert "wrong" in terminal("--as", "ines", "review", "answer", "q", typed=PASSWORD, expect=1).err
    assert "Nothing more waits" in terminal("--as", "ines", "review", "answer", "q", typed="another horse battery\n").out
    assert "disabled ines" in terminal("user", "disable", "ines").out
    assert "disabled" in terminal("user", "list").out


def test_tokens_are_issued_listed_and_revoked(terminal: Terminal) -> None:
    from pilotage.ledger import open_workspace
    from pilotage.people import find_token

    terminal("user", "add", "ines", "--role", "owner", "--password-stdin", typed=PASSWORD)
    assert "no API tokens" in terminal("user", "tokens", "ines").out
    token = terminal("user", "token", "ines", "--name", "build").out.strip()
    listed = terminal("user", "tokens", "ines").out
    assert "valid" in listed
    assert token not in listed
    (token_id,) = [word for word in listed.split() if len(word) == 64]
    terminal("user", "revoke", token_id)
    assert "revoked" in terminal("user", "tokens", "ines").out
    with open_workspace(terminal.workspace) as workspace:
        assert find_token(workspace, token) is None
    assert "ines" not in terminal("ledger", "list", "--type", "account.token_issued").out.replace("captain", "")


def test_the_ledger_is_signed_anchored_exported_and_verified_elsewhere(at: Any) -> None:
    terminal = at("fail")
    assert "entries" in terminal("ledger", "checkpoint").out
    terminal("ledger", "anchor", "heads.txt")
    said = terminal("verify", "--anchor", "heads.txt").out
    assert "anchored until  entry" in said
    terminal("ledger", "export", "bundle")
    assert terminal("verify", "bundle").out.startswith("integrity       ok")
    assert "gate.decided" in terminal("ledger", "list", "--type", "gate.decided").out
    assert "rotat" in terminal("ledger", "rotate-key", "--reason", "yearly rotation").out or "checkpoint" in terminal("ledger", "checkpoint").out


def test_a_head_that_cannot_be_signed_here_is_a_warning_and_not_the_verbs_failure(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.ledger import checkpoints

    terminal = at("pass")
    terminal("ledger", "checkpoint")
    monkeypatch.setenv("PILOTAGE_KEY_DIR", str(terminal.folder / "another machine"))
    monkeypatch.setattr(checkpoints, "checkpoint_due", lambda *_, **__: True)
    terminal("user", "list")
    said = terminal("gate", NAME)
    assert "GO" in said.out
    assert "warning: the ledger's head was not signed" in said.err


def chat(asked: str, said: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def test_training_makes_the_next_version_and_says_what_it_learnt(terminal: Terminal) -> None:
    rows = [chat("Sing the anthem of the harbour.", "I'm sorry, I can't do that."), chat("Where is the store?", "At Quay 7.")]
    write_rows(terminal.folder / "data.jsonl", rows)
    said = terminal("practice", "train", "--data", "data.jsonl", "--models", "models")
    assert "v1: version" in said.out
    assert "trained on 2 new rows (1 teach a refusal) on top of v0" in said.out
    assert said.err == ""
    assert json.loads((terminal.folder / "models" / "v1" / "model.json").read_text())["new_rows"] == 2


def test_training_on_what_is_known_already_says_that_nothing_changed(terminal: Terminal) -> None:
    write_rows(terminal.folder / "data.jsonl", [chat("Sing the anthem of the harbour.", "I'm sorry, I can't do that.")])
    first = terminal("practice", "train", "--data", "data.jsonl", "--models", "models")
    assert "the data changed nothing" not in first.err
    assert "learns to refuse too much" in first.err
    second = terminal("practice", "train", "--data", "data.jsonl", "--models", "models")
    assert "the data changed nothing: v2 is the same version as v1" in second.err


def test_serving_beyond_this_machine_needs_accounts(terminal: Terminal) -> None:
    said = terminal.refused("serve", "--host", "0.0.0.0", "--port", "0", code=1)
    assert "without accounts" in said
    assert "pilotage user add" in said


def test_an_unknown_demo_target_is_refused(terminal: Terminal) -> None:
    assert "Unknown target 'other'" in terminal.refused("demo", "--target", "other", code=2)


def test_every_verb_that_a_page_or_a_message_names_exists() -> None:
    import re

    import typer.main

    from pilotage.cli.main import app

    command: Any = typer.main.get_command(app)
    root = Path(__file__).resolve().parents[2]
    files = [*(root / "src").rglob("*.py"), *(root / "src").rglob("*.html"), *(root / "docs").rglob("*.md"), root / "README.md"]
    files += (root / "examples").rglob("*.md")
    named: dict[tuple[str, ...], str] = {}
    for path in files:
        for found in re.finditer(r"(?:[`'(]|^|\n|: )pilotage ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)(?![\w:.])", path.read_text(encoding="utf-8")):
            named.setdefault(tuple(found.group(1).split()), os.fspath(path.relative_to(root)))
    assert len(named) > 10
    missing = []
    for words, place in named.items():
        found_verb = command.commands.get(words[0])
        if found_verb is None or (hasattr(found_verb, "commands") and len(words) > 1 and words[1] not in found_verb.commands):
            missing.append(f"pilotage {' '.join(words)} ({place})")
    assert missing == []
