from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import InputError, NotFound, Refused
from pilotage.data import Card, ImportLimits, ImportResult, import_file, quarantine, rows, versions
from pilotage.ledger import create_workspace, entries
from pilotage.store import Workspace

from .rows_for_tests import EVALUATION_CARD, TRAINING_CARD, instruction, write_jsonl


def bring(workspace: Workspace, path: Path, **options: Any) -> ImportResult:
    return import_file(workspace, path, **({"dataset": "items", "kind": "evaluation", "card": EVALUATION_CARD} | options))


def bring_lines(workspace: Workspace, tmp_path: Path, lines: list[bytes], **options: Any) -> ImportResult:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b"\n".join([b'{"id":"good","q":"x"}', *lines]))
    return bring(workspace, path, **options)


def test_good_rows_come_back_as_they_went_in_and_in_order(folder_workspace: Workspace, tmp_path: Path) -> None:
    given_rows = [{"id": "b", "q": "É\u2028", "n": [1, 2.5, None, {"x": True}]}, {"id": "a", "q": "2"}]
    result = bring(folder_workspace, write_jsonl(tmp_path / "items.jsonl", given_rows))
    assert list(rows(folder_workspace, result.version.id)) == given_rows
    assert (result.rows_in, result.kept, result.quarantined, result.created) == (2, 2, 0, True)


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        (b'{"id":"x","q":"\xff"}', None, "not UTF-8: byte 0xff at byte 37 of the file"),
        (b'{"id":"x","q":"\\ud800"}', "q", "lone surrogate U+D800"),
        (b'{"id":"x","deep":{"list":["ok","\\udfff"]}}', "deep.list[1]", "lone surrogate U+DFFF"),
        (b'{"id":"x","q":NaN}', None, "NaN is not JSON"),
        (b'{"id":"x","q":-Infinity}', None, "-Infinity is not JSON"),
        (b'{"id":"x","q":1e999}', "q", "inf is not a number JSON has"),
        (b'{"id":"x","q":9007199254740993}', "q", "beyond"),
        (b'{"id":"x","q":' + b"9" * 5000 + b"}", None, "too many digits"),
        (b'{"id":"x","q":' + b"[" * 5000 + b"]" * 5000 + b"}", None, "nested too deep"),
        (b'{"id":"x","q":' + b"[" * 500 + b"]" * 500 + b"}", "q", "nested too deep"),
        (b'{"id":"x","q":1,"q":2}', "q", "twice in one object"),
        (b'{"id":"x","q":{"a":1,"a":1}}', "a", "twice in one object"),
        (b'{"id":"x","q":', None, "not JSON"),
        (b'["id"]', None, "expected an object, found list"),
        (b'{"id":"good"}', "id", "stands already on line 1"),
        (b'{"q":"x"}', "id", "the id is missing"),
        (b'{"id":"  "}', "id", "the id is empty"),
        (b'{"id":true}', "id", "neither text nor a whole number"),
        (b'{"id":' + b'"' + b"x" * 501 + b'"}', "id", "too long"),
        (b'{"id":"x","q":"' + b"y" * 3000 + b'"}', None, "bytes long, at most 2000 allowed"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_field_and_reason(
    folder_workspace: Workspace, tmp_path: Path, line: bytes, field: str | None, reason: str
) -> None:
    limits = ImportLimits(line_bytes=2000 if b"y" * 3000 in line else 100_000)
    result = bring_lines(folder_workspace, tmp_path, [line, b'{"id":"last","q":"z"}'], limits=limits)
    assert [row["id"] for row in rows(folder_workspace, result.version.id)] == ["good", "last"]
    (bad,) = quarantine(folder_workspace, result.version.id)
    assert (bad.source, bad.line, bad.field) == ("items.jsonl", 2, field)
    assert reason in bad.reason
    assert len(bad.raw) <= 500
    assert (result.rows_in, result.kept, result.quarantined) == (3, 2, 1)


def test_a_large_whole_number_is_kept_only_if_its_digits_survive(folder_workspace: Workspace, tmp_path: Path) -> None:
    lines = [b'{"id":"%d","n":%d}' % (number, number) for number in (2**53, 10**20, 2**53 + 1, 2**60, 10**21, -(2**53))]
    result = bring_lines(folder_workspace, tmp_path, lines)
    assert [row["n"] for row in list(rows(folder_workspace, result.version.id))[1:]] == [2**53, 10**20, -(2**53)]
    assert [bad.line for bad in result.bad] == [4, 5, 6]


def test_blank_lines_and_a_byte_order_mark_are_no_rows_but_count_as_lines(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id":"a"}\r\n\r\n   \n{"id":"b"}\n{"id":"a"}')
    result = bring(folder_workspace, path)
    assert (result.rows_in, result.kept) == (3, 2)
    assert result.bad[0].line == 5


def test_the_contract_sets_rows_aside_field_by_field(folder_workspace: Workspace, tmp_path: Path) -> None:
    fields = {
        "q": {"type": "text"},
        "n": {"type": "int", "required": False},
        "f": {"type": "float", "required": False},
        "tags": {"type": "list", "required": False, "max_length": 1},
        "split": {"type": "text", "required": False, "options": ["develop", "gate"]},
        "ok": {"type": "bool", "required": False},
        "code": {"type": "text", "required": False, "min_length": 3},
    }
    bad: dict[str, dict[str, Any]] = {
        "q": {"q": " "},
        "n": {"q": "x", "n": True},
        "f": {"q": "x", "f": "1"},
        "tags": {"q": "x", "tags": ["a", "b"]},
        "split": {"q": "x", "split": "test"},
        "ok": {"q": "x", "ok": 1},
        "code": {"q": "x", "code": "ab"},
    }
    good = {"id": "g", "q": "x", "n": 1, "f": 2, "tags": [], "split": "gate", "ok": False, "code": "abc", "other": {"kept": 1}}
    path = write_jsonl(tmp_path / "items.jsonl", [good, *({"id": name, **row} for name, row in bad.items())])
    result = bring(folder_workspace, path, fields=fields)
    assert list(rows(folder_workspace, result.version.id)) == [good]
    assert [row.field for row in quarantine(folder_workspace, result.version.id)] == list(bad)


def test_a_missing_and_a_null_required_field_are_told_apart(folder_workspace: Workspace, tmp_path: Path) -> None:
    result = bring_lines(folder_workspace, tmp_path, [b'{"id":"a"}', b'{"id":"b","q":null}'], fields={"q": {}})
    assert [row.reason for row in result.bad] == ["the field is missing", "the field is null"]


def test_a_contract_with_an_unknown_key_is_refused(folder_workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rule of field 'q'"):
        bring_lines(folder_workspace, tmp_path, [], fields={"q": {"type": "text", "lenght": 3}})


def test_another_key_becomes_the_id_and_numbers_become_text(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "items.jsonl", [{"nr": 7, "q": "x"}, {"nr": "7", "q": "y"}, {"q": "z"}])
    result = bring(folder_workspace, path, key="nr")
    assert list(rows(folder_workspace, result.version.id)) == [{"id": "7", "nr": 7, "q": "x"}]
    assert [(row.field, row.line) for row in result.bad] == [("nr", 2), ("nr", 3)]


@pytest.mark.parametrize("name", ["nothing.jsonl", "folder.jsonl"])
def test_a_file_that_is_not_there_is_refused(folder_workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NotFound):
        bring(folder_workspace, tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("items.xlsx", b'{"id":"a"}', "ends with '.xlsx'"),
        ("items.jsonl", b"", "no rows"),
        ("items.jsonl", b"\n\n", "no rows"),
        ("items.jsonl", '{"id":"a"}'.encode("utf-16"), "Every row"),
        ("items.jsonl", b"\x00\x01\n\x02", "Every row"),
        ("items.csv", b"", "empty"),
        ("items.csv", b"id,q\n", "no rows"),
        ("items.csv", b"id,id\na,b\n", "twice"),
        ("items.csv", b"id,\na,b\n", "without a name"),
        ("items.csv", b"id,\xff\na,b\n", "not UTF-8"),
        ("items.parquet", b"PAR1 but no", "cannot be read"),
    ],
)
def test_what_cannot_be_a_dataset_is_refused_whole(folder_workspace: Workspace, tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        bring(folder_workspace, path)
    assert what in str(caught.value)
    assert versions(folder_workspace) == []
    assert entries(folder_workspace, type="dataset.version") == []


def test_the_policy_refuse_keeps_nothing_if_one_row_is_bad(folder_workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 of 2 rows"):
        bring_lines(folder_workspace, tmp_path, [b"{"], on_bad_rows="refuse")
    assert versions(folder_workspace) == []
    assert bring_lines(folder_workspace, tmp_path, [], on_bad_rows="refuse").kept == 1


def test_limits_refuse_the_whole_file(folder_workspace: Workspace, tmp_path: Path) -> None:
    for limits in (ImportLimits(rows=1), ImportLimits(bytes=10), ImportLimits(bad_rows=1)):
        with pytest.raises(InputError):
            bring_lines(folder_workspace, tmp_path, [b"{", b"{"], limits=limits)
    assert versions(folder_workspace) == []


def test_a_file_outside_the_allowed_folder_is_refused_even_through_a_link(folder_workspace: Workspace, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    write_jsonl(tmp_path / "secret.jsonl", [{"id": "a"}])
    (inside / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(Refused):
        bring(folder_workspace, inside / "link.jsonl", within=inside)
    assert bring(folder_workspace, write_jsonl(inside / "own.jsonl", [{"id": "a"}]), within=inside).kept == 1


def test_the_same_file_again_is_the_same_version(workspace: Workspace, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "items.jsonl", [{"id": "a"}])
    first, again = bring(workspace, path), bring(workspace, path)
    assert again.version == first.version
    assert (first.created, again.created) == (True, False)
    assert len(entries(workspace, type="dataset.version")) == 1
    corrected = bring(workspace, path, card=Card(licence="MIT"))
    assert (corrected.version.number, corrected.version.digest) == (2, first.version.digest)


def test_quarantined_rows_are_stored_and_paged_on_every_database(workspace: Workspace, tmp_path: Path) -> None:
    result = bring_lines(workspace, tmp_path, [b"a\x00\xff%d" % index for index in range(7)])
    assert result.quarantined == 7
    assert [row.line for row in quarantine(workspace, "items", offset=5, limit=5)] == [7, 8]


def test_training_data_needs_licence_consent_purpose_and_a_look_at_persons(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [instruction("a")])
    for missing in ({"licence": None}, {"consent": None}, {"purposes": ()}, {"contains_personal_data": None}, {"purposes": ("evaluation",)}):
        with pytest.raises(Refused):
            bring(folder_workspace, path, kind="training", card=TRAINING_CARD.model_copy(update=missing))
    assert bring(folder_workspace, path, kind="training", card=TRAINING_CARD).kept == 1


def test_names_and_kinds_that_cannot_be_are_refused(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "items.jsonl", [{"id": "a"}])
    for options in ({"dataset": "../up"}, {"dataset": "a@b"}, {"dataset": ""}, {"dataset": "dv_" + "0" * 32}, {"kind": "stuff"}):
        with pytest.raises(InputError):
            bring(folder_workspace, path, **options)


# --- CSV ---


def test_csv_cells_become_what_the_contract_says(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b'\xef\xbb\xbfid,q,n,f,ok,tags,more\r\n01,"a ""b"",\r\nc",3,2.5,True,"[1, ""x""]",\r\n02,x,,,,,y\r\n')
    fields = {
        "q": {},
        "n": {"type": "int", "required": False},
        "f": {"type": "float", "required": False},
        "ok": {"type": "bool", "required": False},
        "tags": {"type": "list", "required": False},
    }
    result = bring(folder_workspace, path, fields=fields)
    assert list(rows(folder_workspace, result.version.id)) == [
        {"id": "01", "q": 'a "b",\r\nc', "n": 3, "f": 2.5, "ok": True, "tags": [1, "x"], "more": ""},
        {"id": "02", "q": "x", "n": None, "f": None, "ok": None, "tags": None, "more": "y"},
    ]


def test_csv_faults_are_set_aside_with_their_lines(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b'id,n\na,1\nb\nc,x\n\nd,"\xff"\n"e"x,2\nf,NaN\na,3\ng,4\nh,"open\ni,5\n')
    result = bring(folder_workspace, path, fields={"n": {"type": "int"}})
    found = {row.line: (row.field, row.reason) for row in quarantine(folder_workspace, result.version.id)}
    assert [row["id"] for row in rows(folder_workspace, result.version.id)] == ["a", "g", "i"]
    assert found[3] == (None, "1 cells where the header has 2")
    assert found[4][0] == "n"
    assert "byte 0xff at byte 19 of the file" in found[6][1]
    assert "not CSV" in found[7][1]
    assert "NaN" in found[8][1]
    assert "line 2" in found[9][1]
    assert "not CSV" in found[11][1]
    assert result.rows_in == result.kept + result.quarantined == 10


def test_an_open_quote_costs_one_line_not_the_rest_of_the_file(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b'id,q\na,"open\n' + b"".join(b"r%d,x\n" % index for index in range(500)))
    result = bring(folder_workspace, path, limits=ImportLimits(line_bytes=400))
    assert (result.kept, result.quarantined) == (500, 1)
    assert "a quote that does not close" in result.bad[0].reason


# --- Parquet ---


def test_parquet_rows_come_in_and_what_json_cannot_hold_is_set_aside(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    table = pa.table({"id": ["a", "b", "c", None], "x": [1.5, float("nan"), None, 1.0], "l": [[{"k": "v"}], [], None, []]})
    pq.write_table(table, path)
    result = bring(folder_workspace, path)
    assert list(rows(folder_workspace, result.version.id)) == [{"id": "a", "x": 1.5, "l": [{"k": "v"}]}, {"id": "c", "x": None, "l": None}]
    assert [(row.line, row.field) for row in result.bad] == [(2, "x"), (4, "id")]
    pq.write_table(pa.table({"id": ["a"], "when": [b"\x00"]}), path)
    with pytest.raises(InputError, match="Every row"):
        bring(folder_workspace, path)


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    # A dictionary of one long text and many references to it: small on disk and in the footer, large once read.
    pq.write_table(pa.table({"id": [str(index) for index in range(3000)], "x": ["y" * 10_000] * 3000}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="unpacks to more than"):
        bring(folder_workspace, path, limits=ImportLimits(bytes=10_000_000))
    with pytest.raises(InputError, match="3000 rows"):
        bring(folder_workspace, path, limits=ImportLimits(rows=100))


def test_text_in_parquet_that_is_not_utf8_costs_only_its_row(folder_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff!"], pa.binary()).buffers())
    pq.write_table(pa.table({"id": ["a", "b"], "q": bad}), path)
    result = bring(folder_workspace, path)
    assert (result.kept, result.bad[0].line, result.bad[0].field) == (1, 2, "q")
    assert "not UTF-8" in result.bad[0].reason


# --- properties ---

_soup = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda name: json.dumps({"id": name}).encode(), st.sampled_from("abc")),
        st.just(b'{"id":"x","q":"\\udc00"}'),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=_soup)
def test_every_line_of_any_bytes_is_kept_or_quarantined(folder_workspace: Workspace, lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soup.jsonl"
        content = b"\n".join([b'{"id":"good"}', *lines])
        path.write_bytes(content)
        result = bring(folder_workspace, path)
    expected = sum(1 for line in content.split(b"\n") if line.strip())
    assert result.rows_in == expected == result.kept + result.quarantined
    assert len(quarantine(folder_workspace, result.version.id)) == result.quarantined
    assert len(list(rows(folder_workspace, result.version.id))) == result.kept == result.version.rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=200) | st.text(alphabet='a,"\n\r', max_size=60).map(str.encode))
def test_any_bytes_as_csv_are_counted_and_never_crash(folder_workspace: Workspace, tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soup.csv"
        path.write_bytes(b"id,q\ngood,1\n" + tail)
        result = bring(folder_workspace, path)
    assert result.rows_in == result.kept + result.quarantined
    assert result.kept >= 1


def test_the_import_is_in_the_ledger_with_its_counts(workspace: Workspace, tmp_path: Path) -> None:
    result = bring_lines(workspace, tmp_path, [b"{"])
    (entry,) = entries(workspace, type="dataset.version")
    assert entry.subject == result.version.id
    assert entry.body["digest"] == result.version.digest
    assert (entry.body["counts"]["in"], entry.body["counts"]["kept"], entry.body["counts"]["quarantined"]) == (2, 1, 1)


def test_a_workspace_opened_again_still_has_the_rows(tmp_path: Path) -> None:
    with create_workspace(tmp_path / "ws") as first:
        made = bring_lines(first, tmp_path, []).version
    with create_workspace(tmp_path / "ws") as again:
        assert [row["id"] for row in rows(again, made.id)] == ["good"]
