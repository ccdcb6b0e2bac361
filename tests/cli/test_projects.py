"""``pilotage project``: a project from its file to what people said of it."""

from __future__ import annotations

import json
from pathlib import Path

from terminal import Terminal

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "reply-review"


def test_a_project_is_made_filled_shown_paused_and_taken_out(terminal: Terminal) -> None:
    assert "made, version 1" in terminal("project", "create", str(EXAMPLE / "project.yaml")).out
    assert "4 put, 0 known" in terminal("project", "put", "replies", str(EXAMPLE / "items.jsonl")).out
    shown = json.loads(terminal("project", "show", "replies").out)
    assert (shown["number"], shown["tasks"]["open"], shown["settings"]["overlap"]["most"]) == (1, 3, 4)
    assert "Replies to customers" in terminal("project", "list").out
    assert "is paused" in terminal("project", "pause", "replies").out
    assert "is active" in terminal("project", "resume", "replies").out
    assert "german" in terminal("project", "skills", "ann", "--grant", "german").out
    assert "no skills" in terminal("project", "skills", "ann", "--revoke", "german").out
    assert "Nothing is overdue" in terminal("project", "escalate").out
    assert "When a reply fails" in terminal("project", "guideline", "replies").out
    assert terminal("project", "export", "replies").out == ""
    assert "is archived" in terminal("project", "archive", "replies").out
    assert "no projects" in terminal("project", "list").out


def test_a_change_from_an_old_version_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    for name in ("project.yaml", "rubric.yaml", "guideline.md"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    file = str(tmp_path / "project.yaml")
    terminal("project", "create", file)
    (tmp_path / "guideline.md").write_text("# When a reply fails\n\nIt fails if it is wrong.\n")
    assert "version 2, guideline version 2" in terminal("project", "change", file, "--version", "1").out
    assert "+ It fails if it is wrong." in terminal("project", "guideline", "replies", "--since", "1").out
    refused = terminal("project", "change", file, "--version", "1", expect=None)
    assert "changed by somebody else" in refused.err


def test_a_row_that_does_not_fit_is_named_and_the_exit_status_says_so(terminal: Terminal, tmp_path: Path) -> None:
    terminal("project", "create", str(EXAMPLE / "project.yaml"))
    rows = tmp_path / "items.jsonl"
    rows.write_text('{"source_id": "1", "payload": {}, "suggestions": [{"question": "blame", "value": "yes"}]}\n{"source_id": "2", "payload": {}}\n')
    done = terminal("project", "put", "replies", str(rows), expect=None)
    assert "row 1 field 'suggestions[0].blame'" in done.err and "1 put" in done.out
    rows.write_text('{"source_id": "3", "payload": {}, "colour": "red"}\n')
    assert "items.jsonl:1" in terminal("project", "put", "replies", str(rows), expect=None).err
