"""Every test that docs/guarantees.md names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "guarantees.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(text: str) -> list[tuple[str, str]]:
    """Guarantee and test cell of every row of every table, the headings left out."""
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [(each[0], each[-1]) for each in cells if each[0] not in ("guarantee", "---")]


@cache
def named_in(path: Path) -> frozenset[str]:
    """The names of the test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_every_guarantee_names_a_test_that_exists() -> None:
    found = rows(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 100
    for guarantee, cell in found:
        named = _NAMED.findall(cell)
        assert named, f"no test holds: {guarantee}"
        for file, name in named:
            path = REPOSITORY / file
            assert path.is_file(), f"{guarantee}: there is no {file}"
            assert name in named_in(path), f"{guarantee}: {file} has no {name}"


def test_no_guarantee_is_told_twice() -> None:
    guarantees = [guarantee for guarantee, _ in rows(PAGE.read_text(encoding="utf-8"))]
    assert sorted(guarantees) == sorted(set(guarantees))


def test_a_test_that_does_not_exist_is_noticed() -> None:
    (row,) = rows("| guarantee | test |\n|---|---|\n| Nothing is lost | `tests/test_guarantees.py::test_that_nobody_wrote` |")
    ((file, name),) = _NAMED.findall(row[1])
    assert name not in named_in(REPOSITORY / file)
