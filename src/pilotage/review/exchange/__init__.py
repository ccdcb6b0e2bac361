"""Exchange with other annotation tools: what they wrote comes in, what was judged here goes out, and nothing is lost on the way.

:func:`import_into` takes a file into a project: items, suggestions and answers. :func:`export_from` writes them. A file that came in goes out in its
own format as it came, keys we do not know included, with what was answered here beside it. A row that cannot be taken is refused with its number and
field; a suggestion that targets an unknown question is such a row. Whoever judged elsewhere is a rater of kind ``import``, never a person unless a
name is mapped to an account. :data:`FORMATS` lists the formats, each a pure codec (row ↔ :class:`Exchanged`) and a container that streams.
:func:`rubric_from_config` proposes a rubric from Label Studio's XML, :func:`rubric_from_argilla` from Argilla's settings and :func:`propose_rubric`
from the data, for a person to confirm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.exchange.exporting import ExportReport, export_from
    from pilotage.review.exchange.formats import FORMATS, Format, find_format, read_records
    from pilotage.review.exchange.importing import ImportReport, import_into
    from pilotage.review.exchange.proposing import Proposal, propose_rubric, rubric_from_argilla, rubric_from_config
    from pilotage.review.exchange.reading import Terms
    from pilotage.review.exchange.record import Exchanged, ExchangeLimits, KeptRaw, Misfit, Proposed, RefusedRow, Said

_FROM = {
    "exporting": ("ExportReport", "export_from"),
    "formats": ("FORMATS", "Format", "find_format", "read_records"),
    "importing": ("ImportReport", "import_into"),
    "proposing": ("Proposal", "propose_rubric", "rubric_from_argilla", "rubric_from_config"),
    "reading": ("Terms",),
    "record": ("ExchangeLimits", "Exchanged", "KeptRaw", "Misfit", "Proposed", "RefusedRow", "Said"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "FORMATS",
    "ExchangeLimits",
    "Exchanged",
    "ExportReport",
    "Format",
    "ImportReport",
    "KeptRaw",
    "Misfit",
    "Proposal",
    "Proposed",
    "RefusedRow",
    "Said",
    "Terms",
    "export_from",
    "find_format",
    "import_into",
    "propose_rubric",
    "read_records",
    "rubric_from_argilla",
    "rubric_from_config",
]
