"""Properties: whatever a row holds, read and written it is the row; and what was answered here, written and read, is what was answered."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import PAIRS, RUBRIC, YES_NO

from pilotage.core import InputError
from pilotage.judging import Rubric
from pilotage.review.exchange import Exchanged, ExchangeLimits, Misfit, Proposed, Said, Terms, find_format
from pilotage.review.exchange.formats import _is_storable, _require_storable
from pilotage.review.exchange.json_stream import read_array, read_lines, read_object
from pilotage.review.exchange.offsets import code_points, from_utf16, to_utf16

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
WORD = st.text("abcXYZ_é👋", min_size=1, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(WORD.map(lambda word: f"x_{word}"), JSON, max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "sentiment": st.sampled_from(["pos", "neg", "1", "0"]),
    "topics": st.lists(st.sampled_from("abc"), unique=True, min_size=1).map(sorted),
    "stars": st.integers(1, 5),
    "remark": TEXT.filter(str.strip),
    "fine": st.booleans(),
}
SHOWN = "👋 Ada and Bob"
SPANS = st.sampled_from(
    [[], [{"start": 2, "end": 5, "label": "PER"}], [{"start": 0, "end": 1, "label": "LOC"}, {"start": 10, "end": 13, "label": "PER"}]]
)


@st.composite
def results(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A result list as Label Studio writes it, with what a rubric cannot ask among it."""
    made: list[dict[str, Any]] = []
    for name, kind in (("sentiment", "choices"), ("stars", "rating"), ("topics", "choices")):
        if draw(st.booleans()):
            value = draw(VALUES[name])
            told = {kind: value if isinstance(value, list) or kind == "rating" else [value]}
            made.append({"id": draw(WORD), "from_name": name, "to_name": "text", "type": kind, "value": told, **draw(UNKNOWN)})
    for span in draw(SPANS):
        told = {"start": span["start"], "end": span["end"], "labels": [span["label"]], **draw(UNKNOWN)}
        made.append({"from_name": "names", "to_name": "text", "type": "labels", "value": told})
    if draw(st.booleans()):
        made.append({"from_name": "boxes", "to_name": "img", "type": "rectanglelabels", "value": draw(UNKNOWN)})
    return made


@st.composite
def label_studio(draw: st.DrawFn) -> dict[str, Any]:
    annotation = st.fixed_dictionaries(
        {"result": results()},
        optional={
            "completed_by": st.none() | st.integers(0, 9) | WORD | st.fixed_dictionaries({"id": st.integers(0, 9)}, optional={"email": WORD}),
            "was_cancelled": st.booleans(),
            "ground_truth": st.booleans(),
            "lead_time": st.none() | st.floats(0, 1e6),
            "parent_prediction": st.none() | st.integers(0, 9),
        },
    )
    whole = st.builds(lambda known, more: {**more, **known}, annotation, UNKNOWN)
    prediction = st.fixed_dictionaries({"result": results()}, optional={"model_version": st.none() | WORD, "score": st.none() | st.floats(0, 1)})
    task = st.fixed_dictionaries(
        {"data": st.builds(lambda more: {**more, "text": SHOWN}, UNKNOWN)},
        optional={
            "id": st.integers(0, 99) | WORD,
            "annotations": st.none() | st.lists(whole, max_size=3),
            "completions": st.lists(whole, max_size=2),
            "predictions": st.none() | st.lists(prediction, max_size=2),
            "drafts": st.lists(whole, max_size=2),
            "meta": JSON,
        },
    )
    return {**draw(UNKNOWN), **draw(task)}


