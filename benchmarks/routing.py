"""The live router, alone: decisions a second and their delays in-process, and over loopback HTTP. No peer answers for one live output.

Three ways: ``decide`` (the pure decision, nothing kept), ``behind`` (kept within moments; one in fifty is audited and durable first) and
``before`` (every decision durable before it is answered, from 8 threads, since a disk sync is shared by those who wait). Payloads of 600 characters,
one pattern, two sensitive words, novelty on text. HTTP: one kept connection, ``record: behind``, a server process of its own.

    python benchmarks/routing.py [--n 3] [--requests 5000]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "review" / "routing"))
from routed import NAME, POLICY, put_in_force

from pilotage.ledger import create_workspace, open_workspace
from pilotage.people import add_account, find_account, issue_token
from pilotage.review.routing import Router, RouteRequest, fit_novelty, keep_novelty

TEXT = (
    "you can return this order within fourteen days of receiving it free charge and we send the money back to card paid with please keep parcel "
    "label until it has arrived our team looks at every request in turn if something is missing write us again thank patience kind regards"
)
WORDS = TEXT.split()
SERVER = """
import sys, uvicorn
from pilotage.ledger import open_workspace
from pilotage.server import create_app
with open_workspace(sys.argv[1], actor="bench") as workspace:
    uvicorn.run(create_app(workspace), port=int(sys.argv[2]), log_level="error")
"""


def make(folder: Path, record: str) -> str:
    """A workspace with a policy in force; the token of an operator."""
    with create_workspace(folder, actor="bench") as workspace:
        texts = ["\n".join(asked(number)["payload"].values()) for number in range(-400, 0)]
        reference = keep_novelty(workspace, fit_novelty(texts, alpha=0.005))
        text = POLICY.replace("record: before", f"record: {record}").replace("refresh: 0s", "refresh: 1s").replace("rate: 0.1", "rate: 0.02")
        text = text.replace("triggers:\n", f"triggers:\n  novelty: {{reference: {reference}}}\n").replace("queue_limit: 1000", "queue_limit: 1000000")
        put_in_force(workspace, text)
        add_account(workspace, login="shop", roles=["operator"], password="correct horse battery staple")  # noqa: S106 - of a workspace that lives for a minute
        return issue_token(workspace, find_account(workspace, "shop"), name="bench").token


def asked(number: int) -> dict[str, Any]:
    payload = {"question": f"May I return order {number}?", "reply": " ".join(random.Random(number).choices(WORDS, k=110))}
    slices = {"language": "en"}
    return {"id": f"r{number}", "payload": payload, "confidence": 0.97, "slices": slices, "model": "tgt_1", "prompt": "p1"}


def delays(times: list[float]) -> dict[str, float]:
    cut = statistics.quantiles(times, n=100)
    return {"p50_ms": round(cut[49] * 1e3, 3), "p95_ms": round(cut[94] * 1e3, 3), "p99_ms": round(cut[98] * 1e3, 3)}


def timed(act: Any, requests: list[Any], threads: int = 1, only: Any = None) -> tuple[float, dict[str, float]]:
    """Decisions a second, and the delays of each; with ``only``, of those whose answer it holds for."""

    def one(request: Any) -> tuple[float, bool]:
        start = time.perf_counter()
        answer = act(request)
        return time.perf_counter() - start, only is None or only(answer)

    start = time.perf_counter()
    if threads == 1:
        times = [one(request) for request in requests]
    else:
        with ThreadPoolExecutor(threads) as pool:
            times = list(pool.map(one, requests))
    rate = len(requests) / (time.perf_counter() - start)
    return rate, delays([taken for taken, counts in times if counts])


def in_process(folder: Path, record: str, n: int) -> dict[str, float]:
    found: dict[str, float] = {}
    requests = [RouteRequest(**asked(number)) for number in range(n)]
    with open_workspace(folder, actor="bench") as workspace, Router.load(workspace, NAME) as router:
        if record == "behind":
            rate, times = timed(lambda request: router.compiled.decide(request, now_us=1), requests)
            found |= {"decide_per_s": rate, **{f"decide_{name}": value for name, value in times.items()}}
        # Delays of what was kept behind: the one in fifty that is audited waits for the disk, as those of ``before`` do.
        rate, times = timed(router.route, requests, threads=8 if record == "before" else 1, only=lambda answer: answer.recorded == record)
        router.flush()
        found |= {f"{record}_per_s": rate, **{f"{record}_{name}": value for name, value in times.items()}}
    return found


def over_http(folder: Path, token: str, n: int) -> dict[str, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)], env=dict(os.environ))
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

        def ask(number: int) -> None:
            connection.request("POST", "/api/v1/route", json.dumps({"policy": NAME, **asked(number)}), headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body

        for _ in range(300):
            try:
                ask(10_000_000)
                break
            except OSError:
                connection.close()
                time.sleep(0.1)
        rate, times = timed(ask, list(range(20_000_000, 20_000_000 + n)))
        return {"http_per_s": rate, **{f"http_{name}": value for name, value in times.items()}}
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--requests", type=int, default=5_000)
    given = parser.parse_args()
    runs: list[dict[str, float]] = []
    for _ in range(given.n):
        with tempfile.TemporaryDirectory() as folder:
            found: dict[str, float] = {}
            for record in ("behind", "before"):
                place = Path(folder) / record
                token = make(place, record)
                found |= in_process(place, record, given.requests if record == "behind" else given.requests // 5)
                if record == "behind":
                    found |= over_http(place, token, given.requests // 5)
            runs.append(found)
    figures = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    for name, value in figures.items():
        print(f"{name:>20} {value:12,.3f}")
    print(json.dumps({"name": "routing", "ratios": {}, "figures": figures, "n": given.n}))


if __name__ == "__main__":
    main()
