"""What a machine rater sees, and what it may say: a verdict, or an abstention with its reason. Never a guess in place of "I cannot tell"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pilotage.judging.judgement import Judgement
from pilotage.judging.rater import Rater
from pilotage.judging.rubric import Rubric
from pilotage.models import Message, ToolCall


@dataclass(frozen=True)
class Verdict:
    """A rater's answer to its question. ``confidence`` is its own claim, 0 to 1; ``reason`` says what it rests on."""

    value: Any
    confidence: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Abstain:
    """The rater cannot tell, and why. The reason starts with a fixed word, such as ``empty`` or ``judge_refused``, that can be counted."""

    reason: str


@dataclass(frozen=True)
class OutputView:
    """An output as a machine rater sees it.

    text
        The last thing the target said.
    said
        Everything the target said in the conversation, oldest first (``text`` is its last).
    tool_calls
        Every call the target made in the conversation.
    prompt
        What the target was last asked.
    outcome
        How the call to the target ended: ``answered``, ``refused`` (by the provider), ``blocked``, ``truncated``, ``unparsable``, ``error``.
    """

    text: str
    said: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    prompt: str = ""
    outcome: str = "answered"
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.said:
            object.__setattr__(self, "said", (self.text,))

    @classmethod
    def of(cls, messages: Iterable[Message], *, outcome: str = "answered", extra: dict[str, Any] | None = None) -> OutputView:
        """The view of a whole conversation, as the engine keeps it."""
        given = list(messages)
        said = tuple(message.content for message in given if message.role == "assistant")
        asked = [message.content for message in given if message.role == "user"]
        calls = tuple(call for message in given if message.role == "assistant" for call in message.tool_calls)
        text = said[-1] if said else ""
        return cls(text=text, said=said, tool_calls=calls, prompt=asked[-1] if asked else "", outcome=str(outcome), extra=extra or {})


class RuleRater(Protocol):
    """A rule that judges: pure, so judging again gives the same."""

    @property
    def rater(self) -> Rater:
        """Who judges, with the version of the rule."""
        ...

    @property
    def question(self) -> str:
        """The question it answers."""
        ...

    def judge(self, view: OutputView) -> Verdict | Abstain:
        """Its answer."""
        ...


def as_judgement(said: Verdict | Abstain, *, item_id: str, question: str, rater: Rater, rubric: Rubric) -> Judgement:
    """What a machine said, as a judgement ready to be added."""
    made = Judgement(item_id=item_id, question=question, rater_id=rater.id, rubric_id=rubric.id)
    if isinstance(said, Abstain):
        return replace(made, abstained=True, reason=said.reason)
    return replace(made, value=said.value, confidence=said.confidence, reason=said.reason or None)
