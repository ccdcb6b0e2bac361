"""Gates as declared: a name, who owns it, and limits on figures. Written in YAML, read with the line of every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pilotage.core import MICROSECONDS, Declared, InputError, read_declared

DEFAULT_MISSING_SHARE = 0.05


@dataclass(frozen=True)
class NoWorseThan:
    """Non-inferiority: the paired difference from ``against`` may be worse by at most ``margin`` (0: not worse at all)."""

    margin: float
    against: str


@dataclass(frozen=True)
class Waiver:
    """Somebody answers for going on although the limit is not met, until a day. ``until`` is the last day (UTC) it holds, ``YYYY-MM-DD``."""

    who: str
    why: str
    until: str

    def __post_init__(self) -> None:
        if not self.who or not self.why:
            raise InputError("A waiver says who answers for it and why.", where="waiver")
        try:
            date.fromisoformat(self.until)
        except ValueError as error:
            raise InputError(f"'{self.until}' is not a day.", where="waiver field 'until'", mend="write YYYY-MM-DD") from error

    def holds(self, now_us: int) -> bool:
        """Whether it has not run out."""
        end = datetime.combine(date.fromisoformat(self.until) + timedelta(days=1), time(), UTC)
        return now_us < int(end.timestamp()) * MICROSECONDS


@dataclass(frozen=True)
class Limit:
    """What one figure must keep to. Exactly one of ``at_most``, ``at_least``, ``no_worse_than``.

    slice
        The part of the data the figure must be about, exactly.
    level
        The figure's confidence level must be at least this.
    min_n
        With fewer observations it never passes.
    max_age_days
        An older figure is stale.
    max_missing_share
        With a larger share of missing outcomes the figure says too little to decide on.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None
    no_worse_than: NoWorseThan | None = None
    slice: dict[str, str] = field(default_factory=dict)
    level: float = 0.95
    min_n: int = 1
    max_age_days: float | None = None
    max_missing_share: float = DEFAULT_MISSING_SHARE
    waiver: Waiver | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("at_most", "at_least", "no_worse_than") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(
                f"A limit has exactly one of at_most, at_least, no_worse_than; this one has {len(given)}.",
                where=f"limit on '{self.metric}'",
                mend="write two limits for two bounds",
            )

    def __str__(self) -> str:
        of = f" [{', '.join(f'{key}={value}' for key, value in sorted(self.slice.items()))}]" if self.slice else ""
        if self.at_most is not None:
            return f"{self.metric}{of} at most {self.at_most:g}"
        if self.at_least is not None:
            return f"{self.metric}{of} at least {self.at_least:g}"
        if self.no_worse_than is None:  # unreachable: checked when made
            raise InputError("A limit without a bound.", where=self.metric)
        return f"{self.metric}{of} no worse than {self.no_worse_than.against} by more than {self.no_worse_than.margin:g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, every default written out."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Limit:
        """The inverse of :meth:`to_dict`."""
        made = dict(value)
        if made.get("no_worse_than") is not None:
            made["no_worse_than"] = NoWorseThan(**made["no_worse_than"])
        if made.get("waiver") is not None:
            made["waiver"] = Waiver(**made["waiver"])
        return cls(**made)


@dataclass(frozen=True)
class Gate:
    """Limits that belong together, and the role that answers for them."""

    name: str
    owner_role: str
    limits: tuple[Limit, ...]

    def __post_init__(self) -> None:
        if not self.name or not self.owner_role or not self.limits:
            raise InputError(
                "A gate needs a name, an owner and at least one limit.", where=f"gate '{self.name}'", why="a gate that asks nothing passes"
            )


def load_gates_file(path: str | Path) -> tuple[Gate, ...]:
    """Read the gates of a YAML file with one top field, ``gates``.

    Raises
    ------
    InputError
        With ``file:line``, the field and a mend, for anything that is not as it should be.
    """
    top = read_declared(path)
    return read_gates(top.mapping(known=("gates",), required=("gates",))["gates"])


def read_gates(declared: Declared) -> tuple[Gate, ...]:
    """As :func:`load_gates_file`, from a list inside another file."""
    entries = declared.entries()
    if not entries:
        declared.refuse("There are no gates.", why="nothing would be decided", mend="add at least one")
    gates: list[Gate] = []
    for entry in entries:
        fields = entry.mapping(known=("name", "owner", "limits"), required=("name", "owner", "limits"))
        name = fields["name"].text()
        if any(gate.name == name for gate in gates):
            fields["name"].refuse(f"There are two gates called '{name}'.", mend="rename one")
        limits = [_limit(limit) for limit in fields["limits"].entries()]
        if not limits:
            fields["limits"].refuse("A gate without limits asks nothing.", why="it would always pass", mend="add at least one")
        gates.append(Gate(name=name, owner_role=fields["owner"].text(), limits=tuple(limits)))
    return tuple(gates)


_LIMIT_FIELDS = ("metric", "at_most", "at_least", "no_worse_than", "slice", "level", "min_n", "max_age_days", "max_missing_share", "waiver")


def _limit(entry: Declared) -> Limit:
    fields = entry.mapping(known=_LIMIT_FIELDS, required=("metric",))
    given: dict[str, Any] = {"metric": fields["metric"].text()}
    for name in ("at_most", "at_least"):
        if name in fields:
            given[name] = fields[name].number()
    if "no_worse_than" in fields:
        inner = fields["no_worse_than"].mapping(known=("margin", "against"), required=("margin", "against"))
        given["no_worse_than"] = NoWorseThan(margin=inner["margin"].number(at_least=0), against=inner["against"].text())
    if "slice" in fields:
        if not isinstance(fields["slice"].value, dict):
            fields["slice"].refuse("A slice is a mapping of names to values.", mend="write slice: {severity: high}")
        given["slice"] = {name: value.text() for name, value in fields["slice"].value.items()}
    if "level" in fields:
        given["level"] = fields["level"].number(at_least=0.5, at_most=0.9999)
    if "min_n" in fields:
        given["min_n"] = fields["min_n"].whole(at_least=1)
    if "max_age_days" in fields:
        given["max_age_days"] = fields["max_age_days"].number(at_least=0)
    if "max_missing_share" in fields:
        given["max_missing_share"] = fields["max_missing_share"].number(at_least=0, at_most=1)
    if "waiver" in fields:
        waiver = fields["waiver"].mapping(known=("who", "why", "until"), required=("who", "why", "until"))
        try:
            given["waiver"] = Waiver(who=waiver["who"].text(), why=waiver["why"].text(), until=waiver["until"].text())
        except InputError as error:
            if "until" in str(error.where):
                waiver["until"].refuse(error.what, mend=error.mend)
            raise
    try:
        return Limit(**given)
    except InputError as error:
        entry.refuse(error.what, mend=error.mend)
