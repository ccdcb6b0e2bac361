"""Cells of text that a spreadsheet would take for formulas."""

from __future__ import annotations

from typing import Any

# What OWASP lists under CSV injection: these begin a formula, or are stripped so that what follows begins one. The last four are the full-width
# forms, which some settings read as the plain ones.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_text_cell(value: Any) -> Any:
    """``value`` so that a spreadsheet shows it and calculates nothing: text that begins as a formula does gets an apostrophe before it.

    Numbers stay numbers. What this makes is for looking at: ``'=1`` and ``=1`` become the same, so it cannot be read back without loss.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(STARTS) else value
