"""Take the pictures of the docs from the main job itself.

    python tools/take_pictures.py            # about three minutes; needs Playwright and a Chromium (PILOTAGE_CHROMIUM, default /usr/bin/chromium)

In a temporary folder, as ``make demo`` does it: the example pilot is run on the practice assistant, everything that waits is answered by somebody who
agrees with the machine (and calls a failure what it cannot tell), the assistant is trained on the export, the pilot is run again. Every picture is
of a real page of that workspace, at 1280 or 390 pixels, and goes to ``docs/pictures/``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from pilotage.core import new_id
from pilotage.judging import person
from pilotage.ledger import open_workspace
from pilotage.readiness import pilot_status
from pilotage.review import answer, claim

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURES = REPOSITORY / "docs" / "pictures"
PILOT = "support-assistant"
ACTOR = "ines"
CHROMIUM = os.environ.get("PILOTAGE_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
MOST_BYTES = 200_000


class Demo:
    """The example pilot in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.models = folder / "models"
        shutil.copytree(REPOSITORY / "examples" / PILOT, folder / PILOT, ignore=shutil.ignore_patterns("exports"))
        self._environment = {
            **os.environ,
            "PILOTAGE_WORKSPACE": str(self.workspace),
            "PILOTAGE_KEY_DIR": str(folder / "keys"),
            "PILOTAGE_ACTOR": ACTOR,
            "PYTHONPATH": str(REPOSITORY / "src"),
        }

    def call(self, *words: str) -> None:
        """Run one command to its end."""
        print("pilotage", *words, flush=True)
        done = subprocess.run([sys.executable, "-m", "pilotage", *words], cwd=self.folder, env=self._environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"pilotage {' '.join(words)} exited {done.returncode}\n{done.stdout}\n{done.stderr}")

    @contextlib.contextmanager
    def started(self, *words: str, until: str) -> Iterator[str]:
        """A command that goes on, and what ``until`` found in what it printed."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pilotage", *words], cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        try:
            printed = process.stdout or ()
            found = next((match for line in printed if (match := re.search(until, line))), None)
            if found is None:
                raise SystemExit(f"pilotage {' '.join(words)} ended early")
            yield found.group(1)
        finally:
            process.terminate()
            process.wait()

    def run(self, before_review: Callable[[], None] = lambda: None) -> None:
        """Once round the loop with the newest model: to the human step, the answers, and on to the verdict."""
        with self.started("practice", "serve", "--models", str(self.models), until=r"(serving .*)"):
            self.call("run", PILOT)
            before_review()
            self.answer_everything()
            self.call("run", PILOT)

    def answer_everything(self) -> None:
        """Answer what waits, as somebody would who agrees with the machine and calls a failure what it cannot tell."""
        rater = person(ACTOR)
        with open_workspace(str(self.workspace), actor=ACTOR) as workspace:
            while tasks := claim(workspace, PILOT, rater, 20, take_over=True):  # the browser windows hold some too
                for task in tasks:
                    said = (task.suggestion or {}).get("failure", "unclear")
                    value = "no" if said == "no" else "yes"
                    correction = task.payload.get("proposed_correction") if value == "yes" else None
                    key = new_id("picture")
                    answer(
                        workspace,
                        task.task_id,
                        rater,
                        {"failure": value},
                        idempotency_key=key,
                        suggestion=task.suggestion,
                        active_ms=3000,
                        correction=correction,
                    )

    def train(self) -> None:
        """Train the next version of the assistant on what the cycle exported."""
        with open_workspace(str(self.workspace), actor=ACTOR) as workspace:
            export = pilot_status(workspace, PILOT).export("chat-sft")
        self.call("practice", "train", "--data", str(export), "--models", str(self.models))


class Camera:
    """A signed-in browser window."""

    def __init__(self, browser: Any, address: str, *, width: int = 1280, height: int = 860, theme: str = "light") -> None:
        self._base = address.partition("?")[0].rstrip("/")
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce")
        context.set_default_timeout(20_000)
        self.page = context.new_page()
        self.page.goto(address)

    def open(self, path: str, *, follow: str | None = None) -> Camera:
        """Open a page; or the page that the first link matching ``follow`` on it leads to."""
        self.page.goto(self._base + path)
        if follow is not None:
            self.page.goto(self._base + str(self.page.locator(follow).first.get_attribute("href")))
        return self

    def take(self, name: str, *, height: int | None = None) -> None:
        """Keep what the window shows, or the page's first ``height`` pixels."""
        path = PICTURES / f"{name}.png"
        if height is None:
            self.page.screenshot(path=path)
        else:
            width = self.page.viewport_size["width"]
            self.page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
        size = path.stat().st_size
        print(f"  {path.relative_to(REPOSITORY)}: {size:,} bytes", flush=True)
        if size > MOST_BYTES:
            raise SystemExit(f"{path.name} is larger than {MOST_BYTES:,} bytes; show less of the page")


@contextlib.contextmanager
def folder_named(name: str) -> Iterator[Path]:
    """A temporary folder of a plain name: paths are in some of the pictures."""
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir()  # refuses one that is there: it is not ours to remove
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def main() -> int:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with folder_named("harbour") as folder, sync_playwright() as driver:
        demo = Demo(folder)
        demo.call("init")
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with demo.started("serve", "--port", "0", until=r"workbench: (http\S+)") as address:
            wide = Camera(browser, address)

            def review() -> None:
                for camera, picture in ((wide, "review"), (Camera(browser, address, width=390, height=844, theme="dark"), "review-narrow")):
                    camera.open(f"/review/{PILOT}").page.wait_for_selector(".wb-talk")
                    if camera.page.locator(".wb-veil").count():
                        camera.page.keyboard.press("h")
                    camera.take(picture)

            demo.run(review)
            wide.open(f"/pilots/{PILOT}").take("verdict-first", height=1230)
            demo.train()
            demo.run()
            for role in ("owner", "auditor"):
                with contextlib.suppress(SystemExit):  # refused where a gate does not pass
                    demo.call("sign", PILOT, "--role", role, "--decision", "go", "--note", "Seen and agreed.")
            demo.call("ledger", "checkpoint")
            demo.call("ledger", "anchor", str(demo.folder / "heads.jsonl"))
            wide.open(f"/pilots/{PILOT}").take("verdict")
            Camera(browser, address, width=390, height=844).open(f"/pilots/{PILOT}").take("verdict-narrow")
            wide.open(f"/pilots/{PILOT}/gates").take("gates")
            wide.open("/runs?kind=attack", follow="a[data-row]").take("run")
            wide.open("/findings", follow="a[data-row]").take("finding")
            wide.open("/data/support-safety/1").take("version")
            wide.open("/ledger").page.get_by_role("button", name="Verify now").click()
            wide.page.wait_for_load_state()
            wide.take("ledger")
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
