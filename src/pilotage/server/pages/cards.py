"""The card of rows that a page publishes: what may be done with them, asked for in a form."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Form

from pilotage.data import Card

_Text = Annotated[str, Form(max_length=500)]


def _card(licence: _Text = "", consent: _Text = "", personal: Annotated[Literal["yes", "no", ""], Form()] = "", source: _Text = "") -> Card:
    """What is left empty stays unknown, and is refused where it must be known."""
    return Card(
        licence=licence.strip() or None,
        consent=consent.strip() or None,
        purposes=("training",),
        source=source.strip(),
        contains_personal_data={"yes": True, "no": False}.get(personal),
    )


CardDep = Annotated[Card, Depends(_card)]
