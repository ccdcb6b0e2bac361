"""Take the pictures of the docs from a running workbench.

    pilotage serve                                     # in a workspace with something to show
    python tools/take_pictures.py 'http://127.0.0.1:8321/?token=…'

Follows the links a person would: overview, gates, a figure, a run, a sample, a finding, a dataset version, the review queue, the ledger, people.
Needs Playwright and a Chromium (``CHROMIUM``, default ``/usr/bin/chromium``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
ARGUMENTS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
# picture: where to begin, and which link to follow from there
STEPS: dict[str, tuple[str, str | None]] = {
    "overview": ("/", None),
    "gates": ("/gates", None),
    "evidence": ("/gates", "a[data-row][href^='/evidence/']"),
    "run": ("/runs?kind=evaluation", "a[data-row]"),
    "sample": ("/runs?kind=evaluation", "a[data-row] >> a[data-row]"),
    "finding": ("/findings", "a[data-row]"),
    "version": ("/data", "a[data-row]"),
    "queues": ("/review", None),
    "ledger": ("/ledger", None),
    "people": ("/people", None),
}


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    address = sys.argv[1]
    parts = urlsplit(address)
    base = f"{parts.scheme}://{parts.netloc}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=ARGUMENTS.split())
        take(browser, address, base, width=1280, theme="light", names=list(STEPS), suffix="")
        take(browser, address, base, width=1280, theme="dark", names=["overview"], suffix="-dark")
        take(browser, address, base, width=390, theme="light", names=["overview"], suffix="-narrow")
        browser.close()
    return 0


def take(browser: Any, address: str, base: str, *, width: int, theme: str, names: list[str], suffix: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=theme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(address)
    if urlsplit(page.url).path == "/login":
        raise SystemExit("take_pictures: that address does not sign in; copy the one that 'pilotage serve' printed, token and all")
    for name in names:
        start, follow = STEPS[name]
        page.goto(base + start)
        for selector in (follow or "").split(" >> "):
            if selector:
                link = page.locator(selector).first
                if not link.count():
                    break
                page.goto(base + link.get_attribute("href"))
        file = FOLDER / f"{name}{suffix}.png"
        page.screenshot(path=file, full_page=name == "overview" and not suffix)
        print(f"{file.relative_to(FOLDER.parent.parent)}  {page.url.removeprefix(base)}")
    context.close()


if __name__ == "__main__":
    raise SystemExit(main())
