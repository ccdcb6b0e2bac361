"""Targets and how to talk to them.

A :class:`Target` is registered (owner, authorisation, allowed hosts, limits) before anything is sent to it. :func:`open_client` gives a
:class:`Client` whose ``ask`` returns a :class:`Reply` for OpenAI-compatible servers (chat or completion) and for Python functions alike: cached by
canonical request, model fingerprint and repeat; tried again with jitter where that can help; never more at once than allowed; within the
budget of an :class:`Account`. What a target does never raises: each of the six outcomes of :class:`Outcome` is a reply.
"""

from pilotage.models.account import Account, BudgetReached, Spent
from pilotage.models.cache import insert_cache_rows
from pilotage.models.canonical import plain_canonical_json
from pilotage.models.client import Client, open_client
from pilotage.models.in_process import InProcess
from pilotage.models.message import Message, Outcome, Reply, Request, TokenLogprob, ToolCall, Try, Usage
from pilotage.models.target import (
    CompletionTemplate,
    Limits,
    Prices,
    Target,
    TargetConfig,
    check_target,
    load_target,
    parse_target,
    register_target,
)

__all__ = [
    "Account",
    "BudgetReached",
    "Client",
    "CompletionTemplate",
    "InProcess",
    "Limits",
    "Message",
    "Outcome",
    "Prices",
    "Reply",
    "Request",
    "Spent",
    "Target",
    "TargetConfig",
    "TokenLogprob",
    "ToolCall",
    "Try",
    "Usage",
    "check_target",
    "insert_cache_rows",
    "load_target",
    "open_client",
    "parse_target",
    "plain_canonical_json",
    "register_target",
]
