"""One pilot brought to a go / no-go: the pilot file, its steps and their order, the verdict, and who signed.

:func:`load_pilot` reads ``pilot.yaml`` and all it names. :func:`advance` runs every step that can run (ingest, evaluate, attack, judge, review,
curate, measure, decide), stops where people are needed and goes on from there when called again. :func:`pilot_status` says where it stands and what
waits; :func:`decide` holds the evidence against the gates; :func:`sign` records a named person's go or no-go to exactly that evidence.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.readiness.advance import advance, advance_async, moves_on
    from pilotage.readiness.cycle import STEPS, Cycle, StepRecord, cycles, find_pilot_id, latest_cycle, load_cycle, pilot_ids
    from pilotage.readiness.deciding import Decision, decide, decide_cycle
    from pilotage.readiness.pilot import Pilot, PilotFile, load_pilot
    from pilotage.readiness.planning import RunEstimate, estimate
    from pilotage.readiness.signing import Signature, sign, signatures
    from pilotage.readiness.status import PilotStatus, pilot_status

# Each loads when it is first used: showing a status needs none of what running does.
_FROM = {
    "advance": ("advance", "advance_async", "moves_on"),
    "cycle": ("STEPS", "Cycle", "StepRecord", "cycles", "find_pilot_id", "latest_cycle", "load_cycle", "pilot_ids"),
    "deciding": ("Decision", "decide", "decide_cycle"),
    "pilot": ("Pilot", "PilotFile", "load_pilot"),
    "planning": ("RunEstimate", "estimate"),
    "signing": ("Signature", "sign", "signatures"),
    "status": ("PilotStatus", "pilot_status"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


__all__ = [
    "STEPS",
    "Cycle",
    "Decision",
    "Pilot",
    "PilotFile",
    "PilotStatus",
    "RunEstimate",
    "Signature",
    "StepRecord",
    "advance",
    "advance_async",
    "cycles",
    "decide",
    "decide_cycle",
    "estimate",
    "find_pilot_id",
    "latest_cycle",
    "load_cycle",
    "load_pilot",
    "moves_on",
    "pilot_ids",
    "pilot_status",
    "sign",
    "signatures",
]