@st.composite
def argilla(draw: st.DrawFn) -> dict[str, Any]:
    row: dict[str, Any] = {"id": draw(WORD), "text": SHOWN, **draw(UNKNOWN)}
    for name in ("sentiment", "topics", "stars"):
        if draw(st.booleans()):
            count = draw(st.integers(0, 3))
            row[f"{name}.responses"] = draw(st.none() | st.lists(st.none() | VALUES[name], min_size=count, max_size=count))
            for suffix, cells in (("users", st.none() | WORD), ("status", st.sampled_from([None, "submitted", "draft", "discarded"]))):
                if row[f"{name}.responses"] is not None and draw(st.booleans()):
                    row[f"{name}.responses.{suffix}"] = draw(st.lists(cells, min_size=count, max_size=count))
                elif draw(st.booleans()):
                    row[f"{name}.responses.{suffix}"] = None
        if draw(st.booleans()):
            row[f"{name}.suggestion"] = draw(st.none() | VALUES[name])
            for suffix, cell in (("score", st.none() | st.floats(0, 1)), ("agent", st.none() | WORD)):
                if draw(st.booleans()):
                    row[f"{name}.suggestion.{suffix}"] = draw(cell)
    return row


@st.composite
def argilla_nested(draw: st.DrawFn) -> dict[str, Any]:
    response = st.fixed_dictionaries(
        {"value": VALUES["sentiment"]}, optional={"user_id": st.none() | WORD, "status": st.sampled_from(["submitted", "draft"])}
    )
    responses = st.dictionaries(st.just("sentiment"), st.none() | st.lists(st.builds(lambda a, b: {**b, **a}, response, UNKNOWN), max_size=3))
    suggestion = st.fixed_dictionaries(
        {"value": st.none() | VALUES["sentiment"]}, optional={"score": st.none() | st.floats(0, 1), "agent": st.none() | WORD}
    )
    optional = {
        "id": st.none() | WORD,
        "responses": st.none() | responses,
        "suggestions": st.none() | st.dictionaries(st.just("sentiment"), suggestion),
        "metadata": JSON,
    }
    return {**draw(UNKNOWN), **draw(st.fixed_dictionaries({"fields": st.just({"text": SHOWN})}, optional=optional))}


@st.composite
def prodigy(draw: st.DrawFn) -> dict[str, Any]:
    optional = {
        "accept": st.none() | VALUES["topics"],
        "spans": SPANS,
        "answer": st.sampled_from(["accept", "reject", "ignore"]),
        "_input_hash": st.integers(-(2**31), 2**31),
        "_task_hash": st.integers(-(2**31), 2**31),
        "_session_id": st.none() | WORD,
        "_annotator_id": WORD,
        "_timestamp": st.integers(0, 2**31),
        "options": JSON,
        "user_input": VALUES["remark"],
    }
    return {**draw(UNKNOWN), **draw(st.fixed_dictionaries({"text": st.just(SHOWN)}, optional=optional))}


@st.composite
def doccano(draw: st.DrawFn) -> dict[str, Any]:
    triples = SPANS.map(lambda spans: [[span["start"], span["end"], span["label"]] for span in spans])
    objects = SPANS.map(lambda spans: [{"id": 1, "start_offset": s["start"], "end_offset": s["end"], "label": s["label"]} for s in spans])
    row = draw(
        st.fixed_dictionaries(
            {"text": st.just(SHOWN)}, optional={"id": st.integers(0, 99), "Comments": JSON, "relations": st.lists(JSON, max_size=2)}
        )
    )
    key = draw(st.sampled_from(["label", "labels", "entities", None]))
    if key is not None:
        row[key] = draw(objects if key == "entities" else triples)
    return {**draw(UNKNOWN), **row}


@st.composite
def lewidi(draw: st.DrawFn) -> dict[str, Any]:
    pairs = draw(st.dictionaries(st.text("AnB1", min_size=1, max_size=4), st.sampled_from(["0", "1"]), max_size=4))
    row: dict[str, Any] = {"_key": draw(WORD), "text": SHOWN, **draw(UNKNOWN)}
    form = draw(st.sampled_from(["object", "text", "none"]))
    if form == "object":
        row["annotations"] = pairs
    elif form == "text":
        row |= {"annotations": ",".join(pairs.values()), "annotators": ",".join(pairs)}
    return {**row, **draw(st.fixed_dictionaries({}, optional={"soft_label": JSON, "hard_label": JSON, "number of annotations": st.integers(0, 9)}))}


