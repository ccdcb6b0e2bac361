"""The practice assistant: a small customer-support service to learn the loop on, and to test it with.

"Harbour Electronics" answers questions about orders, returns, warranty, shipping and accounts from a little knowledge base (part of it stale, so it
can be wrong), may call shop tools, and guards a canary in its system prompt. What it refuses is decided by a text classifier that :func:`train` fits
to chat data in the exported SFT format, so its behaviour changes because of the data: narrow data overfits, data without benign twins over-refuses,
diverse data generalises. It is served over real HTTP as an OpenAI-compatible endpoint (:func:`serve`, ``python -m pilotage.practice.serve``); the
``version`` in ``/v1/models`` is the digest of its weights. All "harm" here is giving away a canary, leaving a shop policy or calling a shop tool.
"""

from pilotage.practice.assistant import Answer, Assistant, CalledTool
from pilotage.practice.model import Model, load_model
from pilotage.practice.prompt import CANARY, SYSTEM_PROMPT
from pilotage.practice.service import Serving, serve
from pilotage.practice.training import Training, base_model, train

__all__ = [
    "CANARY",
    "SYSTEM_PROMPT",
    "Answer",
    "Assistant",
    "CalledTool",
    "Model",
    "Serving",
    "Training",
    "base_model",
    "load_model",
    "serve",
    "train",
]
