"""Tables of people: accounts, the roles they hold, their sessions and API tokens. Secrets are stored as hashes only."""

from sqlalchemy import BigInteger, Column, Integer, Text, UniqueConstraint

from pilotage.store import JsonText, table

account = table(
    "account",
    Column("login", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("roles", JsonText, nullable=False),  # of: owner, reviewer, operator, auditor, admin
    Column("password_hash", Text),  # argon2id
    Column("disabled_at", BigInteger),
    Column("lock_version", Integer, nullable=False, default=1),
    UniqueConstraint("workspace_id", "login"),
)

account_session = table(
    "account_session",
    Column("account_id", Text, nullable=False, index=True),
    Column("csrf_token", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    key="token_hash",
)

api_token = table(
    "api_token",
    Column("account_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    key="token_hash",
)

# Failed attempts in a row, by the hash of the login that was typed: there is a row for logins that do not exist, so that nobody can tell.
sign_in_failure = table(
    "sign_in_failure",
    Column("count", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    key="login_hash",
)
