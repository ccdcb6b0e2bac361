"""What is to be told, written in the transaction of what happened: an event and its deliveries exist both or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, func, select

from pilotage.core import InputError, iso, new_id
from pilotage.review.webhooks.tables import webhook, webhook_delivery
from pilotage.store import Ready, WriteTransaction

# What can be subscribed to.
EVENTS: dict[str, str] = {
    "task.done": "as many people answered a task as it asks for",
    "project.finished": "the last open task of a project is done",
    "task.escalated": "a task was handed on",
    "alarm.raised": "a watch over accepted outputs raised an alarm",
    "project.exported": "a project's items left as a file",
}
W, D = webhook.c, webhook_delivery.c
_ANYBODY = Ready(select(W.id).where(W.workspace_id == bindparam("workspace"), W.state == "active").limit(1))


def emit(tx: WriteTransaction, event: str, *, subject: str, project: str, data: dict[str, Any]) -> int:
    """Put an event into the outbox of everybody who subscribed to it; return how many that are.

    ``data`` leaves the house: ids, counts and choices, never an item's text, a name or a secret. Cost: one small look-up where nobody subscribed.
    """
    if event not in EVENTS:
        raise InputError(f"Unknown event: {event!r}.", mend=f"use one of: {', '.join(EVENTS)}")
    query = select(W.id, W.events, W.project).where(W.workspace_id == tx.workspace_id, W.state == "active")
    wanted = [row.id for row in tx.conn.execute(query) if event in row.events and row.project in ("", project)]
    now = tx.clock.now_us()
    for subscriber in wanted:
        last = tx.conn.execute(select(func.max(D.number)).where(D.workspace_id == tx.workspace_id, D.webhook_id == subscriber)).scalar()
        made = new_id("whd", clock=tx.clock)
        body = {"id": made, "event": event, "subject": subject, "project": project, "at": iso(now), "data": data}
        row = {"id": made, "webhook_id": subscriber, "number": (last or 0) + 1, "event": event, "body": body, "state": "waiting", "next_at": now}
        tx.insert(webhook_delivery, row)
    return len(wanted)


def tell_done(tx: WriteTransaction, *, task_id: str, project: str, item_id: str, left: Callable[[], int]) -> None:
    """A task is done. ``left`` counts the open ones of its project, and is asked only where somebody wants to know."""
    if _ANYBODY.first(tx.conn, {"workspace": tx.workspace_id}) is None:
        return
    remaining = left()
    emit(tx, "task.done", subject=task_id, project=project, data={"item": item_id, "left": remaining})
    if remaining == 0:
        emit(tx, "project.finished", subject=project, project=project, data={})
