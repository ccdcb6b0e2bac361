"""Truth inference beside crowd-kit: the same votes, the same number of steps, the same posteriors.

Dawid–Skene: 200,000 tasks, 1,000 workers, 5 labels, 1,000,000 judgements, 10 EM steps, no smoothing on our side, because theirs has none. Inside the
clock is everything from the columns (task, worker, label as whole numbers: arrays for us, a data frame for them) to posteriors, labels and workers'
tables. The two sets of posteriors are compared cell by cell, and the benchmark fails if any differs by more than 1e-6. MACE: the same votes, 10
steps, one start each; theirs starts from a draw and ours from the vote shares, so only labels can be compared (how many agree is printed). GLAD: 10
steps on a smaller table, because theirs takes minutes on a thousand tasks. Agreement: alpha over the same million judgements with a 1,000-fold
bootstrap, ours alone.

Each measurement is a process of its own, in turn (ours, theirs, ours, …); figures are medians.

    python benchmarks/aggregation.py [--n 3] [--tasks 200000] [--glad-tasks 100]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 10
K, PER_TASK = 5, 5
Columns = dict[str, Any]


def make(path: Path, tasks: int, workers: int) -> None:
    """Votes of workers whose accuracies lie between .35 and .95; each task by five of them."""
    rng = np.random.default_rng(7)
    truth = rng.integers(0, K, tasks)
    accuracy = rng.uniform(0.35, 0.95, workers)
    # Five different workers a task: a start and four different steps round the circle of workers.
    step = np.cumsum(rng.integers(1, workers // PER_TASK, (tasks, PER_TASK)), axis=1)
    worker = (rng.integers(0, workers, tasks)[:, None] + step) % workers
    right = rng.random((tasks, PER_TASK)) < accuracy[worker]
    label = np.where(right, truth[:, None], (truth[:, None] + rng.integers(1, K, (tasks, PER_TASK))) % K)
    order = rng.permutation(tasks * PER_TASK)
    task = np.repeat(np.arange(tasks), PER_TASK)
    np.savez(path, task=task[order], worker=worker.ravel()[order], label=label.ravel()[order])


def ours_dawid_skene(columns: Columns) -> tuple[dict[str, Any], Any]:
    from pilotage.judging.aggregation import Votes, dawid_skene

    clock = Clock()
    votes = Votes.from_rows(columns["task"], columns["worker"], columns["label"])
    found = dawid_skene(votes, smoothing=0, iterations=STEPS, tolerance=None)
    return clock.result(), found.posterior


def ours_hierarchical(columns: Columns) -> tuple[dict[str, Any], Any]:
    from pilotage.judging.aggregation import Votes, hierarchical_dawid_skene

    clock = Clock()
    votes = Votes.from_rows(columns["task"], columns["worker"], columns["label"])
    found = hierarchical_dawid_skene(votes, iterations=STEPS, tolerance=None)
    return clock.result(), found.posterior


def ours_mace(columns: Columns) -> tuple[dict[str, Any], Any]:
    from pilotage.judging.aggregation import Votes, mace

    clock = Clock()
    votes = Votes.from_rows(columns["task"], columns["worker"], columns["label"])
    found = mace(votes, iterations=STEPS, tolerance=None)
    return clock.result(), found.posterior


def ours_glad(columns: Columns) -> tuple[dict[str, Any], Any]:
    from pilotage.judging.aggregation import Votes, glad

    clock = Clock()
    votes = Votes.from_rows(columns["task"], columns["worker"], columns["label"])
    found = glad(votes, iterations=STEPS, tolerance=None)
    return clock.result(), found.posterior


def ours_alpha(columns: Columns) -> tuple[dict[str, Any], Any]:
    from pilotage.judging.aggregation import Votes
    from pilotage.judging.agreement import krippendorff_alpha

    clock = Clock()
    found = krippendorff_alpha(Votes.from_rows(columns["task"], columns["worker"], columns["label"]), scale="nominal", replicates=1000)
    return {**clock.result(), "figure": str(found)}, None


def theirs_dawid_skene(columns: Columns) -> tuple[dict[str, Any], Any]:
    from crowdkit.aggregation import DawidSkene

    return _theirs(DawidSkene(STEPS, tol=-1e9), columns)


def theirs_mace(columns: Columns) -> tuple[dict[str, Any], Any]:
    from crowdkit.aggregation import MACE

    return _theirs(MACE(n_restarts=1, n_iter=STEPS, random_state=0), columns)


def theirs_glad(columns: Columns) -> tuple[dict[str, Any], Any]:
    from crowdkit.aggregation import GLAD

    return _theirs(GLAD(n_iter=STEPS, tol=-1e9, silent=True), columns)


def _theirs(method: Any, columns: Columns) -> tuple[dict[str, Any], Any]:
    import pandas as pd

    frame = pd.DataFrame(dict(columns))
    clock = Clock()
    method.fit(frame)
    measured = clock.result()
    return measured, method.probas_.sort_index().reindex(columns=range(K), fill_value=0.0).to_numpy()


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def result(self) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"wall_s": time.perf_counter() - self.wall, "cpu_s": time.process_time() - self.cpu, "peak_mb": peak}


CONTENDERS: dict[str, Callable[[Columns], tuple[dict[str, Any], Any]]] = {
    "ours_dawid_skene": ours_dawid_skene,
    "theirs_dawid_skene": theirs_dawid_skene,
    "ours_mace": ours_mace,
    "theirs_mace": theirs_mace,
    "ours_glad": ours_glad,
    "theirs_glad": theirs_glad,
    "ours_hierarchical": ours_hierarchical,
    "ours_alpha": ours_alpha,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--glad-tasks", type=int, default=100)
    parser.add_argument("--who", default="")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.who:
        with np.load(options.file) as stored:
            columns = {name: stored[name] for name in stored.files}
        measured, posterior = CONTENDERS[options.who](columns)
        if posterior is not None:
            np.save(options.out, posterior)
        print(json.dumps(measured))
        return
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in CONTENDERS}
    posteriors: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        large, small = Path(folder) / "votes.npz", Path(folder) / "few.npz"
        make(large, options.tasks, options.workers)
        make(small, options.glad_tasks, 30)
        for _ in range(options.n):
            for who in CONTENDERS:
                out = Path(folder) / f"{who}.npy"
                file = small if who.endswith("glad") else large
                command = [sys.executable, str(Path(__file__).resolve()), "--who", who, "--file", str(file), "--out", str(out)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs[who].append(json.loads(done.stdout.strip().splitlines()[-1]))
        posteriors = {who: np.load(Path(folder) / f"{who}.npy") for who in CONTENDERS if who != "ours_alpha"}
    report(runs, posteriors, options)


def report(runs: dict[str, list[dict[str, Any]]], posteriors: dict[str, Any], options: argparse.Namespace) -> None:
    """The table, and the line of JSON."""
    median = {who: {name: statistics.median(run[name] for run in found) for name in ("wall_s", "cpu_s", "peak_mb")} for who, found in runs.items()}
    print(f"{'':22}{'wall s':>10}{'cpu s':>10}{'peak MB':>10}")
    for who, figures in median.items():
        print(f"{who:22}{figures['wall_s']:10.3f}{figures['cpu_s']:10.3f}{figures['peak_mb']:10.0f}")
    print(runs["ours_alpha"][0]["figure"])
    apart = float(np.abs(posteriors["ours_dawid_skene"] - posteriors["theirs_dawid_skene"]).max())
    same = {
        name: float((posteriors[f"ours_{name}"].argmax(axis=1) == posteriors[f"theirs_{name}"].argmax(axis=1)).mean()) for name in ("mace", "glad")
    }
    print(f"largest difference of a Dawid–Skene posterior: {apart:.2e}; equal labels: MACE {same['mace']:.4f}, GLAD {same['glad']:.4f}")
    assert apart < 1e-6, f"the posteriors are not the same: {apart}"
    methods = ("dawid_skene", "mace", "glad")
    ratios = {f"crowdkit_{name}": median[f"theirs_{name}"]["wall_s"] / median[f"ours_{name}"]["wall_s"] for name in methods}
    ratios["crowdkit_dawid_skene_cpu"] = median["theirs_dawid_skene"]["cpu_s"] / median["ours_dawid_skene"]["cpu_s"]
    ratios["crowdkit_dawid_skene_memory"] = median["theirs_dawid_skene"]["peak_mb"] / median["ours_dawid_skene"]["peak_mb"]
    figures = {
        "judgements": options.tasks * PER_TASK,
        "largest_posterior_difference": apart,
        "equal_labels_mace": same["mace"],
        "equal_labels_glad": same["glad"],
        "glad_judgements": options.glad_tasks * PER_TASK,
        **{f"{who}_s": round(median[who]["wall_s"], 3) for who in median},
    }
    print(
        json.dumps({"name": "aggregation", "ratios": {name: round(value, 2) for name, value in ratios.items()}, "figures": figures, "n": options.n})
    )


if __name__ == "__main__":
    main()
