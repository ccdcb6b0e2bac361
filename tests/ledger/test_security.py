"""Hostile bundles, and folders of keys that others may write to."""

from __future__ import annotations

import ast
import importlib
import json
import sys
import zipfile
from pathlib import Path

import pytest

from pilotage.core import Refused
from pilotage.ledger import Verification, checkpoint, create_workspace, export_bundle
from pilotage.ledger.verify import main
from pilotage.store import Workspace

VERIFIER = Path(importlib.import_module("pilotage.ledger.verify").__file__ or "")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    with create_workspace(tmp_path / "here") as workspace:
        checkpoint(workspace)
        export_bundle(workspace, tmp_path / "bundle")
    return tmp_path / "bundle"


def zipped(bundle: Path, **extra: bytes) -> Path:
    made = bundle.with_suffix(".zip")
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in bundle.iterdir():
            archive.writestr(file.name, extra.pop(file.name, None) or file.read_bytes())
        for name, data in extra.items():
            archive.writestr(name, data)
    return made


def test_the_verifier_needs_nothing_but_the_standard_library_and_cryptography() -> None:
    imported = set()
    for node in ast.walk(ast.parse(VERIFIER.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


LONG_INTEGER = "9" * 5000
DEEP = "[" * 100_000
HOSTILE_FILES = [
    ("manifest.json", b"{}"),
    ("manifest.json", DEEP.encode()),
    ("manifest.json", b'{"format":"pilotage-ledger-bundle","format":"x"}'),
    ("entries.jsonl", DEEP.encode()),
    ("entries.jsonl", b"\xff\xfe\x00"),
    ("entries.jsonl", b'{"entry":{"seq":1,"seq":2},"leaf_hash":"","chain_hash":""}\n'),
    ("entries.jsonl", b'{"entry":' + DEEP.encode() + b',"leaf_hash":"' + b"0" * 64 + b'","chain_hash":"' + b"0" * 64 + b'"}\n'),
    ("entries.jsonl", b'{"entry":{"seq":' + LONG_INTEGER.encode() + b'},"leaf_hash":"' + b"0" * 64 + b'","chain_hash":"' + b"0" * 64 + b'"}\n'),
    ("checkpoints.jsonl", b'{"note":"x","note":"y"}\n'),
    ("checkpoints.jsonl", b"[]\n"),
    ("checkpoints.jsonl", DEEP.encode()),
    ("checkpoints.jsonl", b'{"note":"a\\n' + LONG_INTEGER.encode() + b'\\nb\\nchain c\\n\\n"}\n'),
    ("anchors.jsonl", b'{"size":"5\\nsigner known"}\n'),
    ("anchors.jsonl", b'{"size":{}}\n'),
]


@pytest.mark.parametrize(("name", "data"), HOSTILE_FILES)
def test_a_hostile_file_in_a_bundle_never_verifies_and_never_breaks_the_verifier(bundle: Path, name: str, data: bytes) -> None:
    (bundle / name).write_bytes(data)
    assert main([str(bundle)]) == 1


def test_names_that_lead_elsewhere_are_not_followed(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made = zipped(bundle, **{"../out/evil": b"x", "/etc/evil": b"x"})
    before = sorted(tmp_path.rglob("*"))
    assert main([str(made)]) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_with_a_file_twice_is_refused(bundle: Path) -> None:
    made = zipped(bundle)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(made, "a") as archive:
        archive.writestr("entries.jsonl", (bundle / "entries.jsonl").read_bytes())
    assert main([str(made)]) == 1


@pytest.mark.parametrize("name", ["entries.jsonl", "checkpoints.jsonl", "manifest.json"])
def test_a_zip_that_unpacks_to_one_endless_line_is_refused_in_bounded_memory(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules["pilotage.ledger.verify"], "_LONGEST_LINE", 1 << 20)
    made = zipped(bundle, **{name: b"\0" * (64 << 20)})
    assert made.stat().st_size < 1 << 20
    assert main([str(made)]) == 1
    assert "a line of more than" in capsys.readouterr().err


def test_a_zip_that_is_none_or_is_encrypted_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04 but no more")
    assert main([str(tmp_path / "none.zip")]) == 1
    made = zipped(bundle)
    data = bytearray(made.read_bytes())
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(sign)
        while start >= 0:
            data[start + at] |= 1
            start = data.find(sign, start + 1)
    made.write_bytes(data)
    assert main([str(made)]) == 1


def test_a_bundle_cannot_write_its_own_result(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["format"] = "\x1b[2J\x1b[Hintegrity       ok\n"
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    assert main([str(bundle)]) == 1
    found = Verification("broken", "none", 0, 0, 1, first_bad_seq=1, why="of another ledger: \x1b[2J\nintegrity       ok", notes=("\rsigner known",))
    for text in (capsys.readouterr().err.strip(), str(found)):
        assert "\x1b" not in text and "\r" not in text and "\nintegrity       ok" not in text


@pytest.mark.parametrize("mode", [0o777, 0o730, 0o703])
def test_a_key_folder_that_others_may_write_to_is_refused(workspace: Workspace, tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared-keys"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(Refused, match="Others may write"):
        checkpoint(workspace, key_dir=folder)
    assert not list(folder.iterdir())
