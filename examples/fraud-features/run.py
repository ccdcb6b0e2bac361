"""Fifteen weeks of a card-fraud pipeline, one tick a week, and the workbench on what came of it.

    python examples/fraud-features/run.py                # stops where a person is needed, and goes on once one has answered
    python examples/fraud-features/run.py --check        # plays the person too, fetches every page once, and leaves

Needs the extra ``pilotage[tables]``. The deliveries are made up by ``generate.py``; the person that ``--check`` plays is called ``ada``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

from pilotage.cli.showing import fetch_pages, open_browser, workbench  # noqa: E402
from pilotage.core import PilotageError, load_settings  # noqa: E402
from pilotage.data.contracts import load_contract, put_contract  # noqa: E402
from pilotage.data.ingest import batches  # noqa: E402
from pilotage.data.lineage import Node, impact  # noqa: E402
from pilotage.features import load_views  # noqa: E402
from pilotage.features.leaks import probe_training_set  # noqa: E402
from pilotage.features.online import materialize  # noqa: E402
from pilotage.features.replay import release_view, replay  # noqa: E402
from pilotage.features.serving import FeatureServer  # noqa: E402
from pilotage.features.serving_log import ServingLog  # noqa: E402
from pilotage.features.skew import measure_skew  # noqa: E402
from pilotage.judging import Rater  # noqa: E402
from pilotage.ledger import create_workspace, verify  # noqa: E402
from pilotage.pipelines import Pipeline, RunRecord, champion, load_pipeline, run_pipeline, runs  # noqa: E402
from pilotage.review import answer, claim  # noqa: E402
from pilotage.store import Workspace  # noqa: E402

RELEASE_WEEK = 6
LOOK_EVERY_S = 2.0


def main() -> None:
    """Run the weeks, then show the workbench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(".demo-fraud"), help="where workspace and deliveries are kept")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument("--weeks", type=int, default=generate.WEEKS)
    parser.add_argument("--check", action="store_true", help="unattended: play the person, fetch every page once, leave")
    given = parser.parse_args()
    started = time.monotonic()
    place = given.folder / "pipeline"
    if not place.exists():
        shutil.copytree(HERE, place, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        generate.write(given.folder / "made", weeks=given.weeks)
    pipeline = load_pipeline(place / "pipeline.yaml")
    with create_workspace(given.folder / "workspace", actor=load_settings().actor) as workspace:
        for name in ("transactions", "chargebacks"):
            put_contract(workspace, load_contract(place / "contracts" / f"{name}.yaml"))
        with workbench(workspace, port=0 if given.check else given.port) as address:
            if not given.check:
                print(f"workbench: {address}\nstop with Ctrl+C; the same command goes on from here\n", flush=True)
                open_browser(address)
            for week in range(1, given.weeks + 1):
                moment = generate.FIRST_DAY + timedelta(weeks=week)
                deliver(given.folder / "made", place / "deliveries", until=moment)
                say(week, run_pipeline(workspace, pipeline, at_us=at_us(moment)))
                if week == RELEASE_WEEK:
                    release(workspace, place)
                if review(workspace, pipeline, play=given.check):
                    say(week, run_pipeline(workspace, pipeline, at_us=at_us(moment + timedelta(hours=1))))
            conclude(workspace, pipeline, place, given.weeks)
            print(f"{time.monotonic() - started:.0f} s in all", flush=True)
            if given.check:
                fetch_pages(address, pages(workspace, pipeline))
                return
            while True:
                time.sleep(LOOK_EVERY_S)


def deliver(made: Path, into: Path, *, until: datetime) -> None:
    """What the sources have delivered by ``until``."""
    for kind in ("transactions", "chargebacks"):
        (into / kind).mkdir(parents=True, exist_ok=True)
        for file in sorted((made / kind).iterdir()):
            if file.stem < until.strftime("%Y-%m-%d") and not (into / kind / file.name).exists():
                shutil.copy(file, into / kind / file.name)


def say(week: int, run: RunRecord) -> None:
    """One line a tick."""
    delivered, watched, ended, scored = (run.result(step) or {} for step in ("deliver", "watch", "challenge", "score"))
    parts = [f"week {week:>2}", run.state, f"{len(delivered.get('taken', ()))} deliveries taken"]
    if delivered.get("held"):
        parts.append(f"{len(delivered['held'])} HELD ({next(iter(delivered['held'].values()))})")
    if delivered.get("proposals"):
        parts.append(f"{len(delivered['proposals'])} proposal for a person")
    if watched.get("cause"):
        parts.append(f"diagnosis: {watched['cause']}")
    if watched.get("train"):
        parts.append(f"TRAINED; {'PROMOTED' if ended.get('promoted') else 'champion kept'}: {ended.get('why')}")
    parts.append(f"{scored.get('rows', 0)} rows scored")
    print(" | ".join(parts), flush=True)
    if run.state != "done":
        print(run, flush=True)


def release(workspace: Workspace, place: Path) -> None:
    """Put every view to the release test, release it, fill the online store, serve some vectors, and compare them with the batch path."""
    for view in load_views(place / "features.yaml"):
        report = replay(workspace, view, entities=10, moments=12)
        print(f"        replay of {view.ref}: {report.verdict}, {sum(each.compared for each in report.features)} values by three paths", flush=True)
        release_view(workspace, view)
        now = workspace.clock.now_us()
        print(f"        {materialize(workspace, view, as_of_us=now)}", flush=True)
        request = {"amount": 20.0, "hour": 12, "channel": "web", "country": "DE"}
        values = {name: request[name] for name in view.request_inputs}
        with ServingLog(workspace, rate=1.0) as log:
            server = FeatureServer(workspace, [view], log=log)
            for start in range(0, generate.CARDS, 50):
                server.serve([{"card": f"card-{number:04d}"} for number in range(start, start + 50)], values)
        skew = measure_skew(workspace, view, from_us=now, to_us=workspace.clock.now_us() + 1, max_rate=0.01)
        print(f"        skew of {view.ref}: {skew.verdict}, {skew.compared} served vectors", flush=True)


def review(workspace: Workspace, pipeline: Pipeline, *, play: bool) -> bool:
    """Wait until a person has decided what is proposed, or play one; True if something was decided."""
    from pilotage.review import counts

    if not counts(workspace, pipeline.name).open:
        return False
    if play:
        ada = Rater(kind="person", name="ada")
        for task in claim(workspace, pipeline.name, ada, 10):
            print(f"        ada answers yes: {task.payload['title']}", flush=True)
            why = "the switch team confirmed it"
            answer(workspace, task.task_id, ada, {"accept": "yes"}, idempotency_key=task.task_id, active_ms=1, reason=why)
        return True
    print(f"        a proposal waits for you: /review/{pipeline.name} (answer it, and the weeks go on)", flush=True)
    while counts(workspace, pipeline.name).open:
        time.sleep(LOOK_EVERY_S)
    return True


def conclude(workspace: Workspace, pipeline: Pipeline, place: Path, weeks: int) -> None:
    """What an auditor would ask at the end."""
    serving = champion(workspace, pipeline.name)
    if serving is not None:
        print(f"        leak probe of {serving.training_set}: {probe_training_set(workspace, serving.training_set).verdict}", flush=True)
    first = generate.FIRST_DAY + timedelta(weeks=generate.CENTS_FROM_WEEK)
    trace = impact(workspace, Node("source", "transactions"), from_us=at_us(first), until_us=at_us(first + timedelta(days=6)))
    print(f"        had the first week in cents been wrong: {trace}", flush=True)
    print(f"        ledger: {verify(workspace).integrity}", flush=True)


def pages(workspace: Workspace, pipeline: Pipeline) -> list[str]:
    """One address of every kind of page there is something to show on."""
    kinds = (
        "",
        "/batches",
        "/contracts",
        "/contracts/transactions",
        "/transactions/1",
        "/transactions/versions",
        "/transactions/diff?before=1&after=2",
    )
    found = ["/ledger", "/review", "/lineage", "/lineage?kind=source&id=transactions", *(f"/data{kind}" for kind in kinds)]
    found += ["/features", "/features/lately", "/features/training-sets", f"/features/training-sets/{pipeline.config.training.name}/1"]
    found += [
        "/features/skew",
        "/features/streams",
        "/monitoring",
        f"/monitoring?pipeline={pipeline.name}",
        "/pipelines",
        f"/pipelines/{pipeline.name}",
    ]
    found += [f"/pipelines/{pipeline.name}/runs/{run.id}" for run in runs(workspace, pipeline.name, limit=1)]
    found += [f"/data/batches/{batch.id}" for batch in batches(workspace, limit=1)]
    return found


def at_us(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return int(moment.timestamp()) * 1_000_000


if __name__ == "__main__":
    try:
        main()
    except PilotageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
