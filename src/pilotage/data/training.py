"""The form of training rows: instruction, preference and unpaired, as conversations.

``instruction``: ``messages`` is a conversation that ends with the assistant's answer. ``preference``: ``messages`` is the prompt, ``chosen`` and
``rejected`` are two answers to it. ``unpaired``: ``messages`` ends with the answer, ``label`` says whether it is a good one. Every row has
``lineage`` (finding, output, judgement: where it comes from) and ``tags``.

A message is ``{role, content}``, role one of system, user, assistant, tool; an assistant's message may carry ``tool_calls`` in the OpenAI form, with
arguments kept as JSON text, and a tool's message the ``tool_call_id`` it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.data.contract import Problem, type_name

TRAINING_KINDS = ("instruction", "preference", "unpaired")
ROLES = ("system", "user", "assistant", "tool")

_DEFAULTS: dict[str, Any] = {"messages": [], "chosen": [], "rejected": [], "label": None, "lineage": {}, "tags": {}}
_FIELDS = {"id", "kind", *_DEFAULTS}
_MESSAGE_FIELDS = {"role", "content", "name", "tool_calls", "tool_call_id"}


def normal_training_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every field of the form present; what was absent or null is empty."""
    filled = {name: (default if row.get(name) is None else row[name]) for name, default in _DEFAULTS.items()}
    return {"id": row["id"], "kind": row["kind"], **filled}


def check_training_row(row: Mapping[str, Any]) -> Problem | None:
    """The first thing that keeps ``row`` from being a training row, or None."""
    kind = row.get("kind")
    if kind not in TRAINING_KINDS:
        return Problem("kind", f"expected one of {', '.join(TRAINING_KINDS)}, found {kind!r}" if "kind" in row else "the field is missing")
    unknown = sorted(set(row) - _FIELDS)
    if unknown:
        return Problem(unknown[0], "unknown field in a training row (put what you need under 'tags')")
    for name in ("lineage", "tags"):
        if row.get(name) is not None and not isinstance(row[name], Mapping):
            return Problem(name, f"expected object, found {type_name(row[name])}")
    return _CHECKS[kind](row)


def _check_instruction(row: Mapping[str, Any]) -> Problem | None:
    return _must_be_absent(row, "chosen", "rejected", "label") or check_conversation(row.get("messages"), field="messages", ends_with="assistant")


def _check_unpaired(row: Mapping[str, Any]) -> Problem | None:
    if not isinstance(row.get("label"), bool):
        return Problem("label", f"expected bool, found {type_name(row.get('label'))}")
    return _must_be_absent(row, "chosen", "rejected") or check_conversation(row.get("messages"), field="messages", ends_with="assistant")


def _check_preference(row: Mapping[str, Any]) -> Problem | None:
    problem = (
        _must_be_absent(row, "label")
        or check_conversation(row.get("messages"), field="messages", ends_with="prompt")
        or _check_answer(row.get("chosen"), field="chosen")
        or _check_answer(row.get("rejected"), field="rejected")
    )
    if problem is None and _substance(row["chosen"]) == _substance(row["rejected"]):
        return Problem("rejected", "chosen and rejected are the same answer")
    return problem


_CHECKS = {"instruction": _check_instruction, "preference": _check_preference, "unpaired": _check_unpaired}


def check_conversation(messages: Any, *, field: str, ends_with: str) -> Problem | None:
    """The first thing wrong with a conversation that must end with an ``assistant`` answer, or as a ``prompt`` (a user's or a tool's message)."""
    problem = _check_messages(messages, field=field)
    if problem is not None:
        return problem
    roles = [message["role"] for message in messages]
    problem = _check_order(messages, roles, field=field)
    if problem is not None:
        return problem
    last = roles[-1]
    if ends_with == "assistant" and last != "assistant":
        return Problem(f"{field}[{len(roles) - 1}].role", f"the last message must be the assistant's, not {last}")
    if ends_with == "prompt" and last not in ("user", "tool"):
        return Problem(f"{field}[{len(roles) - 1}].role", f"a prompt must end with a user's or a tool's message, not {last}")
    return None


