"""Keeping secrets out of errors, logs and stored replies."""

from __future__ import annotations

import re

REDACTED = "[redacted]"
# Authorization values and keys in the shapes the common providers use, in case a server quotes somebody else's.
_SHAPES = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}|\b(?:sk|pk|rk|key|api[-_]?key)-[\w-]{16,}")


class Redactor:
    """Replaces the secrets it knows, and anything shaped like a bearer token or an API key, with ``[redacted]``."""

    def __init__(self, *secrets: str | None) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._bytes = [secret.encode() for secret in self._secrets]

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return _SHAPES.sub(lambda match: (match.group(1) or "") + REDACTED, text)

    def body(self, body: bytes) -> bytes:
        """A reply's bytes without the secrets that are known. Shapes are left alone: a model may rightly write about keys."""
        for secret in self._bytes:
            if secret in body:
                body = body.replace(secret, REDACTED.encode())
        return body
