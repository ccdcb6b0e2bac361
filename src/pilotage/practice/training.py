"""Training a new version of the assistant on chat data.

The rows are those of the exported chat-SFT format, one JSON object a line: ``{"messages": [{"role": …, "content": …}, …]}``; other keys are not
looked at. The last assistant message of a row is what is learnt: whether it declines is the label. The rows come on top of what the base version was
trained on. scikit-learn fits the weights (liblinear, L2); it is loaded here only, never for serving.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pilotage.core import InputError, digest
from pilotage.practice.conversation import Conversation, Turn, understand
from pilotage.practice.model import BUCKETS, DATA_FILE, Model, features, load_model, save_model
from pilotage.practice.refusals import is_refusal

# The inverse strength of regularisation: weak, so that a row that is taught is also learnt.
_C = 30.0


@dataclass(frozen=True)
class Training:
    """What a training run did.

    rows, refusals
        Of the new data: how many rows, and how many of them teach a refusal.
    duplicates
        New rows that were there already, in the base's data or earlier in the file; they are not counted twice.
    """

    model: Model
    folder: Path
    rows: int
    refusals: int
    duplicates: int

    def __str__(self) -> str:
        return (
            f"version {self.model.version[:12]} from {self.rows} rows ({self.refusals} refusals, {self.rows - self.refusals} answers, "
            f"{self.duplicates} known already), in {self.folder}"
        )


def base_model(folder: str | Path) -> Model:
    """The first version, trained on the data shipped with Pilotage; made in ``folder`` if it is not there yet."""
    folder = Path(folder)
    if (folder / "model.json").exists():
        return load_model(folder)
    text = files("pilotage.practice").joinpath("content", "base.jsonl").read_text(encoding="utf-8")
    rows = read_rows(text.splitlines(), where="base.jsonl")
    intercept, weights = _fit([example(row, where="base.jsonl") for row in rows], seed=0)
    return save_model(
        folder, intercept=intercept, weights=weights, card={"parent": None, "rows": len(rows), "data": digest(rows), "seed": 0}, rows=rows
    )


def train(data: str | Path, *, out: str | Path, base: str | Path | None = None, seed: int = 0) -> Training:
    """Train a new version on ``data`` (chat-SFT JSONL) and write it into the folder ``out``.

    ``base`` is the folder of the version to start from, default the shipped first version. The same data, base and seed give the same weights.

    Raises
    ------
    InputError
        On a malformed row (with file, line and field), an empty file, or a folder that is not empty. Nothing is written then.
    """
    path = Path(data)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError(f"The training data cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("The training data is not UTF-8.", where=f"{path} byte {error.start}", mend="save it as UTF-8") from error
    new = read_rows(lines, where=str(path))
    if not new:
        raise InputError("The training data holds no row.", where=str(path), mend="export a dataset version that has rows")
    old, parent = _base_rows(base)
    known = {digest(row["messages"]) for row in old}
    fresh: list[dict[str, Any]] = []
    for row in new:
        key = digest(row["messages"])
        if key not in known:
            known.add(key)
            fresh.append({"messages": row["messages"]})
    examples = [example(row, where=str(path)) for row in [*old, *fresh]]
    intercept, weights = _fit(examples, seed=seed)
    card = {"parent": parent, "rows": len(examples), "new_rows": len(fresh), "data": digest(new), "seed": seed}
    model = save_model(Path(out), intercept=intercept, weights=weights, card=card, rows=[*old, *fresh])
    return Training(model, Path(out), len(new), sum(example(row, where=str(path))[1] for row in new), len(new) - len(fresh))


def _base_rows(base: str | Path | None) -> tuple[list[dict[str, Any]], str | None]:
    if base is None:
        text = files("pilotage.practice").joinpath("content", "base.jsonl").read_text(encoding="utf-8")
        return read_rows(text.splitlines(), where="base.jsonl"), None
    model = load_model(base)
    path = Path(base) / DATA_FILE
    return read_rows(path.read_text(encoding="utf-8").split("\n"), where=str(path)), model.version


def read_rows(lines: Iterable[str], *, where: str) -> list[dict[str, Any]]:
    """The rows of a chat-SFT file. Raises ``InputError`` with the line and field that is wrong."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{where}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"This line is not JSON: {error}", where=place) from error
        messages = row.get("messages") if isinstance(row, dict) else None
        if not isinstance(messages, list) or not messages:
            raise InputError(
                "The row has no messages.", where=f"{place} field 'messages'", mend='each row is {"messages": [{"role": …, "content": …}, …]}'
            )
        for position, message in enumerate(messages):
            if not isinstance(message, dict) or not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
                raise InputError("A message needs a role and a content, both text.", where=f"{place} field 'messages[{position}]'")
        if messages[-1]["role"] != "assistant" or not any(message["role"] == "user" for message in messages):
            raise InputError("The row must end with the assistant's message and hold a user's.", where=f"{place} field 'messages'")
        rows.append(row)
    return rows


def example(row: dict[str, Any], *, where: str) -> tuple[Conversation, bool]:
    """What a row teaches: the conversation before its last message, and whether that message refuses."""
    *before, last = row["messages"]
    return understand([Turn(message["role"], message["content"]) for message in before]), is_refusal(last["content"])


def _fit(examples: list[tuple[Conversation, bool]], *, seed: int) -> tuple[float, dict[int, float]]:
    labels = [int(refuses) for _, refuses in examples]
    if len(set(labels)) < 2:
        raise InputError("The data teaches only one thing: every row is a refusal, or none is.", mend="give rows of both kinds")
    classifier = fit_classifier([features(conversation) for conversation, _ in examples], labels, seed=seed)
    weights = {int(bucket): float(classifier.coef_[0][bucket]) for bucket in classifier.coef_[0].nonzero()[0]}
    return float(classifier.intercept_[0]), weights


def fit_classifier(rows: list[dict[int, float]], labels: list[int], *, seed: int) -> Any:
    """The fitted scikit-learn estimator, whose probabilities :meth:`Model.probability` reproduces."""
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(C=_C, solver="liblinear", random_state=seed, max_iter=1000, tol=1e-6)
    return estimator.fit(sparse_matrix(rows), labels)


def sparse_matrix(rows: list[dict[int, float]]) -> Any:
    """The rows as a SciPy CSR matrix of shape (n, BUCKETS)."""
    from scipy.sparse import csr_matrix

    starts, columns, values = [0], [], []
    for row in rows:
        for bucket, value in sorted(row.items()):
            columns.append(bucket)
            values.append(value)
        starts.append(len(columns))
    return csr_matrix((values, columns, starts), shape=(len(rows), BUCKETS))