def _check_answer(messages: Any, *, field: str) -> Problem | None:
    problem = _check_messages(messages, field=field)
    if problem is not None:
        return problem
    roles = [message["role"] for message in messages]
    if roles[0] != "assistant" or roles[-1] != "assistant":
        return Problem(field, "an answer must begin and end with the assistant's message")
    if "system" in roles:
        return Problem(field, "a system message inside an answer")
    return None


def _check_messages(messages: Any, *, field: str) -> Problem | None:
    if not isinstance(messages, list | tuple):
        return Problem(field, f"expected list of messages, found {type_name(messages)}")
    if not messages:
        return Problem(field, "there are no messages")
    for index, message in enumerate(messages):
        where = f"{field}[{index}]"
        if not isinstance(message, Mapping):
            return Problem(where, f"expected object, found {type_name(message)}")
        unknown = sorted(set(map(str, message)) - _MESSAGE_FIELDS)
        if unknown:
            return Problem(f"{where}.{unknown[0]}", "unknown field in a message")
        if message.get("role") not in ROLES:
            return Problem(f"{where}.role", f"expected one of {', '.join(ROLES)}, found {message.get('role')!r}")
        problem = _check_content(message, where=where)
        if problem is not None:
            return problem
    return None


def _check_content(message: Mapping[str, Any], *, where: str) -> Problem | None:
    content, calls = message.get("content"), message.get("tool_calls")
    if calls:
        if message["role"] != "assistant":
            return Problem(f"{where}.tool_calls", f"a {message['role']} message cannot call tools")
        problem = _check_calls(calls, where=where)
        if problem is not None:
            return problem
        if content is None or isinstance(content, str):
            return None
    if message.get("tool_call_id") is not None and message["role"] != "tool":
        return Problem(f"{where}.tool_call_id", f"a {message['role']} message answers no tool call")
    if not isinstance(content, str):
        return Problem(f"{where}.content", f"expected text, found {type_name(content)}")
    if not content.strip() and message["role"] != "tool":
        return Problem(f"{where}.content", "the message is empty")
    return None


def _check_calls(calls: Any, *, where: str) -> Problem | None:
    if not isinstance(calls, list | tuple):
        return Problem(f"{where}.tool_calls", f"expected list, found {type_name(calls)}")
    for index, call in enumerate(calls):
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            return Problem(f"{where}.tool_calls[{index}]", "expected {id, type, function: {name, arguments}}")
        if not isinstance(function.get("arguments"), str):
            return Problem(f"{where}.tool_calls[{index}].function.arguments", "expected JSON kept as text: as objects, rows would not share a schema")
    return None


def _check_order(messages: Any, roles: list[str], *, field: str) -> Problem | None:
    """Chat templates know one order: an optional system message, then user and assistant in turn, tools after the call they answer."""
    before = None
    for index, role in enumerate(roles):
        where = f"{field}[{index}].role"
        if role == "system":
            if index > 0:
                return Problem(where, "a system message must be the first")
            continue
        if before is None and role != "user":
            return Problem(where, f"the first turn must be the user's, not {role}")
        if role == "user" and before == "user":
            return Problem(where, "two user messages in a row")
        if role == "user" and before == "tool":
            return Problem(where, "a user message right after a tool's: the assistant has not answered")
        if role == "assistant" and before == "assistant":
            return Problem(where, "two assistant messages in a row")
        if role == "tool" and not (before == "tool" or (before == "assistant" and messages[index - 1].get("tool_calls"))):
            return Problem(where, "a tool message that answers no tool call")
        before = role
    if before is None:
        return Problem(field, "there is no turn after the system message")
    return None


def _must_be_absent(row: Mapping[str, Any], *names: str) -> Problem | None:
    for name in names:
        if row.get(name) not in (None, [], ()):
            return Problem(name, f"a row of kind {row['kind']} has no '{name}'")
    return None


def _substance(messages: Any) -> list[tuple[Any, ...]]:
    return [(message["role"], (message.get("content") or "").strip(), message.get("tool_calls") or None) for message in messages]
