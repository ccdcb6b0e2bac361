"""Make the example's data: labelled outputs to certify on, and live ones. The model is overconfident, and a little more so in German.

    python generate.py FOLDER [--wrong-from 3000]

``labels.csv`` is what people labelled; ``live.jsonl`` are requests as a shop would send them; ``truth.json`` says which live outputs are wrong.
After ``--wrong-from`` live outputs the German half gets worse: something changed, and only the audit can see it.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

LABELS, LIVE = 5_000, 5_000


def draw(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(raw confidence, probability of being right, language)."""
    language = np.where(random.random(n) < 0.4, "de", "en")
    right = np.clip(random.beta(6, 0.6, n), 1e-6, 1 - 1e-6)
    raw = 1 / (1 + (1 / right - 1) ** 1.6)
    return raw, np.where(language == "de", right**1.1, right), language


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wrong-from", type=int, default=2_500)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(11)
    raw, right, language = draw(LABELS, random)
    with (given.folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "confidence", "correct", "language"])
        for number, correct in enumerate(random.random(LABELS) < right):
            writer.writerow([f"label-{number}", f"{raw[number]:.6f}", int(correct), language[number]])
    raw, right, language = draw(LIVE, random)
    worse = (np.arange(LIVE) >= given.wrong_from) & (language == "de")
    wrong = random.random(LIVE) >= np.where(worse, right * 0.75, right)
    with (given.folder / "live.jsonl").open("w", encoding="utf-8") as file:
        for number in range(LIVE):
            request = {
                "id": f"msg-{number}",
                "payload": {"question": f"May I return order {number}?", "reply": "Yes, within 14 days."},
                "confidence": round(float(raw[number]), 6),
                "slices": {"language": str(language[number])},
                "model": "shop-assistant-7",
                "prompt": "prompt-3",
            }
            file.write(json.dumps(request) + "\n")
    (given.folder / "truth.json").write_text(json.dumps([f"msg-{number}" for number in np.flatnonzero(wrong)]), encoding="utf-8")


if __name__ == "__main__":
    main()
