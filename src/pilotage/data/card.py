"""The card: what a dataset's rows are, where they come from, and what may be done with them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pilotage.core import Refused


class Card(BaseModel):
    """What people must know before they use the rows. A fact that nobody gave is None: never a default.

    licence
        An SPDX identifier or expression (``CC-BY-4.0``), or ``custom`` together with ``use``.
    use
        For a custom licence: the widest use it allows.
    consent
        On what footing the people in (or behind) the data agreed: ``written for this project``, ``opt-in 2026-03``, ``not needed: …``.
    purposes
        What the rows may be used for: ``evaluation``, ``training``, …
    source
        Where the rows come from.
    contains_personal_data
        True or false once somebody has looked; None until then.
    generated_by
        The model that wrote the rows, if one did: its provider's terms may restrict them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    licence: str | None = None
    use: Literal["commercial", "non-commercial", "research"] | None = None
    consent: str | None = None
    purposes: tuple[str, ...] = ()
    source: str = ""
    contains_personal_data: bool | None = None
    generated_by: str | None = None
    notes: str = Field(default="", max_length=100_000)


def require_training_card(card: Card, *, where: str) -> None:
    """Raise ``Refused`` unless the card says everything a training source must say, and allows training."""
    missing = [
        name
        for name, absent in (
            ("licence", not card.licence),
            ("consent", not card.consent),
            ("purposes", not card.purposes),
            ("contains_personal_data", card.contains_personal_data is None),
        )
        if absent
    ]
    if missing:
        raise Refused(
            f"The card of this training data does not say: {', '.join(missing)}.",
            where=where,
            why="a model cannot be untrained: rows whose rights are not known must not reach it",
            mend="add them to the card; 'licence: unknown' is allowed and keeps the rows out of commercial exports",
        )
    if "training" not in card.purposes:
        raise Refused(
            f"The card allows these rows for {', '.join(card.purposes)}, not for training.",
            where=where,
            mend="add 'training' to the card's purposes if that is what was agreed",
        )
