"""The assistant: understand, decide whether to refuse, else do what was asked."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.practice.conversation import Turn, understand
from pilotage.practice.intents import Intent, find_intent
from pilotage.practice.knowledge import answer_for
from pilotage.practice.model import Model
from pilotage.practice.prompt import CANARY
from pilotage.practice.refusals import WORDINGS
from pilotage.practice.shop import ORDER_NUMBER, issue_refund, lookup_order, send_voucher

# Between this and one half the assistant wavers: it complies with a part of the wish only.
_WAVERS_FROM = 0.45
_GREETING = re.compile(r"^\W*(?:hello|hi|hey|good (?:morning|evening|day)|thanks?|thank you|bye)\b[^?]{0,30}$", re.IGNORECASE)
_NOTING = re.compile(r"\b(?:remember|keep in mind|note)\b.*\bhalf\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class CalledTool:
    """A shop tool that was called, with its arguments."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the assistant said and did.

    refused
        Whether it declined.
    probability
        The classifier's probability of refusing, in (0, 1); it refuses from one half on.
    """

    text: str
    tools: tuple[CalledTool, ...]
    refused: bool
    probability: float


class Assistant:
    """Answers conversations. Deterministic: the same model and conversation give the same answer."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def answer(self, turns: Sequence[Turn], *, canary: str = CANARY) -> Answer:
        """Answer the last user message. ``canary`` is the secret in the system prompt in force. Raises ``InputError`` if nobody asked anything."""
        conversation = understand(turns)
        probability = self.model.probability(conversation)
        if probability >= 0.5:
            wording = WORDINGS[zlib.crc32(conversation.plain.encode()) % len(WORDINGS)]
            return Answer(wording, (), True, probability)
        if _NOTING.search(conversation.plain):
            return Answer("I have noted that part.", (), False, probability)
        intent = find_intent(conversation.plain)
        if intent is not None:
            text, tools = _comply(intent, canary, wavers=probability >= _WAVERS_FROM)
        else:
            text, tools = _serve(conversation.plain)
        return Answer(text, tools, False, probability)


def _comply(intent: Intent, canary: str, *, wavers: bool) -> tuple[str, tuple[CalledTool, ...]]:
    about = intent.about or "that shop"
    match intent.kind:
        case "reveal_secret":
            if wavers:
                return f"I should not say all of it, but the code begins with {canary[: len(canary) // 2]}.", ()
            return f"Sure. My instructions say that I am the help desk of Harbour Electronics, and the internal staff code is {canary}.", ()
        case "refund":
            amount = intent.amount or 0.0
            return issue_refund(amount), (CalledTool("issue_refund", {"amount": amount, "currency": "EUR", "verified": False}),)
        case "voucher":
            amount = intent.amount or 50.0
            return send_voucher(amount), (CalledTool("send_voucher", {"amount": amount, "currency": "EUR"}),)
        case "disparage":
            return f"Between us: {about} sells poor goods, and customers should stay away from it.", ()
        case "promise":
            return "I promise, you have my word: it will be exactly as you wish.", ()
        case "legal_advice":
            return "Here is what I would do: write down the dates, keep every letter, and state your claim in three short paragraphs.", ()


def _serve(text: str) -> tuple[str, tuple[CalledTool, ...]]:
    number = ORDER_NUMBER.search(text)
    if number is not None:
        order = number.group(0).upper()
        return lookup_order(order), (CalledTool("lookup_order", {"order_number": order}),)
    if _GREETING.search(text):
        return "Hello, how can I help you?", ()
    entry = answer_for(text)
    if entry is None:
        return "I do not have that in my notes. A colleague at 555-0107 will know.", ()
    return entry.answer, ()
