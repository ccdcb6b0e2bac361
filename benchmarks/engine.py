"""The engine beside Inspect AI and a bare aiohttp loop, against one fake server with 300 ms latency, 100 requests in flight.

All three ask the same questions; ours and Inspect log every sample durably, the bare loop keeps nothing. Each measurement is a process of its
own, run in turn (bare, ours, Inspect, bare, …), so that a busy moment of the machine falls on all; figures are medians. Samples a second are
taken from the start of the run to its end, start-up of the interpreter left out for everybody; processor time is the process's own over that
stretch, without the server's.

    python benchmarks/engine.py [--n 3] [--samples 2000] [--inspect-samples 300]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
IN_FLIGHT = 100
LATENCY_MS = 300


def question(i: int) -> str:
    """A question of the length people ask, different for each sample."""
    return f"Order {i}: my parcel arrived last week and the lid is cracked. How long do I have to send it back, and who pays for the return?"


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def result(self, samples: int, **more: Any) -> dict[str, Any]:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"samples": samples, "samples_per_s": samples / wall, "cpu_ms_per_sample": 1000 * cpu / samples, **more}


async def bare(url: str, samples: int) -> dict[str, Any]:
    """As many coroutines as may be in flight, one session, nothing kept."""
    import aiohttp

    left = iter(range(samples))
    answers = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal answers
        for i in left:
            body = {"model": "fake", "messages": [{"role": "user", "content": question(i)}], "max_tokens": 64, "temperature": 0.0}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                said = await response.json()
                answers += bool(said["choices"][0]["message"]["content"])

    clock = Clock()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(worker(session) for _ in range(IN_FLIGHT)))
    assert answers == samples
    return clock.result(samples)


async def ours(url: str, samples: int) -> dict[str, Any]:
    """A run with full durable logging; then a new run over the same requests, answered from the cache."""
    from pilotage.ledger import create_workspace, verify
    from pilotage.models import Limits, TargetConfig, open_client, register_target
    from pilotage.runs import Plan, check_outputs, run, sample_spec

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder, create_workspace(Path(folder) / "workspace") as workspace:
        config = TargetConfig(
            name="fake",
            url=url,
            model="fake",
            owner="benchmarks",
            authorisation="our own fake server",
            allow_hosts=("127.0.0.1",),
            max_tokens=64,
            limits=Limits(in_flight=IN_FLIGHT),
        )
        target = register_target(workspace, config)
        async with open_client(target, workspace) as client:
            fingerprint = await client.fingerprint()

            def plan(tag: str) -> Plan:
                return Plan(
                    "evaluation",
                    "benchmark",
                    target.id,
                    fingerprint,
                    (),
                    tuple(
                        sample_spec(f"{tag}-{i}", fingerprint=fingerprint, spec={"messages": [{"role": "user", "content": question(i)}]})
                        for i in range(samples)
                    ),
                )

            clock = Clock()
            report = await run(workspace, plan("cold"), client=client)
            cold = clock.result(samples)
            assert report.counts == {"answered": samples}, report
            clock = Clock()
            report = await run(workspace, plan("warm"), client=client)
            warm = clock.result(samples)
            assert report.counts == {"answered": samples} and report.usage.requests == 0, report
            clock = Clock()
            mixed = Plan("replay", "benchmark", target.id, fingerprint, (), plan("cold").samples)
            report = await run(workspace, mixed, client=client)
            reuse = clock.result(samples)
            assert report.executed == 0, report
        assert check_outputs(workspace, report.run_id).ok
        assert str(verify(workspace).integrity) == "ok"
    return {**cold, "warm": warm, "reuse": reuse}


def inspect(url: str, samples: int) -> dict[str, Any]:
    """One task over the same questions with Inspect's OpenAI provider, its log on disk, its display off."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.solver import generate

    model = get_model(
        "openai/fake",
        base_url=url,
        api_key="none",
        responses_api=False,
        config=GenerateConfig(max_connections=IN_FLIGHT, max_tokens=64, temperature=0.0),
    )

    def task(n: int) -> Task:
        return Task(dataset=MemoryDataset([Sample(input=question(i), id=i) for i in range(n)]), solver=generate())

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        eval(task(5), model=model, log_dir=folder, display="none")  # it imports much at its first samples: not counted
        clock = Clock()
        (log,) = eval(task(samples), model=model, log_dir=folder, display="none", max_samples=IN_FLIGHT)
        result = clock.result(samples)
    assert log.status == "success" and log.results is not None and log.results.completed_samples == samples, log.error
    return result


