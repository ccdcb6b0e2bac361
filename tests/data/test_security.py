"""Hostile files coming in, and links where files go out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pilotage.core import Conflict, InputError
from pilotage.data import Card, ImportLimits, derive, export, import_file, quarantine
from pilotage.store import Workspace

from .rows_for_tests import TRAINING_CARD, instruction, making

CARD = Card(licence="MIT")


def test_hostile_lines_are_set_aside_one_by_one(folder_workspace: Workspace, tmp_path: Path) -> None:
    deep = [b'{"id":"d%d","x":' % depth + b"[" * depth + b"]" * depth + b"}" for depth in (100, 300, 500, 700, 900, 950, 990, 2000, 100_000)]
    hostile = [
        *deep,
        b'{"id":"n1","x":1e999}',
        b'{"id":"n2","x":NaN}',
        b'{"id":"n3","x":' + b"9" * 10_000 + b"}",
        b'{"id":"n4","x":9007199254740993}',
        b'{"id":"s1","x":"\\ud800"}',
        b'{"id":"k","id":"l"}',
        b'{"id":{"a":1}}',
        b'{"id":"z","x":"\xff"}',
        b"\x00" * 100,
    ]
    file = tmp_path / "hostile.jsonl"
    file.write_bytes(b"\n".join([b'{"id":"good"}', *hostile]))
    made = import_file(folder_workspace, file, dataset="d", kind="evaluation", card=CARD)
    assert made.rows_in == len(hostile) + 1 and made.kept + made.quarantined == made.rows_in
    assert made.quarantined >= len(hostile) - len(deep) + 2
    assert all(len(each.raw) < 1000 for each in quarantine(folder_workspace, made.version.id))


def test_a_parquet_file_that_unpacks_to_more_than_the_limit_is_refused(folder_workspace: Workspace, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "bomb.parquet"
    text = "a" * 1_000_000
    pq.write_table(pa.table({"id": [str(number) for number in range(64)], "x": [text] * 64}), file, compression="zstd", use_dictionary=True)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="unpacks to"):
        import_file(folder_workspace, file, dataset="d", kind="evaluation", card=CARD, limits=ImportLimits(bytes=8 << 20))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/b", "..", "", "a\x00b", "a\nb", "a" * 300, "<script>"])
def test_a_dataset_has_a_plain_name(folder_workspace: Workspace, tmp_path: Path, name: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"id": "a"}))
    with pytest.raises(InputError):
        import_file(folder_workspace, file, dataset=name, kind="evaluation", card=CARD)


def test_an_export_is_not_written_through_a_link(folder_workspace: Workspace, tmp_path: Path) -> None:
    derive(folder_workspace, dataset="train", kind="training", rows=[instruction("i")], card=TRAINING_CARD, operation=making(1))
    folder = tmp_path / "exports"
    folder.mkdir()
    precious = tmp_path / "precious.txt"
    precious.write_text("keep")
    for link in ("rows.jsonl", "rows.jsonl.manifest.json"):
        for target in (precious, tmp_path / "new.txt"):
            (folder / link).symlink_to(target)
            with pytest.raises(Conflict, match="link"):
                export(folder_workspace, "train", format="chat-sft", path=folder / "rows.jsonl")
            (folder / link).unlink()
    assert precious.read_text() == "keep" and not (tmp_path / "new.txt").exists() and not list(folder.iterdir())
