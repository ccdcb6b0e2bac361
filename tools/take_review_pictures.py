"""Take the pictures of the pages of review and routing, from the reviewed and the routed workspace of the tests: the same every time.

    python tools/take_review_pictures.py                  # all of them; needs Playwright and a Chromium (see take_pictures.py)
    python tools/take_review_pictures.py projects people  # those whose name contains one of the words

A picture more is a line more in ``PICTURES``. Names of things of the workspace stand in braces in its page; see ``named``.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from argon2 import PasswordHasher
from playwright.sync_api import sync_playwright
from take_pictures import CHROMIUM, FLAGS, REPOSITORY, Camera, folder_named

sys.path.insert(0, str(REPOSITORY / "tests" / "server"))

import preference_workspace
import review_workspace
import routing_workspace

from pilotage import people
from pilotage.core import ManualClock
from pilotage.ledger import create_workspace
from pilotage.people import passwords
from pilotage.review.measuring import triage
from pilotage.server import create_app

PASSWORD = "correct horse battery staple"  # noqa: S105 - opens a temporary folder on loopback
NARROW = 390


@dataclass(frozen=True)
class Picture:
    """One picture: of ``page`` (and the links to follow from it, after ``>>``), seen by ``who`` (``ada`` leads; see ``review_workspace.HABITS``).

    ``height`` of the page is kept; None: what the window shows. ``press``: keys, before it is taken. ``routed``: of the workspace of routed outputs.
    """

    name: str
    page: str
    height: int | None = None
    width: int = 1280
    theme: str = "light"
    who: str = "ada"
    press: str = ""
    routed: bool = False


PICTURES = [
    # Projects, items, the trail
    Picture("review-project", "/review/projects/{project}", 1080),
    Picture("review-project-narrow", "/review/projects/{project}", width=NARROW, theme="dark"),
    Picture("review-settings", "/review/projects/{project}/settings"),
    Picture("review-item", "/review/projects/{project}/items?purpose=adjudication >> a[data-row]", 1300),
    Picture("review-export", "/review/projects/{project}/export", 860),
    Picture("review-trail", "/review/audit?project={project}", 860),
    # Adjudication, disagreement, people
    Picture("adjudication", "/review/adjudication?project={project}", 760),
    Picture("adjudicating", "/review/{project}?purpose=adjudication", press="Enter"),
    Picture("disagreement", "/review/disagreement?project={project}", 900),
    Picture("agreement", "/review/disagreement?project={project}&view=agreement", 1000),
    Picture("truth", "/review/projects/{project}/truth?question=tone", 980),
    Picture("preferences", "/review/projects/comparisons/preferences?question=helpful", 1180),
    # People measured
    Picture("people-me", "/review/me", 860, who="ben"),
    Picture("people-team", "/review/team?project={project}", 1180),
    Picture("people-person", "/review/team/fay?project={project}&by=language", 1500),
    Picture("people-known", "/review/projects/{project}/gold?size=6", 1100),
    Picture("people-judges", "/review/projects/{project}/judges", 1080),
    # Bias
    Picture("people-bias", "/review/bias?project={project}&by=language", 1010),
    # Routing
    Picture("routing-assess", "/routing/assessments/new?from={assessment}", 1180, routed=True),
    Picture("routing-lab", "/routing/lab/{report}#threshold", None, routed=True),
    Picture("routing-lab-calibration", "/routing/lab/{report}#reliability", None, routed=True),
    Picture("routing-policy", "/routing/policies/refund-replies?version=2", 760, routed=True),
    Picture("routing-monitor", "/routing/monitor", 1180, routed=True),
    Picture("routing-lab-narrow", "/routing/lab/{report}?slice=language%3Dde#threshold", None, 390, "dark", routed=True),
    Picture("routing-monitor-narrow", "/routing/monitor", 1500, 390, routed=True),
]


def named(has: review_workspace.Reviewed | routing_workspace.Routed) -> dict[str, str]:
    """What stands in braces in an address."""
    if isinstance(has, routing_workspace.Routed):
        return vars(has)
    return {"project": has.project, "item": sorted(has.truth)[0], "adjudication": has.adjudications[0] if has.adjudications else ""}


@contextmanager
def served(folder: Path, *, routed: bool) -> Iterator[tuple[str, review_workspace.Reviewed | routing_workspace.Routed]]:
    """The reviewed (or routed) workspace, without the hostile words that tests need, and the address that opens it."""
    review_workspace.HOSTILE = preference_workspace.HOSTILE = routing_workspace.HOSTILE = ""
    passwords._hasher = lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    clock = ManualClock()
    with create_workspace(folder / "workspace", actor="ada", clock=clock) as workspace:
        has: review_workspace.Reviewed | routing_workspace.Routed
        if routed:
            has = routing_workspace.fill(workspace, clock)
        else:
            has = review_workspace.fill(workspace, clock)
            triage(workspace, has.project, "failure")
            preference_workspace.fill(workspace, clock)
        people.add_account(workspace, login="ada", display_name="Ada", roles=["owner", "operator", "reviewer", "admin"], password=PASSWORD)
        server = uvicorn.Server(uvicorn.Config(create_app(workspace), host="127.0.0.1", port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not (server.started and server.servers):
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", has
        server.should_exit = True
        thread.join(timeout=10)


def main(wanted: list[str]) -> int:
    chosen = [each for each in PICTURES if not wanted or any(word in each.name for word in wanted)]
    for routed in (False, True):
        if one := [each for each in chosen if each.routed == routed]:
            _take(one, routed=routed)
    return 0


def _take(chosen: list[Picture], *, routed: bool) -> None:
    name = "harbour-routing" if routed else "harbour-review"
    with folder_named(name) as folder, served(folder, routed=routed) as (address, has), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for each in chosen:
            camera = Camera(browser, f"{address}/login", width=each.width, height=844 if each.width < 500 else 860, theme=each.theme)
            camera._base = address
            camera.page.fill("[name=login]", each.who)
            camera.page.fill("[name=password]", PASSWORD)
            camera.page.press("[name=password]", "Enter")
            camera.page.wait_for_url(f"{address}/")
            first, *links = each.page.format(**named(has)).split(" >> ")
            camera.open(first)
            for link in links:
                camera.open(str(camera.page.locator(link).first.get_attribute("href")))
            for key in each.press.split():
                camera.page.wait_for_timeout(500)
                camera.page.keyboard.press(key)
            camera.take(each.name, height=each.height)
            camera.page.context.close()
        browser.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
