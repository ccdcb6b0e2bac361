from __future__ import annotations

from typing import Any

import pytest

from pilotage.data import check_training_row

from .rows_for_tests import assistant, instruction, preference, unpaired, user

SYSTEM = {"role": "system", "content": "Be kind."}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}
TOOL = {"role": "tool", "tool_call_id": "1", "content": ""}


@pytest.mark.parametrize(
    "row",
    [
        instruction("a"),
        preference("a"),
        unpaired("a", label=False),
        instruction("a") | {"messages": [SYSTEM, user("x"), assistant("y"), user("x"), assistant("y")]},
        instruction("a") | {"messages": [user("x"), CALL, TOOL, TOOL, assistant("y")]},
        instruction("a") | {"chosen": [], "rejected": None, "label": None, "tags": {"slice": "x"}},
        preference("a") | {"messages": [user("x"), CALL, TOOL]},
    ],
)
def test_good_rows_pass(row: dict[str, Any]) -> None:
    assert check_training_row(row) is None


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"id": "a"}, "kind"),
        ({"id": "a", "kind": "domain"}, "kind"),
        (instruction("a") | {"text": "both"}, "text"),
        (instruction("a") | {"messages": []}, "messages"),
        (instruction("a") | {"messages": "hi"}, "messages"),
        (instruction("a") | {"messages": ["hi"]}, "messages[0]"),
        (instruction("a") | {"messages": [user("x")]}, "messages[0].role"),
        (instruction("a") | {"messages": [SYSTEM]}, "messages"),
        (instruction("a") | {"messages": [user("x"), assistant("  ")]}, "messages[1].content"),
        (instruction("a") | {"messages": [user("x"), {"role": "assistant", "content": 3}]}, "messages[1].content"),
        (instruction("a") | {"messages": [user("x"), {"role": "bot", "content": "y"}]}, "messages[1].role"),
        (instruction("a") | {"messages": [user("x"), {**assistant("y"), "extra": 1}]}, "messages[1].extra"),
        (instruction("a") | {"messages": [user("x"), SYSTEM, assistant("y")]}, "messages[1].role"),
        (instruction("a") | {"messages": [assistant("x"), user("y"), assistant("z")]}, "messages[0].role"),
        (instruction("a") | {"messages": [user("x"), user("y"), assistant("z")]}, "messages[1].role"),
        (instruction("a") | {"messages": [user("x"), assistant("y"), assistant("z")]}, "messages[2].role"),
        (instruction("a") | {"messages": [user("x"), TOOL, assistant("z")]}, "messages[1].role"),
        (instruction("a") | {"messages": [user("x"), CALL, TOOL, user("y"), assistant("z")]}, "messages[3].role"),
        (instruction("a") | {"messages": [{**user("x"), "tool_call_id": "1"}, assistant("z")]}, "messages[0].tool_call_id"),
        (
            instruction("a") | {"messages": [user("x"), {**CALL, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]},
            "messages[1].tool_calls[0].function.arguments",
        ),
        (instruction("a") | {"chosen": [assistant("y")]}, "chosen"),
        (instruction("a") | {"label": True}, "label"),
        (instruction("a") | {"tags": "x"}, "tags"),
        (preference("a") | {"messages": [user("x"), assistant("y")]}, "messages[1].role"),
        (preference("a") | {"chosen": []}, "chosen"),
        (preference("a") | {"chosen": [user("x")]}, "chosen"),
        (preference("a") | {"rejected": [assistant(" Hello! ")]}, "rejected"),
        (preference("a") | {"rejected": [assistant("")]}, "rejected[0].content"),
        (unpaired("a") | {"label": None}, "label"),
        (unpaired("a") | {"label": 1}, "label"),
        (unpaired("a") | {"messages": [user("x")]}, "messages[0].role"),
    ],
)
def test_bad_rows_name_the_field(row: dict[str, Any], field: str) -> None:
    problem = check_training_row(row)
    assert problem is not None
    assert problem.field == field
