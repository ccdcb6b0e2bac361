"""Take the pictures of the pages of review and routing, from the reviewed workspace of the tests: the same every time.

    python tools/take_review_pictures.py                  # all of them; needs Playwright and a Chromium (see take_pictures.py)
    python tools/take_review_pictures.py projects people  # those whose name contains one of the words

A picture more is a line more in ``PICTURES``: its name, the page (and the links to follow from it, after ``>>``), width, the height of the page that
is kept (None: the window) and the theme. Names of things of the workspace stand in braces; see ``named``.
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

sys.path.insert(0, str(REPOSITORY / "tests" / "server"))

import review_workspace  # noqa: E402

from pilotage.core import ManualClock  # noqa: E402
from pilotage.ledger import create_workspace  # noqa: E402
from pilotage.server import create_app  # noqa: E402

TOKEN = "picture"  # noqa: S105 - opens a temporary folder on loopback
PICTURES: list[tuple[str, str, int, int | None, str]] = [
    # Projects, items, the trail
    ("review-projects", "/review", 1280, 640, "light"),
    # Adjudication, disagreement, people
    # Bias
    # Routing
]


def named(has: review_workspace.Reviewed) -> dict[str, str]:
    """What stands in braces in an address."""
    return {"project": has.project, "item": sorted(has.truth)[0], "adjudication": has.adjudications[0] if has.adjudications else ""}


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, review_workspace.Reviewed]]:
    """The reviewed workspace, without the hostile words that tests need, and the address that opens it."""
    review_workspace.HOSTILE = ""
    clock = ManualClock()
    with create_workspace(folder / "workspace", actor="ada", clock=clock) as workspace:
        has = review_workspace.fill(workspace, clock)
        server = uvicorn.Server(uvicorn.Config(create_app(workspace, local_token=TOKEN), host="127.0.0.1", port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not (server.started and server.servers):
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/?token={TOKEN}", has
        server.should_exit = True
        thread.join(timeout=10)


def main(wanted: list[str]) -> int:
    chosen = [each for each in PICTURES if not wanted or any(word in each[0] for word in wanted)]
    with folder_named("harbour-review") as folder, served(folder) as (address, has), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, page, width, height, theme in chosen:
            camera = Camera(browser, address, width=width, height=844 if width < 500 else 860, theme=theme)
            camera.open(page.partition(" >> ")[0].format(**named(has)))
            for link in page.split(" >> ")[1:]:
                camera.open(str(camera.page.locator(link).first.get_attribute("href")))
            camera.take(name, height=height)
            camera.page.context.close()
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
