"""People: who they are, how they prove it, what their roles let them do.

An **account** has a login and roles (owner, reviewer, operator, auditor, admin). It is proved by a password (argon2id), then by a **session**, or by
an **API token**; of these three only hashes are stored. Failed attempts cost an attacker waiting time, and an unknown login costs the same work as a
known one. What each role may do stands in one table, :data:`PERMISSIONS`.

A workspace without accounts is worked on by one person at one machine: :func:`local_account`, who holds every role. From the first account on, that
person is gone. Every change to accounts is in the ledger; secrets never are.
"""

from pilotage.people.account import Account, accounts, find_account, has_accounts, local_account
from pilotage.people.managing import add_account, change_password, disable_account, set_roles
from pilotage.people.passwords import MIN_PASSWORD_CHARACTERS
from pilotage.people.permissions import PERMISSIONS, ROLES, may, require, require_another_person, require_role
from pilotage.people.sessions import Session, check_csrf, close_session, find_session, open_session
from pilotage.people.signing_in import authenticate
from pilotage.people.tokens import ApiToken, IssuedToken, find_token, issue_token, revoke_token, tokens

__all__ = [
    "MIN_PASSWORD_CHARACTERS",
    "PERMISSIONS",
    "ROLES",
    "Account",
    "ApiToken",
    "IssuedToken",
    "Session",
    "accounts",
    "add_account",
    "authenticate",
    "change_password",
    "check_csrf",
    "close_session",
    "disable_account",
    "find_account",
    "find_session",
    "find_token",
    "has_accounts",
    "issue_token",
    "local_account",
    "may",
    "open_session",
    "require",
    "require_another_person",
    "require_role",
    "revoke_token",
    "set_roles",
    "tokens",
]
