"""The one engine: every room that calls models does it through here.

A :class:`Plan` holds content-addressed samples (:func:`sample_spec`). :func:`run` asks the target for those that have no output yet, with bounded
workers, and writes outputs in batches through one task; each batch is one transaction with its counts, spending, cache rows and ledger record.
The same plan is the same run: calling again does only what is missing, whatever happened in between. Budgets and outages pause a run, resumably.
A solver turns a sample into an :class:`Output`: :func:`single_turn`, :func:`conversation`, or any async function. :func:`outputs`,
:func:`samples_page`, :func:`run_summary` read back; :func:`check_outputs` compares what is stored with the ledger.
"""

from pilotage.runs.engine import PAUSE_AFTER, RunReport, run
from pilotage.runs.output import Output
from pilotage.runs.plan import Plan, SampleSpec, sample_spec
from pilotage.runs.queries import (
    OutputCheck,
    RunSummary,
    SampleRow,
    SamplesPage,
    check_outputs,
    load_output,
    outputs,
    run_summary,
    runs,
    samples_page,
)
from pilotage.runs.solve import Ask, Solve, conversation, request_of, single_turn

__all__ = [
    "PAUSE_AFTER",
    "Ask",
    "Output",
    "OutputCheck",
    "Plan",
    "RunReport",
    "RunSummary",
    "SampleRow",
    "SampleSpec",
    "SamplesPage",
    "Solve",
    "check_outputs",
    "conversation",
    "load_output",
    "outputs",
    "request_of",
    "run",
    "run_summary",
    "runs",
    "sample_spec",
    "samples_page",
    "single_turn",
]
