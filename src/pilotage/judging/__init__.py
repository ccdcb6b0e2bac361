"""Raters, rubrics, judgements, consensus and agreement.

A person, a model judge and a rule are all **raters**. A rater answers a **question** of a **rubric** about an **item** with a **judgement**;
several judgements make a **consensus**, and how far they agree is an **agreement** figure. All of it is append-only and addressed by content:
other wording is another rubric version, a changed prompt is another judge, a changed mind is a new judgement that supersedes the old one. A
machine never counts as a person. Who cannot tell abstains and says why; an abstention is counted, never guessed away. What a person judges is
in the ledger, in the same transaction.

Rules (:mod:`.rules`, :mod:`.refusal`) are pure functions of an :class:`OutputView`; the model judge (:mod:`.model_judge`) asks a model and
parses strictly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.judging.agreement import Agreement, Rating, cohen_kappa, krippendorff_alpha, ratings_of
    from pilotage.judging.consensus import Consensus, Vote, consensuses, majority, put_consensus, put_consensuses
    from pilotage.judging.decode import Reading, readings
    from pilotage.judging.item import Item, ItemRef, item_refs, load_item, put_item, put_items
    from pilotage.judging.judgement import ABOUT_ITEMS, ABOUT_RATERS, Judgement, add_judgement, add_judgements, judgements, load_judgement
    from pilotage.judging.model_judge import Ask, JudgeReport, ModelRater
    from pilotage.judging.question import Option, Question, Scale
    from pilotage.judging.rater import Rater, RaterKind, ensure_rater, load_rater, person
    from pilotage.judging.refusal import REFUSAL_QUESTION, Refusal
    from pilotage.judging.rubric import Rubric, load_rubric, put_rubric
    from pilotage.judging.rubric_file import load_rubric_file
    from pilotage.judging.rules import Canary, Contains, Exact, ForbiddenTool, MustContain, MustNotContain, Pattern, Rule, ToolArgument, rule_from
    from pilotage.judging.verdict import Abstain, OutputView, RuleRater, Verdict, as_judgement

# numpy and the rest load when a name is first used, so that importing a room that only keeps judgements stays cheap.
_FROM = {
    "agreement": ("Agreement", "Rating", "cohen_kappa", "krippendorff_alpha", "ratings_of"),
    "consensus": ("Consensus", "Vote", "consensuses", "majority", "put_consensus", "put_consensuses"),
    "item": ("Item", "ItemRef", "item_refs", "load_item", "put_item", "put_items"),
    "judgement": ("ABOUT_ITEMS", "ABOUT_RATERS", "Judgement", "add_judgement", "add_judgements", "judgements", "load_judgement"),
    "decode": (
        "Reading",
        "readings",
    ),
    "model_judge": (
        "Ask",
        "JudgeReport",
        "ModelRater",
    ),
    "refusal": (
        "REFUSAL_QUESTION",
        "Refusal",
    ),
    "rules": (
        "Canary",
        "Contains",
        "Exact",
        "ForbiddenTool",
        "MustContain",
        "MustNotContain",
        "Pattern",
        "Rule",
        "ToolArgument",
        "rule_from",
    ),
    "rater": ("Rater", "RaterKind", "ensure_rater", "load_rater", "person"),
    "question": ("Option", "Question", "Scale"),
    "rubric": ("Rubric", "load_rubric", "put_rubric"),
    "rubric_file": ("load_rubric_file",),
    "verdict": ("Abstain", "OutputView", "RuleRater", "Verdict", "as_judgement"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "ABOUT_ITEMS",
    "ABOUT_RATERS",
    "REFUSAL_QUESTION",
    "Abstain",
    "Agreement",
    "Ask",
    "Canary",
    "Consensus",
    "Contains",
    "Exact",
    "ForbiddenTool",
    "Item",
    "ItemRef",
    "JudgeReport",
    "Judgement",
    "ModelRater",
    "MustContain",
    "MustNotContain",
    "Option",
    "OutputView",
    "Pattern",
    "Question",
    "Rater",
    "RaterKind",
    "Rating",
    "Reading",
    "Refusal",
    "Rubric",
    "Rule",
    "RuleRater",
    "Scale",
    "ToolArgument",
    "Verdict",
    "Vote",
    "add_judgement",
    "add_judgements",
    "as_judgement",
    "cohen_kappa",
    "consensuses",
    "ensure_rater",
    "item_refs",
    "judgements",
    "krippendorff_alpha",
    "load_item",
    "load_judgement",
    "load_rater",
    "load_rubric",
    "load_rubric_file",
    "majority",
    "person",
    "put_consensus",
    "put_consensuses",
    "put_item",
    "put_items",
    "put_rubric",
    "ratings_of",
    "readings",
    "rule_from",
]
