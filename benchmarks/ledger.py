"""How fast the ledger takes entries and how fast it is verified. No peer is needed; run it with ``python benchmarks/ledger.py``.

``durable_appends_per_s_N``: N threads each record one entry after the other through ``Workspace.write``, which returns once the entry is on the disk
(SQLite, WAL, ``synchronous=FULL``). ``verify_per_s``: entries a second of the full in-process verification: chain, tree, payloads, signed heads.
``bundle_verify_per_s``: the same by the standalone verifier over an export. Figures are medians of three runs; the disk is the temporary folder's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from pilotage.ledger import checkpoint, create_workspace, export_bundle, record, verify
from pilotage.ledger.verify import verify_bundle
from pilotage.store import Workspace, WriteTransaction

BODY = {"item": "itm_0123456789abcdef0123456789abcdef", "question": "correct", "value": "yes", "rubric": "rub_0123456789abcdef0123456789abcdef"}


def appends_per_s(folder: Path, *, callers: int, seconds: float) -> float:
    """Durable appends a second by ``callers`` threads."""
    with create_workspace(folder) as workspace:
        append(workspace, "warm-up")
        counts = [0] * callers
        end = time.perf_counter() + seconds

        def work(caller: int) -> None:
            while time.perf_counter() < end:
                append(workspace, f"judgement-{caller}")
                counts[caller] += 1

        threads = [threading.Thread(target=work, args=(caller,)) for caller in range(callers)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - began)


def append(workspace: Workspace, subject: str) -> None:
    workspace.write(lambda tx: record(tx, type="judgement.made", subject=subject, body=BODY))


def full_ledger(folder: Path, entries: int) -> Workspace:
    """A workspace of about ``entries`` entries, one in fifty with personal data, with ten signed heads."""
    workspace = create_workspace(folder)
    for _ in range(10):

        def fill(tx: WriteTransaction) -> None:
            for n in range(entries // 10):
                record(tx, type="judgement.made", subject=f"jdg_{n:032x}", body=BODY, personal={"note": f"n {n}"} if n % 50 == 0 else None)

        workspace.write(fill)
        checkpoint(workspace, key_dir=folder.parent / "keys")
    return workspace


def per_s(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each append run lasts")
    parser.add_argument("--entries", type=int, default=100_000, help="size of the ledger that is verified")
    options = parser.parse_args()
    runs: dict[str, list[float]] = {}

    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as name:
        folder = Path(name)
        for run in range(options.runs):
            for callers in (1, 64):
                figure = appends_per_s(folder / f"append-{run}-{callers}", callers=callers, seconds=options.seconds)
                runs.setdefault(f"durable_appends_per_s_{callers}", []).append(figure)
        workspace = full_ledger(folder / "full", options.entries)
        bundle = export_bundle(workspace, folder / "bundle").path

        def in_process() -> int:
            result = verify(workspace, key_dir=folder / "keys")
            assert result.ok, result
            return result.entries

        def standalone() -> int:
            result = verify_bundle(bundle)
            assert result.ok, result
            return result.entries

        for _ in range(options.runs):
            runs.setdefault("verify_per_s", []).append(per_s(in_process))
            runs.setdefault("bundle_verify_per_s", []).append(per_s(standalone))
        workspace.close()
        bytes_per_entry = (folder / "full" / "pilotage.db").stat().st_size / options.entries

    figures = {figure: round(statistics.median(values), 1) for figure, values in runs.items()}
    figures["bytes_per_entry"] = round(bytes_per_entry, 1)
    print(f"{'figure':<28}{'median':>12}   runs")
    for figure, value in figures.items():
        print(f"{figure:<28}{value:>12,.0f}   {', '.join(f'{run:,.0f}' for run in runs.get(figure, []))}")
    print(json.dumps({"name": "ledger", "ratios": {}, "figures": figures, "n": options.runs}))


if __name__ == "__main__":
    main()
