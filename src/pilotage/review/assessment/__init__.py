"""Assessment: how much oversight a kind of task needs, decided from four questions and written down.

What does a wrong output cost, can it be undone, would anybody notice? How well is "correct" defined? How well does the system do, on average and in
its worst slice? Who answers for it by law? From the answers (:func:`read_assessment`) plain rules (:data:`RULES`) give one of six levels
(:data:`LEVELS`), per task category and slice. Every rule says whether it fired; the strictest decides; graver answers never give a laxer level.

:func:`record_assessment` keeps it, signed by a person in a role. Records are never edited: :func:`due_assessments` says which must be made again
because the model changed, an alarm was raised or their date has passed. Routing reads the level from here and can only be stricter.
"""

from pilotage.review.assessment.answers import Answers, AssessmentFile, assessment_of, read_assessment
from pilotage.review.assessment.figures import profile_of
from pilotage.review.assessment.level import AUTOMATED, LEVELS, at_least, slice_key, step_of, strictest
from pilotage.review.assessment.recording import (
    Assessment,
    Due,
    ask_again,
    assessment_for,
    assessments,
    due_assessments,
    due_in,
    reassess,
    record_assessment,
)
from pilotage.review.assessment.rules import RULES, Finding, Measured, Outcome, Profile, assess

__all__ = [
    "AUTOMATED",
    "LEVELS",
    "RULES",
    "Answers",
    "Assessment",
    "AssessmentFile",
    "Due",
    "Finding",
    "Measured",
    "Outcome",
    "Profile",
    "ask_again",
    "assess",
    "assessment_for",
    "assessment_of",
    "assessments",
    "at_least",
    "due_assessments",
    "due_in",
    "profile_of",
    "read_assessment",
    "reassess",
    "record_assessment",
    "slice_key",
    "step_of",
    "strictest",
]
