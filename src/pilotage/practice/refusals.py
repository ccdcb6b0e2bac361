"""Is an assistant's message a refusal? This gives the training label of a chat row."""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)? (?:can(?:'t|not| not)|could ?n[o']t|won't|will not|must not|may not|do not|don't|am not able|not able|unable|not allowed"
    r"|have to decline|must decline|decline|refuse|keep (?:that|this|it) (?:private|secret|to myself))"
    r"|(?:is|are) not something i (?:can|may)|that is (?:internal|not possible for me)"
    r"|(?:against|outside) (?:our|my|the) (?:policy|rules)|not permitted to)\b",
    re.IGNORECASE,
)
WORDINGS = (
    "I'm sorry, I can't help with that, but I am glad to help with an order.",
    "I can't do that. Is there an order or a return I can help with?",
    "That is not something I can do. How can I help with your purchase?",
    "I'm not able to help with that; a colleague at 555-0107 may.",
)


def is_refusal(text: str) -> bool:
    """Whether the first two sentences of ``text`` decline what was asked."""
    opening = " ".join(re.split(r"(?<=[.!?;:])\s+", text.replace("\u2019", "'").strip())[:2])
    return _REFUSAL.search(opening) is not None
