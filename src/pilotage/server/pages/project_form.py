"""A project as somebody types it: the draft on the page, what is wrong with it field by field, and the project it declares.

A draft holds texts as they were typed, so that nothing is lost while it does not fit. It goes both ways: from a project or its YAML to the fields,
and from the fields to a project. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from pilotage.core import InputError, PilotageError
from pilotage.judging import Option, Question, Rubric
from pilotage.judging.question import FIELDS_OF, WITH_OPTIONS, Scale
from pilotage.review.projects import ProjectSettings, parse_project, write_project
from pilotage.server.pages.project_fields import FIELDS, PARTS, QUESTION_FIELDS, WITH_SCALE, Field, fields_of

MOST_QUESTIONS, MOST_OPTIONS = 50, 50
_TYPED = re.compile(r"questions\.(\d{1,3})\.(?:options\.(\d{1,3})\.)?([a-z_]+)")
# What a question of a kind starts from, where it is not nothing.
_USUAL = {
    "rating": {"minimum": "1", "maximum": "5", "scale": "ordinal"},
    "choice": {"scale": "nominal"},
    "pair": {"ties": "yes", "both_bad": "yes"},
    "ranking": {"ties": "yes"},
}


@dataclass
class Typed:
    """One question as it is typed. ``values`` by field; options in their order, each ``{value, label, key}``."""

    values: dict[str, str] = field(default_factory=dict)
    options: list[dict[str, str]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.values.get("kind", "choice")

    @property
    def fields(self) -> tuple[Field, ...]:
        """What is asked of it besides what is asked of all."""
        return fields_of(self.kind)

    @property
    def has_options(self) -> bool:
        return self.kind in WITH_OPTIONS


@dataclass
class Draft:
    """A project as it is typed.

    ``number`` is the version it was begun from, 0 for a new one. ``rubric`` is the rubric's name, with ``rubric_guideline``, which only YAML shows.
    ``errors`` are ``{what, mend}`` by the path of the field; ``general`` those of no field.
    """

    number: int = 0
    values: dict[str, str] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)
    questions: list[Typed] = field(default_factory=list)
    guideline: str = ""
    rubric: str = ""
    rubric_guideline: str = ""
    shown: int = 0
    mode: str = "form"
    yaml: str = ""
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    general: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether nothing was found wrong with it."""
        return not self.errors and not self.general


@dataclass(frozen=True)
class Meant:
    """What a draft declares once it fits."""

    settings: ProjectSettings
    rubric: Rubric
    guideline: str


def new_draft() -> Draft:
    """What somebody starts from: one question with two options."""
    draft = _of_settings(Draft(), ProjectSettings(name="new"))
    draft.values["name"] = ""
    options = [{"value": "yes", "label": "Yes", "key": "y"}, {"value": "no", "label": "No", "key": "n"}]
    draft.questions = [Typed({"name": "answer", "prompt": "", "kind": "choice", "policy": "majority"}, options)]
    return draft


def draft_of(settings: ProjectSettings, rubric: Rubric, guideline: str, *, number: int = 0) -> Draft:
    """The draft of a project as it is."""
    draft = _of_settings(Draft(number=number, guideline=guideline, rubric=rubric.name, rubric_guideline=rubric.guideline), settings)
    draft.questions = [_typed(question) for question in rubric.questions]
    return draft


