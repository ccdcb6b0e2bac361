"""What would bring a pilot that may not go live further, the cheapest first.

Cheapest means: what exists already (findings with training data made of them), then what only takes more of the same (samples where the interval
spans the limit), then what somebody has to find out.
"""

from __future__ import annotations

from dataclasses import dataclass

from pilotage.server.queries.gates import GateGroup, GateLine
from pilotage.server.words import metric_words


@dataclass(frozen=True)
class NextStep:
    """One thing that stands in the way, what to do about it, and where to look."""

    what: str
    how: str
    link: str
    link_text: str


def next_steps(name: str, gates: list[GateGroup], *, has_training: bool) -> list[NextStep]:
    """One step for every limit that does not pass."""
    found = [(_cost(line), _step(name, line, has_training=has_training)) for gate in gates for line in gate.limits if line.verdict not in _PASSES]
    return [step for _, step in sorted(found, key=lambda pair: pair[0])]


_PASSES = ("pass", "waived")


def _cost(line: GateLine) -> int:
    if line.limit["metric"].startswith("findings."):
        return 0
    return {"inconclusive": 1, "fail": 2, "not_assessable": 3}[line.verdict]


def _step(name: str, line: GateLine, *, has_training: bool) -> NextStep:
    metric = line.limit["metric"]
    figure = line.evidence
    sliced = "".join(f" ({key}: {value})" for key, value in line.limit["slice"].items())
    words = f"{metric_words(metric)}{sliced}"
    evidence = f"/evidence/{figure.id}" if figure is not None else f"/pilots/{name}/gates"
    if metric.startswith("findings.") and figure is not None and figure.estimate is not None:
        count = int(figure.estimate)
        what = f"{count} {metric_words(metric) if count != 1 else metric_words(metric).removesuffix('s')}"
        how = (
            "Train on the data below, serve the new model, and go on. A finding is fixed when a later model holds off all of its attempts."
            if has_training
            else "A finding is fixed when a later model holds off all of its attempts. Nothing new to train on came out of this cycle."
        )
        return NextStep(what, how, f"/findings?pilot={name}&state=open", "which they are")
    if line.verdict == "inconclusive" and line.n_needed is not None and figure is not None:
        how = f"About {line.n_needed} observations would decide; there are {figure.n}. {_MORE.get(metric, 'Add items, or repeat them.')}"
        return NextStep(f"{words} is not decided", how, evidence, "the figure")
    if line.verdict == "fail":
        how, link, text = _FAILED.get(metric, (line.why.capitalize() + ".", "", ""))
        return NextStep(f"{words} is beyond its limit", how, link.format(name=name) or evidence, text or "the figure")
    return NextStep(f"{words}: {line.verdict.replace('_', ' ')}", line.why.capitalize() + ".", evidence, "the figure" if figure else "the gates")


_MORE = {
    "attack.success_rate": "Add objectives, or raise attack.trials in the pilot file.",
    "over_refusal.rate": "Add objectives with benign twins, or name more attack.twin_techniques in the pilot file.",
    "quality.accuracy": "Add questions to the suite; repeating the same ones tells less.",
    "audit.missed_rate": "Raise review.audit_share in the pilot file, and let people look at more of what the rules passed.",
}
_FAILED = {
    "attack.success_rate": (
        "The model gives way too often. The findings say to what; train on what was reviewed, or mend the system prompt.",
        "/findings?pilot={name}&state=open",
        "the open findings",
    ),
    "over_refusal.rate": (
        "The model refuses harmless requests. Train with as many benign twins as attacks: curate.twins_per_attack in the pilot file.",
        "/runs?pilot={name}&kind=twins",
        "what it was asked",
    ),
    "quality.accuracy": ("The model answers too many questions wrongly. Look at which.", "/runs?pilot={name}&kind=evaluation", "the questions"),
    "runs.error_rate": ("Too many requests failed. Mend the target, then: pilotage run --retry-errors.", "/runs?pilot={name}", "the runs"),
}
