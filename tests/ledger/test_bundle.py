"""The bundle, checked by the copy of the verifier inside it, in a process that cannot import Pilotage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import Conflict
from pilotage.ledger import Verification, anchor, checkpoint, create_workspace, export_bundle, rotate_key, verify
from pilotage.ledger.verify import main, verify_bundle
from pilotage.store import Workspace

Add = Callable[..., list[int]]


@pytest.fixture
def exported(tmp_path: Path, add: Add, key_dir: Path) -> tuple[Path, Path, Path]:
    """A bundle (folder) of 13 entries, its anchor file and its public keys."""
    with create_workspace(tmp_path / "here") as workspace:
        add(workspace, 4, personal={"name": "Ada"}, body={"nested": {"a": [1, {"b": None}]}, "text": 'é "\\\n'})
        checkpoint(workspace)
        rotate_key(workspace, reason="yearly")
        add(workspace, 4)
        anchor(workspace, path=tmp_path / "far.jsonl")
        add(workspace, 2)
        export_bundle(workspace, tmp_path / "bundle")
        [keys] = key_dir.glob("*.pub")
        return tmp_path / "bundle", tmp_path / "far.jsonl", keys


def lines(bundle: Path, name: str = "entries.jsonl") -> list[str]:
    return (bundle / name).read_text().splitlines(keepends=True)


def rewrite(bundle: Path, made: list[str], name: str = "entries.jsonl") -> None:
    (bundle / name).write_text("".join(made))


def test_the_bundle_verifies_itself_without_pilotage(exported: tuple[Path, Path, Path]) -> None:
    bundle, far, keys = exported
    command = [sys.executable, "-I", str(bundle / "verify.py"), str(bundle), "--anchor", str(far), "--key", str(keys), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["integrity"], result["signer"], result["anchored_until"], result["entries"]) == ("ok", "known", 10, 13)
    loaded = "import sys; sys.argv=['v', '--help']; import runpy\ntry: runpy.run_path(%r, run_name='__main__')\nexcept SystemExit: pass\n"
    check = subprocess.run(
        [sys.executable, "-c", loaded % str(bundle / "verify.py") + "assert not any(m.startswith('pilotage') for m in sys.modules)"],
        capture_output=True,
        timeout=60,
    )
    assert check.returncode == 0, check.stderr


def test_the_three_things_are_reported_apart(exported: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, far, keys = exported
    assert main([str(bundle)]) == 0
    out = capsys.readouterr().out
    assert "integrity       ok (13 entries)" in out
    assert "signer          unknown" in out
    assert "not anchored" in out
    assert "--anchor" in out
    assert main([str(bundle), "--key", keys.read_text().split()[0]]) == 0
    assert "signer          known, until entry 10" in capsys.readouterr().out
    assert main([str(bundle), "--anchor", str(far)]) == 0
    assert "anchored until  entry 10" in capsys.readouterr().out


def test_a_zip_holds_the_same(tmp_path: Path, workspace: Workspace, add: Add) -> None:
    add(workspace, 5)
    checkpoint(workspace)
    made = export_bundle(workspace, tmp_path / "ledger.zip")
    assert (made.entries, made.checkpoints) == (6, 1)
    with zipfile.ZipFile(made.path) as archive:
        assert "verify.py" in archive.namelist()
    here, there = verify(workspace, key_dir=tmp_path / "nobody"), verify_bundle(made.path)
    assert here == there
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_personal_data_is_not_exported(exported: tuple[Path, Path, Path]) -> None:
    bundle, _, _ = exported
    assert all("Ada" not in file.read_text() for file in bundle.iterdir() if file.name != "verify.py")


def test_an_export_overwrites_nothing(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "ledger.zip").write_text("mine")
    with pytest.raises(Conflict):
        export_bundle(workspace, tmp_path / "ledger.zip")
    assert (tmp_path / "ledger.zip").read_text() == "mine"


def test_an_empty_ledger_exports_and_verifies(tmp_path: Path, workspace: Workspace) -> None:
    made = export_bundle(workspace, tmp_path / "bundle")
    assert made.entries == 0
    assert verify_bundle(made.path).ok


def test_a_broken_ledger_is_exported_as_it_is(tmp_path: Path, workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 5)
    forger.edit(3, "created_by", "forger")
    made = export_bundle(workspace, tmp_path / "bundle")
    result = verify_bundle(made.path)
    assert (result.ok, result.first_bad_seq) == (False, 3)


def replace(index: int, old: str, new: str) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        made = lines(bundle)
        assert old in made[index]
        made[index] = made[index].replace(old, new, 1)
        rewrite(bundle, made)

    return change


def swap(bundle: Path) -> None:
    made = lines(bundle)
    made[2], made[3] = made[3], made[2]
    rewrite(bundle, made)


def leave_out(bundle: Path) -> None:
    made = lines(bundle)
    rewrite(bundle, made[:2] + made[3:])


def cut(bundle: Path) -> None:
    rewrite(bundle, lines(bundle)[:9])


def cut_and_tidy(bundle: Path) -> None:
    cut(bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest |= {"size": 9, "chain_hash": json.loads(lines(bundle)[-1])["chain_hash"]}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def cut_and_drop_the_checkpoint(bundle: Path) -> None:
    cut_and_tidy(bundle)
    rewrite(bundle, lines(bundle, "checkpoints.jsonl")[:-1], "checkpoints.jsonl")


def torn(bundle: Path) -> None:
    made = lines(bundle)
    rewrite(bundle, [*made[:5], made[5][:40]])


def doubled_name(bundle: Path) -> None:
    replace(2, '{"entry":{"actor":"local",', '{"entry":{"actor":"x","actor":"local",')(bundle)


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        (replace(2, '"actor":"local"', '"actor":"lokal"'), 3),
        (replace(2, "thing.done", "thing.gone"), 3),
        (replace(2, '"chain_hash":"', '"chain_hash":"0'), 3),
        (replace(0, '"seq":1,', '"seq":2,'), 1),
        (doubled_name, 3),
        (swap, 3),
        (leave_out, 3),
        (cut, 10),
        (cut_and_tidy, 10),
        (torn, 6),
    ],
)
def test_every_change_to_a_bundle_is_seen(exported: tuple[Path, Path, Path], change: Callable[[Path], None], first_bad: int) -> None:
    bundle, _, _ = exported
    change(bundle)
    result = verify_bundle(bundle)
    assert (result.integrity, result.first_bad_seq) == ("broken", first_bad)
    assert main([str(bundle)]) == 1


def test_a_cut_that_takes_the_checkpoint_along_is_seen_only_by_an_anchor(exported: tuple[Path, Path, Path]) -> None:
    bundle, far, keys = exported
    cut_and_drop_the_checkpoint(bundle)
    assert verify_bundle(bundle, held=keys.read_text().split()).ok
    result = verify_bundle(bundle, anchors=[far])
    assert (result.ok, result.first_bad_seq) == (False, 10)


def test_a_bundle_of_another_ledger_does_not_pass_under_this_one_s_key(tmp_path: Path, exported: tuple[Path, Path, Path], add: Add) -> None:
    _, far, keys = exported
    with create_workspace(tmp_path / "other") as other:
        add(other, 3)
        checkpoint(other)
        made = export_bundle(other, tmp_path / "other-bundle")
    assert verify_bundle(made.path).ok
    result: Verification = verify_bundle(made.path, held=keys.read_text().split(), anchors=[far])
    assert (result.ok, result.signer, result.anchored_until) == (False, "foreign", 0)


def test_what_is_no_bundle_is_said_in_one_line(tmp_path: Path, exported: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, _, _ = exported
    (tmp_path / "file").write_text("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "newer"
    shutil.copytree(bundle, other)
    (other / "manifest.json").write_text(json.dumps({**json.loads((bundle / "manifest.json").read_text()), "version": 2}))
    for arguments in (
        [tmp_path / "file"],
        [empty],
        [other],
        [tmp_path / "none"],
        [bundle, "--key", "nonsense"],
        [bundle, "--anchor", tmp_path / "none"],
    ):
        assert main([str(argument) for argument in arguments]) == 1
        assert "cannot be verified" in capsys.readouterr().err
