"""Errors that say what happened, where, why it matters and how to mend it.

Every error a user can meet is a :class:`PilotageError`. A traceback is for programmers; these four lines are for everybody else, and the
command line, the HTTP API and the pages all render the same record.
"""

from __future__ import annotations


class PilotageError(Exception):
    """Something was refused or failed, said so that the reader can mend it.

    Parameters
    ----------
    what
        One sentence: what happened.
    where
        The place: ``pilot.yaml:12``, ``items.jsonl:40 field 'answer'``, a table, a URL.
    why
        Why it matters, or why it cannot be let through.
    mend
        What the reader can do now.
    """

    exit_code: int = 1
    http_status: int = 400

    def __init__(self, what: str, *, where: str | None = None, why: str | None = None, mend: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.mend = mend

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {name}: {text}" for name, text in (("where", self.where), ("why", self.why), ("mend", self.mend)) if text]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, str | None]:
        """The error as plain data, for the API and the pages."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "mend": self.mend,
        }


class InputError(PilotageError):
    """What the user gave is malformed: a file, a row, a field, an option."""

    exit_code = 2
    http_status = 422


class NotFound(PilotageError):
    """The named thing does not exist."""

    exit_code = 2
    http_status = 404


class Conflict(PilotageError):
    """Somebody else changed it first, or it already exists with other content."""

    http_status = 409


class Refused(PilotageError):
    """A rule of the house forbids it: no authorisation, wrong role, a host that is not allowed."""

    http_status = 403


class IntegrityError(PilotageError):
    """Stored data does not match its own hashes. Everything that would write refuses until a person has looked."""

    exit_code = 3
    http_status = 503


class Unavailable(PilotageError):
    """Something outside cannot be reached now; trying again later may work. Work that meets it pauses and can be resumed."""

    exit_code = 4
    http_status = 503