def read_form(form: Iterable[tuple[str, str]]) -> Draft:
    """The draft that a form holds. Fields nobody knows are left out."""
    draft = Draft()
    typed: dict[int, Typed] = {}
    options: dict[int, dict[int, dict[str, str]]] = {}
    for name, given in form:
        value = given.replace("\r\n", "\n")
        found = _TYPED.fullmatch(name)
        if found:
            number, option, key = int(found[1]), found[2], found[3]
            if option is not None:
                options.setdefault(number, {}).setdefault(int(option), {})[key] = value
            else:
                typed.setdefault(number, Typed()).values[key] = value
        elif name == "part":
            draft.parts.add(value)
        elif name in FIELDS or name in ("name", "title"):
            draft.values[name] = value
        elif name in ("guideline", "rubric", "rubric_guideline", "yaml", "mode"):
            setattr(draft, name, value)
        elif name in ("number", "shown"):
            setattr(draft, name, int(value) if value.isdecimal() and len(value) < 9 else 0)
    for number in sorted({*typed, *options})[:MOST_QUESTIONS]:
        one = typed.setdefault(number, Typed())
        if one.values.pop("was", one.kind) != one.kind:
            one.values |= _USUAL.get(one.kind, {})
        one.options = [options[number][each] for each in sorted(options[number])][:MOST_OPTIONS] if number in options else []
        if one.has_options and not one.options:
            one.options = [{"value": "", "label": "", "key": ""} for _ in range(2)]
        draft.questions.append(one)
    return draft


def act(draft: Draft, asked: str) -> None:
    """Change the draft as a button asks: ``add:rating``, ``remove:2``, ``up:2``, ``down:2``, ``option:2``, ``drop:2.1``, ``show:2``; else nothing."""
    what, _, where = asked.partition(":")
    first, _, second = where.partition(".")
    number = int(first) if first.isdecimal() else -1
    here = 0 <= number < len(draft.questions)
    if what == "add" and len(draft.questions) < MOST_QUESTIONS:
        draft.questions.append(_fresh(where, {one.values.get("name", "") for one in draft.questions}))
        draft.shown = len(draft.questions) - 1
    elif what == "remove" and here:
        draft.questions.pop(number)
        draft.shown = max(0, min(draft.shown, len(draft.questions) - 1))
    elif what in ("up", "down") and here:
        other = number + (-1 if what == "up" else 1)
        if 0 <= other < len(draft.questions):
            questions = draft.questions
            questions[number], questions[other] = questions[other], questions[number]
            draft.shown = other
    elif what == "option" and here and len(draft.questions[number].options) < MOST_OPTIONS:
        draft.questions[number].options.append({"value": "", "label": "", "key": ""})
        draft.shown = number
    elif what == "drop" and here and second.isdecimal() and int(second) < len(draft.questions[number].options):
        draft.questions[number].options.pop(int(second))
        draft.shown = number
    elif what == "show" and here:
        draft.shown = number


def settle(draft: Draft) -> Meant | None:
    """What the draft declares, or None; then its ``errors`` and ``general`` say why."""
    draft.errors, draft.general = {}, []
    if draft.mode == "yaml":
        try:
            read = parse_project(draft.yaml.replace("\r\n", "\n"))
        except PilotageError as error:
            draft.general.append(error.to_dict())
            return None
        return Meant(read.settings, read.rubric, read.guideline)
    settings = _settings(draft)
    rubric = _rubric(draft)
    if not (draft.guideline.strip() or draft.rubric_guideline.strip()):
        draft.errors["guideline"] = {"what": "There is no guideline.", "mend": "Say what people go by: who goes by nothing cannot agree on anything."}
    if settings is None or rubric is None or not draft.fits:
        return None
    return Meant(settings, rubric, draft.guideline or draft.rubric_guideline)


def blame(draft: Draft, error: PilotageError) -> None:
    """Put an error of the room beside the field it is about, or before all."""
    named = re.search(r"field '([a-z_.]+)'", error.where or "")
    if draft.mode == "form" and named and (named[1] in FIELDS or named[1] in ("name", "title", "guideline")):
        draft.errors[named[1]] = {"what": error.what, "mend": error.mend or ""}
    else:
        draft.general.append(error.to_dict())


def into_yaml(draft: Draft) -> None:
    """Turn to the text, if what was typed fits."""
    found = settle(draft)
    if found is not None:
        draft.yaml = write_project(found.settings, found.rubric, found.guideline)
        draft.mode = "yaml"


def into_form(draft: Draft) -> Draft:
    """Turn to the fields, if the text fits; the draft itself where it does not."""
    draft.mode = "yaml"
    found = settle(draft)
    return draft if found is None else draft_of(found.settings, found.rubric, found.guideline, number=draft.number)


