"""Targets: what may be tried, by whose leave, and within which limits.

Nothing is sent anywhere before it is registered here with an owner, an authorisation note and a list of allowed hosts. A registration is
immutable and addressed by its content; another URL, prompt or limit is another registration. Keys are never part of one: only the name of the
environment variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, field_validator
from sqlalchemy import select

from pilotage.core import InputError, NotFound, Refused, content_id
from pilotage.ledger import record
from pilotage.models import tables
from pilotage.models.template import check_template
from pilotage.store import Workspace, WriteTransaction

_RESERVED = frozenset(
    {"model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "seed", "stop", "tools", "stream", "n", "logprobs"}
)


class _Strict(BaseModel):
    # Errors must not echo what was typed: people put keys where the variable's name belongs.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Limits(_Strict):
    """What may be used. ``None`` is no limit.

    in_flight
        Requests on the wire at once.
    requests_per_s
        Requests per second, spaced evenly.
    requests, tokens, spend_minor
        Of one run, over all the times it is resumed. Every try counts as a request. Money is in minor units (cents).
    wall_s
        Seconds of one invocation of a run.
    """

    in_flight: PositiveInt = 8
    requests_per_s: PositiveFloat | None = None
    requests: NonNegativeInt | None = None
    tokens: NonNegativeInt | None = None
    spend_minor: NonNegativeInt | None = None
    wall_s: PositiveFloat | None = None

    def tightened(self, by: Limits) -> Limits:
        """The smaller of each: a run may narrow what the registration allows, never widen it."""
        least: dict[str, Any] = {}
        for name in type(self).model_fields:
            given = [value for value in (getattr(self, name), getattr(by, name)) if value is not None]
            least[name] = min(given) if given else None
        return Limits(**least)


class Prices(_Strict):
    """Minor units (cents) of the account's currency per million tokens."""

    input: NonNegativeInt = 0
    output: NonNegativeInt = 0


class CompletionTemplate(_Strict):
    """How to write a conversation as one prompt for a model that only completes text.

    template
        Jinja, sandboxed; sees ``messages``.
    stop
        Strings at which the model's turn ends.
    strip
        Drop white space around the answer, which belongs to the template and not to what was said.
    """

    template: str
    stop: tuple[str, ...] = ()
    strip: bool = True

    @field_validator("template")
    @classmethod
    def _renders(cls, template: str) -> str:
        try:
            check_template(template)
        except InputError as error:
            raise ValueError(error.what) from error
        return template


