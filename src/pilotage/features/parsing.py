"""From text to tree: Python's own parser reads the text, a whitelist keeps what an expression may hold, and nothing is run."""

from __future__ import annotations

import ast
import difflib
from typing import Final, NoReturn

from pilotage.core import InputError
from pilotage.features.expression import CALLS, Call, Column, Expression, Literal

_LONGEST: Final = 10_000
_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "modulo",
    ast.Pow: "power",
}
_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "equal",
    ast.NotEq: "differ",
    ast.Lt: "less",
    ast.LtE: "at_most",
    ast.Gt: "greater",
    ast.GtE: "at_least",
}


def parse(text: str, *, where: str | None) -> Expression:
    """As :func:`pilotage.features.expression.parse_expression`."""
    if not isinstance(text, str) or not text.strip():
        raise InputError("This expression is empty.", where=where, mend="write one, say: amount / 100")
    if len(text) > _LONGEST:
        raise InputError(f"This expression is longer than {_LONGEST} characters.", where=where)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise InputError(f"This is not an expression: {text[:80]!r}.", where=where, why=str(getattr(error, "msg", error))) from error
    return _Reader(where).read(tree.body)


class _Reader:
    def __init__(self, where: str | None) -> None:
        self._where = where

    def _refuse(self, node: ast.AST, what: str, *, mend: str | None = None) -> NoReturn:
        place = f"column {getattr(node, 'col_offset', 0) + 1} of the expression"
        raise InputError(what, where=f"{self._where}, {place}" if self._where else place, mend=mend)

    def _call(self, node: ast.AST, function: str, *arguments: Expression) -> Call:
        try:
            return Call(function, arguments)
        except InputError as error:
            self._refuse(node, error.what, mend=error.mend)

    def read(self, node: ast.expr) -> Expression:
        match node:
            case ast.Name(id=name):
                return Column(name)
            case ast.Constant(value=bool() | int() | float() | str()):
                try:
                    return Literal(node.value)  # type: ignore[arg-type]
                except InputError as error:
                    self._refuse(node, error.what, mend=error.mend)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(number, bool):
                return self.read(ast.copy_location(ast.Constant(-number), node))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._call(node, "negative", self.read(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._call(node, "not", self.read(operand))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
                return self._call(node, _BINARY[type(operator)], self.read(left), self.read(right))
            case ast.BoolOp(op=operator, values=values):
                return self._chain(node, "and" if isinstance(operator, ast.And) else "or", [self.read(value) for value in values])
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self._call(node, "when", self.read(test), self.read(body), self.read(otherwise))
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                if name not in CALLS:
                    near = difflib.get_close_matches(name, CALLS, n=1)
                    self._refuse(node, f"Unknown function '{name}'.", mend=f"did you mean '{near[0]}'?" if near else f"use: {', '.join(CALLS)}")
                return self._call(node, name, *map(self.read, arguments))
            case ast.Call(func=ast.Name(id=name)):
                self._refuse(node, f"'{name}' takes its arguments by position only.")
        return self._refuse(
            node,
            f"This may not stand in an expression: {ast.unparse(node)[:60]!r}.",
            mend="use columns, numbers, texts, operators and the functions of the documentation",
        )

    def _comparison(self, node: ast.Compare) -> Expression:
        parts: list[Expression] = []
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self._compare(node, left, operator, right))
            left = right
        return self._chain(node, "and", parts)

    def _compare(self, node: ast.AST, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Expression:
        if isinstance(operator, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                self._refuse(node, "'is' compares with None only.", mend="use == for values")
            found = self._call(node, "is_null", self.read(left))
            return found if isinstance(operator, ast.Is) else self._call(node, "not", found)
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set):
                self._refuse(node, "'in' needs the values written out.", mend="write: country in ('DE', 'AT')")
            found = self._call(node, "is_in", self.read(left), *map(self.read, right.elts))
            return found if isinstance(operator, ast.In) else self._call(node, "not", found)
        return self._call(node, _COMPARE[type(operator)], self.read(left), self.read(right))

    def _chain(self, node: ast.AST, function: str, parts: list[Expression]) -> Expression:
        whole = parts[0]
        for part in parts[1:]:
            whole = self._call(node, function, whole, part)
        return whole
