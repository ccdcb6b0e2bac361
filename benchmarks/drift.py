"""Estimates before labels beside NannyML, and PSI beside Evidently, on the same rows.

Estimates: the car-loan data that NannyML ships (50,000 reference rows, 50,000 to estimate, labels withheld), ten chunks, six metrics: the greatest
difference between our estimate and theirs, and between each and what the labels say. Then 200,000 + 200,000 generated rows in ten chunks, six
metrics, for processor time; ours includes its intervals by bootstrap. PSI: 50,000 against 50,000 rows of 20 columns.

Each measurement is a process of its own that times itself once everything is imported, in turn (ours, theirs, ours, …); one thread for all; figures
are medians. NannyML and Evidently pin pandas: give each its own python if one environment cannot hold both.

    BENCH_NANNYML=…/python BENCH_EVIDENTLY=…/python python benchmarks/drift.py [--n 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
METRICS = ("accuracy", "precision", "recall", "f1", "specificity", "auc")
THEIRS = {"auc": "roc_auc"}
CHUNKS = 10
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "NUMEXPR_NUM_THREADS"), "1")


def write_data(folder: Path) -> None:
    """Generated rows both sides read: 200,000 + 200,000 scored ones, 50,000 + 50,000 of 20 columns."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    for name, shift in (("reference", 0.0), ("analysis", 0.4)):
        z = rng.normal(size=200_000) * 1.5 + shift
        truth = rng.random(len(z)) < 1 / (1 + np.exp(-z))
        score = 1 / (1 + np.exp(-(1.3 * z + 0.3)))
        pq.write_table(
            pa.table({"z": z, "y_pred_proba": score, "y_pred": (score >= 0.5).astype("int64"), "y": truth.astype("int64")}),
            folder / f"{name}.parquet",
        )
        columns = {f"c{i:02d}": rng.normal(size=50_000) + shift * i / 20 for i in range(20)}
        pq.write_table(pa.table(columns), folder / f"columns-{name}.parquet")


def cars(folder: Path) -> dict[str, Any]:
    """The car-loan rows that NannyML ships, as it wrote them to ``folder``."""
    import pyarrow.parquet as pq

    return {name: pq.read_table(folder / f"cars-{name}.parquet") for name in ("reference", "analysis")}


class Clock:
    """Processor and wall seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def result(self, **more: Any) -> dict[str, Any]:
        return {"wall_s": time.perf_counter() - self.wall, "cpu_s": time.process_time() - self.cpu, **more}


# ------------------------------------------------------------------ each side, in its own process


def ours_cbpe(folder: Path, *, shipped: bool) -> dict[str, Any]:
    """Fit once, estimate ten chunks."""
    import numpy as np
    import pyarrow.parquet as pq

    from pilotage.monitoring import Window, fit_estimator, realised_performance

    tables = cars(folder) if shipped else {name: pq.read_table(folder / f"{name}.parquet") for name in ("reference", "analysis")}
    truth_name = "repaid" if shipped else "y"

    def window(table: Any, *, labels: bool) -> Window:
        return Window(
            table.select([]) if table.num_columns == 0 else table.select(["y_pred_proba"]),
            np.asarray(table["y_pred_proba"].to_numpy(), dtype=float),
            np.asarray(table["y_pred"].to_numpy()) == 1,
            np.asarray(table[truth_name].to_numpy()).astype("int8") if labels else None,
        )

    # Everything is imported and warm before the clock starts, for both sides.
    fit_estimator(window(tables["reference"].slice(0, 2000), labels=True)).estimate(window(tables["analysis"].slice(0, 2000), labels=False))
    size = tables["analysis"].num_rows // CHUNKS
    clock = Clock()
    estimator = fit_estimator(window(tables["reference"], labels=True))
    found = [estimator.estimate(window(tables["analysis"].slice(i * size, size), labels=False)) for i in range(CHUNKS)]
    done = clock.result()
    clock = Clock()
    fit_estimator(window(tables["reference"], labels=True)).estimate(window(tables["analysis"], labels=False))
    whole = clock.result()
    realised = [realised_performance(window(tables["analysis"].slice(i * size, size), labels=True)) for i in range(CHUNKS)]
    return {
        **done,
        "whole": whole,
        "estimates": {metric: [each.figure(metric).estimate for each in found] for metric in METRICS},
        "lower": {metric: [each.figure(metric).lower for each in found] for metric in METRICS},
        "upper": {metric: [each.figure(metric).upper for each in found] for metric in METRICS},
        "realised": {metric: [each.figure(metric).estimate for each in realised] for metric in METRICS},
    }


def nannyml_cbpe(folder: Path, *, shipped: bool) -> dict[str, Any]:
    """NannyML's CBPE on the same rows."""
    import nannyml
    import pandas as pd

    if shipped:
        reference, analysis, targets = nannyml.load_synthetic_car_loan_dataset()
        analysis = analysis.merge(targets, left_index=True, right_index=True)
        for name, frame in (("reference", reference), ("analysis", analysis)):
            frame[["y_pred_proba", "y_pred", "repaid"]].to_parquet(folder / f"cars-{name}.parquet")
        truth = "repaid"
        analysis = analysis.drop(columns=[truth])
    else:
        reference, analysis = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "analysis"))
        analysis, truth = analysis.drop(columns=["y"]), "y"

    def estimator() -> Any:
        return nannyml.CBPE(
            y_pred_proba="y_pred_proba",
            y_pred="y_pred",
            y_true=truth,
            metrics=[THEIRS.get(metric, metric) for metric in METRICS],
            problem_type="classification_binary",
            chunk_number=CHUNKS,
        )

    warm = estimator()
    warm.fit(reference.head(2000))
    warm.estimate(analysis.head(2000))
    clock = Clock()
    made = estimator()
    made.fit(reference)
    result = made.estimate(analysis)
    done = clock.result()
    frame = result.filter(period="analysis").to_df()
    return {**done, "estimates": {metric: [float(v) for v in frame[(THEIRS.get(metric, metric), "value")]] for metric in METRICS}}


