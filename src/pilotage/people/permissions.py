"""Who may do what: the one table, and the rule that nobody approves their own work.

An admin looks after accounts and does not thereby sign, review or run: who may decide follows from the role somebody was given, not from the key
to the cupboard. Somebody who needs two hats is given two roles, and the ledger says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pilotage.core import InputError, Refused

ROLES = ("owner", "reviewer", "operator", "auditor", "admin")

# permission: who has it                                                    what it lets them do
PERMISSIONS: dict[str, frozenset[str]] = {
    "view": frozenset(ROLES),  #                                            look at pilots, runs, findings, versions
    "review": frozenset({"reviewer", "owner"}),  #                          answer review tasks, confirm findings
    "run": frozenset({"operator", "owner"}),  #                             register targets, import data, start and stop runs
    "gate": frozenset({"operator", "owner"}),  #                            measure and evaluate the gates
    "waive": frozenset({"owner"}),  #                                       let a limit go, with a reason
    "sign": frozenset({"owner", "reviewer", "operator", "auditor"}),  #     sign off, in a role they hold
    "export": frozenset({"operator", "owner"}),  #                          write dataset versions out of the workspace
    "ledger": frozenset({"owner", "operator", "auditor", "admin"}),  #      read the ledger's entries and take a bundle away
    "verify": frozenset(ROLES),  #                                          have the ledger verified
    "erase": frozenset({"admin"}),  #                                       erase personal data behind its commitment
    "people": frozenset({"admin"}),  #                                      add and disable accounts, give roles, revoke tokens
}


class Roles(Protocol):
    """Somebody with a login and roles."""

    @property
    def login(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...


def may(person: Roles, permission: str) -> bool:
    """Whether any of the person's roles gives ``permission``, a key of :data:`PERMISSIONS`."""
    return bool(person.roles & PERMISSIONS[permission])


def require(person: Roles, permission: str) -> None:
    """Raise ``Refused`` unless the person has ``permission``."""
    if not may(person, permission):
        raise Refused(
            f"The roles of {person.login} ({', '.join(sorted(person.roles)) or 'none'}) do not give the permission '{permission}'.",
            mend=f"ask somebody who is {' or '.join(sorted(PERMISSIONS[permission]))}, or an admin for that role",
        )


def require_role(person: Roles, *roles: str) -> None:
    """Raise ``Refused`` unless the person holds one of ``roles``."""
    require_known_roles(roles)
    if not person.roles & set(roles):
        raise Refused(
            f"{person.login} does not hold the role {' or '.join(roles)}.",
            mend="ask somebody who holds it, or an admin to be given it",
        )


def require_another_person(person: Roles, *, author: str, act: str = "approve") -> None:
    """Raise ``Refused`` if ``person`` is the author (by login) of what is to be approved: four eyes see more than two."""
    if person.login.casefold() == author.casefold():
        raise Refused(
            f"{person.login} made this and so cannot {act} it.",
            why="a check by the author is no check",
            mend="ask another person who holds the role",
        )


def require_known_roles(roles: Iterable[str]) -> None:
    """Raise ``InputError`` unless every one of ``roles`` exists."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise InputError(f"Unknown role: {', '.join(unknown)}.", mend=f"use one or more of: {', '.join(ROLES)}")
