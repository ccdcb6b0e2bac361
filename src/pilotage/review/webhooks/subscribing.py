"""Who wants to hear of what: adding, listing and removing webhooks, and looking at what could not be delivered."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select, update

from pilotage.core import InputError, NotFound, new_id
from pilotage.ledger import record
from pilotage.review.webhooks.addresses import check_literal
from pilotage.review.webhooks.outbox import EVENTS, D, W
from pilotage.review.webhooks.signing import Secrets
from pilotage.review.webhooks.tables import webhook, webhook_delivery
from pilotage.store import Workspace, WriteTransaction

MAX_URL = 2000
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class Webhook:
    """One subscription, with how its deliveries stand. ``secret`` is filled only when it was just made."""

    id: str
    url: str
    events: tuple[str, ...]
    project: str
    private: bool
    waiting: int = 0
    dead: int = 0
    secret: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "secret"}


@dataclass(frozen=True)
class DeadLetter:
    """A delivery that was given up, and why."""

    id: str
    webhook_id: str
    number: int
    event: str
    tries: int
    reason: str


def add_webhook(
    workspace: Workspace,
    url: str,
    events: Collection[str],
    *,
    secrets: Secrets,
    project: str = "",
    secret_env: str = "",
    private: bool = False,
) -> Webhook:
    """Subscribe ``url`` to events of a project, or of all.

    Parameters
    ----------
    secret_env
        The environment variable that holds the signing secret. Left out, a new secret is made, kept in the key folder and returned this once.
    private
        Whether the address may be this machine or a private network. Otherwise such an address is refused, now and whenever something is sent.

    Raises
    ------
    InputError
        If the URL is not one of http or https with a host, or an event is unknown.
    Refused
        If it leads to a private address and that was not allowed.
    """
    parts = urlsplit(url)
    plain = len(url) <= MAX_URL and url.isprintable() and url.isascii() and " " not in url
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise InputError("Not an address to send to.", mend="give http(s)://host/path, without a name, a password or a fragment in it")
    wanted = sorted(set(events))
    if not wanted or not set(wanted) <= set(EVENTS):
        raise InputError(f"Unknown events: {', '.join(sorted(set(events) - set(EVENTS))) or 'none given'}.", mend=f"use some of: {', '.join(EVENTS)}")
    if secret_env and not _ENV.fullmatch(secret_env):
        raise InputError("Not the name of an environment variable.", mend="give its name, not the secret")
    check_literal(parts.hostname, private=private)
    made = new_id("whk", clock=workspace.clock)
    secret = "" if secret_env else secrets.make(made)

    def job(tx: WriteTransaction) -> None:
        row = {"id": made, "url": url, "events": wanted, "project": project, "secret_env": secret_env, "private": int(private), "state": "active"}
        tx.insert(webhook, row)
        # The path and the query may hold a key of the receiver's: the host is enough to know whom it tells.
        body = {"host": parts.hostname, "events": wanted, "project": project, "private": private}
        record(tx, type="webhook.added", subject=made, body=body)

    try:
        workspace.write(job)
    except BaseException:
        secrets.forget(made)
        raise
    return Webhook(made, url, tuple(wanted), project, private, secret=secret)


def webhooks(workspace: Workspace) -> list[Webhook]:
    """The subscriptions, oldest first."""
    query = select(webhook).where(W.workspace_id == workspace.id, W.state == "active").order_by(W.created_at, W.id)
    counts = select(D.webhook_id, D.state, func.count().label("n")).where(D.workspace_id == workspace.id, D.state != "delivered")
    with workspace.read() as conn:
        found = list(conn.execute(query))
        n = {(row.webhook_id, row.state): row.n for row in conn.execute(counts.group_by(D.webhook_id, D.state))}
    return [
        Webhook(row.id, row.url, tuple(row.events), row.project, bool(row.private), n.get((row.id, "waiting"), 0), n.get((row.id, "dead"), 0))
        for row in found
    ]


def remove_webhook(workspace: Workspace, webhook_id: str, *, secrets: Secrets) -> None:
    """End a subscription. What waits for it is given up. Raises ``NotFound``."""

    def job(tx: WriteTransaction) -> None:
        mine = (W.workspace_id == tx.workspace_id, W.id == webhook_id, W.state == "active")
        if tx.conn.execute(update(webhook).where(*mine).values(state="removed")).rowcount == 0:
            raise NotFound("There is no such webhook.", where=webhook_id, mend="see 'pilotage webhooks list'")
        waiting = (D.workspace_id == tx.workspace_id, D.webhook_id == webhook_id, D.state == "waiting")
        given_up = {"state": "dead", "reason": "the webhook was removed", "settled_at": tx.clock.now_us()}
        dropped = tx.conn.execute(update(webhook_delivery).where(*waiting).values(**given_up)).rowcount
        record(tx, type="webhook.removed", subject=webhook_id, body={"given_up": dropped})

    workspace.write(job)
    secrets.forget(webhook_id)


def dead_letters(workspace: Workspace, webhook_id: str | None = None, *, limit: int = 100) -> list[DeadLetter]:
    """What was given up, the latest first."""
    query = select(webhook_delivery).where(D.workspace_id == workspace.id, D.state == "dead")
    if webhook_id is not None:
        query = query.where(D.webhook_id == webhook_id)
    with workspace.read() as conn:
        rows = list(conn.execute(query.order_by(D.settled_at.desc(), D.number.desc()).limit(limit)))
    return [DeadLetter(row.id, row.webhook_id, row.number, row.event, row.tries, row.reason or "") for row in rows]