def measure(who: str, url: str, samples: int) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, str(HERE / "engine.py"), "--only", who, "--url", url, "--samples", str(samples)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{who} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    with urllib.request.urlopen(url.rsplit("/", 1)[0] + "/stats") as response:
        seen = json.loads(response.read())
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "max_in_flight": seen["max_in_flight"], "served": seen["requests"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3, help="alternating runs of each")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--inspect-samples", type=int, default=300)
    parser.add_argument("--only", choices=["bare", "ours", "inspect"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        if options.only == "inspect":
            result = inspect(options.url, options.samples)
        else:
            result = asyncio.run((bare if options.only == "bare" else ours)(options.url, options.samples))
        print(json.dumps(result))
        return
    server = subprocess.Popen([sys.executable, str(HERE / "fake_server.py"), "0", str(LATENCY_MS)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        results: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": [], "inspect": []}
        for _ in range(options.n):
            for who, got in results.items():
                got.append(measure(who, url, options.inspect_samples if who == "inspect" else options.samples))
                print(
                    f"{who:8} {got[-1]['samples_per_s']:8.1f} samples/s  {got[-1]['cpu_ms_per_sample']:6.2f} ms CPU/sample",
                    file=sys.stderr,
                    flush=True,
                )
    finally:
        server.terminate()
        server.wait()

    def median(who: str, figure: str, part: str | None = None) -> float:
        return statistics.median((got[part] if part else got)[figure] for got in results[who])

    print(f"{IN_FLIGHT} in flight, {LATENCY_MS} ms latency (at most {IN_FLIGHT * 1000 / LATENCY_MS:.0f}/s), medians of {options.n}")
    print(f"{'':14}{'samples/s':>12}{'CPU ms/sample':>16}{'most in flight':>16}")
    for who in results:
        print(f"{who:14}{median(who, 'samples_per_s'):12.1f}{median(who, 'cpu_ms_per_sample'):16.3f}{median(who, 'max_in_flight'):16.0f}")
    for part, name in (("warm", "ours, cached"), ("reuse", "ours, reused")):
        print(f"{name:14}{median('ours', 'samples_per_s', part):12.1f}{median('ours', 'cpu_ms_per_sample', part):16.3f}")
    rate = median("ours", "samples_per_s")
    print(
        json.dumps(
            {
                "name": "engine",
                "ratios": {
                    "inspect": round(rate / median("inspect", "samples_per_s"), 2),
                    "inspect_cpu": round(median("inspect", "cpu_ms_per_sample") / median("ours", "cpu_ms_per_sample"), 2),
                    "bare_aiohttp": round(rate / median("bare", "samples_per_s"), 3),
                },
                "figures": {
                    "cpu_ms_per_sample": round(median("ours", "cpu_ms_per_sample"), 3),
                    "warm_samples_per_s": round(median("ours", "samples_per_s", "warm")),
                    "warm_cpu_ms_per_sample": round(median("ours", "cpu_ms_per_sample", "warm"), 3),
                    "reused_samples_per_s": round(median("ours", "samples_per_s", "reuse")),
                    "samples_per_s": round(rate, 1),
                    "bare_aiohttp_samples_per_s": round(median("bare", "samples_per_s"), 1),
                    "inspect_samples_per_s": round(median("inspect", "samples_per_s"), 1),
                    "inspect_cpu_ms_per_sample": round(median("inspect", "cpu_ms_per_sample"), 2),
                    "max_in_flight": round(median("ours", "max_in_flight")),
                },
                "n": options.n,
            }
        )
    )


if __name__ == "__main__":
    main()
