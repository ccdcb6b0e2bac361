"""The one record every format is read into and written from: an item, what machines proposed about it and what people said.

A record also carries what only its own format can hold (``extra``, and ``raw`` of each answer and proposal), so that a file written back in the
format it came in is the file that came. Another format cannot express that part, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["submitted", "draft", "skipped"]


@dataclass(frozen=True)
class Said:
    """What one rater said of one item: an annotation, a response, a row of a table.

    rater
        The name in the file; ``""`` where it names nobody.
    values
        ``{question: value}``, in the values of the rubric.
    state
        Only what was ``submitted`` becomes judgements; drafts and skips are kept beside.
    active_ms
        How long it took, milliseconds, as the file says it.
    guideline
        The guideline the file says it was made under.
    gold
        Whether the file calls it the truth.
    raw
        How the format told it, whole. None for what did not come from this format.
    """

    rater: str
    values: Mapping[str, Any]
    state: State = "submitted"
    active_ms: int | None = None
    guideline: str | None = None
    gold: bool = False
    reason: str | None = None
    raw: Any = None


@dataclass(frozen=True)
class Proposed:
    """What one machine proposed. ``score`` is as the machine gave it, not calibrated."""

    model: str
    version: str
    values: Mapping[str, Any]
    score: float | None = None
    raw: Any = None


@dataclass(frozen=True)
class KeptRaw:
    """A part that is kept and written back as it came, but is no judgement here, and why."""

    field: str
    reason: str


@dataclass(frozen=True)
class Exchanged:
    """One row of a file.

    id
        What the file calls the item, or None.
    payload
        What is shown to who judges. Hostile text in it stays text.
    extra
        What this format holds beyond the rest, as the format's module laid it down.
    """

    id: str | None
    payload: dict[str, Any]
    slices: Mapping[str, str] = field(default_factory=dict)
    proposed: tuple[Proposed, ...] = ()
    said: tuple[Said, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    kept_raw: tuple[KeptRaw, ...] = ()


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not taken: its number in the file (from 1), the field, and why."""

    row: int
    field: str | None
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}{f' field {self.field}' if self.field else ''}: {self.reason}"


class Misfit(ValueError):
    """Raised by a format for a row that cannot be taken: the field and why."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class ExchangeLimits:
    """How much is taken from one file.

    ``record_bytes``: a longer line, element or table row is refused. ``rows`` and ``bytes``: a larger file is refused whole. ``depth``: how deep
    values may be nested. ``refused``: with more refused rows than this, reading stops; the file is of another kind.
    """

    record_bytes: int = 16 * 1024 * 1024
    rows: int = 10_000_000
    bytes: int = 16 * 1024 * 1024 * 1024
    depth: int = 64
    refused: int = 10_000
