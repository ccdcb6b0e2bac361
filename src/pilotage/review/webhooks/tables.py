"""Tables of webhooks: who wants to hear of what, and what is still to be told. Secrets are not here."""

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

webhook = table(
    "webhook",
    Column("url", Text, nullable=False),
    Column("events", JsonText, nullable=False),
    Column("project", Text, nullable=False, default=""),  # '' for all
    Column("secret_env", Text, nullable=False, default=""),  # the environment variable that holds the secret; '' for the key folder
    Column("private", Integer, nullable=False, default=0),  # may lead to loopback and private addresses
    Column("state", Text, nullable=False),  # active | removed
    Column("leased_until", BigInteger, nullable=False, default=0),  # one sender at a time, so that order holds
)

webhook_delivery = table(
    "webhook_delivery",
    Column("webhook_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),  # of the webhook's deliveries: they are sent in this order
    Column("event", Text, nullable=False),
    Column("body", JsonText, nullable=False),
    Column("state", Text, nullable=False),  # waiting | delivered | dead
    Column("tries", Integer, nullable=False, default=0),
    Column("next_at", BigInteger, nullable=False),
    Column("reason", Text),  # why the last try failed
    Column("settled_at", BigInteger),
    UniqueConstraint("workspace_id", "webhook_id", "number"),
    Index("ix_webhook_delivery_waiting", "workspace_id", "webhook_id", "state", "number"),
)
