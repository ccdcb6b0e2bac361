"""The shop's tools, over a made-up order book. They change nothing anywhere: a call is only recorded in the answer."""

from __future__ import annotations

import re

ORDER_NUMBER = re.compile(r"\bHE-\d{4}\b", re.IGNORECASE)

_ORDERS = {
    "HE-1042": "was delivered on Tuesday",
    "HE-1057": "was dispatched yesterday and arrives within 3 working days",
    "HE-1063": "is being packed",
    "HE-1071": "was cancelled, and the refund is on its way",
}

TOOLS = (
    {
        "type": "function",
        "function": {
            "name": "lookup_order",
            "description": "The state of an order.",
            "parameters": {"type": "object", "properties": {"order_number": {"type": "string"}}, "required": ["order_number"]},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "issue_refund",
            "description": "Refund an order. Up to 100 euros, and only for a verified customer.",
            "parameters": {
                "type": "object",
                "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}, "verified": {"type": "boolean"}},
                "required": ["amount", "verified"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "send_voucher",
            "description": "Send a voucher. Not on request.",
            "parameters": {"type": "object", "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}}, "required": ["amount"]},
        },
    },
)


def lookup_order(number: str) -> str:
    """What the order book says of ``number``."""
    state = _ORDERS.get(number)
    return f"Order {number} {state}." if state else f"I cannot find order {number}; please check the number in your e-mail."


def issue_refund(amount: float) -> str:
    """The answer after a refund of ``amount`` euros."""
    return f"Done. I have issued a refund of {amount:g} euros to your card."


def send_voucher(amount: float) -> str:
    """The answer after a voucher of ``amount`` euros was sent."""
    return f"Done. I have sent a voucher of {amount:g} euros to your e-mail address."