TABLE = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries(
        {"task": WORD, "worker": WORD, "label": st.sampled_from(["pos", "neg", "", "1"])},
        optional={"ms": st.sampled_from(["", "5"]), "guideline": WORD},
    ),
    st.dictionaries(WORD.map(lambda word: f"x_{word}"), TEXT, max_size=3),
)
SIDE = TEXT | st.lists(st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXT}), min_size=1, max_size=2)
DPO = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries({"chosen": SIDE, "rejected": SIDE}, optional={"prompt": SIDE, "margin": st.floats(0, 9)}),
    UNKNOWN,
)
KTO = st.builds(
    lambda known, more: {**more, **known}, st.fixed_dictionaries({"completion": SIDE, "label": st.booleans()}, optional={"prompt": SIDE}), UNKNOWN
)
TURNS = st.lists(st.sampled_from(["\n\nHuman: ", "\n\nAssistant: ", "\n\nAssistant:", "a", "b"]), max_size=6).map("".join)
HH = st.builds(lambda one, two, more: {**more, "chosen": one, "rejected": two}, TURNS, TURNS, UNKNOWN)

CASES: list[tuple[str, Rubric, str | None, st.SearchStrategy[dict[str, Any]]]] = [
    ("label-studio", RUBRIC, None, label_studio()),
    ("argilla", RUBRIC, None, argilla()),
    ("argilla-nested", RUBRIC, None, argilla_nested()),
    ("prodigy", RUBRIC, "topics", prodigy()),
    ("doccano", RUBRIC, None, doccano()),
    ("lewidi", RUBRIC, "sentiment", lewidi()),
    ("table-csv", RUBRIC, "sentiment", TABLE),
    ("dpo", PAIRS, None, DPO),
    ("kto", YES_NO, None, KTO),
    ("hh-rlhf", PAIRS, None, HH),
]


def no_loss(what: str) -> None:
    raise AssertionError(what)


@pytest.mark.parametrize(("format", "rubric", "question", "rows"), CASES, ids=[case[0] for case in CASES])
def test_whatever_a_row_holds_it_comes_back(format: str, rubric: Rubric, question: str | None, rows: st.SearchStrategy[dict[str, Any]]) -> None:
    codec, terms = find_format(format).codec, Terms(rubric, question)

    @settings(max_examples=60, deadline=None)
    @given(rows)
    def check(row: dict[str, Any]) -> None:
        kept = json.loads(json.dumps(row))
        record = codec.read(row, terms)
        again = json.loads(json.dumps([record.extra, [one.raw for one in record.said], [one.raw for one in record.proposed]]))
        assert row == kept, "reading changed the row"
        assert list(codec.write(record, terms, no_loss)) == [kept]
        assert again is not None  # what is kept beside is JSON

    check()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(VALUES)), st.none(), min_size=1), st.data(), SPANS)
@pytest.mark.parametrize("format", ["label-studio", "label-studio-min", "argilla", "argilla-nested"])
def test_what_was_answered_here_is_read_back_as_it_was(format: str, names: dict[str, None], data: st.DataObject, spans: list[Any]) -> None:
    values = {name: data.draw(VALUES[name]) for name in names} | ({"names": spans} if spans else {})
    terms, codec = Terms(RUBRIC), find_format(format).codec
    record = Exchanged("i1", {"text": SHOWN}, said=(Said("ada", values, active_ms=1500),))
    lost: list[str] = []
    (row,) = codec.write(record, terms, lost.append)
    (said,) = codec.read(json.loads(json.dumps(row)), terms).said
    assert dict(said.values) == values and said.rater == "ada"
    assert set(lost) <= {"the time an answer took"} and (lost or said.active_ms == 1500)


