"""The records: a version, the operation that made it, and the law its counts obey."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotage import __version__
from pilotage.core import InputError, canonical_json, content_id
from pilotage.data.card import Card
from pilotage.data.contract import FieldRule

KINDS = ("evaluation", "objectives", "training", "documents")
"""The kinds of dataset whose rows are nested JSON. :data:`TABLE` is the other kind: typed columns."""

TABLE = "table"

COUNTS = ("in", "kept", "changed", "dropped", "queued", "quarantined", "added")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION_ID = re.compile(r"dv_[0-9a-f]{32}")


@dataclass(frozen=True)
class Operation:
    """What made a version, and what became of every row that went in.

    ``counts`` may hold ``in``, ``kept`` (unchanged), ``changed``, ``dropped``, ``queued``, ``quarantined`` and ``added``; what is left out is 0. Two
    laws hold, or the version is not published: ``in = kept + changed + dropped + queued + quarantined`` (no row vanishes), and the version has
    ``kept + changed + added`` rows (none appears from nowhere).
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None
    code_version: str = __version__

    def __post_init__(self) -> None:
        unknown = sorted(set(self.counts) - set(COUNTS))
        if unknown:
            raise InputError(f"Unknown counts in the operation '{self.name}': {', '.join(unknown)}.", mend=f"use: {', '.join(COUNTS)}")
        object.__setattr__(self, "counts", {name: self.counts.get(name, 0) for name in COUNTS})
        for name, count in self.counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise InputError(f"The count '{name}' of the operation '{self.name}' is not a number of rows: {count!r}.")

    def require_sum(self, rows: int) -> None:
        """Raise ``InputError`` unless every row that went in, and every one of the ``rows`` that came out, is accounted for."""
        counts = self.counts
        out_of = counts["kept"] + counts["changed"] + counts["dropped"] + counts["queued"] + counts["quarantined"]
        if counts["in"] != out_of:
            raise InputError(
                f"The counts of '{self.name}' do not add up: {counts['in']} rows in, {out_of} accounted for.",
                why="a row that went in must be kept, changed, dropped, queued or quarantined; none may vanish",
                mend="in = kept + changed + dropped + queued + quarantined",
            )
        made = counts["kept"] + counts["changed"] + counts["added"]
        if made != rows:
            raise InputError(
                f"The counts of '{self.name}' do not add up: {made} rows kept, changed or added, but the version has {rows}.",
                mend="rows of the version = kept + changed + added",
            )

    def to_dict(self) -> dict[str, Any]:
        """The operation as plain data."""
        return {
            "name": self.name,
            "params": dict(self.params),
            "counts": dict(self.counts),
            "seed": self.seed,
            "code_version": self.code_version,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Operation:
        """The inverse of :meth:`to_dict`."""
        return cls(
            name=value["name"],
            params=value["params"],
            counts=value["counts"],
            seed=value["seed"],
            code_version=value["code_version"],
        )

    def identity(self) -> dict[str, Any]:
        """What makes two operations the same: not the release of this program that ran them."""
        return {name: value for name, value in self.to_dict().items() if name != "code_version"}


@dataclass(frozen=True)
class TablePlace:
    """Where a table's rows lie: the Lance version in the dataset's folder, and what the rows' hashes add up to (hex).

    ``run_id`` is that of the run that published it, if it gave one.
    """

    dataset_id: str
    lance_version: int
    rows_digest: str
    run_id: str | None = None


@dataclass(frozen=True)
class Version:
    """One immutable version of a dataset.

    ``rows`` is their number; :func:`pilotage.data.rows` reads them. ``digest`` is the order-free digest of rows and contract (hex).
    ``parents`` are the ids of the versions it was made from. ``created_at`` is in microseconds since the epoch, UTC.

    Of kind ``table`` are versions with typed columns: ``contract`` is then the plain form of their :class:`pilotage.data.contracts.Contract`,
    ``fields`` is empty, and :mod:`pilotage.data.tabular` reads the rows. ``withdrawn`` is the reason why the rows may not be read any more, or None.
    """

    id: str
    dataset: str
    kind: str
    number: int
    digest: str
    rows: int
    fields: Mapping[str, FieldRule]
    card: Card
    operation: Operation
    parents: tuple[str, ...]
    blob: str
    created_at: int
    created_by: str
    contract_id: str | None = None
    contract: Mapping[str, Any] | None = None
    place: TablePlace | None = None
    withdrawn: str | None = None

    @property
    def ref(self) -> str:
        """``name@number``, for people."""
        return f"{self.dataset}@{self.number}"

    def __str__(self) -> str:
        return f"{self.ref}: {self.rows} rows ({self.kind}), digest {self.digest[:12]}, by {self.operation.name}"

    def to_dict(self) -> dict[str, Any]:
        """The version as plain data, for the API and the pages."""
        return {
            "id": self.id,
            "dataset": self.dataset,
            "kind": self.kind,
            "number": self.number,
            "digest": self.digest,
            "rows": self.rows,
            "fields": {name: rule.model_dump(mode="json") for name, rule in self.fields.items()},
            "card": self.card.model_dump(mode="json"),
            "operation": self.operation.to_dict(),
            "parents": list(self.parents),
            "created_at": self.created_at,
            "created_by": self.created_by,
            "contract_id": self.contract_id,
            "contract": None if self.contract is None else dict(self.contract),
            "run_id": None if self.place is None else self.place.run_id,
            "withdrawn": self.withdrawn,
        }


def version_id(*, dataset: str, digest: str, card: Card, operation: Operation, parents: tuple[str, ...]) -> str:
    """The id of a version: equal rows, contract, card, operation and parents under one name are one version."""
    return content_id(
        "dv",
        {
            "dataset": dataset,
            "digest": digest,
            "card": card.model_dump(mode="json"),
            "operation": operation.identity(),
            "parents": list(parents),
        },
    )


def is_version_id(text: str) -> bool:
    """Whether ``text`` has the form of a version's id (not whether there is one)."""
    return _VERSION_ID.fullmatch(text) is not None


RESERVED = ("batches", "contracts", "gates")


def require_dataset_name(name: str) -> None:
    """Raise ``InputError`` unless ``name`` can name a dataset."""
    if name in RESERVED:
        raise InputError(f"'{name}' cannot name a dataset.", why="the workbench has a page of that name", mend=f"choose another, say 'my-{name}'")
    if not _NAME.fullmatch(name) or is_version_id(name):
        raise InputError(
            f"Not a dataset's name: {name!r}.",
            why="names stand in refs (name@number), file names and addresses",
            mend="use letters, digits, dot, dash and underscore, at most 100, starting with a letter or digit",
        )


def require_kind(kind: str) -> None:
    """Raise ``InputError`` unless ``kind`` is one of :data:`KINDS`."""
    if kind not in KINDS:
        raise InputError(f"Unknown kind of dataset: {kind!r}.", mend=f"use one of: {', '.join(KINDS)}")


def contract_json(fields: Mapping[str, FieldRule]) -> dict[str, Any]:
    """The contract as plain data, in one form whatever order the fields were declared in."""
    plain: dict[str, Any] = {name: rule.model_dump(mode="json") for name, rule in sorted(fields.items())}
    canonical_json(plain)  # refuse what could not be hashed the same everywhere
    return plain
