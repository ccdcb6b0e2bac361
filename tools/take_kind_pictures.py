"""Take the pictures of the answering screens, one a kind of question, from ``examples/review-kinds``.

    python tools/take_kind_pictures.py            # half a minute; needs Playwright and a Chromium (see take_pictures.py)

A picture more is a line more in ``SCREENS``: its name, the queue, the keys pressed before it is taken, width and theme.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright
from take_pictures import CHROMIUM, FLAGS, REPOSITORY, Camera, folder_named

sys.path.insert(0, str(REPOSITORY / "examples" / "review-kinds"))

import put as example

from pilotage.ledger import create_workspace
from pilotage.server import create_app

TOKEN = "picture"  # noqa: S105 - opens a temporary folder on loopback
SCREENS = [
    ("kind-marks", "marks", f"e {'ArrowRight ' * 8}Shift+ArrowRight", 1280, "light"),
    ("kind-pair", "pair", "] ]", 1280, "light"),
    ("kind-ranking", "ranking", "1 4 = 2", 1280, "light"),
    ("kind-rubric", "rubric", "1 4", 1280, "light"),
    ("kind-edit", "edit", "e Control+End Shift+Control+ArrowLeft Shift+Control+ArrowLeft n e w e r", 1280, "light"),
    ("kind-trajectory", "trajectory", "1", 1280, "light"),
    ("kind-marks-narrow", "marks", "e", 390, "dark"),
    ("kind-pair-narrow", "pair", "[", 390, "dark"),
]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The examples in a workspace of their own, and the address that opens it."""
    with create_workspace(folder / "workspace", actor="ada") as workspace:
        for kind in example.KINDS:
            example.put(workspace, kind)
        server = uvicorn.Server(uvicorn.Config(create_app(workspace, local_token=TOKEN), host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not (server.started and server.servers):
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/?token={TOKEN}"
        server.should_exit = True
        thread.join()


def main() -> int:
    with folder_named("harbour-kinds") as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, queue, keys, width, theme in SCREENS:
            # A window of its own each, in a workspace of its own: an item is served to one window at a time.
            with served(folder / name) as address:
                camera = Camera(browser, address, width=width, height=720 if width > 500 else 844, theme=theme)
                camera.open(f"/review/{queue}").page.wait_for_selector("#wb-prompt")
                for key in keys.split():
                    camera.page.keyboard.press(key)
                camera.take(name)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
