"""Raters measured, and what they say made one.

**Gold** items, whose answers are known, are mixed into the work; an **exam** decides who may start, and a **calibration round** practises a new
guideline. :func:`accuracy_of` and :func:`team_accuracy` say how often people are right, with bounds, and how fast; :func:`alerts` proposes, never
punishes. :func:`settle` makes the answers about an item one, by the policy its rubric declared; what cannot be settled goes to an adjudicator who
sees the others' answers under aliases (:func:`open_adjudications`). :func:`triage` says why people disagree: a slip, an ambiguous item, an unclear
guideline, or a real plurality. :func:`alternative_annotator_test` and :func:`prediction_powered_mean` hold model raters to the people they imitate.

What measures a rater never says anything about an item: it is read by its own purpose only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.measuring.accuracy import (
        Accuracy,
        Alert,
        Confusion,
        Speed,
        accuracy_of,
        accuracy_over_time,
        alerts,
        confusion,
        speed_of,
        team_accuracy,
        team_over_time,
    )
    from pilotage.review.measuring.adjudicating import Adjudication, Overturned, adjudications, open_adjudications, overturns, reopen
    from pilotage.review.measuring.agreement import Agreeing, Change, agreement_change, project_agreement
    from pilotage.review.measuring.combining import Combined, combine
    from pilotage.review.measuring.comparing import MethodsCompared, compare_methods
    from pilotage.review.measuring.disputing import dispute
    from pilotage.review.measuring.divergence import PairConfusion
    from pilotage.review.measuring.examinees import ExamStanding, ExamTry, exam_standing, exam_tries
    from pilotage.review.measuring.explorer import Divided, DividedPage, explore
    from pilotage.review.measuring.gold import GoldItem, GoldMade, LeakTest, add_gold, gold_candidates, gold_from, gold_items, leak_test, retire_gold
    from pilotage.review.measuring.judge_vs_people import AlternativeAnnotator, alternative_annotator_test, prediction_powered_mean
    from pilotage.review.measuring.known import Known
    from pilotage.review.measuring.known_file import load_known_file, read_known
    from pilotage.review.measuring.people import Member, MyPage, TeamPage, my_page, team_page
    from pilotage.review.measuring.planning import Dimension, Plan, plan_evaluation
    from pilotage.review.measuring.positions import position_bias, position_bias_of
    from pilotage.review.measuring.qualification import Exam, ExamResult, begin_exam, current_exam, finish_exam, open_exam
    from pilotage.review.measuring.rounds import CalibrationRound, RoundReport, close_round, current_round, open_round, round_report
    from pilotage.review.measuring.settling import Settlement, consensus_of, settle
    from pilotage.review.measuring.standing_of import adjudication_context, calibration_tasks, least_exposed, must_calibrate
    from pilotage.review.measuring.telling import Feedback, feedback
    from pilotage.review.measuring.triaging import Finding, TriageReport, confusion_between, findings, overrule, triage

# numpy loads when a name that needs it is first used: the claim imports this room for one look-up by key.
_FROM: dict[str, tuple[str, ...]] = {
    "comparing": ("MethodsCompared", "compare_methods"),
    "disputing": ("dispute",),
    "accuracy": (
        "Accuracy",
        "Alert",
        "Confusion",
        "Speed",
        "accuracy_of",
        "accuracy_over_time",
        "alerts",
        "confusion",
        "speed_of",
        "team_accuracy",
        "team_over_time",
    ),
    "adjudicating": (
        "Adjudication",
        "Overturned",
        "adjudications",
        "open_adjudications",
        "overturns",
        "reopen",
    ),
    "agreement": (
        "Agreeing",
        "Change",
        "agreement_change",
        "project_agreement",
    ),
    "combining": (
        "Combined",
        "combine",
    ),
    "divergence": ("PairConfusion",),
    "examinees": (
        "ExamStanding",
        "ExamTry",
        "exam_standing",
        "exam_tries",
    ),
    "explorer": (
        "Divided",
        "DividedPage",
        "explore",
    ),
    "telling": (
        "Feedback",
        "feedback",
    ),
    "gold": (
        "GoldItem",
        "GoldMade",
        "LeakTest",
        "add_gold",
        "gold_candidates",
        "gold_from",
        "gold_items",
        "leak_test",
        "retire_gold",
    ),
    "judge_vs_people": (
        "AlternativeAnnotator",
        "alternative_annotator_test",
        "prediction_powered_mean",
    ),
    "known": ("Known",),
    "known_file": ("load_known_file", "read_known"),
    "positions": ("position_bias", "position_bias_of"),
    "people": (
        "Member",
        "MyPage",
        "TeamPage",
        "my_page",
        "team_page",
    ),
    "planning": (
        "Dimension",
        "Plan",
        "plan_evaluation",
    ),
    "qualification": (
        "Exam",
        "ExamResult",
        "begin_exam",
        "current_exam",
        "finish_exam",
        "open_exam",
    ),
    "rounds": (
        "CalibrationRound",
        "RoundReport",
        "close_round",
        "current_round",
        "open_round",
        "round_report",
    ),
    "settling": (
        "Settlement",
        "consensus_of",
        "settle",
    ),
    "standing_of": (
        "adjudication_context",
        "calibration_tasks",
        "least_exposed",
        "must_calibrate",
    ),
    "triaging": (
        "Finding",
        "TriageReport",
        "confusion_between",
        "findings",
        "overrule",
        "triage",
    ),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "Accuracy",
    "Adjudication",
    "Agreeing",
    "Alert",
    "AlternativeAnnotator",
    "CalibrationRound",
    "Change",
    "Combined",
    "Confusion",
    "Dimension",
    "Divided",
    "DividedPage",
    "Exam",
    "ExamResult",
    "ExamStanding",
    "ExamTry",
    "Feedback",
    "Finding",
    "GoldItem",
    "GoldMade",
    "Known",
    "LeakTest",
    "Member",
    "MethodsCompared",
    "MyPage",
    "Overturned",
    "PairConfusion",
    "Plan",
    "RoundReport",
    "Settlement",
    "Speed",
    "TeamPage",
    "TriageReport",
    "accuracy_of",
    "accuracy_over_time",
    "add_gold",
    "adjudication_context",
    "adjudications",
    "agreement_change",
    "alerts",
    "alternative_annotator_test",
    "begin_exam",
    "calibration_tasks",
    "close_round",
    "combine",
    "compare_methods",
    "confusion",
    "confusion_between",
    "consensus_of",
    "current_exam",
    "current_round",
    "dispute",
    "exam_standing",
    "exam_tries",
    "explore",
    "feedback",
    "findings",
    "finish_exam",
    "gold_candidates",
    "gold_from",
    "gold_items",
    "leak_test",
    "least_exposed",
    "load_known_file",
    "must_calibrate",
    "my_page",
    "open_adjudications",
    "open_exam",
    "open_round",
    "overrule",
    "overturns",
    "plan_evaluation",
    "position_bias",
    "position_bias_of",
    "prediction_powered_mean",
    "project_agreement",
    "read_known",
    "reopen",
    "retire_gold",
    "round_report",
    "settle",
    "speed_of",
    "team_accuracy",
    "team_over_time",
    "team_page",
    "triage",
]