def ours_psi(folder: Path) -> dict[str, Any]:
    """PSI of 20 columns, one call."""
    import pyarrow.parquet as pq

    from pilotage.monitoring import psi_of_tables

    before, now = (pq.read_table(folder / f"columns-{name}.parquet") for name in ("reference", "analysis"))
    psi_of_tables(before.slice(0, 1000), now.slice(0, 1000))
    clock = Clock()
    found = psi_of_tables(before, now)
    return clock.result(psi=found)


def evidently_psi(folder: Path) -> dict[str, Any]:
    """Evidently's PSI of 20 columns, one report."""
    import pandas as pd
    from evidently import Report
    from evidently.metrics import ValueDrift

    before, now = (pd.read_parquet(folder / f"columns-{name}.parquet") for name in ("reference", "analysis"))

    def report(a: Any, b: Any) -> Any:
        return Report([ValueDrift(column=name, method="psi") for name in a.columns]).run(b, a)

    report(before.head(1000), now.head(1000)).dict()
    clock = Clock()
    found = report(before, now).dict()
    done = clock.result()
    return {
        **done,
        "psi": {metric["config"]["column"]: float(metric["value"]) for metric in found["metrics"] if "column" in metric.get("config", {})},
    }


# ------------------------------------------------------------------ in turn


def measure(what: str, folder: Path, python: str) -> dict[str, Any]:
    """Run one side in a process of its own and read what it measured."""
    environment = {**os.environ, **ONE_THREAD, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore"}
    if what.startswith("ours"):
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([python, str(HERE), "--side", what, "--folder", str(folder)], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


SIDES = {
    "ours-cars": lambda folder: ours_cbpe(folder, shipped=True),
    "nannyml-cars": lambda folder: nannyml_cbpe(folder, shipped=True),
    "ours-cbpe": lambda folder: ours_cbpe(folder, shipped=False),
    "nannyml-cbpe": lambda folder: nannyml_cbpe(folder, shipped=False),
    "ours-psi": ours_psi,
    "evidently-psi": evidently_psi,
}


def _greatest(one: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, float]:
    return {metric: max(abs(a - b) for a, b in zip(one[metric], other[metric], strict=True)) for metric in METRICS}


def _mean(one: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, float]:
    return {metric: statistics.mean(abs(a - b) for a, b in zip(one[metric], other[metric], strict=True)) for metric in METRICS}


def main() -> None:
    """Measure all, print a table, then one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--side", choices=sorted(SIDES))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](given.folder)))
        return
    python = {
        "nannyml": os.environ.get("BENCH_NANNYML", sys.executable),
        "evidently": os.environ.get("BENCH_EVIDENTLY", sys.executable),
        "ours": sys.executable,
    }
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        write_data(folder)
        runs["nannyml-cars"].append(measure("nannyml-cars", folder, python["nannyml"]))  # it also writes the rows for us
        runs["ours-cars"].append(measure("ours-cars", folder, python["ours"]))
        for turn in range(given.n):
            for side in ("ours-cbpe", "nannyml-cbpe", "ours-psi", "evidently-psi"):
                runs[side].append(measure(side, folder, python[side.partition("-")[0]]))
                print(f"{turn + 1}/{given.n} {side}: {runs[side][-1]['cpu_s']:.3f} CPU-s", flush=True)

    def cpu(side: str) -> float:
        return statistics.median(run["cpu_s"] for run in runs[side])

    ours, theirs = runs["ours-cars"][0], runs["nannyml-cars"][0]
    generated = runs["ours-cbpe"][0], runs["nannyml-cbpe"][0]
    apart = _greatest(ours["estimates"], theirs["estimates"])
    covered = [
        low <= value <= high
        for metric in METRICS
        for low, value, high in zip(ours["lower"][metric], ours["realised"][metric], ours["upper"][metric], strict=True)
    ]
    figures = {
        "cbpe_cpu_s": round(cpu("ours-cbpe"), 4),
        "cbpe_cpu_s_nannyml": round(cpu("nannyml-cbpe"), 4),
        "cbpe_200k_one_window_cpu_s": round(statistics.median(run["whole"]["cpu_s"] for run in runs["ours-cbpe"]), 4),
        "cbpe_200k_one_window_wall_s": round(statistics.median(run["whole"]["wall_s"] for run in runs["ours-cbpe"]), 4),
        "psi_cpu_s": round(cpu("ours-psi"), 4),
        "psi_cpu_s_evidently": round(cpu("evidently-psi"), 4),
        "max_abs_difference_to_nannyml": max(apart.values()),
        "max_abs_difference_by_metric": apart,
        "max_abs_difference_generated": max(_greatest(generated[0]["estimates"], generated[1]["estimates"]).values()),
        "mae_ours": _mean(ours["estimates"], ours["realised"]),
        "mae_nannyml": _mean(theirs["estimates"], ours["realised"]),
        "interval_coverage_cars": sum(covered) / len(covered),
    }
    for key, value in figures.items():
        print(f"{key}: {value}")
    ratios = {
        "nannyml_cbpe": round(cpu("nannyml-cbpe") / cpu("ours-cbpe"), 1),
        "evidently_psi": round(cpu("evidently-psi") / cpu("ours-psi"), 1),
    }
    print(json.dumps({"name": "drift", "ratios": ratios, "figures": figures, "n": given.n}))


if __name__ == "__main__":
    main()
