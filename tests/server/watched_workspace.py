"""A workspace with lineage and monitoring in it: two sources, a training set, a model, predictions, reports of each kind, a pipeline's ticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import insert

from pilotage.core import iso
from pilotage.data import Card, Operation, Version, derive
from pilotage.data.lineage import ColumnOrigin, Edge, Node, record_edges
from pilotage.monitoring import Thresholds, Window, diagnose, group_gaps, measure_drift, put_report
from pilotage.pipelines.tables import retraining_decision, workflow_run, workflow_step
from pilotage.store import Workspace, WriteTransaction

HOSTILE = "<script>evil()</script>"
DAY = 86_400_000_000
START = 1_750_000_000_000_000
MODEL = "mdl_0123456789abcdef"
CARD = Card(licence="CC0-1.0", consent="generated", purposes=("training",), source="generated", contains_personal_data=False)


@dataclass(frozen=True)
class Watched:
    """What is where."""

    versions: list[Version]
    training: Version
    reports: dict[str, str]
    run: str


def fill(workspace: Workspace) -> Watched:
    versions: list[Version] = []
    for number in range(12):
        rows = [{"id": f"r{n}", "text": f"row {n}"} for n in range(number + 1)]
        parents = [versions[-1].id] if versions else []
        counts = {"in": number, "kept": number, "added": 1}
        versions.append(
            derive(
                workspace, dataset="payments", kind="documents", rows=rows, card=CARD, operation=Operation("ingest", counts=counts), parents=parents
            )
        )
    training = derive(
        workspace,
        dataset="fraud-training",
        kind="documents",
        rows=[{"id": "a", "text": "a"}],
        card=CARD,
        operation=Operation("training_set", counts={"in": 12, "kept": 1, "dropped": 11}),
        parents=[versions[-1].id],
    )
    edges = [
        Edge(
            Node("view", "activity@1"),
            Node("version", training.id),
            via="training_set",
            columns=(ColumnOrigin("spent", "amount", text=f"sum({HOSTILE})"),),
        ),
        Edge(Node("version", training.id), Node("model", MODEL), via="train"),
        Edge(Node("model", MODEL), Node("predictions", f"{MODEL}/2025-06-20"), via="score"),
        Edge(Node("source", HOSTILE), Node("batch", "ib_strange"), via="deliver"),
        Edge(Node("batch", "ib_strange"), Node("external", "=cmd|calc!A1"), via="job"),
    ]
    for number, version in enumerate(versions):
        first, last = START + number * DAY, START + (number + 1) * DAY - 1
        batch, origin = Node("batch", f"ib_{number:02}"), (ColumnOrigin("text", "text"),)
        edges.append(Edge(Node("source", "bank"), batch, via="deliver", from_us=first, until_us=last, columns=origin))
        edges.append(Edge(batch, Node("version", version.id), via="ingest", from_us=first, until_us=last, columns=origin))
    workspace.write(lambda tx: record_edges(tx, edges))
    return Watched(versions, training, *_watch(workspace, training))


def _window(seed: int, *, shift: float = 0.0, n: int = 600, labels: bool = True, score: bool = True) -> Window:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) + shift
    p = 1 / (1 + np.exp(-2 * x))
    shops = rng.choice(["food", "travel", HOSTILE], n, p=[0.6, 0.3, 0.1] if not shift else [0.2, 0.7, 0.1])
    table = pa.table({"amount": x, "calm": rng.normal(size=n), "shop": shops})
    if not score:
        return Window(table)
    return Window(table, scores=p, decisions=p >= 0.5, labels=(rng.random(n) < p).astype(int) if labels else None)


def _watch(workspace: Workspace, training: Version) -> tuple[dict[str, str], str]:
    reference, limits = _window(1, n=1500), Thresholds(harm=0.05)
    subject = {"pilot": "card-fraud", "fingerprint": MODEL}
    found = {
        "quiet": diagnose(reference, _window(2, n=1500), thresholds=limits, subject=subject),
        "moved": diagnose(reference, _window(3, shift=0.6, labels=False), thresholds=limits, subject=subject),
        "few": diagnose(reference, _window(4, n=40), subject=subject),
        "drift": measure_drift(reference.features, _window(5, shift=1.2).features),
        "groups": group_gaps(_grouped(6), _grouped(7)),
    }
    kept = {
        name: put_report(workspace, each, reference=training.id, production="payments at 2025-06-20" if name != "drift" else HOSTILE).id
        for name, each in found.items()
    }
    runs = ["wfr_0", "wfr_1"]

    def write(tx: WriteTransaction) -> None:
        for place, (run, report) in enumerate(zip(runs, (kept["quiet"], kept["moved"]), strict=True)):
            key = iso(START + place * 7 * DAY)
            tx.conn.execute(
                insert(workflow_run).values(
                    **tx.stamp(), id=run, pipeline="card-fraud", key=key, declared="d", state="done", lease_until=0, fence=1, ended_at=1
                )
            )
            trigger = {"name": "estimated_fall", "fired": bool(place), "why": HOSTILE, "figure": 0.1, "limit": 0.05, "evidence": None}
            tx.insert(
                retraining_decision,
                {
                    "id": f"rtd_{place}",
                    "pipeline": "card-fraud",
                    "run_id": run,
                    "fired": bool(place),
                    "triggers": [trigger],
                    "held_back_by": None,
                    "report": report,
                },
            )
        for name, result in (("train", {"model": MODEL, "rows": 9}), ("challenge", {"promoted": True, "why": "gain 0.01 [0.00, 0.02]"})):
            tx.insert(
                workflow_step,
                {
                    "run_id": "wfr_1",
                    "position": 1,
                    "name": name,
                    "inputs": "i",
                    "state": "done",
                    "tries": 1,
                    "result": result,
                    "started_at": 1,
                    "ended_at": 2,
                },
            )

    workspace.write(write)
    return kept, "wfr_1"


def _grouped(seed: int) -> Window:
    made = _window(seed)
    return Window(made.features, made.scores, made.decisions, made.labels, tuple("ab"[n % 2] for n in range(made.n)))
