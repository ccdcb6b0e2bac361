"""Proposing a rubric: from Label Studio's configuration, from Argilla's settings, or from the answers themselves.

A proposal is for a person to look at and confirm: a scale is guessed, a prompt is often no more than a name, and what was never answered is not in
the data. What no question can be made of is named, never left out in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotage.core import InputError
from pilotage.judging import Option, Question, Rubric, Scale
from pilotage.review.exchange.label_studio_config import Tag, parse_config

MOST_OPTIONS = 100


@dataclass(frozen=True)
class Proposal:
    """A rubric to confirm.

    ``targets`` and ``fields`` are what an import with it needs (see :class:`.reading.Terms`). ``unsure`` says what to look at; ``left_out`` names
    what no question was made of, with the reason.
    """

    rubric: Rubric
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    unsure: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


_CHOICE, _LABEL = "Choice", "Label"


def rubric_from_config(xml: str, *, name: str, guideline: str = "", where: str = "labelling configuration") -> Proposal:
    """The questions of a Label Studio configuration. Raises ``InputError`` if it is no safe XML or asks nothing a rubric can ask."""
    root = parse_config(xml, where=where)
    tags = root.walk()
    # $text of <Text name="t" value="$text"/>: which field of the data each object shows
    shows = {
        tag.attributes["name"]: tag.attributes.get("value", "").lstrip("$")
        for tag in tags
        if "name" in tag.attributes and "toName" not in tag.attributes
    }
    questions: list[Question] = []
    left_out: list[tuple[str, str]] = []
    unsure: list[str] = []
    targets: dict[str, tuple[str, ...]] = {}
    fields: dict[str, str] = {}
    for tag in tags:
        control = tag.attributes.get("name")
        if control is None or "toName" not in tag.attributes:
            continue
        objects = tuple(each.strip() for each in tag.attributes["toName"].split(","))
        try:
            question = _of_tag(tag, control, shows.get(objects[0], ""))
        except (InputError, ValueError) as error:  # a bound that is no number, say
            left_out.append((control, f"<{tag.name}>: {getattr(error, 'what', None) or error}"))
            continue
        if question is None:
            left_out.append((control, f"<{tag.name}> has no question of ours; its answers are kept as they came"))
            continue
        if tag.attributes.get("perRegion") == "true":
            left_out.append((control, "it is asked of one region; its answers are kept as they came"))
            continue
        if question.kind == "pair" and len(objects) == 2:
            fields = {"a": shows.get(objects[0], objects[0]), "b": shows.get(objects[1], objects[1])}
        targets[control] = (*objects, tag.attributes["toName"])
        questions.append(question)
        if question.kind == "rating":
            unsure.append(f"'{control}': is the rating's scale ordinal?")
    return _proposal(name, guideline, questions, unsure, left_out, targets=targets, fields=fields, where=where)


def _of_tag(tag: Tag, control: str, shown: str) -> Question | None:
    told = tag.attributes
    prompt = told.get("title") or told.get("hint") or control
    required = told.get("required") == "true"
    if tag.name == "Choices":
        several = told.get("choice") == "multiple"
        return Question(control, prompt, "choices" if several else "choice", options=_options(tag, _CHOICE), required=required)
    if tag.name in ("Labels", "HyperTextLabels"):
        return Question(
            control, prompt, "spans", options=_options(tag, _LABEL), of=shown if shown != "text" else "", overlapping=True, required=required
        )
    if tag.name in ("Rating", "Number"):
        low, high = (float(told.get("min", 0)), float(told.get("max", 1_000_000))) if tag.name == "Number" else (1.0, float(told.get("maxRating", 5)))
        scale = Scale.ORDINAL if tag.name == "Rating" else Scale.INTERVAL
        return Question(control, prompt, "rating", scale=scale, minimum=low, maximum=high, required=required)
    if tag.name == "TextArea":
        return Question(control, told.get("placeholder") or prompt, "text", required=required)
    if tag.name == "Pairwise":
        return Question(control, prompt, "pair", required=required)
    if tag.name == "Ranker":
        return Question(control, prompt, "ranking", of=shown if shown != "candidates" else "", required=required)
    return None


def _options(tag: Tag, child: str) -> tuple[Option, ...]:
    found = [each for each in tag.walk() if each.name == child]
    made: dict[str, Option] = {}
    for each in found:
        value = each.attributes.get("alias") or each.attributes.get("value", "")
        key = each.attributes.get("hotkey", "")
        made[value] = Option(value, each.attributes.get("value", value), key if len(key) == 1 and key not in {o.key for o in made.values()} else "")
    return tuple(made.values())


def rubric_from_argilla(settings: Mapping[str, Any], *, name: str) -> Proposal:
    """The questions of an Argilla dataset's settings (``settings.json``, or the ``questions`` its server answers with)."""
    questions: list[Question] = []
    left_out: list[tuple[str, str]] = []
    unsure: list[str] = []
    for told in settings.get("questions") or ():
        called = str(told.get("name", ""))
        inner = told.get("settings") or told
        kind = str(inner.get("type", told.get("type", "")))
        try:
            question = _of_argilla(told, inner, kind, called)
        except (InputError, KeyError, TypeError, ValueError) as error:
            left_out.append((called, getattr(error, "what", None) or f"its settings cannot be read ({error})"))
            continue
        if question is None:
            left_out.append((called, f"there is no question of type '{kind}' here"))
        else:
            questions.append(question)
            if kind == "rating":
                unsure.append(f"'{called}': is the rating's scale ordinal?")
    return _proposal(name, str(settings.get("guidelines") or ""), questions, unsure, left_out, where="Argilla settings")


