"""A workspace with something on every page: a small pilot that went round the loop twice, and is waiting for people the third time.

All of it is written by the rooms themselves. Only two runs caught in the middle, and some ledger entries to turn pages of, are made here.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import update

from pilotage import readiness
from pilotage.ledger import record
from pilotage.people import local_account
from pilotage.redteam import attempts_of, findings
from pilotage.review import Claimed
from pilotage.runs import Plan, outputs, sample_spec, samples_page
from pilotage.runs.registration import register
from pilotage.runs.tables import run
from pilotage.store import Workspace, WriteTransaction
from small_pilot import GATES, Desk, Small, change, truth

PILOT = "support-assistant"
HOSTILE = '<script>alert(1)</script> {{7*7}} {% raw %} "><img src=x onerror=alert(1)> & \u202edesrever\u202c'
STUCK = "the target cannot be reached: connection refused"
MORE_GATES = """\
  - name: operations
    owner: operator
    limits:
      - {metric: runs.error_rate, at_most: 0.02, min_n: 2000}
      - {metric: tone.alpha, at_least: 0.67}
"""


class HostileDesk(Desk):
    """Puts into some of its answers what would do harm on a page that does not escape it."""

    def say(self, asked: str) -> str:
        said = super().say(asked)
        return f"{said} {HOSTILE}" if "code is" in said or asked.startswith("How many days") else said


@dataclass(frozen=True)
class Demo:
    """What is where in the workspace: ids of runs, samples and the like. ``answer`` is a sample that is shown, ``harmful`` one that is veiled."""

    small: Small
    evaluation: str
    attack: str
    live: str
    stuck: str
    answer: str
    harmful: str
    harmful_output: str
    finding: str
    attempt: str
    evidence: dict[str, str]

    @property
    def finding_page(self) -> str:
        return f"/findings/{self.finding}?attempt={self.attempt}"


def fill(workspace: Workspace, folder: Path) -> Demo:
    """Take a small pilot in ``folder`` round the loop with a weak model, with a strong one, and half-way with one that refuses too much."""
    small = Small(workspace, folder)
    small.desk = HostileDesk(small.folder)
    small.change("evaluate: {data: items, repeats: 1}", "evaluate: {data: items, repeats: 4}")
    small.change("title: Support assistant of Harbour Electronics", "title: Support assistant")
    small.change("kind: evaluation", "kind: evaluation\n    on_bad_rows: quarantine")
    (small.folder / "gates.yaml").write_text(GATES + MORE_GATES, encoding="utf-8")
    with (small.folder / "items.jsonl").open("a", encoding="utf-8") as items:
        items.write(json.dumps({"id": "broken", "question": HOSTILE}) + "\n")
    small.advance()
    small.review(_truth, login="ada")
    first = small.advance()
    readiness.sign(workspace, first.cycle_id, role="owner", decision="no_go", note="The canary leaks.", person=local_account(workspace))
    small.desk.weak = False
    small.advance()
    small.review(_truth, login="ada")
    small.advance()
    small.desk.refuses_twins = True
    small.advance()
    return _describe(workspace, small)


def _truth(task: Claimed) -> str:
    return truth(task) if task.kind != "answer" else "no"


def _describe(workspace: Workspace, small: Small) -> Demo:
    pilot_id = readiness.find_pilot_id(workspace, PILOT)
    newest, _, first = readiness.cycles(workspace, pilot_id)
    evaluation, attack = first.steps["evaluate"].links["run"], first.steps["attack"].links["run"]
    found = findings(workspace, pilot_id)[0]
    attempt = next(one for one in attempts_of(workspace, found.id) if one.verdict == "breached")
    harmful = next(one for one in outputs(workspace, attack) if HOSTILE in one.messages[-1].content)
    live, stuck = _in_the_middle(workspace, pilot_id, newest.fingerprint)
    workspace.write(_more_entries)
    decided = readiness.decide_cycle(workspace, first)
    return Demo(
        small=small,
        evaluation=evaluation,
        attack=attack,
        live=live,
        stuck=stuck,
        answer=samples_page(workspace, evaluation, limit=1).rows[0].sample_id,
        harmful=harmful.sample_id,
        harmful_output=harmful.id,
        finding=found.id,
        attempt=attempt.sample_id,
        evidence={limit.limit.metric: limit.evidence.id for gate in decided.gates for limit in gate.limits if limit.evidence is not None},
    )


def _in_the_middle(workspace: Workspace, pilot_id: str, fingerprint: str) -> tuple[str, str]:
    """One run that goes on, and one that an outage stopped."""

    def plan(kind: str) -> Plan:
        samples = tuple(
            sample_spec(f"{kind}-{n}", spec={"messages": [{"role": "user", "content": f"{n}?"}]}, fingerprint=fingerprint) for n in range(120)
        )
        return Plan(kind=kind, pilot_id=pilot_id, target_id="none", fingerprint=fingerprint, versions=(), samples=samples)

    async def begin() -> tuple[str, str]:
        return await register(workspace, plan("attack")), await register(workspace, plan("twins"))

    live, stuck = asyncio.run(begin())
    now = workspace.clock.now_us()

    def job(tx: WriteTransaction) -> None:
        mine = run.c.workspace_id == tx.workspace_id
        tx.conn.execute(update(run).where(mine, run.c.id == live).values(counts={"answered": 41, "refused": 9, "error": 1}, updated_at=now))
        tx.conn.execute(update(run).where(mine, run.c.id == stuck).values(state="paused", stop_reason=STUCK, counts={"answered": 70}))

    workspace.write(job)
    return live, stuck


def _more_entries(tx: WriteTransaction) -> None:
    for number in range(1, 131):
        body: dict[str, Any] = {"n": number, "note": HOSTILE if number == 130 else "as planned"}
        record(tx, type="note.made" if number % 2 else "note.read", subject=f"note_{number // 10}", body=body, actor="ada" if number % 3 else "grace")


__all__ = ["HOSTILE", "PILOT", "STUCK", "Demo", "change", "fill"]
