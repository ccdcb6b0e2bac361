"""Random secrets, handed out once. Only their SHA-256 is stored: 256 random bits cannot be guessed back from it, so no slow hash is needed."""

from __future__ import annotations

import secrets

from pilotage.core import sha256_hex


def new_secret(prefix: str = "") -> str:
    """256 random bits as text that is safe in addresses and headers."""
    return prefix + secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """What is stored of a secret. Looking it up by this hash gives an attacker's clock nothing: the hash of a guess is no guess of the hash."""
    return sha256_hex(secret.encode("utf-8", errors="replace"))
