"""What the ledger says of how somebody was shown an item, without telling it to who reads the ledger.

Whoever reviews and may read the ledger could find planted errors and known items there: by the arm, by a suggestion that differs from what others
were shown, by the digest of a short list. So these stand in the ledger as commitments, keyed with the project's salt (HMAC, RFC 2104, with SHA-256).
They bind as the words would: whoever leads the project recomputes them from the tables (:func:`check_seals`), and a table that was changed afterwards
is found out. Who does not have the salt learns nothing, not even whether two of them say the same.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select

from pilotage.core import canonical_json
from pilotage.judging import Judgement
from pilotage.judging.tables import judgement as judgement_table
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger.tables import ledger_entry
from pilotage.review.projects.project import find_terms, no_project
from pilotage.review.tables import review_assignment
from pilotage.store import Workspace

SERVED, JUDGED = "review.served", "judgement.made"
_CHUNK = 500
_MOST_NAMED = 20
_decode = msgspec.json.Decoder().decode


def sealed(salt: str, **said: Any) -> str:
    """The commitment to ``said``, 64 hexadecimal digits. The same words under the same salt give the same: put in what makes them one of a kind."""
    return hmac.digest(salt.encode(), canonical_json(said), "sha256").hex()


def seal_of_serving(salt: str, *, task: str, login: str, arm: str | None, shown: Any) -> str:
    """What the entry of a claim keeps of one task: the arm, and the suggestion that goes with it."""
    return sealed(salt, served=task, to=login, arm=arm, shown=shown)


def seal_of_judgement(salt: str, judgement_id: str, arm: str | None, suggestion: Any) -> str:
    """What the entry of a judgement keeps of what its rater had been shown."""
    return sealed(salt, judgement=judgement_id, arm=arm, suggestion=suggestion)


def sealing(queue: str, salt: str) -> Callable[[Judgement, str], dict[str, Any]]:
    """What :func:`pilotage.judging.add_judgements` takes as ``seal``."""

    def seal(given: Judgement, made: str) -> dict[str, Any]:
        return {"queue": queue, "seal": seal_of_judgement(salt, made, given.arm, given.suggestion)}

    return seal


@dataclass(frozen=True)
class SealCheck:
    """How the ledger's commitments compare with the tables.

    ``servings`` and ``judgements`` were compared; ``differing`` names those that say something else than the tables, or are gone from them (tasks and
    judgements, at most 20); ``open`` counts entries from before there were commitments, which say the arm in words.
    """

    project: str
    servings: int
    judgements: int
    differing: tuple[str, ...]
    open: int

    @property
    def ok(self) -> bool:
        """Whether everything that was compared is the same."""
        return not self.differing

    def __str__(self) -> str:
        compared = f"{self.servings:,} servings and {self.judgements:,} judgements compared"
        return f"{self.project}: {compared}, {'all as committed' if self.ok else f'{len(self.differing)} differ: ' + ', '.join(self.differing)}"


def check_seals(workspace: Workspace, project: str) -> SealCheck:
    """Recompute every commitment of the project's ledger entries from the tables. For who leads the project.

    Raises ``NotFound`` if there is no such project. Cost: one pass over the ledger's entries of servings and judgements.
    """
    a, j, r, e = review_assignment.c, judgement_table.c, rater_table.c, ledger_entry.c
    with workspace.read() as conn:
        terms = find_terms(conn, workspace.id, project)
        if terms is None:
            raise no_project(project)
        persons = {row.name: row.id for row in conn.execute(select(r.name, r.id).where(r.workspace_id == workspace.id, r.kind == "person"))}
        counted = {SERVED: 0, JUDGED: 0}
        differing: list[str] = []
        in_words = 0
        after = 0
        while True:
            query = select(e.seq, e.type, e.actor, e.subject, e.body).where(e.workspace_id == workspace.id, e.seq > after)
            rows = conn.execute(query.where(e.type.in_((SERVED, JUDGED))).order_by(e.seq).limit(_CHUNK)).all()
            if not rows:
                break
            after = rows[-1].seq
            served: list[tuple[str, str, str]] = []
            judged: dict[str, str] = {}
            for row in rows:
                body = _decode(row.body)
                if row.type == SERVED and row.subject == project:
                    served += [(task["task"], row.actor, task["seal"]) for task in body["tasks"] if "seal" in task]
                    in_words += sum("seal" not in task for task in body["tasks"])
                elif row.type == JUDGED and body.get("queue") == project:
                    judged[body["judgement"]] = body["seal"]
            counted[SERVED] += len(served)
            counted[JUDGED] += len(judged)
            tasks = sorted({task for task, _, _ in served})
            where = (a.workspace_id == workspace.id, a.task_id.in_(tasks))
            stands = {(row.task_id, row.rater_id): row for row in conn.execute(select(a.task_id, a.rater_id, a.arm, a.shown).where(*where))}
            for task, login, seal in served:
                found = stands.get((task, persons.get(login, "")))
                if found is None or seal_of_serving(terms.salt, task=task, login=login, arm=found.arm, shown=found.shown) != seal:
                    differing.append(task)
            kept = select(j.id, j.arm, j.suggestion).where(j.workspace_id == workspace.id, j.id.in_(sorted(judged)))
            made = {row.id: row for row in conn.execute(kept)}
            for judgement_id, seal in judged.items():
                said = made.get(judgement_id)
                if said is None or seal_of_judgement(terms.salt, judgement_id, said.arm, said.suggestion) != seal:
                    differing.append(judgement_id)
    return SealCheck(project, counted[SERVED], counted[JUDGED], tuple(differing[:_MOST_NAMED]), in_words)
