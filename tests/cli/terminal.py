"""Somebody at a terminal: the command called in this process through its own ``main``, so that its errors and exit codes are the real ones."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pilotage.cli.main import main
from small_pilot import change, make_small_pilot


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    """Somebody at a terminal."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], url: str) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.pilot = folder / "pilot"
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        self._url = url
        self.everything = ""

    def __call__(self, *words: str, typed: str = "", expect: int | None = 0) -> Said:
        """Run one command. ``expect`` None takes any exit code."""
        self._monkeypatch.setattr(sys, "argv", ["pilotage", *words])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        self._capfd.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        said = Said(int(code), *self._capfd.readouterr())
        self.everything += said.out + said.err
        assert "Traceback" not in said.err, said.err
        assert expect is None or said.code == expect, f"pilotage {' '.join(words)} exited {said.code}\n{said.out}\n{said.err}"
        return said

    def refused(self, *words: str, code: int, typed: str = "") -> str:
        """Run one command that must be refused; what it says. Each refusal has a mend, and nothing is said on standard output."""
        said = self(*words, typed=typed, expect=code)
        assert said.err.startswith("error: "), said.err
        assert said.out == ""
        return said.err

    def make_pilot(self) -> Path:
        """The small pilot, with the practice assistant as its target."""
        make_small_pilot(self.pilot)
        change(self.pilot, "http://127.0.0.1:8322/v1", self._url)
        return self.pilot

    def change(self, before: str, after: str, file: str = "pilot.yaml") -> None:
        change(self.pilot, before, after, file)
