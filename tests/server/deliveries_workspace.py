"""A workspace with deliveries: batches of every fate, gate reports with a history, a pipeline with ticks, decisions and models.

Batches and reports are made by the rooms themselves. A pipeline's ticks are made of steps that say what real ones say, since training takes long.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotage.core import InputError
from pilotage.data.ingest import Batch, ingest_rows, load_source, register_source, source_of
from pilotage.evidence import Evidence
from pilotage.pipelines.registry import keep_model, record_decision
from pilotage.pipelines.tables import pipeline_delivery, retraining_decision
from pilotage.pipelines.workflow import Hold, Step, StepContext, advance
from pilotage.store import Workspace, WriteTransaction

HOSTILE = '<script>alert(1)</script>{{7*7}}"><img src=x onerror=alert(1)>'
SECRET = "ann-the-customer"
CONTRACT = """
name: payments
owner: team-a
columns:
  id: {type: text}
  at: {type: timestamp}
  amount: {type: float, unit: EUR, minimum: 0}
  note: {type: text, nullable: true}
  person: {type: text, personal: true, nullable: true}
key: [id]
event_time: at
available_lag: 1h
subject: person
"""
CARD = "{licence: custom, use: commercial, consent: contract, purposes: [training], source: bank, contains_personal_data: true}"
SOURCE = f"name: payments\nkind: push\ncontract: contract.yaml\ndataset: payments\ncard: {CARD}\nlimits: {{bad_share: 0.3}}\n"
PIPELINE = "card-fraud"


@dataclass(frozen=True)
class Deliveries:
    """What is where: ids of batches, gate reports, runs and models."""

    good: str
    dirty: str
    changed: str
    spare: str
    refused: str
    passed: str
    failed: str
    champion: str
    challenger: str
    done: str
    failed_run: str


def rows(first: int, n: int, *, times: float = 1.0) -> list[dict[str, Any]]:
    """Good rows ``first`` to ``first + n - 1``; amounts from 10 to 110 times ``times``."""
    chance = random.Random(first)
    return [
        {"id": f"p{one}", "at": "2025-01-01T00:00:00Z", "amount": times * (10 + 100 * chance.random()), "note": None, "person": SECRET}
        for one in range(first, first + n)
    ]


def push(workspace: Workspace, sent: list[Any], **options: Any) -> Batch:
    """Bring rows in through the registered source."""
    return ingest_rows(workspace, source_of(workspace, "payments"), sent, **options)


def fill(workspace: Workspace, folder: Path) -> Deliveries:
    """Make it all; some seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    (folder / "payments.yaml").write_text(SOURCE, encoding="utf-8")
    register_source(workspace, load_source(folder / "payments.yaml"))
    good = [push(workspace, rows(1000 * n, 150), batch_key=f"day-{n}") for n in range(6)]
    bad = [{"id": f"bad{n}", "at": "2025-01-01T00:00:00", "amount": 1.0, "note": HOSTILE, "person": SECRET} for n in range(3)]
    bad += [{"id": "bad3", "at": "2025-01-01T00:00:00Z", "amount": HOSTILE, "note": None, "person": SECRET}, "no row at all"]
    dirty = push(workspace, rows(7000, 150) + bad)
    changed = push(workspace, rows(8000, 150, times=100))
    spare = push(workspace, rows(9000, 150, times=100))
    try:
        push(workspace, [{"id": "x", "at": "never", "amount": HOSTILE}], batch_key=HOSTILE)
    except InputError as error:
        refused = error.mend.rpartition(" ")[2]  # type: ignore[union-attr]
    models = _models(workspace, str(good[-1].version))
    done, failed_run = _ticks(workspace, good[-1], changed, *models)
    return Deliveries(
        good=good[0].id,
        dirty=dirty.id,
        changed=changed.id,
        spare=spare.id,
        refused=refused,
        passed=str(good[-1].gate_report_id),
        failed=str(changed.gate_report_id),
        champion=models[0],
        challenger=models[1],
        done=done,
        failed_run=failed_run,
    )