def question_of(draft: Draft, number: int) -> Question | None:
    """A question as it is now, for its preview; None while it does not fit, with the reason among the draft's errors."""
    return _question(draft, number, draft.questions[number]) if 0 <= number < len(draft.questions) else None


# From a project to the page


def _of_settings(draft: Draft, settings: ProjectSettings) -> Draft:
    data = settings.to_dict()
    draft.values = {"name": settings.name, "title": settings.title}
    draft.parts = {part for part in PARTS if data[part] is not None}
    defaults = {"qualification": {"skill": "", "pass_at": 0.8, "items": 20, "judged_by": "rate", "tries": 3, "wait": "1d"}}
    defaults |= {"calibration_round": {"items": 10}, "rotation": {"by": "", "most": 0.5, "over": 50}, "sla": {"due": "24h", "raise_priority": 1000}}
    for name, asked in FIELDS.items():
        part, _, key = name.partition(".")
        value = data[part] if not key else (data[part] or defaults.get(part, {})).get(key)
        draft.values[name] = _text(asked, value)
    return draft


def _text(asked: Field, value: Any) -> str:
    if value is None or value is False:
        return ""
    if asked.kind == "yes_no":
        return "yes"
    if asked.kind == "lines":
        return "\n".join(value)
    if asked.kind == "pairs":
        return "\n".join(f"{key}: {each}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _typed(question: Question) -> Typed:
    values = {"name": question.name, "prompt": question.prompt, "kind": question.kind, "policy": question.policy}
    values |= {"required_role": question.required_role or "", "required": "yes" if question.required else "no"}
    for asked in QUESTION_FIELDS:
        values[asked.name] = _text(asked, getattr(question, asked.name))
    return Typed(values, [{"value": each.value, "label": each.label, "key": each.key} for each in question.options])


def _fresh(kind: str, taken: set[str]) -> Typed:
    name = next(name for name in (f"question-{number}" for number in range(1, MOST_QUESTIONS + 2)) if name not in taken)
    known = kind if kind in ("choice", "choices", "rating", "bool", "text", "spans", "pair", "ranking", "edit") else "choice"
    blank = [{"value": "", "label": "", "key": ""} for _ in range(2)] if known in WITH_OPTIONS else []
    values = {"name": name, "prompt": "", "kind": known, "policy": "majority"}
    return Typed({**values, **_USUAL.get(known, {})}, blank)


# From the page to a project


def _settings(draft: Draft) -> ProjectSettings | None:
    data: dict[str, Any] = {"name": draft.values.get("name", "").strip(), "title": draft.values.get("title", "").strip()}
    for name, asked in FIELDS.items():
        part, _, key = name.partition(".")
        if part in PARTS and part not in draft.parts:
            continue
        value = _read(draft, name, asked, draft.values.get(name, ""))
        if value is None:
            if key:
                data.setdefault(part, {})
        elif key:
            data.setdefault(part, {})[key] = value
        else:
            data[part] = value
    try:
        return ProjectSettings.model_validate(data)
    except ValidationError as error:
        for each in error.errors():
            path = ".".join(str(part) for part in each["loc"])
            place = next(
                (name for name in (path, ".".join(map(str, each["loc"][:2])), str(each["loc"][0])) if name in FIELDS or name == "name"), None
            )
            # A part whose settings contradict each other is told beside its first field.
            place = place or next((name for name in FIELDS if name.startswith(f"{each['loc'][0]}.")), "name")
            hint = FIELDS[place].hint if place in FIELDS else "Letters, digits and dashes; it stands in addresses."
            what = "It needs a value." if each["type"] in ("missing", "string_too_short") else f"{_said(each['msg'])}."
            draft.errors.setdefault(place, {"what": what, "mend": hint})
        return None


def _said(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Input should be", "It must be").replace("String should", "It must").rstrip(".")
    return text[:1].upper() + text[1:]


def _read(draft: Draft, name: str, asked: Field, text: str) -> Any:
    if asked.kind == "yes_no":
        return text == "yes"
    if asked.kind == "lines":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    if asked.kind == "pairs":
        found: dict[str, str] = {}
        for line in text.splitlines():
            key, colon, value = line.rpartition(":")
            if line.strip() and not (colon and key.strip() and value.strip()):
                draft.errors[name] = {"what": f"'{line.strip()[:80]}' is no slice with its skill.", "mend": asked.hint}
            elif line.strip():
                found[key.strip()] = value.strip()
        return found
    if asked.kind == "long":
        return text
    if not text.strip():
        return None
    if asked.kind in ("whole", "number"):
        made = _number(text, whole=asked.kind == "whole")
        if made is None:
            what = "It must be a whole number." if asked.kind == "whole" else "It must be a number."
            draft.errors[name] = {"what": what, "mend": asked.hint}
        return made
    return text.strip()


def _number(text: str, *, whole: bool) -> float | int | None:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return None


def _rubric(draft: Draft) -> Rubric | None:
    if not draft.questions:
        draft.errors["questions"] = {"what": "Nothing is asked.", "mend": "Add a question."}
        return None
    made = [_question(draft, number, typed) for number, typed in enumerate(draft.questions)]
    asked = [question for question in made if question is not None]
    for number, typed in enumerate(draft.questions):
        name = typed.values.get("name", "").strip()
        if name and any(name == other.values.get("name", "").strip() for other in draft.questions[:number]):
            draft.errors[f"questions.{number}.name"] = {"what": "Another question has this name.", "mend": "Take another."}
    if len(asked) < len(made) or not draft.fits:
        return None
    try:
        return Rubric(draft.rubric or draft.values.get("name", "").strip() or "rubric", tuple(asked), draft.rubric_guideline)
    except InputError as error:
        draft.general.append(error.to_dict())
        return None


def _question(draft: Draft, number: int, typed: Typed) -> Question | None:
    here = f"questions.{number}"
    before = len(draft.errors)
    values = typed.values
    given: dict[str, Any] = {"name": values.get("name", "").strip(), "prompt": values.get("prompt", "").strip(), "kind": typed.kind}
    for name, what in (("name", "A question needs a name."), ("prompt", "A question needs words.")):
        if not given[name]:
            draft.errors[f"{here}.{name}"] = {
                "what": what,
                "mend": "One word, as it stands in exports." if name == "name" else "Ask it as to a colleague.",
            }
    given["policy"] = values.get("policy") or "majority"
    given["required_role"] = values.get("required_role", "").strip() or None
    if values.get("required") in ("yes", "no"):
        given["required"] = values["required"] == "yes"
    for asked in fields_of(typed.kind):
        if asked.name not in values and asked.kind == "yes_no":
            given[asked.name] = False
            continue
        value = _read(draft, f"{here}.{asked.name}", asked, values.get(asked.name, ""))
        if value is not None:
            given[asked.name] = value
    if typed.kind in WITH_SCALE:
        given["scale"] = Scale(given["scale"]) if given.get("scale") in tuple(Scale) else Scale.ORDINAL if typed.kind == "rating" else Scale.NOMINAL
    else:
        given.pop("scale", None)
    given["options"] = tuple(_options(typed)) if typed.has_options else ()
    if len(draft.errors) > before:
        return None
    try:
        return Question(**given)
    except InputError as error:
        said = f"{error.what} {error.mend or ''}"
        place = next(
            (name for name in (*FIELDS_OF, "kind", "policy") if name in values and f"'{name}'" in said), "options" if typed.has_options else "name"
        )
        draft.errors[f"{here}.{place}"] = {"what": error.what, "mend": error.mend or ""}
        return None


def _options(typed: Typed) -> list[Option]:
    told = [{name: text.strip() for name, text in option.items()} for option in typed.options]
    return [Option(each["value"], each.get("label", ""), each.get("key", "")) for each in told if each.get("value")]
