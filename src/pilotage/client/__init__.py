"""A small client of the HTTP API, for programs.

:class:`Client` signs in with a token, makes projects, puts items, claims and answers tasks, routes outputs and lets exports out. It is synchronous
and uses the standard library only. What can be repeated without harm is repeated when the network fails: every request that changes something
carries an idempotency key, or is one that changes nothing the second time. Errors are those of :mod:`pilotage.core`. :func:`check_signature` tells
whether a webhook's message is ours and fresh.
"""

from pilotage.client.client import Client, Exported
from pilotage.client.receiving import check_signature

__all__ = ["Client", "Exported", "check_signature"]
