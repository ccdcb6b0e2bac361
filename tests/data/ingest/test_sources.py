"""Where rows come from: what a source's file may say, what is never read, and how far each kind of source was read."""

from __future__ import annotations

import gzip
import http.server
import io
import json
import pickle
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.ingest.conftest import CARD, Desk, rows_csv

from pilotage.core import InputError, IntegrityError, NotFound, Refused, Unavailable
from pilotage.data import load_version
from pilotage.data.ingest import batches, load_source, quarantined
from pilotage.data.tabular import read_table

ROW = {"id": "a", "at": "2025-01-01T00:00:00Z", "amount": 1.5}


def jsonl(first: int, last: int) -> str:
    return "".join(json.dumps({**ROW, "id": f"p{n}"}) + "\n" for n in range(first, last))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: cvs", "'cvs' is not known"),
        ("kind: csv\nsurprise: 1", "Unknown field 'surprise'"),
        ("kind: csv\nlimits: {bad_share: 2}", "does not fit"),
        ("kind: csv\ndialect: {delimiter: ab}", "does not fit"),
        ("kind: csv\ndialect: {delimiter: '\"'}", "two different characters"),
        ("kind: csv\nwrite: merge", "does not fit"),
        ("kind: sql\nurl_env: postgresql://me:secret@host/db\ntable: t", "name of a variable"),
        ("kind: sql\nurl_env: DB", "either 'query' or 'table'"),
        ("kind: sql\nurl_env: DB\nquery: DELETE FROM t", "must be one SELECT"),
        ("kind: sql\nurl_env: DB\nquery: SELECT 1; DROP TABLE t", "must be one SELECT"),
        ("kind: http\nurl: https://h/x\nformat: csv", "'hosts' is missing"),
        ("kind: object\nuri: https://h/x", "does not fit"),
        ("kind: log\npath: x\npattern: ../*", "one folder"),
        ("path: x", "needs a 'kind'"),
    ],
)
def test_a_mistake_in_a_source_is_told_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\ncontract: c\ndataset: d\ncard: {CARD}\n{text}\n", encoding="utf-8")
    with pytest.raises(InputError, match=said) as raised:
        load_source(path)
    assert str(raised.value.where).startswith("s.yaml:")
    assert "secret" not in str(raised.value)


def test_files_outside_the_allowed_folders_are_not_read_nor_through_links(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(rows_csv(0, 3), encoding="utf-8")
    (desk.folder / "link.csv").symlink_to(outside)
    for name in ("link.csv", "../outside.csv", str(outside)):
        with pytest.raises(Refused, match="outside the folders"):
            desk.bring(desk.source(), name)
    assert desk.bring(desk.source(more=f"within: ['{tmp_path}']"), str(outside)).state == "published"
    with pytest.raises(NotFound):
        desk.bring(desk.source(), "absent.csv")
    with pytest.raises(InputError, match="names no file"):
        desk.bring(desk.source())


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([1, "x"], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.pkl", b"id\n"),
        ("rows.csv.pickle", b"id\n"),
        ("rows.joblib", b"id\n"),
        ("rows.npy", b"id\n"),
        ("rows.csv", pickle.dumps([1], protocol=4)),
        ("rows.csv.gz", gzip.compress(pickle.dumps([1], protocol=2), mtime=0)),
        ("other.csv", npy()),
    ],
)
def test_files_that_run_code_are_refused_by_name_and_by_content(desk: Desk, name: str, content: bytes) -> None:
    desk.write(name, content)
    with pytest.raises(Refused, match="run code"):
        desk.bring(desk.source(), name)


def test_a_link_to_a_pickle_under_another_name_is_refused(desk: Desk) -> None:
    desk.write("rows.pkl", rows_csv(0, 3))
    (desk.folder / "rows.csv").symlink_to(desk.folder / "rows.pkl")
    with pytest.raises(Refused, match="run code"):
        desk.bring(desk.source(), "rows.csv")


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.zip"])
def test_packed_files_are_read(desk: Desk, name: str) -> None:
    text = rows_csv(0, 30).encode()
    if name.endswith(".zst"):
        with pa.OSFile(str(desk.folder / name), "wb") as file, pa.CompressedOutputStream(file, "zstd") as stream:
            stream.write(text)
    else:
        desk.write(name, gzip.compress(text) if name.endswith(".gz") else zipped(("inner/a.csv", text)))
    assert desk.bring(desk.source(), name).kept == 30


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (zipped(("../a.csv", b"x")), Refused, "outside its folder"),
        (zipped(("/etc/a.csv", b"x")), Refused, "outside its folder"),
        (zipped(("C:\\a.csv", b"x")), Refused, "outside its folder"),
        (zipped(("a.csv", b"x"), ("b.csv", b"y")), Refused, "2 members"),
        (zipped(("a.zip", zipped(("a.csv", b"x")))), Refused, "packed file again"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), Refused, "packed file again"),
        (zipped(("a.pkl", b"x")), Refused, "run code"),
        (gzip.compress(rows_csv(0, 200).encode(), mtime=0)[:-200], InputError, "damaged"),
        (gzip.compress(b"a" * (40 << 20), mtime=0), InputError, "times its size"),
        (zipped(("a.csv", b"a" * (40 << 20))), InputError, "times its size"),
    ],
)
def test_archives_that_lead_outside_nest_or_grow_beyond_the_limit_are_refused(desk: Desk, content: bytes, error: type[Exception], said: str) -> None:
    desk.write("a.csv.gz", content)
    with pytest.raises(error, match=said):
        desk.bring(desk.source(limits="{bytes: 1000000000}"), "a.csv.gz")


