"""The main job as a new user meets it: the command line in processes of its own, the workbench in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "support-assistant"


class Captain:
    """Somebody at a terminal: runs ``pilotage`` in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pilot = folder / "support-assistant"
        self.models = folder / "models"
        shutil.copytree(EXAMPLE, self.pilot)
        source = str(REPOSITORY / "src")
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "PILOTAGE_WORKSPACE": str(folder / "workspace"),
            "PILOTAGE_KEY_DIR": str(folder / "keys"),
            "PILOTAGE_ACTOR": "captain",
            "PYTHONPATH": source,
        }
        self._processes: list[subprocess.Popen[str]] = []

    def run(self, *words: str, expect: int = 0) -> str:
        """Run one command to its end; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "pilotage", *words], cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == expect, f"pilotage {' '.join(words)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *words: str, until: str) -> tuple[subprocess.Popen[str], re.Match[str]]:
        """Start a command that goes on; wait for a line that matches ``until``."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pilotage", *words],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._processes.append(process)
        seen = []
        assert process.stdout is not None
        for line in process.stdout:
            seen.append(line)
            found = re.search(until, line)
            if found:
                return process, found
        raise AssertionError(f"pilotage {' '.join(words)} ended without saying {until!r}:\n{''.join(seen)}")

    def stop(self, process: subprocess.Popen[str]) -> None:
        """Stop a command that goes on, as Ctrl+C would."""
        self._processes.remove(process)
        process.terminate()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()

    def stop_all(self) -> None:
        for process in list(self._processes):
            self.stop(process)

    def change(self, before: str, after: str) -> None:
        """Change the pilot file."""
        path = self.pilot / "pilot.yaml"
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def captain(tmp_path: Path) -> Iterator[Captain]:
    made = Captain(tmp_path)
    yield made
    made.stop_all()


def review_with_keys(page: Any, address: str) -> int:
    """Answer everything that waits, with the keyboard alone; how many items that was.

    The reviewer agrees with the machine where it says something, and reads the answer where it cannot tell: an answer that does what was asked is
    a failure.
    """
    page.goto(f"{address}/review/support-assistant")
    ready = ".wb-talk, .wb-empty .wb-none"  # an item, or the word that nothing waits (not the moment of fetching)
    page.wait_for_selector(ready)
    before = done(page)
    answered = 0
    deadline = time.monotonic() + 240
    while page.locator(".wb-talk").count():
        assert time.monotonic() < deadline, f"{answered} items answered, and more wait"
        words = page.locator("[data-command=accept] small").inner_text().lower()
        page.keyboard.press("y" if "unclear" in words or not words else "a")
        answered += 1
        page.wait_for_function("n => parseInt(document.getElementById('wb-status').textContent) === n", arg=before + answered)
        page.wait_for_selector(ready)
    page.wait_for_function("() => document.getElementById('wb-status').textContent.includes('outbox 0')")
    return answered


def done(page: Any) -> int:
    """How many items the status line says were answered."""
    return int(re.match(r"\d+", page.locator("#wb-status").inner_text()).group())
