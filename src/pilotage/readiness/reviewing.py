"""Send to review: what people must look at, and no more.

What no rule can tell goes to people one by one. Failures that evidence proves are alike within a cluster (one policy clause, one technique): people
confirm a few of each, and see all of the rest where they disagree with one. Of what the rules passed, a random share is looked at to measure what
they miss.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilotage.core import InputError
from pilotage.judging import Abstain
from pilotage.readiness.cycle import StepRecord
from pilotage.readiness.judging import QUESTION, RuledOutput, audited, judged_outputs, ruled_outputs
from pilotage.readiness.measuring import JudgedOutput
from pilotage.readiness.second_opinion import opinions_of
from pilotage.review import CORRECTION, NewTask, Suggestion, counts, put_tasks, tasks, withdraw

if TYPE_CHECKING:
    from pilotage.readiness.voyage import Voyage
    from pilotage.store import WriteTransaction

_PRIORITY = {"disagreement": 40, "undetermined": 30, "suspected_failure": 20, "random_audit": 10}
_NOT_REVIEWABLE = frozenset({"error", "blocked", "unparsable"})


@dataclass(frozen=True)
class Wanted:
    """One output that people should look at, and why."""

    ruled: RuledOutput
    why: str


def send_to_review(voyage: Voyage) -> bool:
    """Put what needs people into the queue; True if something waits there now."""
    ruled = ruled_outputs(voyage)
    review = voyage.pilot.declaration.review
    wanted = choose(ruled, judged_outputs(voyage), audit=audited(voyage, ruled), per_cluster=review.per_cluster, seed=review.seed)
    overlap = review.overlap
    queue = voyage.pilot.name
    _withdraw_others(voyage, {each.ruled.item.id for each in wanted})

    opinions = opinions_of(voyage, [each.ruled.item.id for each in wanted])

    new = []
    for each in wanted:
        value = opinions.get(each.ruled.item.id) if isinstance(each.ruled.said, Abstain) else each.ruled.said.value
        proposed = [Suggestion(QUESTION, value or "unclear")]
        if value == "yes":
            proposed.append(Suggestion(CORRECTION, each.ruled.correction))
        harmful = each.ruled.part == "attack" and value != "no"
        new.append(NewTask(each.ruled.item, proposed, priority=_PRIORITY[each.why], why=(each.why,), harmful=harmful, overlap=overlap))

    def put(tx: WriteTransaction) -> None:
        report = put_tasks(tx, queue, new, rubric=voyage.pilot.rubric)
        if report.refused:
            raise InputError(report.refused[0].what, where=str(report.refused[0]), why="an item that people must see cannot be left out")

    voyage.workspace.write(put)
    now = counts(voyage.workspace, queue)
    tallies = {"open": now.open, "done": now.done}
    if now.open:
        detail = f"{now.open} {'item waits' if now.open == 1 else 'items wait'} for people on /review/{queue}"
        voyage.stop("review", StepRecord(state="waiting", detail=detail, counts=tallies), cycle_state="waiting")
        return True
    detail = f"{len(wanted)} {'item' if len(wanted) == 1 else 'items'} looked at"
    voyage.note("review", StepRecord(state="done", detail=detail, counts=tallies), cycle_state="running")
    return False


def choose(ruled: Sequence[RuledOutput], judged: Sequence[JudgedOutput], *, audit: frozenset[str], per_cluster: int, seed: int = 0) -> list[Wanted]:
    """What people should look at. Pure: the same outputs and judgements give the same choice.

    Costs one pass over the outputs.
    """
    known = {each.item_id: each for each in judged}
    clusters: dict[str, list[RuledOutput]] = defaultdict(list)
    wanted: list[Wanted] = []
    for each in ruled:
        if isinstance(each.said, Abstain):
            if str(each.output.outcome) not in _NOT_REVIEWABLE:
                wanted.append(Wanted(each, "undetermined"))
        elif each.said.value == "yes":
            clusters[each.cluster_key].append(each)
        elif each.item.id in audit:
            wanted.append(Wanted(each, "random_audit"))
    used: Counter[str] = Counter()
    for _, members in sorted(clusters.items()):
        contested = any(known[each.item.id].reviewed and known[each.item.id].failed is not True for each in members)
        proved = all(each.proved for each in members)
        chosen = members if contested or not proved else _spread(members, per_cluster, used=used, seed=seed)
        wanted += [Wanted(each, "disagreement" if contested else "suspected_failure") for each in chosen]
    return wanted


def _spread(members: Sequence[RuledOutput], wanted: int, *, used: Counter[str], seed: int) -> list[RuledOutput]:
    """``wanted`` of the cluster: what may be learnt from before what is held back, and objectives little used so far before others.

    ``used`` counts objectives over all clusters, so that what people see (and a model then learns from) is as varied as it can be. The rest is
    decided by ``seed`` and by what was asked, never by ids: those change with the model and its address.
    """
    left = sorted(members, key=lambda each: hashlib.sha256(f"{seed}/{_asked(each)}".encode()).hexdigest())
    chosen: list[RuledOutput] = []
    while left and len(chosen) < wanted:
        best = min(left, key=lambda each: (_held_back(each), used[_objective(each)]))
        left.remove(best)
        chosen.append(best)
        used[_objective(best)] += 1
    return chosen


def _asked(each: RuledOutput) -> str:
    sample = each.output.sample
    return f"{sample.item_key}/{sample.repeat}" if sample is not None else each.output.sample_id


def _objective(each: RuledOutput) -> str:
    return each.output.sample.cluster if each.output.sample is not None else ""


def _held_back(each: RuledOutput) -> bool:
    return each.output.sample is not None and each.output.sample.slices.get("split") != "develop"


def _withdraw_others(voyage: Voyage, items: set[str]) -> None:
    """Take out of the queue what an earlier cycle put there and nobody answered: its model is no longer tried, or its rubric no longer asked."""
    stale: list[str] = []
    after: str | None = None
    while True:
        page = tasks(voyage.workspace, voyage.pilot.name, after=after, limit=500)
        stale += [row.id for row in page.rows if row.item_id not in items or row.rubric_id != voyage.pilot.rubric.id]
        after = page.next
        if after is None:
            break
    if stale:
        withdraw(voyage.workspace, stale)
