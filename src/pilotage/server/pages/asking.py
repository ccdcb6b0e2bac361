"""What addresses may ask of lists: the same parameters on every one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.datastructures import URL

from pilotage.server.queries.paging import MAX_PAGE_SIZE, PAGE_SIZE, Turn


def _turn(
    after: Annotated[str | None, Query(max_length=300, description="cursor: the page after it")] = None,
    before: Annotated[str | None, Query(max_length=300, description="cursor: the page before it")] = None,
    size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
) -> Turn:
    return Turn(after=after or None, before=before or None, size=size)


TurnDep = Annotated[Turn, Depends(_turn)]


async def _sent(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


SentDep = Annotated[dict[str, str], Depends(_sent)]
"""The text fields of the form that was sent, for forms whose fields are many."""


def with_query(request: Request, **changes: str | None) -> str:
    """This page's address with some parameters changed (None removes one); the place in the list is kept only if it is among them."""
    kept = {name: value for name, value in request.query_params.items() if name not in ("after", "before")}
    kept.update({name: value for name, value in changes.items() if value})
    for name, value in changes.items():
        if not value:
            kept.pop(name, None)
    url = URL(request.url.path.removesuffix("/live"))  # the live part of a page links as the page does
    return str(url.include_query_params(**kept) if kept else url)
