"""Raters: who judges. A person, a model or a rule; a machine never counts as a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select

from pilotage.core import Conflict, InputError, NotFound, content_id
from pilotage.judging.tables import rater as rater_table
from pilotage.store import Ready, Workspace, WriteTransaction


class RaterKind(StrEnum):
    """What a rater is. ``import``: judgements brought in from elsewhere, whose makers we cannot know."""

    PERSON = "person"
    MODEL = "model"
    RULE = "rule"
    IMPORT = "import"


@dataclass(frozen=True)
class Rater:
    """One rater. A model's ``version`` is the hash of model, prompt and parameters; a rule's its code version and parameters; a person has none."""

    kind: str
    name: str
    version: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    id: str = ""

    def __post_init__(self) -> None:
        if self.kind not in set(RaterKind) or not self.name:
            raise InputError(f"A rater needs a name and a kind ({', '.join(RaterKind)}).", where=f"rater '{self.name}' of kind '{self.kind}'")
        if self.kind in (RaterKind.MODEL, RaterKind.RULE) and not self.version:
            raise InputError(
                "A machine that judges must say its version.", where=f"rater '{self.name}'", why="its figures hold for that version only"
            )
        made = content_id("rtr", {"kind": str(self.kind), "name": self.name, "version": self.version})
        if self.id and self.id != made:
            raise InputError("This rater's id is not that of its kind, name and version.", where=f"rater {self.id}")
        object.__setattr__(self, "id", made)
        object.__setattr__(self, "kind", str(self.kind))

    @property
    def is_person(self) -> bool:
        """Whether this is a human being."""
        return self.kind == RaterKind.PERSON


_CONFIG = Ready(select(rater_table.c.config).where(rater_table.c.workspace_id == bindparam("workspace"), rater_table.c.id == bindparam("rater")))


@lru_cache(maxsize=1024)
def person(login: str) -> Rater:
    """The rater of the person signed in as ``login``."""
    return Rater(kind=RaterKind.PERSON, name=login)


def ensure_rater(tx: WriteTransaction, rater: Rater) -> str:
    """Make sure the workspace knows ``rater``; return its id.

    Raises
    ------
    Conflict
        If the same kind, name and version is known with another configuration.
    """
    found = _CONFIG.first(tx.conn, {"workspace": tx.workspace_id, "rater": rater.id})
    if found is None:
        tx.insert(rater_table, {"id": rater.id, "kind": rater.kind, "name": rater.name, "version": rater.version, "config": rater.config})
    elif found["config"] != rater.config:
        raise Conflict(
            f"The {rater.kind} '{rater.name}' version '{rater.version}' is known with another configuration.",
            where=f"rater {rater.id}",
            mend="give the changed rater another version",
        )
    return rater.id


def load_rater(workspace: Workspace, rater_id: str) -> Rater:
    """The rater with this id. Raises ``NotFound``."""
    t = rater_table
    with workspace.read() as conn:
        found = conn.execute(select(t).where(t.c.workspace_id == workspace.id, t.c.id == rater_id)).first()
    if found is None:
        raise NotFound(f"There is no rater {rater_id}.")
    return Rater(kind=found.kind, name=found.name, version=found.version, config=found.config, id=found.id)
