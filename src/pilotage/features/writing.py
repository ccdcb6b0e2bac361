"""From tree to text: what people see, and what :func:`~pilotage.features.expression.parse_expression` reads back as the same tree."""

from __future__ import annotations

from pilotage.features.expression import ARITHMETIC, COMPARISONS, LOGIC, Call, Column, Expression, Literal, as_call

_INFIX = {**ARITHMETIC, **COMPARISONS, **LOGIC, "power": "**"}


def to_text(expression: Expression) -> str:
    """The expression in the syntax it is parsed from."""
    text = _write(expression)
    return text[1:-1] if isinstance(expression, Call) and text.startswith("(") else text


def _write(node: Expression) -> str:
    if isinstance(node, Column):
        return node.name
    if isinstance(node, Literal):
        return repr(node.value)
    node = as_call(node)
    parts = [_write(argument) for argument in node.arguments]
    if node.function in _INFIX:
        left = f"({parts[0]})" if parts[0].startswith("-") else parts[0]
        return f"({left} {_INFIX[node.function]} {parts[1]})"
    if node.function == "negative":
        # A minus before a plain number would be read as the number itself.
        return f"(-({parts[0]}))" if not isinstance(node.arguments[0], Literal) else f"(0 - {parts[0]})"
    if node.function == "not":
        return f"(not {parts[0]})"
    return f"{node.function}({', '.join(parts)})"
