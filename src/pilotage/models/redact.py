"""Keeping secrets out of errors, logs and stored replies."""

from __future__ import annotations

import re
from dataclasses import replace

from pilotage.models.message import Reply, ToolCall

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
        return _SHAPES.sub(lambda match: (match.group(1) or "") + REDACTED, self._known(text))

    def body(self, body: bytes) -> bytes:
        """A reply's bytes without the secrets that are known. Shapes are left alone: a model may rightly write about keys."""
        for secret in self._bytes:
            if secret in body:
                body = body.replace(secret, REDACTED.encode())
        return body

    def reply(self, reply: Reply) -> Reply:
        """``reply`` without the secrets that are known. In its JSON they may have been written with escapes, which :meth:`body` cannot see."""
        if not any(secret in text for secret in self._secrets for text in _texts(reply)):
            return reply
        return replace(
            reply,
            content=self._known(reply.content),
            refusal=None if reply.refusal is None else self._known(reply.refusal),
            error=None if reply.error is None else self._known(reply.error),
            tool_calls=tuple(ToolCall(self._known(call.id), self._known(call.name), self._known(call.arguments)) for call in reply.tool_calls),
            logprobs=None,  # tokens are pieces of the text
        )

    def _known(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def _texts(reply: Reply) -> list[str]:
    calls = [text for call in reply.tool_calls for text in (call.id, call.name, call.arguments)]
    return [reply.content, reply.refusal or "", reply.error or "", *calls]
