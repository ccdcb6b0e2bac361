"""What a step hands back: what to write down of it, and what the next step needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilotage.readiness.cycle import StepRecord


@dataclass(frozen=True)
class StepResult:
    """A step's record, and the value it hands on."""

    record: StepRecord
    value: Any = None
