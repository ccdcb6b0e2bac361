"""Where completion templates run: Jinja's immutable sandbox, made smaller, with a budget.

The sandbox keeps a template from reaching into Python. It does not keep it from using up the machine: two nested ranges, ``'a' * 10 ** 10`` or a
text doubled forty times would do. So what a prompt does not need is left out, and everything that can grow or repeat is paid for from one budget
a rendering: a turn of a loop and a call cost as much as the template is long (which bounds the fixed text they can print), a value costs its length.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

BUDGET = 32_000_000  # characters
LARGEST_TEMPLATE = 100_000
_LEAST_COST = 1000
_PART_COST = 100
_LARGEST_NUMBER_BITS = 256
_PLAIN_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "first", "float", "int", "items", "last", "length", "list", "lower", "map", "reject"),
    *("rejectattr", "round", "select", "selectattr", "string", "title", "trim", "upper"),
)
_TEXT_METHODS = frozenset(
    {"capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper", "lower", "lstrip"}
    | {"partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith"}
    | {"strip", "swapcase", "title", "upper"}
)


class _Meter:
    def __init__(self, source: str) -> None:
        self.left = BUDGET
        self.cost = max(_LEAST_COST, len(source))

    def spend(self, characters: int) -> None:
        self.left -= characters
        if self.left < 0:
            raise SecurityError("it does more work than writing a prompt takes")


_meter: ContextVar[_Meter] = ContextVar("_meter")


def render_metered(environment: PromptEnvironment, source: str, compiled: Any, **values: Any) -> str:
    """The rendered template. Raises ``SecurityError`` when the budget is spent."""
    token = _meter.set(_Meter(source))
    try:
        return str(compiled.render(**values))
    finally:
        _meter.reset(token)


def _spend(*values: Any) -> None:
    _meter.get().spend(sum(len(value) for value in values if hasattr(value, "__len__")))


def _scalar(value: Any) -> Any:
    if isinstance(value, list | tuple | dict) or hasattr(value, "__next__"):
        raise SecurityError("it prints a list or a mapping: print its parts, or use tojson")
    return value


def _printed(value: Any) -> Any:
    _spend(_scalar(value))
    return value


def _counted(values: Iterable[Any]) -> Iterator[Any]:
    meter = _meter.get()
    for value in values:
        meter.spend(meter.cost)
        yield value


def _concatenated(values: list[Any]) -> str:
    texts = [str(_scalar(value)) for value in values]
    _spend(*texts)
    return "".join(texts)


def _joined(values: Iterable[Any], separator: str = "") -> str:
    texts = []
    for value in values:
        text = str(_scalar(value))
        _spend(text, separator)
        texts.append(text)
    return str(separator).join(texts)


def _replaced(text: str, old: str, new: str) -> str:
    text, old, new = str(_scalar(text)), str(_scalar(old)), str(_scalar(new))
    _spend(text)
    _meter.get().spend(text.count(old) * len(new))
    return text.replace(old, new)


def _as_json(value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= indent <= 8:
        raise SecurityError("tojson takes an indent of 0 to 8")
    parts = []
    for part in json.JSONEncoder(ensure_ascii=False, indent=indent).iterencode(value):
        _meter.get().spend(len(part) + _PART_COST)
        parts.append(part)
    return "".join(parts)


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def charged(*arguments: Any, **named: Any) -> Any:
        _spend(*arguments)
        return function(*arguments, **named)

    return charged


class _Metering(NodeTransformer):
    """Puts the meter into loops and concatenations, for which Jinja has no hook."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        if node.recursive:
            raise SecurityError("recursive loops are not for prompts")
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "concatenated", [], [], None, None, lineno=node.lineno)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja for prompts. A prompt is not HTML: nothing is escaped, for that would change what the model reads."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        # Not optimized: the optimizer would work constants out while compiling, before any budget.
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, optimized=False, finalize=_printed)
        self.filters = {name: _charged(FILTERS[name]) for name in _PLAIN_FILTERS}
        self.filters |= {"counted": _counted, "concatenated": _concatenated, "join": _joined, "replace": _replaced, "tojson": _as_json}
        self.globals = {name: self.globals[name] for name in ("range", "dict", "namespace")}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > LARGEST_TEMPLATE:
            raise SecurityError(f"it is longer than {LARGEST_TEMPLATE} characters")
        tree = super()._parse(source, name, filename)
        _Metering().visit(tree)
        return tree.set_environment(self)  # type: ignore[return-value]

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr not in _TEXT_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is not None:
            raise SecurityError("it formats text: use ~")
        return None

    def call(__self, __context: Context, __obj: Any, *arguments: Any, **named: Any) -> Any:
        meter = _meter.get()
        meter.spend(meter.cost)
        _spend(getattr(__obj, "__self__", ""), *arguments)
        return super().call(__context, __obj, *arguments, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, int) and value.bit_length() > _LARGEST_NUMBER_BITS:
                raise SecurityError("it counts beyond any prompt")
        if operator == "%" and isinstance(left, str | bytes):
            raise SecurityError("it formats text with %: use ~")
        if operator == "**" and not (isinstance(left, int | float) and isinstance(right, int) and abs(right) <= 64):
            raise SecurityError("it counts beyond any prompt")
        if operator == "*":
            for text, times in ((left, right), (right, left)):
                if hasattr(text, "__len__") and isinstance(times, int):
                    _meter.get().spend(len(text) * max(times, 0))
        _spend(left, right)
        return super().call_binop(context, operator, left, right)
