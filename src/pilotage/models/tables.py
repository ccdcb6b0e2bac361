"""Tables of targets and of the response cache."""

from sqlalchemy import Column, Text

from pilotage.store import JsonText, table

# A registration is immutable and addressed by content: another URL, template, prompt or limit is another registration.
target = table(
    "target",
    Column("name", Text, nullable=False, index=True),
    Column("owner", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("config", JsonText, nullable=False),
)

# Keyed by sha256(canonical request + model fingerprint + repeat index). The value is JSON, never a pickle.
response_cache = table(
    "response_cache",
    Column("fingerprint", Text, nullable=False),
    Column("reply", JsonText, nullable=False),
    key="cache_key",
)
