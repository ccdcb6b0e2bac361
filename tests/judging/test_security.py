"""A rubric that names files it should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotage.core import InputError
from pilotage.judging import load_rubric_file

RUBRIC = """\
name: r
guideline_file: {file}
questions:
  - {{name: failure, prompt: Did it fail, kind: bool}}
"""


def test_a_guideline_is_read_beside_its_rubric_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "pilot"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("the key")
    (folder / "link.md").symlink_to(tmp_path / "secret.txt")
    (folder / "guide.md").write_text("be fair")
    rubric = folder / "rubric.yaml"
    for file in ("../secret.txt", str(tmp_path / "secret.txt"), "link.md", "../pilot/../secret.txt"):
        rubric.write_text(RUBRIC.format(file=file))
        with pytest.raises(InputError, match="outside") as refused:
            load_rubric_file(rubric)
        assert "the key" not in str(refused.value)
    rubric.write_text(RUBRIC.format(file="guide.md"))
    assert load_rubric_file(rubric).guideline == "be fair"
