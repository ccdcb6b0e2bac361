"""Whatever a file holds, each of its rows is kept or set aside, and the line named is the very line."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.contracts import parse_contract
from pilotage.data.ingest import reading_text
from pilotage.data.ingest.chunk import Chunk, Expected
from pilotage.data.ingest.conforming import LINE, Conformer
from pilotage.data.ingest.reading_text import csv_chunks, jsonl_chunks
from pilotage.data.ingest.source import Dialect, Limits

CONTRACT = parse_contract(
    """
name: things
owner: us
columns:
  id: {type: int}
  size: {type: float, nullable: true}
  note: {type: text, nullable: true}
""",
    file="contract.yaml",
)
NOW_US = 1_800_000_000_000_000

# (the line as it stands in the file, whether it is a row, whether the row is good)
good_line = st.builds(lambda n, note: (f"{n},{n / 4},{note}".encode(), True, True), st.integers(0, 10**6), st.sampled_from(["", "ä", "x y", "'"]))
quoted_line = st.builds(lambda n: (f'{n},"1.5","a, ""b"""'.encode(), True, True), st.integers(0, 10**6))
bad_line = st.sampled_from(
    [
        (b"1,2", True, False),
        (b"1,2,3,4", True, False),
        (b"x,1.5,word", True, False),
        (b"3,abc,", True, False),
        (b",1,no id", True, False),
        (b"4,1.5,\xff\xfe", True, False),
        (b"5,nan,", True, False),
        (b"6,1.5,nul\x00", True, True),
        (b'7,1.5,"open', True, False),
        (b'8,"1"5,x', True, False),
        (b" ", True, False),
    ]
)
blank_line = st.just((b"", False, False))
lines = st.lists(st.one_of(good_line, good_line, quoted_line, bad_line, blank_line), max_size=40)
ends = st.sampled_from([b"\n", b"\r\n"])


def sort(chunks: Any) -> tuple[list[int], list[tuple[int, str]], int]:
    """Lines kept, (line, raw) set aside, rows in."""
    conformer = Conformer(CONTRACT, now_us=NOW_US)
    kept: list[int] = []
    bad: list[tuple[int, str]] = []
    rows_in = 0
    for chunk in chunks:
        assert isinstance(chunk, Chunk)
        rows_in += chunk.rows_in
        found = conformer.sort(chunk)
        kept += found.table.column(LINE).to_pylist()
        bad += [(row.line, row.raw) for row in found.bad]
    return kept, bad, rows_in


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines, ends, st.booleans(), st.integers(8, 200), st.booleans())
def test_every_row_of_a_dirty_csv_is_kept_or_set_aside_under_its_own_line(
    content: list[tuple[bytes, bool, bool]], end: bytes, ended: bool, block: int, marked: bool
) -> None:
    text = (b"\xef\xbb\xbf" if marked else b"") + end.join([b"id,size,note", *(line for line, _, _ in content)]) + (end if ended else b"")
    usual, reading_text.BLOCK = reading_text.BLOCK, block  # so that blocks end anywhere
    try:
        kept, bad, rows_in = sort(
            csv_chunks(io.BytesIO(text), source="f", dialect=Dialect(), expected=Expected(CONTRACT, extra="refuse"), limits=Limits(), where="f")
        )
    finally:
        reading_text.BLOCK = usual
    assert rows_in == len(kept) + len(bad)
    assert sorted([*kept, *(line for line, _ in bad)]) == [number for number, (_, row, _) in enumerate(content, start=2) if row]
    assert kept == [number for number, (_, row, good) in enumerate(content, start=2) if row and good]
    for number, raw in bad:
        if raw:  # what could not be read as a row is quoted as it stands
            assert raw == content[number - 2][0].decode("utf-8", errors="backslashreplace")


