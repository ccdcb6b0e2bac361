"""Salted hashes of what was erased.

They say that something was here to whoever asks with the key in hand, and to nobody else. The salt lies beside them, so who has the database and can
guess a key can confirm the guess; keys that can be guessed (numbers counted up) are not hidden by any hash.
"""

from __future__ import annotations

import hashlib
import secrets


def new_salt() -> str:
    """A salt for one withdrawal: 32 random bytes, as hexadecimal text."""
    return secrets.token_hex(32)


def hash_of(text: str, *, salt: str) -> str:
    """The BLAKE2b-256 of ``text`` keyed with ``salt``, as hexadecimal text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32, key=bytes.fromhex(salt)).hexdigest()
