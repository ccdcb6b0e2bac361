"""Contracts on the command line: drafted, confirmed, released, compared, exchanged, and changed by a person's decision."""

from __future__ import annotations

from pathlib import Path

from terminal import Terminal

ROWS = "ride_id,at,dist_km,pay\n" + "".join(
    f"r{number},2024-05-{1 + number // 24:02d}T{number % 24:02d}:00:00Z,{number % 97 + number / 1000},{'cash' if number % 3 else 'card'}\n"
    for number in range(400)
)


def drafted(terminal: Terminal) -> None:
    Path("rides.csv").write_text(ROWS, encoding="utf-8")
    terminal("data", "contract", "infer", "rides.csv", "--owner", "anna", "--out", "rides.yaml")


def released(terminal: Terminal) -> None:
    drafted(terminal)
    lines = [line for line in Path("rides.yaml").read_text(encoding="utf-8").splitlines() if "tags:" not in line and "to-confirm" not in line]
    Path("rides.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "rides@1" in terminal("data", "contract", "put", "rides.yaml").out


def test_a_draft_is_released_only_when_a_person_has_confirmed_it(terminal: Terminal) -> None:
    drafted(terminal)
    refused = terminal("data", "contract", "put", "rides.yaml", expect=1)
    assert "still a draft: at, dist_km" in refused.err
    released_twice = terminal("data", "contract", "infer", "rides.csv", "--out", "rides.yaml", expect=1)
    assert "rides.yaml" in released_twice.err  # never over what somebody wrote
    Path("rides.yaml").unlink()
    released(terminal)
    assert "anna" in terminal("data", "contract", "list").out
    assert terminal("data", "contract", "show", "rides@1").out.startswith("name: rides\nversion: 1\n")


def test_contracts_are_compared_checked_and_exchanged(terminal: Terminal) -> None:
    released(terminal)
    changed = Path("rides.yaml").read_text(encoding="utf-8").replace("unit: km", "unit: mi")
    Path("changed.yaml").write_text(changed, encoding="utf-8")
    assert "semantic_suspect" in terminal("data", "contract", "compare", "rides", "changed.yaml").out
    assert "400 of 400 rows keep the contract" in terminal("data", "contract", "check", "rides.csv", "rides").out
    Path("bad.csv").write_text(ROWS.replace("r7,", "r8,"), encoding="utf-8")
    assert "stands on several rows" in terminal("data", "contract", "check", "bad.csv", "rides", expect=1).out
    terminal("data", "contract", "odcs", "export", "rides", "--out", "odcs.yaml")
    again = terminal("data", "contract", "odcs", "import", "odcs.yaml").out
    assert again == terminal("data", "contract", "show", "rides").out


def test_a_changed_unit_is_proposed_and_applied_by_a_person_only(terminal: Terminal) -> None:
    released(terminal)
    lines = ROWS.splitlines()
    cells = [line.split(",") for line in lines[1:]]
    metres = [lines[0], *(",".join([cell[0], cell[1], str(float(cell[2]) * 1000), cell[3]]) for cell in cells)]
    Path("new.csv").write_text("\n".join(metres) + "\n", encoding="utf-8")
    proposed = terminal("data", "contract", "propose", "rides", "--old", "rides.csv", "--new", "new.csv").out
    assert "'dist_km' now arrives in m, not in km" in proposed
    proposal = proposed.split()[0]
    assert proposal in terminal("data", "contract", "proposals").out
    assert "rides@1" in terminal("data", "contract", "list").out
    assert "released: ct_" in terminal("data", "contract", "decide", proposal, "--accept", "--reason", "the source said so").out
    assert "arrives_in: m" in terminal("data", "contract", "show", "rides@2").out
    assert "No proposals wait" in terminal("data", "contract", "proposals").out
    assert "accepted" in terminal("data", "contract", "proposals", "--all").out


def test_a_file_that_cannot_be_read_is_named(terminal: Terminal) -> None:
    Path("x.xlsx").write_text("", encoding="utf-8")
    assert "Files of kind '.xlsx' are not read here" in terminal("data", "contract", "infer", "x.xlsx", expect=2).err
    Path("x.jsonl").write_text('{"a": 1}\n{"a": ', encoding="utf-8")
    assert "cannot be read" in terminal("data", "contract", "infer", "x.jsonl", expect=2).err
    assert "does not exist" in terminal("data", "contract", "infer", "none.csv", expect=2).err
