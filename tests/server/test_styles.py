"""The style sheet keeps its promises: readable contrast in light and dark, and no colour outside its named ones."""

from __future__ import annotations

import re

import pytest

from pilotage.server.render import STATIC

CSS = (STATIC / "app.css").read_text()
COLOURS = {name: (light, dark) for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", CSS)}
PAIRS = [
    *((text, ground) for text in ("ink", "muted", "accent", "good", "bad", "wait", "cool") for ground in ("paper", "card", "sunk")),
    *((tone, f"{tone}-ground") for tone in ("good", "bad", "wait", "cool")),
    *(("ink", f"{tone}-ground") for tone in ("good", "bad", "wait", "cool", "live")),
    *(("muted", f"{tone}-ground") for tone in ("wait", "live")),
    ("accent", "live-ground"),
    ("on-accent", "accent"),
    ("paper", "ink"),
]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_is_readable_on_its_ground(text: str, ground: str, theme: int) -> None:
    lighter, darker = sorted((luminance(COLOURS[text][theme]), luminance(COLOURS[ground][theme])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_colours_are_named_in_one_place() -> None:
    body = CSS.partition("[data-theme")[2].partition("@media print")[0]
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", body)


def test_every_style_promised_to_readers_is_there() -> None:
    for promise in ("prefers-reduced-motion", "@media print", ":focus-visible", ".skip", "color-scheme: light dark"):
        assert promise in CSS
