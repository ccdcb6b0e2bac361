"""Evaluation: is the target right?

A suite is a dataset version of questions with what a right answer must and must not hold (:func:`suite_of`, :func:`load_suite`).
:func:`suite_samples` makes samples of it for the engine, each question as often as wanted; :func:`score_output` scores by rule and tells a wrong
answer from a refusal, a cut-off answer and an error.
"""

from pilotage.evaluation.scoring import Score, Scored, score_output, scorer, suite_samples
from pilotage.evaluation.suite import EVALUATION_FIELDS, EvaluationItem, load_suite, suite_of

__all__ = [
    "EVALUATION_FIELDS",
    "EvaluationItem",
    "Score",
    "Scored",
    "load_suite",
    "score_output",
    "scorer",
    "suite_of",
    "suite_samples",
]
