"""Hostile YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotage.core import InputError, read_declared
from pilotage.core.declared import LARGEST_FILE, parse_declared

HOSTILE = [
    "[" * 3000,
    "{a: " * 3000,
    "- " * 3000 + "x",
    "[" * 1500 + "]" * 1500,
    "a: &a [x]\nb: [*a, *a]",
    "a: &a [*a]",
    "a: !!python/object/apply:os.system ['true']",
    "!!python/name:os.system x",
    "a: {<<: {b: 1}}",
    "a: " + "9" * 5000,
    "a: .inf",
    "? [a]\n: b",
    "a: \x00",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_yaml_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_declared(text, file="pilot.yaml")


def test_a_file_no_person_would_write_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    with file.open("wb") as out:
        out.truncate(LARGEST_FILE + 1)
    with pytest.raises(InputError, match="larger than"):
        read_declared(file)
