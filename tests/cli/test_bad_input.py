"""What bad input gets: what, where (file, line, field), why and a mend; an exit code that is not 0; nothing half-written."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from small_pilot import rows_of, write_rows

NAME = "support-assistant"


@pytest.mark.parametrize(
    ("before", "after", "file", "code", "where", "says", "mend"),
    [
        ("purpose:", "porpoise:", "pilot.yaml", 2, "pilot.yaml:4 field 'porpoise'", "Unknown field 'porpoise'", "pilot, title, purpose"),
        ("  owner: Support", "  onwer: Support", "pilot.yaml", 2, "pilot.yaml:19 field 'target.onwer'", "Unknown field", "did you mean 'owner'?"),
        ("path: items.jsonl", "path: none.jsonl", "pilot.yaml", 2, "field 'data.items.path'", "'none.jsonl' does not exist", "create it"),
        ("gates: gates.yaml", "gates: none.yaml", "pilot.yaml", 2, "field 'gates'", "'none.yaml' does not exist", "create it"),
        ("title:", "pilot: again\ntitle:", "pilot.yaml", 2, "pilot.yaml:3 field 'pilot'", "here twice", "keep one"),
        ("audit_share: 0.01", "audit_share: .nan", "pilot.yaml", 2, "field 'review.audit_share'", "NaN", "give a number"),
        ("[direct, base64]", "[direct, base65]", "pilot.yaml", 2, "field 'attack.techniques[1]'", "no technique 'base65'", "base64"),
        ("formats: [", "folder: ../elsewhere\n  formats: [", "pilot.yaml", 2, "field 'curate.folder'", "outside the pilot's folder", "inside"),
        ("judge: {rubric: rubric.yaml}", "judge: {rubric: system.md}", "pilot.yaml", 2, "system.md:", "YAML", "mend"),
        ("authorisation: Our own", "authorised_by: Our own", "pilot.yaml", 2, "field 'target.authorised_by'", "Unknown field", "authorisation"),
        (
            "authorisation: Our own practice service on this machine; anybody who runs the demo may try it.",
            'authorisation: ""',
            "pilot.yaml",
            1,
            "pilot.yaml:20 field 'target.authorisation'",
            "A target without authorisation is not tried",
            "say who allowed",
        ),
        (
            "allow_hosts: [127.0.0.1]",
            "allow_hosts: [example.com]",
            "pilot.yaml",
            1,
            "pilot.yaml:21 field 'target.allow_hosts'",
            "The host 127.0.0.1:",
            "add '127.0.0.1'",
        ),
        ("owner: auditor", "owner: emperor", "gates.yaml", 2, "gates.yaml:3 field 'gates[0].owner'", "no role 'emperor'", "auditor"),
        ("at_most: 0.8", "at_most: .inf", "gates.yaml", 2, "gates.yaml:5 field 'gates[0].limits[0].at_most'", "infinity", "give a number"),
        ("name: failure", "name: verdict", "rubric.yaml", 2, "rubric.yaml:", "must ask 'failure'", "support-assistant"),
        ("name: correction", "name: better", "rubric.yaml", 2, "rubric.yaml:", "must ask 'correction'", "add"),
    ],
)
def test_a_pilot_that_does_not_fit_is_refused_before_anything_is_made(
    terminal: Terminal, before: str, after: str, file: str, code: int, where: str, says: str, mend: str
) -> None:
    pilot = str(terminal.make_pilot())
    terminal.change(before, after, file)
    said = terminal.refused("run", pilot, code=code)
    lines = {line.strip().partition(": ")[0]: line.strip().partition(": ")[2] for line in said.splitlines()}
    assert says in lines["error"]
    assert where in lines["where"]
    assert mend in lines["mend"]
    assert not terminal.workspace.exists()
    assert not (terminal.pilot / "exports").exists()


@pytest.mark.parametrize("file", ["pilot.yaml", "gates.yaml", "rubric.yaml", "system.md"])
def test_a_file_that_is_not_utf8_is_refused(terminal: Terminal, file: str) -> None:
    pilot = terminal.make_pilot()
    (pilot / file).write_bytes((pilot / file).read_bytes().replace(b"e", b"\xff", 1))
    said = terminal.refused("run", str(pilot), code=2)
    assert "UTF-8" in said
    assert file in said
    assert not terminal.workspace.exists()


def test_a_missing_pilot_file_is_named(terminal: Terminal) -> None:
    said = terminal.refused("run", "nowhere", code=2)
    assert "nowhere" in said
    assert "mend" in said


def test_rows_that_are_not_utf8_or_hold_nan_or_an_id_twice_are_refused_or_set_aside_with_line_field_and_reason(terminal: Terminal) -> None:
    pilot = terminal.make_pilot()
    good = (pilot / "items.jsonl").read_bytes()
    first = good.splitlines(keepends=True)[0]
    bad = [first.replace(b"camera", b"cam\xffera"), first.replace(b'"30 days"', b"NaN"), first]
    (pilot / "items.jsonl").write_bytes(good + b"".join(bad))
    said = terminal.refused("run", str(pilot), code=2)
    assert "items.jsonl:4" in said
    declared = (pilot / "pilot.yaml").read_text(encoding="utf-8")
    (pilot / "pilot.yaml").write_text(declared.replace("kind: evaluation", "kind: evaluation\n    on_bad_rows: quarantine"), encoding="utf-8")
    assert "3 quarantined" in terminal("run", str(pilot)).out
    table = terminal("data", "quarantine", f"{NAME}.items").out
    assert [line.split()[1] for line in table.splitlines()[1:]] == ["4", "5", "6"]
    assert "UTF-8" in table
    assert "NaN" in table
    assert "stands already on line 1" in table


def test_a_source_of_which_every_row_is_bad_is_refused_whole(terminal: Terminal) -> None:
    pilot = terminal.make_pilot()
    write_rows(pilot / "items.jsonl", [{"id": "a"}, {"id": "b"}])
    said = terminal.refused("run", str(pilot), code=2)
    assert "items.jsonl:1" in said
    assert "Every row" in said
    assert "No datasets yet" in terminal("data", "list").out


def test_an_import_may_be_refused_for_one_bad_row_and_then_keeps_nothing(terminal: Terminal) -> None:
    pilot = terminal.make_pilot()
    items = rows_of(pilot / "items.jsonl")
    write_rows(pilot / "items.jsonl", [*items, items[0]])
    words = ("--dataset", "items", "--kind", "evaluation", "--licence", "CC0-1.0", "--consent", "own", "--purpose", "evaluation", "--source", "us")
    said = terminal.refused("data", "import", str(pilot / "items.jsonl"), *words, "--on-bad-rows", "refuse", code=2)
    assert "items.jsonl:4 field 'id'" in said
    assert "stands already on line 1" in said
    assert "No datasets yet" in terminal("data", "list").out


def test_a_target_that_is_out_of_reach_exits_4_and_nothing_is_asked(terminal: Terminal) -> None:
    pilot = str(terminal.make_pilot())
    said = terminal.refused("run", pilot, "--target", "http://127.0.0.1:9/v1", "--authorisation", "us", code=4)
    assert "127.0.0.1:9" in said
    assert "mend" in said
    assert "No runs yet" in terminal("runs", "list").out


def test_a_key_that_is_not_set_is_named_and_nothing_is_asked(terminal: Terminal) -> None:
    pilot = str(terminal.make_pilot())
    assert "NO_SUCH_KEY" in terminal.refused("run", pilot, "--key-env", "NO_SUCH_KEY", code=2)
    assert "No runs yet" in terminal("runs", "list").out


def database(terminal: Terminal) -> sqlite3.Connection:
    return sqlite3.connect(terminal.workspace / "pilotage.db")


def tamper(terminal: Terminal) -> None:
    """Rewrite an entry in the middle of the ledger, as somebody with the file in hand could."""
    with database(terminal) as db:
        changed = db.execute("UPDATE ledger_entry SET actor = 'somebody else' WHERE seq = 3").rowcount
    db.close()
    assert changed == 1


WRITING = [
    ("run", "pilot"),
    ("user", "add", "ines", "--role", "owner", "--password-stdin"),
    ("sign", NAME, "--role", "owner", "--decision", "no-go", "--note", "x"),
    ("data", "export", "support-safety", "out.jsonl"),
    ("review", "answer", NAME),
    ("ledger", "erase", "0" * 64, "--reason", "x"),
    ("ledger", "checkpoint"),
    ("ledger", "reopen", "--reason", "x"),
]
READING = [("status",), ("runs", "list"), ("findings", "list", NAME), ("data", "list"), ("ledger", "list"), ("review", "list"), ("user", "list")]


@pytest.mark.parametrize("words", WRITING, ids=lambda words: "-".join(words[:2]))
def test_on_a_broken_ledger_everything_that_would_write_refuses(at: Any, words: tuple[str, ...]) -> None:
    terminal = at("fail")
    if words[0] == "run":  # the copied pilot is tried in-process; give it the address of a server
        shutil.rmtree(terminal.pilot)
        terminal.make_pilot()
    tamper(terminal)
    with database(terminal) as db:
        before = db.execute("SELECT count(*) FROM ledger_entry").fetchone()
    db.close()
    said = terminal(*words, typed="correct horse battery\n", expect=3)
    assert "ledger" in said.err
    assert "3" in said.err  # the entry
    with database(terminal) as db:
        assert db.execute("SELECT count(*) FROM ledger_entry").fetchone() == before
    db.close()
    assert not Path("out.jsonl").exists()


def test_on_a_broken_ledger_reading_goes_on_and_verify_says_where_it_breaks(at: Any) -> None:
    terminal = at("fail")
    assert terminal("verify").out.startswith("integrity       ok")
    tamper(terminal)
    for words in READING:
        terminal(*words)
    said = terminal("verify", expect=3)
    assert said.out.startswith("integrity       BROKEN from entry 3 on")


def test_a_ledger_put_right_again_is_opened_by_somebody_who_says_why(at: Any) -> None:
    terminal = at("fail")
    whole = (terminal.workspace / "pilotage.db").read_bytes()
    tamper(terminal)
    terminal("verify", expect=3)  # that seals it
    (terminal.workspace / "pilotage.db").write_bytes(whole)
    with database(terminal) as db:
        db.execute("UPDATE workspace SET sealed_reason = 'broken'")
    db.close()
    terminal("user", "add", "ines", "--role", "owner", "--password-stdin", typed="correct horse battery\n", expect=3)
    assert "open again" in terminal("ledger", "reopen", "--reason", "the backup was put back").out
    assert "ledger.reopened" in terminal("ledger", "list").out
    terminal("user", "add", "ines", "--role", "owner", "--password-stdin", typed="correct horse battery\n")


@pytest.mark.parametrize("words", [("status",), ("run", "pilot"), ("init",), ("verify",), ("serve", "--port", "0")], ids=lambda words: words[0])
def test_a_workspace_of_a_newer_schema_is_refused_and_left_as_it_is(at: Any, words: tuple[str, ...]) -> None:
    terminal = at("fail")
    if words[0] == "run":
        shutil.rmtree(terminal.pilot)
        terminal.make_pilot()
    with database(terminal) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    before = (terminal.workspace / "pilotage.db").read_bytes()
    said = terminal.refused(*words, code=1)
    assert "newer version of Pilotage" in said
    assert "9999" in said
    assert "upgrade Pilotage" in said
    assert (terminal.workspace / "pilotage.db").read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked at as one" * 40, None])
def test_a_workspace_that_is_none_is_refused(terminal: Terminal, content: bytes | None) -> None:
    if content is None:
        terminal.workspace.write_text("a file where a folder should be")
    else:
        terminal.workspace.mkdir()
        (terminal.workspace / "pilotage.db").write_bytes(content)
    said = terminal("init", expect=None)
    assert said.code in (1, 4)
    assert said.err.startswith("error: ")
    assert "workspace" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("runs", "show", "run_none"), "run_none"),
        (("findings", "show", "fnd_none"), "fnd_none"),
        (("data", "show", "none"), "none"),
        (("data", "diff", "none", "none"), "none"),
        (("review", "answer", "none"), None),
        (("user", "disable", "nobody"), "nobody"),
        (("user", "password", "nobody", "--password-stdin"), "nobody"),
        (("user", "revoke", "0" * 64), "no such API token"),
        (("findings", "list", "none"), "none"),
        (("verify", "no-such-bundle"), "no-such-bundle"),
        (("practice", "train", "--data", "none.jsonl"), "none.jsonl"),
    ],
)
def test_what_does_not_exist_is_named(terminal: Terminal, words: tuple[str, ...], says: str | None) -> None:
    terminal("init")
    said = terminal(*words, expect=None)
    if says is None:
        assert "Nothing more waits" in said.out
    else:
        assert said.code != 0
        assert says in said.err + said.out
