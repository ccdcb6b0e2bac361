"""Webhooks: telling other programs what happened here.

:func:`add_webhook` subscribes an address to events (:data:`EVENTS`). :func:`emit` puts an event into the outbox, in the transaction in which it
happens; :func:`send_due` sends what is due: signed, in order for each webhook, at least once, tried again with growing waits and at last given up
with the reason (:func:`dead_letters`). Redirects are not followed, and private addresses are refused unless allowed. Secrets stand in the
environment or the key folder, never in the workspace, the ledger or a log.
"""

from pilotage.review.webhooks.outbox import EVENTS, emit
from pilotage.review.webhooks.sending import Sent, send_due
from pilotage.review.webhooks.signing import Secrets, sign
from pilotage.review.webhooks.subscribing import DeadLetter, Webhook, add_webhook, dead_letters, remove_webhook, webhooks

__all__ = [
    "EVENTS",
    "DeadLetter",
    "Secrets",
    "Sent",
    "Webhook",
    "add_webhook",
    "dead_letters",
    "emit",
    "remove_webhook",
    "send_due",
    "sign",
    "webhooks",
]
