"""What the page of a project's settings asks: one line a setting, in the order in which somebody decides on them.

The settings themselves, their bounds and defaults are :class:`pilotage.review.projects.ProjectSettings`; here stands only how they are asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pilotage.judging.question import FIELDS_OF

Kind = Literal["text", "whole", "number", "yes_no", "duration", "choice", "lines", "pairs", "long"]


@dataclass(frozen=True)
class Field:
    """One setting. ``name`` is its path. ``hint`` says what it does, or how to mend it; ``unset`` what an empty field means."""

    name: str
    label: str
    kind: Kind
    hint: str = ""
    choices: tuple[str, ...] = ()
    unset: str = ""


@dataclass(frozen=True)
class Section:
    """Some settings under one heading. With ``part`` they are a part of the project that may be left out as a whole."""

    name: str
    title: str
    says: str
    fields: tuple[Field, ...]
    part: str = ""


SECTIONS = (
    Section(
        "people",
        "How many people",
        "An item is answered by this many, and by one more at a time while their answers leave doubt.",
        (
            Field("overlap.start", "People to begin with", "whole", "1 to 1000"),
            Field("overlap.most", "At most", "whole", "not below the number to begin with", unset="no more than to begin with"),
            Field("overlap.until", "Until the leading answer is this likely", "number", "above 0.5, below 1, as 0.9", unset="ask nobody more"),
            Field("overlap.question", "Going by the answers to", "text", "the name of a question", unset="the only one that can be counted"),
            Field("overlap.assumed_accuracy", "Somebody new is taken to be right this often", "number", "above 0.5, below 1"),
        ),
    ),
    Section(
        "arms",
        "Suggestions",
        "For which share of (person, item) pairs is the machine's proposal not simply shown, so that its influence can be measured? Drawn once.",
        (
            Field("arms.withheld", "Sees no suggestion", "number", "a share from 0 to 1"),
            Field("arms.seeded", "Sees a wrong one, planted", "number", "a share from 0 to 1; 0.02 to 0.05 is usual"),
            Field("arms.answer_first", "Sees it after an answer of their own", "number", "a share from 0 to 1; the three add up to 1 at most"),
            Field("consent", "What people agree to before they begin", "long", "Tell them that some suggestions are wrong on purpose, and what for."),
        ),
    ),
    Section(
        "countermeasures",
        "Against following blindly",
        "Each is measured on the bias board.",
        (
            Field("countermeasures.evidence_first", "The item before the suggestion", "yes_no"),
            Field("countermeasures.hide_confidence", "Hide how sure the machine is", "yes_no"),
            Field("countermeasures.answer_first", "Everybody answers before they see the suggestion", "yes_no"),
            Field("countermeasures.reason_on_accept", "Agreeing needs a reason in", "lines", "slices, one a line, as risk=high; * is every item"),
        ),
    ),
    Section(
        "gold",
        "Gold",
        "Items whose answer is known, hidden among the work.",
        (
            Field("gold.share", "Share of what each person is served", "number", "from 0 to 1"),
            Field("gold.exposure_cap", "People who may see one", "whole", "at least 1"),
            Field("gold.floor", "Tell who leads when somebody is right less often than", "number", "above 0, below 1", unset="never"),
            Field("gold.feedback", "Tell people afterwards what was right", "yes_no"),
        ),
    ),
    Section(
        "qualification",
        "Exam",
        "Who has not passed it under this guideline is served no work.",
        (
            Field("qualification.skill", "It gives the skill", "text", "one word, as german or triage"),
            Field("qualification.pass_at", "Share that must be right", "number", "from 0 to 1"),
            Field("qualification.items", "Items", "whole", "at least 1"),
            Field(
                "qualification.judged_by",
                "What must reach it",
                "choice",
                "the share, or its lower bound, so that luck does not pass",
                ("rate", "lower"),
            ),
            Field("qualification.tries", "Tries", "whole", "at least 1"),
            Field("qualification.wait", "Wait between two", "duration", "as 1d or 12h"),
            Field("qualification.valid_for", "Valid for", "duration", "as 90d", unset="as long as the guideline stands"),
        ),
        part="qualification",
    ),
    Section(
        "calibration_round",
        "Calibration round",
        "Each version of the guideline begins with it: everybody answers the same known items and is told what was right.",
        (Field("calibration_round.items", "Items each", "whole", "at least 1"),),
        part="calibration_round",
    ),
    Section(
        "skills",
        "Skills by slice",
        "Who may be served which items.",
        (Field("skills", "Slice: skill", "pairs", "one a line, as language=de: german; * is every item that no other line names"),),
    ),
    Section(
        "caps",
        "Limits for one person",
        "Tired eyes agree too easily.",
        (
            Field("caps.per_day", "Items a day (UTC)", "whole", "at least 1", unset="no limit"),
            Field("caps.at_once", "Items in hand at once", "whole", "at least 1", unset="no limit"),
            Field("caps.break_after", "A pause after so many answers", "whole", "at least 1", unset="no pause"),
            Field("caps.break_for", "A pause lasts", "duration", "as 10m"),
        ),
    ),
    Section(
        "rotation",
        "Rotation",
        "So that nobody sees the same kind of item, or one author's, all day.",
        (
            Field("rotation.by", "Vary the slice", "text", "the name of a slice, or author"),
            Field("rotation.most", "Largest share of one value", "number", "above 0, below 1"),
            Field("rotation.over", "Counted over the last", "whole", "2 to 500 items"),
        ),
        part="rotation",
    ),
    Section(
        "sla",
        "When items are due",
        "An overdue item rises in the queue.",
        (
            Field("sla.due", "Due after", "duration", "as 24h or 30m"),
            Field("sla.escalate_to", "Overdue ones go to the role", "text", "a role, as owner", unset="whoever reviews"),
            Field("sla.raise_priority", "Rise by", "whole", "0 to 1000000"),
        ),
        part="sla",
    ),
    Section(
        "rules",
        "House rules",
        "",
        (
            Field("lease", "An item is held for", "duration", "as 10m; afterwards somebody else may take it"),
            Field("adjudicator", "Disagreement is decided by the role", "text", "a role, as owner", unset="anybody who reviews"),
            Field(
                "agreement_floor",
                "No preferences leave below this agreement",
                "number",
                "alpha from -1 to 1; its lower bound counts",
                unset="none leave",
            ),
        ),
    ),
)

FIELDS = {field.name: field for section in SECTIONS for field in section.fields}
PARTS = tuple(section.part for section in SECTIONS if section.part)

# What a question of each kind is, in the words of who writes one.
KIND_WORDS = {
    "choice": "one of several options",
    "choices": "any of several options",
    "rating": "a number",
    "bool": "yes or no",
    "text": "a text of their own",
    "spans": "marks in a text",
    "pair": "which of two is better",
    "ranking": "an order of several",
    "edit": "a text put right",
}
POLICY_WORDS = {
    "majority": "what most say",
    "adjudicate": "facts: somebody decides where people differ",
    "soft": "opinions: the distribution is the answer",
}
# The fields of a question besides name, prompt, kind, policy, role and required.
QUESTION_FIELDS = (
    Field(
        "of", "Part of the item it is about", "text", "a field of the item, as text, or a path, as messages.-1.content", unset="the item as a whole"
    ),
    Field("scale", "Differences between answers", "choice", "which measure of agreement fits", ("nominal", "ordinal", "interval", "ratio")),
    Field("minimum", "From", "number"),
    Field("maximum", "To", "number"),
    Field("at_least", "At least", "whole", unset="as usual"),
    Field("at_most", "At most", "whole", unset="no limit"),
    Field("overlapping", "Marks may overlap", "yes_no"),
    Field("ties", "Two may stand equal", "yes_no"),
    Field("both_bad", "Both may be bad", "yes_no"),
    Field("strength", "Degrees of better", "whole", "2 to 9, or 0 for none"),
)
WITH_SCALE = ("choice", "rating")


def fields_of(kind: str) -> tuple[Field, ...]:
    """What is asked of a question of this kind."""
    return tuple(
        field
        for field in QUESTION_FIELDS
        if (field.name == "scale" and kind in WITH_SCALE) or field.name == "of" or kind in FIELDS_OF.get(field.name, ())
    )
