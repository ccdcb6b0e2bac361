"""Passwords: the policy, and argon2id (RFC 9106, its second recommended setting: 64 MiB, 3 passes, 4 lanes; about 0.1 s of work)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from pilotage.core import InputError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 1024
_MIN_DIFFERENT_CHARACTERS = 5


def require_good_password(password: str, *, login: str) -> None:
    """Raise ``InputError`` unless the password is hard enough to guess. It never repeats the password.

    Length is what counts (NIST SP 800-63B §3.1.1): no rules about digits and signs, which make people write passwords down.
    """
    settled = _settle(password)
    if len(settled) < MIN_PASSWORD_CHARACTERS:
        raise InputError(f"The password has {len(settled)} characters.", mend=f"use at least {MIN_PASSWORD_CHARACTERS}; a few words in a row do well")
    if len(settled) > MAX_PASSWORD_CHARACTERS:
        raise InputError(f"The password is longer than {MAX_PASSWORD_CHARACTERS} characters.", mend="use a shorter one")
    folded = settled.casefold()
    if folded.replace(login.casefold(), "") != folded and len(folded.replace(login.casefold(), "")) < MIN_PASSWORD_CHARACTERS:
        raise InputError("The password is little more than the login.", mend="choose one that does not contain the login")
    if len(set(folded)) < _MIN_DIFFERENT_CHARACTERS:
        raise InputError("The password repeats a few characters.", mend="use more different ones")


def hash_password(password: str) -> str:
    """The argon2id hash, with its salt and parameters."""
    return _hasher().hash(_settle(password))


def password_matches(password: str, hashed: str | None) -> bool:
    """Whether the password is the one that was hashed. ``None`` (no such account) costs the same work and never matches."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > MAX_PASSWORD_CHARACTERS:
        password = ""  # nobody has such a password; do the work all the same
    try:
        _hasher().verify(hashed if hashed is not None else _nobodys_hash(), _settle(password))
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


def is_outdated(hashed: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(hashed)


def _settle(password: str) -> str:
    """One form for what keyboards of different makers send (NFKC); a lone surrogate has none and is replaced."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", errors="replace").decode()


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    import secrets

    return _hasher().hash(secrets.token_urlsafe(32))
