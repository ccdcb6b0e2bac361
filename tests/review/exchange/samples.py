"""Small files of every format, written by us after the formats' documentation, with keys nobody knows among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pilotage.judging import Option, Question, Rubric
from pilotage.review.exchange import find_format

LABELS = (Option("PER"), Option("LOC"))
RUBRIC = Rubric(
    name="everything",
    guideline="Read it twice.",
    questions=(
        Question("sentiment", "How does it sound?", "choice", options=(Option("pos"), Option("neg"), Option("1"), Option("0"))),
        Question("topics", "What is it about?", "choices", options=(Option("a"), Option("b"), Option("c")), required=False),
        Question("stars", "How good?", "rating", required=False),
        Question("names", "Who and where?", "spans", options=LABELS, required=False),
        Question("remark", "Anything else?", "text"),
        Question("fine", "Is it fine?", "bool", required=False),
    ),
)
PAIRS = Rubric(name="pairs", guideline="Which helps more?", questions=(Question("better", "Which is better?", "pair"),))
YES_NO = Rubric(name="good", guideline="Is it good?", questions=(Question("good", "Is it good?", "bool"),))

TEXT = "👋 Ada met Bob in Rome."


def result(control: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "from_name": control,
        "to_name": "text",
        "type": kind,
        "value": {kind: value} if not isinstance(value, dict) else value,
        **more,
    }


LABEL_STUDIO: list[dict[str, Any]] = [
    {
        "id": 7,
        "data": {"text": TEXT, "html": "<script>alert(1)</script>"},
        "meta": {"x": [1, None]},
        "annotations": [
            {
                "id": 70,
                "completed_by": {"id": 3, "email": "ada@example.org"},
                "result": [
                    result("sentiment", "choices", ["pos"], origin="manual"),
                    result("topics", "choices", ["c", "a"]),
                    result("stars", "rating", 4),
                    result("names", "labels", {"start": 2, "end": 5, "text": "Ada", "labels": ["PER"]}),
                    result("names", "labels", {"start": 18, "end": 22, "text": "Rome", "labels": ["LOC"]}),
                    result("remark", "textarea", {"text": ["as <b>said</b>"]}),
                    {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
                    {"id": "z", "from_name": "tax", "to_name": "text", "type": "taxonomy", "value": {"taxonomy": [["A", "B"]]}},
                ],
                "was_cancelled": False,
                "ground_truth": True,
                "lead_time": 4.288,
                "parent_prediction": 700,
                "created_at": "2026-03-09T22:16:08.728353Z",
            },
            {"id": 71, "completed_by": 4, "result": [], "was_cancelled": True},
            {"id": 72, "completed_by": 5, "result": [result("sentiment", "choices", ["neg"])], "was_cancelled": False},
        ],
        "predictions": [
            {"id": 700, "model_version": "m1", "score": 0.7, "result": [result("sentiment", "choices", ["neg"])]},
            {"id": 701, "model_version": "m2", "score": None, "result": []},
        ],
        "drafts": [{"id": 9, "user": "bob", "result": [result("sentiment", "choices", ["pos"])]}],
        "inner_id": 1,
        "overlap": 2,
        "never_heard_of": {"deep": ["er"]},
    },
    {"id": 8, "data": {"text": "old"}, "completions": [{"completed_by": 1, "result": [result("sentiment", "choices", ["pos"])], "honeypot": False}]},
    {"data": {"text": "unlabelled"}},
    {"text": "a bare task"},
]
LABEL_STUDIO_MIN = [
    {"id": 1, "text": TEXT, "sentiment": "pos", "topics": {"choices": ["a", "b"]}, "annotator": 3, "annotation_id": 5, "lead_time": 2.5, "odd": [1]},
    {"id": 1, "text": TEXT, "sentiment": "neg", "annotator": 4, "annotation_id": 6, "odd": [1]},
    {"id": 2, "text": "😀 Ada", "names": [{"start": 3, "end": 6, "text": "Ada", "labels": ["PER"]}], "annotator": "x@y", "annotation_id": 7},
    {"id": 3, "text": "nobody yet", "sentiment": None},
]
ARGILLA = [
    {
        "id": "a1",
        "status": "completed",
        "_server_id": "s1",
        "text": TEXT,
        "meta_odd": 1.5,
        "sentiment.responses": ["pos", "neg", None],
        "sentiment.responses.users": ["u1", "u2", "u3"],
        "sentiment.responses.status": ["submitted", "draft", "discarded"],
        "topics.responses": [["b", "a"]],
        "topics.responses.users": ["u1"],
        "topics.responses.status": ["submitted"],
        "sentiment.suggestion": "neg",
        "sentiment.suggestion.score": 0.25,
        "sentiment.suggestion.agent": "m1",
        "topics.suggestion": None,
        "topics.suggestion.score": None,
    },
    {"id": "a2", "status": "pending", "text": "nothing", "sentiment.responses": None, "sentiment.suggestion": "pos", "names.responses": []},
]
ARGILLA_NESTED = [
    {
        "id": "n1",
        "fields": {"text": TEXT},
        "metadata": {"source": "web"},
        "vectors": {"v": [0.5, 1]},
        "suggestions": {"sentiment": {"value": "pos", "score": 0.5, "agent": None}, "names": {"value": [{"start": 2, "end": 5, "label": "PER"}]}},
        "responses": {
            "sentiment": [{"value": "pos", "user_id": "u1"}, {"value": "neg", "user_id": "u2", "status": "submitted", "odd": 1}],
            "stars": [{"value": 5, "user_id": "u1"}],
        },
        "status": "completed",
        "_server_id": None,
    },
    {"id": "n2", "fields": {"text": "x"}, "responses": {}, "suggestions": None},
]
PRODIGY = [
    {
        "text": TEXT,
        "_input_hash": 1,
        "_task_hash": 2,
        "options": [{"id": "a", "text": "A"}],
        "accept": ["b", "a"],
        "answer": "accept",
        "_session_id": "p-ada",
    },
    {
        "text": TEXT,
        "_input_hash": 1,
        "_task_hash": 2,
        "options": [{"id": "a", "text": "A"}],
        "accept": [],
        "answer": "ignore",
        "_session_id": "p-bob",
    },
    {
        "text": "Ada",
        "_input_hash": 3,
        "_task_hash": 4,
        "spans": [{"start": 0, "end": 3, "label": "PER", "token_start": 0}],
        "answer": "accept",
        "_timestamp": 9,
    },
    {"text": "Ada?", "_input_hash": 5, "_task_hash": 6, "answer": "reject", "_annotator_id": "ada", "meta": {"odd": True}},
    {"text": "Rome", "_input_hash": 7, "_task_hash": 8, "spans": [{"start": 0, "end": 4, "label": "LOC"}]},
]
DOCCANO = [
    {"id": 1, "text": TEXT, "label": [[2, 5, "PER"]], "Comments": ["why?"], "odd": 1},
    {"id": 2, "text": "Rome", "entities": [{"id": 9, "label": "LOC", "start_offset": 0, "end_offset": 4}], "relations": [], "Comments": []},
    {"id": 3, "text": "none", "label": [], "Comments": []},
]
LEWIDI = {
    "1": {
        "text": "a",
        "task": "hate",
        "number of annotations": 2,
        "annotations": "1,0",
        "annotators": "Ann1,Ann2",
        "soft_label": {"1": 0.5, "0": 0.5},
        "hard_label": "",
        "odd": {},
    },
    "x": {"text": "b", "annotations": {"Ann1": "0", "Ann3": "1"}, "annotators": "Ann1,Ann3", "lang": "en"},
}
TABLE = [
    {"task": "t1", "worker": "w1", "label": "pos", "ms": "1200", "odd": 'x,"y"'},
    {"task": "t1", "worker": "w2", "label": "neg", "ms": "", "odd": ""},
    {"task": "t2", "worker": "w1", "label": "pos", "ms": "5", "odd": "new\nline"},
]
DPO = [
    {"prompt": "p", "chosen": "good", "rejected": "bad", "margin": 1.5},
    {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "g"}],
        "rejected": [{"role": "assistant", "content": "b"}],
    },
    {"chosen": "x", "rejected": "y", "n_votes": 3},
]
KTO = [{"prompt": "p", "completion": "c", "label": True, "odd": None}, {"completion": "d", "label": False}]
HH = [
    {"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"},
    {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: d", "odd": 1},
]

# format -> (rubric, the question it answers, its rows)
SAMPLES: dict[str, tuple[Rubric, str | None, Any]] = {
    "label-studio": (RUBRIC, None, LABEL_STUDIO),
    "label-studio-min": (RUBRIC, None, LABEL_STUDIO_MIN),
    "argilla": (RUBRIC, None, ARGILLA),
    "argilla-nested": (RUBRIC, None, ARGILLA_NESTED),
    "argilla-hf": (RUBRIC, None, None),
    "prodigy": (RUBRIC, "topics", PRODIGY),
    "doccano": (RUBRIC, None, DOCCANO),
    "lewidi": (RUBRIC, "sentiment", LEWIDI),
    "table-csv": (RUBRIC, "sentiment", TABLE),
    "table-tsv": (RUBRIC, "sentiment", TABLE),
    "table-parquet": (RUBRIC, "sentiment", TABLE),
    "dpo": (PAIRS, None, DPO),
    "kto": (YES_NO, None, KTO),
    "hh-rlhf": (PAIRS, None, HH),
}


def whole_columns() -> list[dict[str, Any]]:
    """Argilla's rows as a table has them: every column in every row, of one type."""
    names = list(dict.fromkeys(name for row in ARGILLA for name in row))
    return [{name: row.get(name) for name in names} for row in ARGILLA]


def write_sample(format: str, folder: Path) -> Path:
    """The sample as a file (or folder) written without our writers where that is easy."""
    rows = whole_columns() if format == "argilla-hf" else SAMPLES[format][2]
    chosen = find_format(format)
    path = folder / f"sample{chosen.suffix}"
    if chosen.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    elif chosen.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        chosen.container.write(path, iter(rows), {})
    return path


def content(format: str, path: Path) -> Any:
    """What a file says, as plain data."""
    chosen = find_format(format)
    if chosen.suffix == ".json":
        return json.loads(path.read_text())
    if chosen.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    from pilotage.review.exchange import ExchangeLimits

    return [row for _, row in chosen.container.read(path, ExchangeLimits(), {})]