json_lines = st.lists(
    st.one_of(
        st.builds(lambda n: (json.dumps({"id": n, "size": n / 8, "note": "ä"}).encode(), True, True), st.integers(0, 2**40)),
        st.sampled_from(
            [
                (b'{"id": 1', True, False),
                (b"[1]", True, False),
                (b'{"id": 1, "id": 2}', True, False),
                (b'{"id": 1, "size": NaN}', True, False),
                (b'{"id": "x"}', True, False),
                (b'{"size": 1}', True, False),
                (b'{"id": 1, "other": 2}', True, False),
                (b'{"id": 1, "note": 5}', True, False),
                (b'{"id": 1, "note": "\\ud800"}', True, False),
                (b'{"id": 1, "note": "\xff"}', True, False),
                (b'{"id": true}', True, False),
                (b'{"id": 2.5}', True, False),
                (b'{"id": 9223372036854775808}', True, False),
                (b'{"id": 3.0}', True, True),
                (b'{"id": 4, "size": null}', True, True),
                (b"", False, False),
                (b"   ", False, False),
            ]
        ),
    ),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(json_lines, ends)
def test_every_row_of_dirty_jsonl_is_kept_or_set_aside_under_its_own_line(content: list[tuple[bytes, bool, bool]], end: bytes) -> None:
    text = end.join(line for line, _, _ in content)
    expected = Expected(CONTRACT, extra="refuse")
    kept, bad, rows_in = sort(jsonl_chunks(io.BytesIO(text), source="f", expected=expected, limits=Limits()))
    assert rows_in == len(kept) + len(bad)
    assert kept == [number for number, (_, row, good) in enumerate(content, start=1) if row and good]
    assert sorted(line for line, _ in bad) == [number for number, (_, row, good) in enumerate(content, start=1) if row and not good]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=20), st.sampled_from([",", ";", "\t"]), st.integers(4, 100))
def test_what_a_csv_writer_wrote_is_read_back_cell_by_cell(rows: list[tuple[str, str]], delimiter: str, block: int) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(("a", "b"))
    writer.writerows(rows)
    contract = parse_contract("name: n\nowner: o\ncolumns: {a: {type: text}, b: {type: text}}\n", file="c.yaml")
    usual, reading_text.BLOCK = reading_text.BLOCK, block
    try:
        chunks = list(
            csv_chunks(
                io.BytesIO(out.getvalue().encode()),
                source="f",
                dialect=Dialect(delimiter=delimiter),
                expected=Expected(contract, extra="refuse"),
                limits=Limits(),
                where="f",
            )
        )
    finally:
        reading_text.BLOCK = usual
    found = pa.concat_tables([chunk.table for chunk in chunks])
    assert list(zip(found.column("a").to_pylist(), found.column("b").to_pylist(), strict=True)) == rows
    assert not any(chunk.bad for chunk in chunks)


def chunks_of(text: str, dialect: Dialect) -> list[Chunk]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_text(text, encoding="utf-8")
        with path.open("rb") as file:
            return list(csv_chunks(file, source="f", dialect=dialect, expected=Expected(CONTRACT, extra="ignore"), limits=Limits(), where="f.csv"))


def test_a_dialect_says_skipped_lines_missing_values_and_the_decimal_mark() -> None:
    dialect = Dialect(delimiter=";", skip=2, missing=("n/a", "-"), decimal=",")
    (chunk,) = chunks_of("exported by X\non monday\nid;size;note;more\n1;2,5;-;\n2;n/a;x,y;\n3;1.234,5;;\n", dialect)
    found = Conformer(CONTRACT, now_us=NOW_US).sort(chunk)
    assert found.table.to_pylist() == [{"id": 1, "size": 2.5, "note": None, LINE: 4}, {"id": 2, "size": None, "note": "x,y", LINE: 5}]
    assert [(row.line, row.field) for row in found.bad] == [(6, "size")]


def test_names_can_be_declared_where_there_is_no_header() -> None:
    (chunk,) = chunks_of("1,2,x\n2,3,y\n", Dialect(header=("id", "size", "note")))
    assert chunk.table.column("id").to_pylist() == ["1", "2"]
    assert chunk.lines.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("header", "said"), [("id,sise,note", "unknown: sise"), ("size,note", "missing: id"), ("id,id,note", "twice"), ("", "empty")]
)
def test_a_wrong_header_is_refused_with_what_is_missing_and_unknown(header: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        list(
            csv_chunks(
                io.BytesIO(f"{header}\n1,2,3\n".encode() if header else b""),
                source="f",
                dialect=Dialect(),
                expected=Expected(CONTRACT, extra="refuse"),
                limits=Limits(),
                where="f.csv",
            )
        )


def test_a_row_of_json_may_use_an_earlier_name_of_a_column_and_the_next_row_the_new_one() -> None:
    contract = parse_contract("name: n\nowner: o\ncolumns: {id: {type: int}, size: {type: int, renamed_from: [length]}}\n", file="c.yaml")
    expected = Expected(contract, extra="refuse")
    text = b'{"id": 1, "length": 5}\n{"id": 2, "size": 6}\n{"id": 3, "size": 6, "length": 7}\n'
    (chunk,) = jsonl_chunks(io.BytesIO(text), source="f", expected=expected, limits=Limits())
    found = Conformer(contract, now_us=NOW_US).sort(chunk)
    assert found.table.column("size").to_pylist() == [5, 6]
    assert [(row.line, row.code) for row in found.bad] == [(3, "doubled_field")]