def _of_argilla(told: Mapping[str, Any], inner: Mapping[str, Any], kind: str, called: str) -> Question | None:
    prompt = str(told.get("title") or called)
    required = bool(told.get("required", True))
    options = [each.get("value") if isinstance(each, Mapping) else each for each in inner.get("options") or inner.get("labels") or ()]
    words = tuple(Option(str(each)) for each in options)
    if kind in ("label_selection", "multi_label_selection"):
        return Question(called, prompt, "choice" if kind == "label_selection" else "choices", options=words, required=required)
    if kind == "rating":
        numbers = [float(str(each)) for each in (options or inner.get("values") or ())]
        return Question(called, prompt, "rating", scale=Scale.ORDINAL, minimum=min(numbers), maximum=max(numbers), required=required)
    if kind == "span":
        of = str(inner.get("field") or "text")
        overlapping = bool(inner.get("allow_overlapping", False))
        return Question(called, prompt, "spans", options=words, of=of if of != "text" else "", overlapping=overlapping, required=required)
    if kind == "text":
        return Question(called, prompt, "text", required=required)
    return Question(called, prompt, "ranking", required=required) if kind == "ranking" else None


def propose_rubric(answers: Iterable[Mapping[str, Any]], *, name: str, guideline: str = "") -> Proposal:
    """Questions for ``{question: value}`` as they were answered: options are the values that occur.

    An option that nobody chose is not in the data, so every choice is something to look at.
    """
    values: dict[str, list[Any]] = {}
    for answer in answers:
        for question, value in answer.items():
            values.setdefault(question, []).append(value)
    questions, left_out, unsure = [], [], []
    for called, found in values.items():
        made = _of_values(called, found)
        if isinstance(made, str):
            left_out.append((called, made))
        else:
            questions.append(made)
            unsure.append(f"'{called}': guessed as {made.kind}" + (" with the options that occur" if made.options else ""))
    return _proposal(name, guideline, questions, unsure, left_out, where="the answers")


def _of_values(called: str, found: list[Any]) -> Question | str:
    if all(isinstance(value, bool) for value in found):
        return Question(called, called, "bool")
    if all(isinstance(value, int | float) for value in found):
        whole = all(value == int(value) for value in found)
        low, high = float(min(found)), float(max(found))
        scale = Scale.ORDINAL if whole else Scale.INTERVAL
        return Question(called, called, "rating", scale=scale, minimum=low, maximum=high if high > low else low + 1)
    if all(isinstance(value, list) and value and all(isinstance(each, dict) and "label" in each for each in value) for value in found):
        labels = dict.fromkeys(str(each["label"]) for value in found for each in value)
        return Question(called, called, "spans", options=tuple(map(Option, labels)), overlapping=True)
    several = all(isinstance(value, list) and all(isinstance(each, str) for each in value) for value in found)
    words = Counter(str(each) for value in found for each in (value if isinstance(value, list) else [value]))
    if several and 2 <= len(words) <= MOST_OPTIONS:
        single = all(len(value) == 1 for value in found)
        return Question(called, called, "choice" if single else "choices", options=tuple(map(Option, sorted(words))))
    if all(isinstance(value, str) for value in found):
        if 2 <= len(words) <= MOST_OPTIONS and len(words) * 2 <= max(len(found), 4):
            return Question(called, called, "choice", options=tuple(map(Option, sorted(words))))
        return Question(called, called, "text")
    return "its values are of several kinds, or only one value occurs"


def _proposal(
    name: str,
    guideline: str,
    questions: list[Question],
    unsure: list[str],
    left_out: list[tuple[str, str]],
    *,
    where: str,
    targets: Mapping[str, tuple[str, ...]] | None = None,
    fields: Mapping[str, str] | None = None,
) -> Proposal:
    if not questions:
        raise InputError(
            "No question can be made of this.",
            where=where,
            why="; ".join(f"{called}: {reason}" for called, reason in left_out) or "it asks nothing",
            mend="write the rubric by hand",
        )
    return Proposal(Rubric(name, tuple(questions), guideline), targets or {}, fields or {}, tuple(unsure), tuple(left_out))