def _models(workspace: Workspace, version: str) -> tuple[str, str]:
    made = [
        keep_model(workspace, pipeline=PIPELINE, training_set=version, kind="logistic", params={"l2": n}, model=b"{}", rows=100 + n).id
        for n in range(2)
    ]
    gain = Evidence("gain.roc_auc", "measured", 0.02, 0.011, 0.029, 0.95, 4321, None, "DeLong").to_dict()
    won = {"promoted": True, "why": "beyond", "metric": "roc_auc", "margin": 0.005, "gain": gain, "champion": 0.91, "challenger": 0.93}

    def job(tx: WriteTransaction) -> None:
        about: dict[str, Any] = {"pipeline": PIPELINE}
        record_decision(tx, **about, challenger=made[0], champion=None, promoted=True, reason="there is no champion to beat", comparison=None)
        why = f"it waits for a person to promote it {HOSTILE}"
        record_decision(tx, **about, challenger=made[1], champion=made[0], promoted=False, reason=why, comparison=won)

    workspace.write(job)
    return made[0], made[1]


def _ticks(workspace: Workspace, taken: Batch, held: Batch, champion: str, challenger: str) -> tuple[str, str]:
    delivered = {"taken": {"payments/1.csv": taken.id}, "held": {f"payments/{HOSTILE}": held.reason}, "failing": {}, "poisoned": {}, "missing": {}}
    triggers = [
        {
            "name": "realised_fall",
            "fired": True,
            "why": f"fall {HOSTILE}",
            "figure": 0.08,
            "lower": 0.06,
            "upper": 0.1,
            "limit": 0.05,
            "evidence": None,
        },
        {"name": "schedule", "fired": False, "why": "young", "figure": 86400.0, "lower": None, "upper": None, "limit": 2419200.0, "evidence": None},
    ]
    results: dict[str, dict[str, Any]] = {
        "deliver": {**delivered, "proposals": []},
        "versions": {"datasets": {"payments": taken.version}, "views": ["spending@1"]},
        "watch": {"train": True, "why": "train", "triggers": triggers, "champion": champion, "cause": "concept drift", "report": "mr_1"},
        "assemble": {"training_set": taken.version, "rows": 150, "left_out": {}},
        "train": {"model": challenger, "rows": 101},
        "challenge": {"champion": champion, "promoted": False, "why": HOSTILE},
        "score": {"rows": 0, "version": None},
    }

    def steps(**other: Any) -> list[Step]:
        def work(name: str) -> Any:
            def do(context: StepContext) -> dict[str, Any]:
                if isinstance(other.get(name), Exception):
                    raise other[name]
                return results[name]

            return do

        return [Step(name, work(name), given=repr(other.get(name)), fresh=True) for name in results]

    about = {"pipeline": PIPELINE, "declared": "d"}
    advance(workspace, **about, key="2025-01-06T00:00:00.000Z", steps=steps(deliver=Hold("payments: nothing since Monday; due every 7d")))
    done = advance(workspace, **about, key="2025-01-13T00:00:00.000Z", steps=steps())
    failing = steps(train=InputError(f"It could not be trained: {HOSTILE}"))
    failed = advance(workspace, **about, key="2025-01-20T00:00:00.000Z", steps=failing, max_tries=1)

    def job(tx: WriteTransaction) -> None:
        tx.insert(
            retraining_decision,
            {"id": "rtd_1", "pipeline": PIPELINE, "run_id": done.id, "fired": True, "triggers": triggers, "held_back_by": None, "report": "mr_1"},
        )
        for name, state, batch in (("1.csv", "done", taken), (HOSTILE, "held", held), ("broken.csv", "poisoned", None)):
            tx.insert(
                pipeline_delivery,
                {
                    "pipeline": PIPELINE,
                    "source": "payments",
                    "name": name,
                    "state": state,
                    "tries": 3,
                    "reason": None if state == "done" else f"{state} {HOSTILE}",
                    "taken_at": tx.clock.now_us(),
                    "batch_id": batch.id if batch else None,
                    "contract_id": None,
                },
            )

    workspace.write(job)
    return done.id, failed.id
