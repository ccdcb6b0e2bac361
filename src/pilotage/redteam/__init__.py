"""Red teaming as a data discipline: find what a target does wrong under pressure, and turn each confirmed failure into data it can learn from.

An **objective** says what the target must not do, how a breach shows, the correct response and a benign twin; a **technique** is a named, versioned
way to put it, built from typed **converters**. :func:`campaign_samples` makes samples of them for the engine, :func:`solve` holds the conversations,
:func:`judge_attempt` decides by evidence, then rules, else leaves it to a person. Failed attempts cluster into **findings** that people confirm, that
later models fix, and that may be reopened. :func:`build_training_rows` makes safety pairs of confirmed breaches, with benign twins, and never from
what is held back for the gate.
"""

from pilotage.redteam.attempts import (
    FAILURE_ANSWERS,
    attack_rater,
    judged_attempt,
    twin_rater,
)
from pilotage.redteam.campaign import TechniqueUse, campaign_samples, parse_techniques, solve, twin_samples
from pilotage.redteam.converters import BUILT_IN, Chain, Converter, Stage, chain, wrap
from pilotage.redteam.findings import (
    AttemptRow,
    Finding,
    FindingChanges,
    FindingState,
    JudgedAttempt,
    attempt_key,
    attempts_of,
    finding_counts,
    finding_id,
    findings,
    load_finding,
    update_findings,
)
from pilotage.redteam.leaks import LeakGuard
from pilotage.redteam.objectives import OBJECTIVE_FIELDS, BenignTwin, Objective, Success, load_objectives, objective_of, objectives_of
from pilotage.redteam.pairs import ReviewedAttempt, ReviewedTwin, TrainingSet, build_training_rows, held_back_prompts
from pilotage.redteam.techniques import TECHNIQUES, Technique, technique
from pilotage.redteam.verdicts import AttackOutcome, AttackVerdict, TwinVerdict, judge_attempt, judge_twin

__all__ = [
    "BUILT_IN",
    "FAILURE_ANSWERS",
    "OBJECTIVE_FIELDS",
    "TECHNIQUES",
    "AttackOutcome",
    "AttackVerdict",
    "AttemptRow",
    "BenignTwin",
    "Chain",
    "Converter",
    "Finding",
    "FindingChanges",
    "FindingState",
    "JudgedAttempt",
    "LeakGuard",
    "Objective",
    "ReviewedAttempt",
    "ReviewedTwin",
    "Stage",
    "Success",
    "Technique",
    "TechniqueUse",
    "TrainingSet",
    "TwinVerdict",
    "attack_rater",
    "attempt_key",
    "attempts_of",
    "build_training_rows",
    "campaign_samples",
    "chain",
    "finding_counts",
    "finding_id",
    "findings",
    "held_back_prompts",
    "judge_attempt",
    "judge_twin",
    "judged_attempt",
    "load_finding",
    "load_objectives",
    "objective_of",
    "objectives_of",
    "parse_techniques",
    "solve",
    "technique",
    "twin_rater",
    "twin_samples",
    "update_findings",
    "wrap",
]
