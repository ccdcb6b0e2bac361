"""Take the pictures of the pages of data, features and monitoring from the fraud example itself.

    python tools/take_data_pictures.py            # about three minutes; needs Playwright and a Chromium (see take_pictures.py)

In a temporary folder the pipeline of ``examples/fraud-features`` runs a tick a week. In the eighth week the source begins to send cents: deliveries
are held, and what changed is asked for in the review queue. A picture is taken there; then somebody answers, the pipeline goes on, the rest follows.
A picture more is a line more in ``BEFORE`` or ``AFTER``.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import polars as pl
import uvicorn
from playwright.sync_api import sync_playwright
from take_pictures import CHROMIUM, FLAGS, PICTURES, REPOSITORY, Camera, folder_named

from pilotage.data.contracts import load_contract, put_contract
from pilotage.data.tabular import scan, tag
from pilotage.features import registered_view
from pilotage.features.online import DatabaseStore, materialize
from pilotage.features.replay import release_view, replay
from pilotage.features.serving import FeatureServer
from pilotage.features.serving_log import ServingLog
from pilotage.features.skew import measure_skew
from pilotage.judging import person
from pilotage.ledger import create_workspace
from pilotage.pipelines import load_pipeline, run_pipeline
from pilotage.review import answer, claim
from pilotage.server import create_app
from pilotage.store import Workspace

EXAMPLE = REPOSITORY / "examples" / "fraud-features"
TOKEN = "picture"  # noqa: S105 - opens a temporary folder on loopback
ASKED_IN_WEEK, LAST_WEEK = 9, 11

# name, page (and the links to follow from it, after >>), width, height of the page that is kept (None: the window)
BEFORE = [
    ("contract-review", "/review/card-fraud", 1280, None),
    ("batches", "/data/batches?dataset=transactions", 1280, None),
    ("batch-narrow", "/data/batches?state=held >> a[data-row]", 390, None),
    ("gate-report", "/data/batches?state=held >> a[data-row] >> a[href^='/data/gates/']", 1280, 890),
    ("pipeline", "/pipelines/card-fraud", 1280, 900),
    ("tick", "/pipelines/card-fraud >> .ticks a[data-row]", 1280, None),
]
AFTER = [
    ("table", "/data/transactions/40?where=amount%20%3E%20100&order_by=amount&descending=true#rows", 1280, None),
    ("table-narrow", "/data/transactions/40#rows", 390, None),
    ("table-difference", "/data/transactions/diff?before=40&after=49", 1280, 760),
    ("contract", "/data/contracts/transactions", 1280, 1230),
    ("monitoring", "/monitoring?pipeline=card-fraud", 1280, 900),
    ("report", "/monitoring?pipeline=card-fraud >> a[data-row]", 1280, 1340),
    ("lineage", "/lineage?kind=version&id=card-fraud-training@1&column=habits__spent_mean_14d", 1280, 880),
    ("impact", "/lineage/impact?kind=source&id=transactions&since=2025-02-26&until=2025-02-27", 1280, 900),
    ("contract-change", "/data/contracts/transactions/diff?before=1&after=2", 1280, 1000),
    ("feature-view", "/features/habits@1", 1280, 1130),
    ("feature-inspect", "/features/habits@1/inspect?of=card-fraud-training%401&row=868", 1280, 1060),
    ("feature-inspect-narrow", "/features/habits@1/inspect?of=card-fraud-training%401&row=868#candidates", 390, None),
    ("training-set", "/features/training-sets/card-fraud-training/1", 1280, 1000),
    ("skew", "/features/skew/{skew}", 1280, 860),
]


def main() -> int:
    PICTURES.mkdir(parents=True, exist_ok=True)
    generate = load_example("generate")
    with folder_named("harbour") as folder:
        generate.write(folder / "all")
        shutil.copytree(EXAMPLE, folder / "pilot")
        with create_workspace(folder / "workspace", actor="ines") as workspace:
            for name in ("transactions", "chargebacks"):
                put_contract(workspace, load_contract(folder / f"pilot/contracts/{name}.yaml"))
            weeks(workspace, folder, generate, range(1, ASKED_IN_WEEK + 1))
            with served(workspace) as address:
                shoot(address, BEFORE)
                for task in claim(workspace, "card-fraud", person("ines"), 5, take_over=True):
                    answer(
                        workspace, task.task_id, person("ines"), {"accept": "yes"}, idempotency_key=task.task_id, reason="The switch team confirmed."
                    )
                weeks(workspace, folder, generate, range(ASKED_IN_WEEK + 1, LAST_WEEK + 1))
                tag(workspace, "transactions@40", "month-end")
                report = serve_features(workspace)
                shoot(address, [(name, page.replace("{skew}", report), width, height) for name, page, width, height in AFTER])
    return 0


def load_example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec is not None and spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def weeks(workspace: Workspace, folder: Path, generate: ModuleType, numbers: range) -> None:
    """Deliver what each week brings, and run the pipeline at its end."""
    pipeline = load_pipeline(folder / "pilot/pipeline.yaml")
    for week in numbers:
        now = generate.FIRST_DAY + timedelta(weeks=week)
        for kind in ("transactions", "chargebacks"):
            there = folder / "pilot/deliveries" / kind
            there.mkdir(parents=True, exist_ok=True)
            for file in sorted((folder / "all" / kind).iterdir()):
                if file.stem < now.strftime("%Y-%m-%d") and not (there / file.name).exists():
                    shutil.copy(file, there)
        print(f"week {week}", flush=True)
        run_pipeline(workspace, pipeline, at_us=int(now.timestamp() * 1e6))


def serve_features(workspace: Workspace) -> str:
    """Replay, release and serve a view three times, from a store that lags more and more; the id of the last comparison with the batch path."""
    found = registered_view(workspace, "habits")
    rows = scan(workspace, found.view.source).collect()
    cards = [{"card": card} for card in rows["card"].unique(maintain_order=True).to_list()[:200]]
    replay(workspace, found.view, entities=6, moments=6)
    release_view(workspace, found.view)
    report = ""
    for days, lag in ((3, 0), (2, 1), (1, 2)):
        moment = rows["at"].max() - timedelta(days=days)
        known = moment - timedelta(days=lag)
        at, told = int(moment.timestamp() * 1e6), int(known.timestamp() * 1e6)
        DatabaseStore(workspace).drop(found.view.ref)
        materialize(workspace, found.view, rows.filter(pl.col("arrived_at") <= known).lazy(), as_of_us=told)
        with ServingLog(workspace, rate=1.0) as log:
            server = FeatureServer(workspace, [found.view], kinds={found.view.ref: found.source_kinds}, log=log)
            server.serve(cards, {"amount": 30.0}, now_us=at)
        report = measure_skew(workspace, found.view, from_us=at, to_us=at + 1, max_rate=0.05).id
    return report


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(workspace, local_token=TOKEN), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not (server.started and server.servers):
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/?token={TOKEN}"
    server.should_exit = True
    thread.join(timeout=10)


def shoot(address: str, pictures: list[tuple[str, str, int, int | None]]) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, page, width, height in pictures:
            camera = Camera(browser, address, width=width, height=844 if width < 500 else 860).open(page.partition(" >> ")[0])
            for link in page.split(" >> ")[1:]:
                camera.open(str(camera.page.locator(link).first.get_attribute("href")))
            if page.startswith("/review/"):
                camera.page.wait_for_selector(".wb-change")
            camera.take(name, height=height)
        browser.close()


if __name__ == "__main__":
    raise SystemExit(main())
