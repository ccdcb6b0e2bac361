"""The records of lineage: a node is anything that data becomes, an edge says that one was made from another.

Kinds of node, in the order data flows: ``source`` (where rows come from), ``batch`` (one delivery), ``version`` (of a dataset; a training set is
one), ``view`` (a feature view, ``name@version``), ``model``, ``predictions`` (what a model said in some span of time), ``export``, ``run``; and
``external``, a dataset that somebody else's system named in an OpenLineage event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError, content_id

KINDS = ("source", "batch", "version", "view", "model", "predictions", "export", "run", "external")


@dataclass(frozen=True, order=True)
class Node:
    """One thing data became: its kind (one of :data:`KINDS`) and its id within that kind."""

    kind: str
    id: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"Unknown kind of thing in lineage: {self.kind!r}.", mend=f"use one of: {', '.join(KINDS)}")
        if not self.id:
            raise InputError(f"A {self.kind} in lineage needs an id.")

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True)
class ColumnOrigin:
    """That a column was made from another.

    ``how`` is DIRECT (its values come from there) or INDIRECT (they decide which rows or groups count); ``subtype`` is OpenLineage's word: IDENTITY,
    TRANSFORMATION, AGGREGATION; JOIN, GROUP_BY, FILTER, WINDOW, CONDITIONAL. ``text`` is the expression, for people.
    """

    child: str
    parent: str
    how: str = "DIRECT"
    subtype: str = "IDENTITY"
    text: str = ""

    def to_dict(self) -> dict[str, str]:
        """The origin as plain data."""
        return {"child": self.child, "parent": self.parent, "how": self.how, "subtype": self.subtype, "text": self.text}


@dataclass(frozen=True)
class Edge:
    """``child`` was made from ``parent``, by the act ``via`` (an operation's name, a run's id).

    ``from_us`` to ``until_us`` (inclusive, µs UTC) are the event times of the rows that flowed; None where not known, which counts as any time.
    """

    parent: Node
    child: Node
    via: str = ""
    from_us: int | None = None
    until_us: int | None = None
    columns: tuple[ColumnOrigin, ...] = ()

    def __post_init__(self) -> None:
        if self.parent == self.child:
            raise InputError(f"Nothing is made from itself: {self.parent}.")
        if (self.from_us is None) != (self.until_us is None) or (self.from_us or 0) > (self.until_us or 0):
            raise InputError(f"Not a range of time: {self.from_us} to {self.until_us}.", where=f"{self.parent} -> {self.child}")

    @property
    def id(self) -> str:
        """The edge's id: the same two ends and act are one edge."""
        return content_id("le", {"parent": [self.parent.kind, self.parent.id], "child": [self.child.kind, self.child.id], "via": self.via})

    def to_dict(self) -> dict[str, Any]:
        """The edge as plain data."""
        return {
            "parent": {"kind": self.parent.kind, "id": self.parent.id},
            "child": {"kind": self.child.kind, "id": self.child.id},
            "via": self.via,
            "from_us": self.from_us,
            "until_us": self.until_us,
            "columns": [origin.to_dict() for origin in self.columns],
        }