def test_what_an_archive_says_of_its_size_is_not_believed(desk: Desk) -> None:
    lying = bytearray(zipped(("a.csv", rows_csv(0, 5000).encode())))
    at = lying.rfind(b"PK\x01\x02")
    lying[at + 24 : at + 28] = (10).to_bytes(4, "little")
    desk.write("a.zip", bytes(lying))
    with pytest.raises(InputError):
        desk.bring(desk.source(limits="{bytes: 5000}"), "a.zip")


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl"])
def test_a_file_of_another_kind_is_refused(desk: Desk, kind: str) -> None:
    desk.write("text", "hello, world\n")
    pq.write_table(pa.table({"id": ["a"]}), desk.folder / "binary")
    with pytest.raises(InputError):
        desk.bring(desk.source(kind), "binary" if kind in ("csv", "jsonl", "arrow") else "text")
    assert load_or_none(desk) is None


def load_or_none(desk: Desk) -> Any:
    try:
        return load_version(desk.workspace, "payments")
    except NotFound:
        return None


def test_a_damaged_parquet_file_is_refused_and_utf16_is_named(desk: Desk) -> None:
    pq.write_table(pa.table({"id": [f"p{n}" for n in range(1000)], "at": ["2025-01-01T00:00:00Z"] * 1000}), desk.folder / "good.parquet")
    data = bytearray((desk.folder / "good.parquet").read_bytes())
    data[100:400] = bytes(300)
    desk.write("bad.parquet", bytes(data))
    with pytest.raises(InputError, match="cannot be read"):
        desk.bring(desk.source("parquet"), "bad.parquet")
    desk.write("utf16.csv", rows_csv(0, 3).encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16"):
        desk.bring(desk.source(), "utf16.csv")


@pytest.fixture
def database(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    path = desk.folder / "bank.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE pay (seq INTEGER, id TEXT, at TEXT, amount REAL)")
        monkeypatch.setenv("BANK_URL", f"sqlite:///{path}")
        yield connection


def insert(database: sqlite3.Connection, first: int, last: int) -> None:
    database.executemany("INSERT INTO pay VALUES (?, ?, '2025-01-01T00:00:00Z', 1.5)", [(n, f"p{n}") for n in range(first, last)])
    database.commit()


def test_a_database_is_read_from_where_the_last_batch_ended(desk: Desk, database: sqlite3.Connection) -> None:
    source = desk.source("sql", more="url_env: BANK_URL\ntable: pay\nwatermark: seq\nextra_columns: ignore")
    assert desk.bring(source).state == "empty"
    insert(database, 0, 10)
    assert desk.bring(source).kept == 10
    assert desk.bring(source).state == "empty"
    insert(database, 10, 13)
    assert (desk.bring(source).kept, load_version(desk.workspace, "payments").rows) == (3, 13)
    database.execute("INSERT INTO pay VALUES (NULL, 'x', '2025-01-01T00:00:00Z', 1)")
    database.commit()
    with pytest.raises(InputError, match="1 rows have no 'seq'"):
        desk.bring(source)


def test_under_upsert_rows_that_tie_with_the_watermark_are_not_lost(desk: Desk, database: sqlite3.Connection) -> None:
    source = desk.source(
        "sql",
        more="url_env: BANK_URL\nquery: \"SELECT * FROM pay WHERE id <> ':x'\"\nwatermark: seq\nextra_columns: ignore\nwrite: upsert",
    )
    insert(database, 0, 3)
    desk.bring(source)
    database.execute("INSERT INTO pay VALUES (2, 'late', '2025-01-01T00:00:00Z', 1)")
    database.commit()
    desk.bring(source)
    assert sorted(read_table(desk.workspace, "payments").column("id").to_pylist()) == ["late", "p0", "p1", "p2"]


def test_a_query_only_reads_and_tells_no_secret(desk: Desk, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(database, 0, 2)
    with pytest.raises(InputError, match=r"refused the query") as raised:
        desk.bring(desk.source("sql", more='url_env: BANK_URL\nquery: "SELECT nothing FROM pay"'))
    assert "bank.db" not in str(raised.value)
    monkeypatch.delenv("BANK_URL")
    with pytest.raises(Refused, match="BANK_URL"):
        desk.bring(desk.source("sql", more="url_env: BANK_URL\ntable: pay"))
    monkeypatch.setenv("BANK_URL", "postgresql+psycopg://me:secret@127.0.0.1:1/db")
    with pytest.raises((Unavailable, InputError)) as failed:
        desk.bring(desk.source("sql", more="url_env: BANK_URL\ntable: pay"))
    assert "secret" not in str(failed.value)


def test_a_database_file_outside_the_allowed_folders_is_not_opened(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite3.connect(tmp_path / "elsewhere.db").close()
    monkeypatch.setenv("BANK_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with pytest.raises(Refused, match="outside"):
        desk.bring(desk.source("sql", more="url_env: BANK_URL\ntable: pay"))


def test_a_log_is_read_from_byte_to_byte_and_a_line_without_end_waits(desk: Desk) -> None:
    folder = desk.folder / "log"
    folder.mkdir()
    source = desk.source("log", more="path: log")
    first = folder / "0001.jsonl"
    first.write_text(jsonl(0, 3) + '{"id": "half', encoding="utf-8")
    assert desk.bring(source).kept == 3
    assert desk.bring(source).state == "empty"
    first.write_text(jsonl(0, 3) + '{"id": "half"}\n', encoding="utf-8")
    (folder / "0002.jsonl").write_text(jsonl(10, 14) + "broken\n", encoding="utf-8")
    batch = desk.bring(source)
    assert (batch.kept, batch.quarantined) == (4, 2)
    assert [(row.source, row.line) for row in quarantined(desk.workspace, batch_id=batch.id).rows] == [("0001.jsonl", 4), ("0002.jsonl", 5)]
    assert desk.bring(source).state == "empty"


def test_a_log_that_was_rewritten_is_an_error(desk: Desk) -> None:
    folder = desk.folder / "log"
    folder.mkdir()
    source = desk.source("log", more="path: log")
    (folder / "0001.jsonl").write_text(jsonl(0, 3), encoding="utf-8")
    desk.bring(source)
    for text in (jsonl(0, 2), jsonl(5, 9)):
        (folder / "0001.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(IntegrityError, match="not what it was"):
            desk.bring(source)


def test_an_object_of_a_folder_is_read_by_its_uri(desk: Desk, tmp_path: Path) -> None:
    desk.write("o.csv.gz", gzip.compress(rows_csv(0, 4).encode()))
    assert desk.bring(desk.source("object", more=f"uri: file://{desk.folder}/o.csv.gz")).kept == 4
    (tmp_path / "out.csv").write_text(rows_csv(0, 4), encoding="utf-8")
    with pytest.raises(Refused, match="outside"):
        desk.bring(desk.source("object", more=f"uri: file://{tmp_path}/out.csv"))
    with pytest.raises(InputError, match="cannot be told"):
        desk.bring(desk.source("object", more=f"uri: file://{desk.folder}/o.bin"))
    with pytest.raises(InputError, match="key or password"):
        desk.bring(desk.source("object", more="uri: s3://key:secret@bucket/a.csv"))


class Server(http.server.BaseHTTPRequestHandler):
    body = b""
    etag = '"1"'
    seen: list[dict[str, str]] = []  # noqa: RUF012 - emptied by the fixture

    def do_GET(self) -> None:
        Server.seen.append(dict(self.headers))
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:9/rows")
            self.end_headers()
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", str(len(Server.body) + 100))
            self.end_headers()
            self.wfile.write(Server.body)
        elif self.path == "/broken":
            self.send_response(503)
            self.end_headers()
        elif self.headers.get("If-None-Match") == Server.etag:
            self.send_response(304)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("ETag", Server.etag)
            self.end_headers()
            self.wfile.write(Server.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.seen.clear()
    Server.body, Server.etag = jsonl(0, 5).encode(), '"1"'
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()


def test_a_body_is_fetched_once_until_it_changes(desk: Desk, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("TOKEN", "s3cret")
    source = desk.source("http", more=f"url: {server}/rows\nhosts: [127.0.0.1]\nformat: jsonl\ntoken_env: TOKEN")
    assert desk.bring(source).kept == 5
    assert Server.seen[-1]["Authorization"] == "Bearer s3cret"
    assert desk.bring(source).state == "empty"
    Server.body, Server.etag = jsonl(5, 8).encode(), '"2"'
    assert desk.bring(source).kept == 3
    assert "s3cret" not in json.dumps([batch.to_dict() for batch in batches(desk.workspace)])


@pytest.mark.parametrize(
    ("path", "hosts", "limits", "error", "said"),
    [
        ("/rows", "[example.org]", "{}", Refused, "not on the source's list"),
        ("/elsewhere", "[127.0.0.1, 127.0.0.2]", "{}", Refused, "another host"),
        ("/rows", "[127.0.0.1]", "{bytes: 10}", InputError, "larger than 10 bytes"),
        ("/short", "[127.0.0.1]", "{}", Unavailable, "broke off"),
        ("/broken", "[127.0.0.1]", "{}", Unavailable, "503"),
    ],
)
def test_what_a_server_may_not_do(desk: Desk, server: str, path: str, hosts: str, limits: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        desk.bring(desk.source("http", more=f"url: {server}{path}\nhosts: {hosts}\nformat: jsonl", limits=limits))


def test_a_host_elsewhere_is_called_over_an_encrypted_way_only(desk: Desk) -> None:
    with pytest.raises(Refused, match="not encrypted"):
        desk.bring(desk.source("http", more="url: http://example.org/x\nhosts: [example.org]\nformat: jsonl"))
