"""How errors are described in the API's document: every one has the same four lines."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Why a request was not carried out, and what to do."""

    error: str = Field(description="The kind of error, as the Python client names its class.")
    what: str = Field(description="What happened, one sentence.")
    where: str | None = Field(default=None, description="The row, field or address.")
    why: str | None = Field(default=None, description="Why it matters.")
    mend: str | None = Field(default=None, description="What to do now.")


SAID = {
    400: "The request cannot be read.",
    401: "Nobody is signed in.",
    403: "Your roles, or a rule of the house, do not allow it.",
    404: "There is no such thing.",
    405: "This address does not answer to that method.",
    409: "Somebody else was first, or the key was used for something else.",
    413: "The body is larger than 1 MiB: send less at once.",
    422: "What was sent does not fit; nothing was kept.",
    429: "Too much at once; `Retry-After` says how many seconds to wait.",
    500: "A defect of ours; nothing was half-written.",
    503: "Something cannot be reached now, or the workspace is closed.",
}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its ``responses``."""
    return {code: {"model": Problem, "description": SAID[code]} for code in codes}


# What any route may answer with.
EVERYWHERE = problems(400, 401, 422, 503)
