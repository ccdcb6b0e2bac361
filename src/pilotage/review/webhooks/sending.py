"""Telling what waits in the outbox.

A step sends what is due, in order, one webhook after another, and says how it went. A delivery is marked only after the receiver said 2xx, so one
that was sent as the sender died is sent again, with the same id: at least once, never out of order. What fails waits longer each time and after
``MOST_TRIES`` is given up with its reason, so that those behind it get their turn.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from pilotage.core import MICROSECONDS, PilotageError
from pilotage.ledger import record
from pilotage.review.webhooks.addresses import check_literal, resolver
from pilotage.review.webhooks.outbox import D, W
from pilotage.review.webhooks.signing import HEADER, Secrets, sign
from pilotage.review.webhooks.tables import webhook, webhook_delivery
from pilotage.store import Workspace, WriteTransaction

MOST_TRIES = 12
FIRST_WAIT_S = 10
LONGEST_WAIT_S = 3600
TIMEOUT_S = 10.0
LEASE_S = 60  # for how long one sender has a webhook to itself; longer than a delivery can take


@dataclass(frozen=True)
class Sent:
    """How a step went. ``waiting`` are not due yet, or stand behind one that is not."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        return f"{self.delivered} delivered, {self.failed} to be tried again, {self.dead} given up, {self.waiting} waiting"


def wait_s(tries: int) -> int:
    """How long to wait after the ``tries``-th failure."""
    return int(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (tries - 1)))


def send_due(workspace: Workspace, *, secrets: Secrets, most: int = 1000) -> Sent:
    """Send what is due, at most ``most`` deliveries. For the command line, a scheduler or a server's background; several may run at once."""
    delivered = failed = dead = 0
    with workspace.read() as conn:
        ids = list(conn.execute(select(W.id).where(W.workspace_id == workspace.id, W.state == "active").order_by(W.id)).scalars())
    for webhook_id in ids:
        while delivered + failed + dead < most:
            taken = workspace.write(lambda tx, webhook_id=webhook_id: _take(tx, webhook_id))  # type: ignore[misc]
            if taken is None:
                break
            reason = asyncio.run(_post(workspace, taken, secrets))
            settled = workspace.write(lambda tx, taken=taken, reason=reason: _settle(tx, taken, reason))  # type: ignore[misc]
            delivered += settled == "delivered"
            failed += settled == "waiting"
            dead += settled == "dead"
            if settled == "waiting":
                break
    with workspace.read() as conn:
        waiting = conn.execute(select(D.id).where(D.workspace_id == workspace.id, D.state == "waiting").limit(100_000)).all()
    return Sent(delivered, failed, dead, len(waiting))


def _take(tx: WriteTransaction, webhook_id: str) -> Row[Any] | None:
    """The webhook's first waiting delivery, if it is due and no other sender has the webhook."""
    now = tx.clock.now_us()
    first = (
        select(webhook_delivery, W.url, W.secret_env, W.private)
        .join(webhook, (W.workspace_id == D.workspace_id) & (W.id == D.webhook_id))
        .where(D.workspace_id == tx.workspace_id, D.webhook_id == webhook_id, D.state == "waiting", W.state == "active")
        .order_by(D.number)
        .limit(1)
    )
    found = tx.conn.execute(first).first()
    if found is None or found.next_at > now:
        return None
    mine = (W.workspace_id == tx.workspace_id, W.id == webhook_id, W.leased_until <= now)
    if tx.conn.execute(update(webhook).where(*mine).values(leased_until=now + LEASE_S * MICROSECONDS)).rowcount == 0:
        return None
    return found


def _settle(tx: WriteTransaction, taken: Row[Any], reason: str | None) -> str:
    now = tx.clock.now_us()
    tries = taken.tries + 1
    tx.conn.execute(update(webhook).where(W.workspace_id == tx.workspace_id, W.id == taken.webhook_id).values(leased_until=0))
    more: dict[str, Any]
    if reason is None:
        state, more = "delivered", {"settled_at": now, "reason": None}
    elif tries >= MOST_TRIES:
        state, more = "dead", {"settled_at": now, "reason": reason}
        record(tx, type="webhook.given_up", subject=taken.webhook_id, body={"delivery": taken.id, "event": taken.event, "tries": tries})
    else:
        state, more = "waiting", {"next_at": now + wait_s(tries) * MICROSECONDS, "reason": reason}
    mine = (D.workspace_id == tx.workspace_id, D.id == taken.id, D.state == "waiting")
    tx.conn.execute(update(webhook_delivery).where(*mine).values(state=state, tries=tries, **more))
    return state


async def _post(workspace: Workspace, taken: Row[Any], secrets: Secrets) -> str | None:
    """Send one delivery; None if the receiver took it, else why not. The reason never holds the URL, the body or the secret."""
    import aiohttp
    import msgspec
    from yarl import URL  # aiohttp's own

    try:
        url = URL(taken.url)
        check_literal(url.host or "", private=bool(taken.private))
        secret = secrets.find(taken.webhook_id, taken.secret_env)
        body = msgspec.json.encode(taken.body)
        headers = {
            "content-type": "application/json",
            "user-agent": "pilotage-webhooks",
            "X-Pilotage-Delivery": taken.id,
            "X-Pilotage-Event": taken.event,
            HEADER: sign(secret, body, at_s=workspace.clock.now_us() // MICROSECONDS),
        }
        connector = aiohttp.TCPConnector(resolver=resolver(private=bool(taken.private)), use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            if 200 <= answer.status < 300:
                return None
            return f"HTTP {answer.status}" + (": redirects are not followed" if 300 <= answer.status < 400 else "")
    except PilotageError as error:
        return error.what
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__
