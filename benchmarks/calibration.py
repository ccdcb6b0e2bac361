"""Certified thresholds beside MAPIE, and the smooth calibration error beside relplot.

Coverage: in four worlds whose truth is known, the same labelled samples go to ours (all labels test, two starts) and to every procedure of MAPIE's
``BinaryClassificationController`` (precision ≥ 1 - risk): Bonferroni-Holm on its own grid, which is its default, and fixed sequences, strict to
loose, on the confidences' quantiles with one start and with ten. The ratio is against the best of these in mean coverage; what each certified is
held to the truth, and a contender that breaks its promise more often than delta allows is named.

The watch: audits from a shift to its alarm, at once and after 5,000 calm audits, beside a watch that bets nothing anew.

Time: one certification of 2,000 items, one smooth error of 20,000; medians of n alternating runs.

Usage: make bench NAME=calibration
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from mapie.risk_control import BinaryClassificationController
from mapie.risk_control.fwer_control import FWERFixedSequenceTesting
from relplot import smECE

from pilotage.judging.calibration import Sample, certify, smooth_ece
from pilotage.judging.calibration.monitor import log_e_binomial, log_e_path

DELTA = 0.05
WORLDS: dict[str, tuple[float, float, Callable[[Any], Any]]] = {
    "right": (6.0, 0.8, lambda p: p),
    "too sure": (6.0, 0.5, lambda p: p**1.4),
    "not sure enough": (4.0, 0.8, lambda p: p**0.6),
    "noisy at the top": (6.0, 0.8, lambda p: np.minimum(p, 0.97)),
}


def ours(confidence: Any, correct: Any, risk: float) -> float | None:
    made = Sample.of(confidence, correct, model="bench", labelled_by="people")
    return certify(made, risk=risk, delta=DELTA, only_look=True).value


def mapie(confidence: Any, correct: Any, risk: float, *, method: str) -> float | None:
    thresholds: Any = np.linspace(0, 0.99, 100)
    procedure: Any = "bonferroni_holm"
    if method != "holm":
        thresholds = np.unique(np.quantile(confidence, np.linspace(0, 0.99, 100)))[::-1]
        procedure = FWERFixedSequenceTesting(n_starts=1 if method == "sequence" else 10)
    controller = BinaryClassificationController(
        lambda x: np.column_stack([1 - x[:, 0], x[:, 0]]),
        risk="precision",
        target_level=1 - risk,
        confidence_level=1 - DELTA,
        list_predict_params=thresholds,
        fwer_method=procedure,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        controller.calibrate(confidence[:, None], correct.astype(int))
    best = controller.best_predict_param
    return None if best is None else float(best)


CONTENDERS: dict[str, Callable[..., float | None]] = {
    "ours": ours,
    "mapie Bonferroni-Holm": lambda *given: mapie(*given, method="holm"),
    "mapie fixed sequence": lambda *given: mapie(*given, method="sequence"),
    "mapie fixed sequence, ten starts": lambda *given: mapie(*given, method="starts"),
}


def coverages(draws: int) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Mean coverage of each contender in each configuration, and how many certified thresholds break their promise."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, float]] = {}
    broken = dict.fromkeys(CONTENDERS, 0)
    for name, (a, b, right) in WORLDS.items():
        fresh = rng.beta(a, b, 400_000)
        lost = 1 - right(fresh)
        for n in (500, 2_000):
            for risk in (0.05, 0.1):
                sums = dict.fromkeys(CONTENDERS, 0.0)
                for _ in range(draws):
                    p = rng.beta(a, b, n)
                    y = rng.random(n) < right(p)
                    for who, contender in CONTENDERS.items():
                        at = contender(p, y, risk)
                        if at is None:
                            continue
                        accepted = fresh >= at
                        sums[who] += float(accepted.mean())
                        broken[who] += bool(accepted.any() and lost[accepted].mean() > risk)
                found[f"{name}, n = {n}, risk {risk:g}"] = {who: total / draws for who, total in sums.items()}
    return found, broken


def watch_delays(runs: int = 60) -> dict[str, float]:
    """Median audits from a shift to the alarm, at once and after 5,000 calm audits, with restarts and (``memory``) without; and false alarms."""
    rng, line, later = np.random.default_rng(2), -np.log(DELTA), 2_000
    found: dict[str, float] = {}
    for limit, rate in ((0.05, 0.1), (0.02, 0.06)):
        for calm in (0, 5_000):
            wrong = np.concatenate([rng.random((runs, calm)) < limit, rng.random((runs, later)) < rate], axis=1)
            paths = {"restarts": log_e_path(wrong, limit), "memory": log_e_binomial(np.arange(1, calm + later + 1), np.cumsum(wrong, axis=1), limit)}
            for name, path in paths.items():
                over = path >= line
                false = over[:, :calm].any(axis=1)
                quiet = over[~false, calm:]
                delay = np.where(quiet.any(axis=1), quiet.argmax(axis=1) + 1, later + 1)
                found[f"{name}, {limit:g} to {rate:g} after {calm}"] = float(np.median(delay))
                if calm:
                    found[f"{name}, {limit:g}: false alarms"] = round(float(false.mean()), 3)
    return found


def seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    found, broken = coverages(options.draws)
    print(f"{'mean coverage':40}" + "".join(f"{who.removeprefix('mapie '):>34}" for who in CONTENDERS))
    for configuration, row in found.items():
        print(f"{configuration:40}" + "".join(f"{row[who]:34.3f}" for who in CONTENDERS))
    total = options.draws * len(found)
    for who, count in broken.items():
        print(f"{who}: {count} of {total} promises broken ({count / total:.3f}; {DELTA} allowed)")
    rng = np.random.default_rng(1)
    p = rng.beta(6, 0.8, 2_000)
    y = rng.random(2_000) < p
    q = rng.beta(4, 1, 20_000)
    z = (rng.random(20_000) < q**1.4).astype(float)
    large = Sample.of(q, z, model="bench", labelled_by="people")
    works: dict[str, Callable[[], Any]] = {
        "ours certify": lambda: ours(p, y, 0.05),
        "mapie certify": lambda: mapie(p, y, 0.05, method="sequence"),
        "ours smECE": lambda: smooth_ece(large, replicates=0),
        "relplot smECE": lambda: smECE(f=q, y=z),
    }
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.n):
        for name, work in works.items():
            times[name].append(statistics.median(seconds(work) for _ in range(5)))
    median = {name: statistics.median(each) for name, each in times.items()}
    mean = {who: statistics.mean(row[who] for row in found.values()) for who in CONTENDERS}
    best = max((who for who in CONTENDERS if who != "ours"), key=lambda who: mean[who])
    watched = watch_delays()
    for what, value in watched.items():
        print(f"watch, {what}: {value:g}")
    print(f"means: {', '.join(f'{who} {value:.3f}' for who, value in mean.items())}")
    print(
        json.dumps(
            {
                "name": "calibration",
                "ratios": {
                    "mapie_coverage": round(mean["ours"] / mean[best], 3),
                    "mapie_default_coverage": round(mean["ours"] / max(1e-9, mean["mapie Bonferroni-Holm"]), 3),
                    "mapie_seconds": round(median["mapie certify"] / median["ours certify"], 2),
                    "relplot_seconds": round(median["relplot smECE"] / median["ours smECE"], 2),
                },
                "figures": {
                    "watch_late_shift_audits": watched["restarts, 0.05 to 0.1 after 5000"],
                    "watch_late_shift_audits_without_restarts": watched["memory, 0.05 to 0.1 after 5000"],
                    "coverage": round(mean["ours"], 3),
                    "mapie_best_coverage": round(mean[best], 3),
                    "mapie_best": best,
                    "broken_share": round(broken["ours"] / total, 4),
                    "mapie_best_broken_share": round(broken[best] / total, 4),
                    "certify_ms_2000": round(median["ours certify"] * 1_000, 2),
                    "smece_ms_20000": round(median["ours smECE"] * 1_000, 2),
                    "smece_difference": round(abs((smooth_ece(large, replicates=0).estimate or 0) - float(smECE(f=q, y=z))), 5),
                },
                "n": options.n,
            }
        )
    )


if __name__ == "__main__":
    main()
