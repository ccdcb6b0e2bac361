"""What a change of a contract means for what was stored under it and for whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["compatible", "needs_migration", "semantic_suspect"]


@dataclass(frozen=True)
class Difference:
    """One difference between two contracts.

    backward
        Whether the new contract reads what was stored under the old one.
    forward
        Whether readers of the old contract can go on with what is stored under the new one.
    suspect
        Whether values may mean something else although they have the same shape. No migration mends that unseen: a person looks.
    """

    kind: str
    column: str | None
    before: Any
    after: Any
    effect: str
    backward: bool = True
    forward: bool = True
    suspect: bool = False

    @property
    def verdict(self) -> Verdict:
        """What this difference alone asks for."""
        return "semantic_suspect" if self.suspect else "compatible" if self.backward else "needs_migration"


@dataclass(frozen=True)
class Change:
    """All differences, and the verdict: that of the worst of them.

    ``compatible``: what is stored can be read and added to as it is. ``needs_migration``: some of what is stored breaks the new contract.
    ``semantic_suspect``: the same values may mean something else (unit, zone, grain, time), whatever their shape.
    """

    verdict: Verdict
    backward: bool
    forward: bool
    differences: tuple[Difference, ...]

    @property
    def full(self) -> bool:
        """Backward and forward."""
        return self.backward and self.forward

    def __str__(self) -> str:
        flags = "full" if self.full else "backward" if self.backward else "forward" if self.forward else "neither backward nor forward"
        lines = [f"{self.verdict} ({flags})"]
        lines += [f"  [{each.verdict}] {each.column or 'contract'}: {each.kind}: {each.effect}" for each in self.differences]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "verdict": self.verdict,
            "backward": self.backward,
            "forward": self.forward,
            "full": self.full,
            "differences": [{**each.__dict__, "verdict": each.verdict} for each in self.differences],
        }
