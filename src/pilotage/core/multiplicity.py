"""Several tests at once: with ten metrics at .05, one run in three and more flags something although nothing changed."""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.core import InputError


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's (1979) adjusted p-value for each name: compare with the level as if it were the only test. At least as large as the raw one."""
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise InputError(f"{p} is not a probability.", where=f"p-value of '{name}'")
    ordered = sorted(p_values.items(), key=lambda entry: (entry[1], entry[0]))
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(ordered):
        highest = max(highest, min(1.0, p * (len(ordered) - rank)))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