@pytest.mark.parametrize("format", ["label-studio", "argilla", "argilla-nested"])
def test_a_suggestion_made_here_is_read_back_as_it_was(format: str) -> None:
    terms, codec = Terms(RUBRIC), find_format(format).codec
    record = Exchanged("i1", {"text": SHOWN}, proposed=(Proposed("m", "2", {"sentiment": "neg"}, 0.5),))
    (row,) = codec.write(record, terms, no_loss)
    (found,) = codec.read(json.loads(json.dumps(row)), terms).proposed
    assert (found.values, found.score, f"{found.model} {found.version}".split()[-2:]) == ({"sentiment": "neg"}, 0.5, ["m", "2"])


@settings(max_examples=100, deadline=None)
@given(st.text("a👋é\n", max_size=12), st.data())
def test_offsets_are_told_apart_by_the_text_they_cover(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    low, high = to_utf16(text, start), to_utf16(text, end)
    assert (from_utf16(text, low), from_utf16(text, high)) == (start, end)
    covered = text[start:end]
    found = code_points(text, low, high, covered)
    assert found is not None and text[found[0] : found[1]] == covered
    assert code_points(text, start, end, covered) == (start, end)
    assert code_points(text, start, len(text) + 1, None) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(WORD, JSON, max_size=3), max_size=5), st.integers(1, 40))
def test_an_array_of_any_length_is_read_piece_by_piece(rows: list[dict[str, Any]], piece: int) -> None:
    import pilotage.review.exchange.json_stream as module

    standing, module.PIECE = module.PIECE, piece
    try:
        found = list(read_array(io.BytesIO(json.dumps(rows, ensure_ascii=False).encode()), ExchangeLimits(), where="f"))
        named = {f"k{index}": row for index, row in enumerate(rows)}
        inner = list(read_object(io.BytesIO(json.dumps(named, indent=1).encode()), ExchangeLimits(), where="f"))
        lines = list(read_lines(io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode()), ExchangeLimits()))
    finally:
        module.PIECE = standing
    assert found == list(enumerate(rows, start=1)) == lines
    assert [(name, row) for _, name, row in inner] == list(named.items())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[",
        "[{}",
        "[{},]",
        "[{} {}]",
        '[{"a":1]',
        '[{"a":NaN}]',
        '[{"a":1,"a":2}]',
        "[{}]x",
        '["',
        "[" + "[" * 100_000,
        '[{"a":' + "9" * 5000 + "}]",
    ],
)
def test_what_is_no_list_of_records_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError, match=r"character|cannot be read"):
        list(read_array(io.BytesIO(text.encode()), ExchangeLimits(), where="f"))


def test_a_record_beyond_the_limit_and_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="longer"):
        list(read_array(io.BytesIO(b'[{"a":"' + b"x" * 3_000_000), ExchangeLimits(record_bytes=1_000_000), where="f"))
    with pytest.raises(InputError, match="UTF-8"):
        list(read_array(io.BytesIO(b'[{"a":"\xff"}]'), ExchangeLimits(), where="f"))
    assert [row for _, row in read_array(io.BytesIO(b"[1, {}]"), ExchangeLimits(), where="f")][1] == {}
    assert isinstance(next(iter(read_array(io.BytesIO(b"[1]"), ExchangeLimits(), where="f")))[1], Misfit)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.text(st.characters(), max_size=4) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(ANYTHING)
def test_what_is_told_to_be_storable_at_a_glance_is(value: Any) -> None:
    if _is_storable(value, 3):
        _require_storable(value, 3)


@pytest.mark.parametrize("value", [{"a": "x\0"}, {"\0": 1}, [float("nan")], {"a": [float("inf")]}, [2**53], [[[[1]]]], {"a": "\ud800"}, [b"x"]])
def test_what_cannot_be_stored_is_never_told_to_be_and_is_named(value: Any) -> None:
    assert not _is_storable(value, 3)
    with pytest.raises(Misfit):
        _require_storable(value, 3)
