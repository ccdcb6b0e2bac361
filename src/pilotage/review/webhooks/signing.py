"""Signing what is sent, so that who receives it knows who sent it and that it is not an old message sent again.

``X-Pilotage-Signature: t=<seconds>,v1=<hex>`` with HMAC-SHA256 over ``<seconds>.<body>``. ``pilotage.client.check_signature`` is the other side.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilotage.core import InputError, NotFound

HEADER = "X-Pilotage-Signature"
SHORTEST = 16  # characters of a secret


def sign(secret: str, body: bytes, *, at_s: int) -> str:
    """The header's value."""
    return f"t={at_s},v1={hmac.new(secret.encode(), str(at_s).encode() + b'.' + body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True)
class Secrets:
    """Where secrets are found: an environment variable a webhook names, or a file of its own in the key folder, which lies outside the workspace."""

    key_dir: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def make(self, webhook_id: str) -> str:
        """A new secret, kept in the key folder for its owner only."""
        made = secrets.token_urlsafe(32)
        file = self._file(webhook_id)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
            opened.write(made)
        return made

    def find(self, webhook_id: str, secret_env: str) -> str:
        """The secret. Raises ``NotFound`` or ``InputError``, neither of which says anything of it."""
        if secret_env:
            found = self.environment.get(secret_env, "")
            if not found:
                raise NotFound(f"The environment variable {secret_env} is not set.", where=webhook_id, mend="set it where webhooks are sent from")
        else:
            try:
                found = self._file(webhook_id).read_text().strip()
            except OSError as error:
                raise NotFound("The webhook's secret is not in the key folder.", where=webhook_id, mend="send from where it was added") from error
        if len(found) < SHORTEST:
            raise InputError(f"A webhook's secret needs at least {SHORTEST} characters.", where=webhook_id, mend="use a longer one")
        return found

    def forget(self, webhook_id: str) -> None:
        self._file(webhook_id).unlink(missing_ok=True)

    def _file(self, webhook_id: str) -> Path:
        return self.key_dir / "webhooks" / webhook_id