class TargetConfig(_Strict):
    """A target as declared, in ``pilot.yaml`` or in Python.

    url
        The base of an OpenAI-compatible API, such as ``https://api.example.com/v1``. Not for a callable.
    model
        The model's name at that API, or the name of the in-process function.
    allow_hosts
        Exact hosts, optionally with a port, that may be called. Redirects are never followed.
    template
        ``chat``, or a :class:`CompletionTemplate` for a base model.
    system
        A system prompt put before every conversation that has none.
    parameters
        Further fields of the request body, such as ``top_p``.
    timeout_s
        For one try, from sending to the last byte.
    attempts, backoff_s
        Tries of one request in all, and the first backoff's upper bound.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    kind: Literal["openai", "callable"] = "openai"
    url: str | None = None
    model: str = Field(min_length=1, max_length=300)
    owner: str
    authorisation: str
    allow_hosts: tuple[str, ...] = ()
    template: Literal["chat"] | CompletionTemplate = "chat"
    system: str | None = None
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    max_tokens: PositiveInt = 512
    temperature: float = Field(default=0.0, ge=0.0, le=10.0, allow_inf_nan=False)
    seed: int | None = Field(default=None, ge=-(2**31), le=2**31 - 1)
    limits: Limits = Limits()
    prices: Prices = Prices()
    tools: tuple[dict[str, Any], ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    timeout_s: PositiveFloat = 60.0
    attempts: PositiveInt = 5
    backoff_s: PositiveFloat = 0.5

    @field_validator("parameters")
    @classmethod
    def _not_reserved(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        for name in parameters:
            if name in _RESERVED:
                raise ValueError(f"'{name}' is set by its own field or by the client, not under parameters")
        return parameters

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data, every default written out."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class Target:
    """A registered target."""

    id: str
    config: TargetConfig
    registered_at: int

    @property
    def name(self) -> str:
        """The name it was declared under."""
        return self.config.name


def parse_target(declared: dict[str, Any], *, where: str = "target") -> TargetConfig:
    """The target in ``declared``. Raises ``InputError`` naming every field that is wrong, without quoting its value."""
    try:
        return TargetConfig.model_validate(declared)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or where}: {fault['msg']}" for fault in error.errors(include_input=False, include_url=False)
        )
        raise InputError(f"The target is not declared well: {faults}", where=where, mend="mend these fields") from error


def register_target(workspace: Workspace, config: TargetConfig) -> Target:
    """Register ``config`` and write that to the ledger. Registering the same again changes nothing.

    Raises
    ------
    Refused
        Without an owner or an authorisation note, or for a host that is not on the allow-list.
    InputError
        For a URL that is missing, malformed, or holds credentials, a query or a fragment.
    """
    check_target(config)
    plain = config.to_dict()
    target_id = content_id("tgt", plain)

    def job(tx: WriteTransaction) -> int:
        found = tx.conn.execute(
            select(tables.target.c.created_at).where(tables.target.c.workspace_id == tx.workspace_id, tables.target.c.id == target_id)
        ).scalar()
        if found is not None:
            return int(found)
        stamp = tx.stamp()
        row = {"id": target_id, "name": config.name, "owner": config.owner, "authorisation": config.authorisation, "config": plain}
        tx.conn.execute(tables.target.insert().values(**stamp, **row))
        record(
            tx,
            type="target.registered",
            subject=target_id,
            body={
                "name": config.name,
                "kind": config.kind,
                "url": config.url,
                "model": config.model,
                "owner": config.owner,
                "authorisation": config.authorisation,
                "allow_hosts": list(config.allow_hosts),
            },
        )
        return int(stamp["created_at"])

    return Target(target_id, config, workspace.write(job))


def load_target(workspace: Workspace, target_id: str) -> Target:
    """A registered target by id. Raises ``NotFound``."""
    with workspace.read() as conn:
        row = conn.execute(
            select(tables.target.c.config, tables.target.c.created_at).where(
                tables.target.c.workspace_id == workspace.id, tables.target.c.id == target_id
            )
        ).one_or_none()
    if row is None:
        raise NotFound(f"No target is registered as {target_id}.", mend="register it first")
    return Target(target_id, TargetConfig.model_validate(row.config), row.created_at)


def check_target(config: TargetConfig) -> None:
    """Raise unless ``config`` may be tried at all; see :func:`register_target`."""
    where = f"target '{config.name}'"
    for field, mend in (
        ("owner", "name the person or team that answers for this target"),
        ("authorisation", "say who allowed these tests, when and for what: a ticket, a contract, 'our own test system'"),
    ):
        if not getattr(config, field).strip():
            raise Refused(f"A target without {field} is not tried.", where=f"{where}: {field}", why="nobody has said that it may be", mend=mend)
    if config.kind == "callable":
        if config.url is not None:
            raise InputError("An in-process target has no URL.", where=f"{where}: url", mend="leave 'url' out, or use kind: openai")
        return
    parts = split_url(config)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    # In brackets, lest port 8000 of ::1 be taken for the address ::1:8000.
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if host not in config.allow_hosts and place not in config.allow_hosts:
        raise Refused(
            f"The host {place} is not on this target's allow-list.",
            where=f"{where}: allow_hosts",
            why="requests go only where the authorisation says",
            mend=f"add '{host}' to allow_hosts if it may be called",
        )


def split_url(config: TargetConfig) -> SplitResult:
    """The parts of the target's URL. Raises ``InputError`` if it cannot be the base of an API."""
    where = f"target '{config.name}': url"
    if not config.url:
        raise InputError("The target has no URL.", where=where, mend="give the base of its API, such as https://api.example.com/v1")
    try:
        parts = urlsplit(config.url)
        port = parts.port
    except ValueError as error:
        raise InputError("The target's URL is malformed.", where=where) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not all("!" <= character <= "~" for character in config.url):
        raise InputError("The target's URL must be http:// or https:// and name a host.", where=where, mend="for example https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "The target's URL holds credentials.", where=where, why="it is stored and shown", mend="name the key's variable in api_key_env"
        )
    if parts.query or parts.fragment:
        raise InputError("The target's URL holds a query or a fragment.", where=where, mend="give only the base of the API, up to /v1")
    if parts.path.rstrip("/").endswith("/completions"):
        raise InputError("The target's URL names an endpoint.", where=where, mend="give the base of the API: leave out /chat/completions")
    return parts
