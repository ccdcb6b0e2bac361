"""When to try again, and how long to wait before.

Full jitter (wait a uniformly random time up to an exponentially growing cap) spreads the retries of many workers best (Brooker, "Exponential
backoff and jitter", 2015). A server's ``Retry-After`` (RFC 9110 §10.2.3, seconds or a date) is a floor that is always honoured.
"""

from __future__ import annotations

import random
from datetime import UTC
from email.utils import parsedate_to_datetime

from pilotage.core import MICROSECONDS

_AGAIN = frozenset({408, 425, 429})
_NEVER = frozenset({501, 505})  # the server will not learn the method or the protocol by waiting
CAP_S = 30.0
# Longer than this and the work should pause rather than wait with its connections open.
LONGEST_RETRY_AFTER_S = 120.0

# Jitter must differ between processes, or they all come back together: this is the one stream that is not seeded.
_JITTER = random.SystemRandom()


def worth_retrying(status: int) -> bool:
    """Whether the same request may succeed later: 408, 425, 429 and most 5xx."""
    return status in _AGAIN or (status >= 500 and status not in _NEVER)


def backoff_s(failures: int, *, base_s: float, retry_after_s: float | None = None) -> float:
    """Seconds to wait after the ``failures``-th failure in a row (1, 2, …)."""
    wait = _JITTER.uniform(0.0, min(CAP_S, base_s * 2.0 ** (failures - 1)))
    return wait if retry_after_s is None else retry_after_s + min(wait, base_s)


def parse_retry_after(text: str | None, *, now_us: int) -> float | None:
    """Seconds until the moment ``Retry-After`` names; None if there is none or it cannot be read. A date in the past is 0."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_us / MICROSECONDS)
