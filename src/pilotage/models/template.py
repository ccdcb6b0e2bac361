"""Rendering a conversation as one prompt, for models that complete text and know no chat.

The template is Jinja, run in a sandbox with a budget (``sandbox.py``): it comes from a file somebody was sent, so it may neither reach into Python
nor change its arguments nor use up the machine. Messages are data to it and are never themselves read as a template.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pilotage.core import InputError

if TYPE_CHECKING:
    from jinja2 import Template

    from pilotage.models.message import Message
    from pilotage.models.sandbox import PromptEnvironment


def render(source: str, messages: tuple[Message, ...]) -> str:
    """The prompt for ``messages``. The template sees ``messages``, a list of ``{role, content, …}``.

    Raises
    ------
    InputError
        If the template is malformed, names something that does not exist, or tries what the sandbox forbids.
    """
    from jinja2.exceptions import TemplateError

    from pilotage.models.sandbox import render_metered

    try:
        return render_metered(_environment(), source, _compiled(source), messages=[message.to_dict() for message in messages])
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise _bad(error) from error


def check_template(source: str) -> None:
    """Raise ``InputError`` unless the template renders a small conversation, and shows what the user says."""
    from pilotage.models.message import Message

    probe = "a probe of the template"
    if probe not in render(source, (Message("system", "Be brief."), Message("user", probe))):
        raise InputError(
            "The completion template leaves out what the user says.",
            where="target: template",
            mend="print the content of each message, for example {% for m in messages %}{{ m.role }}: {{ m.content }}\\n{% endfor %}assistant:",
        )


@lru_cache(maxsize=1)
def _environment() -> PromptEnvironment:
    from pilotage.models.sandbox import PromptEnvironment

    return PromptEnvironment()


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    compiled: Template = _environment().from_string(source)
    return compiled


def _bad(error: Exception) -> InputError:
    return InputError(
        f"The completion template cannot be rendered: {error}",
        where="target: template",
        mend="use only 'messages', each with 'role' and 'content'",
    )
