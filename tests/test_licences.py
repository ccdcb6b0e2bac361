"""The packages of the base set: what licences they come under, where the locks fetch them from, and what importing them does."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.lock"))
BASE = sorted(
    {
        name
        for lock in ("base", "tables")
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", (REQUIREMENTS / f"{lock}.lock").read_text(encoding="utf-8"), re.MULTILINE)
    }
)
# SPDX names of permissive licences; MPL-2.0 binds only changes to its own files. "0BSD", "CC0-1.0", "Zlib" ... come with numpy's and scipy's wheels.
PERMISSIVE = {
    *("mit", "mit-0", "mit-cmu", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "0bsd", "isc", "psf-2.0", "python-2.0", "unlicense", "zlib"),
    *("mpl-2.0", "cc0-1.0", "hpnd"),
}
# numpy and scipy bundle GCC's runtime libraries, whose exception leaves what is linked to them free.
WITH_EXCEPTION = ("gpl-3.0-or-later with gcc-exception-3.1", "gpl-3.0-with-gcc-exception", "lgpl-2.1-or-later")
OLD_NAMES = {
    "mit license": "mit",
    "the mit license": "mit",
    "the mit license (mit)": "mit",
    "expat license": "mit",
    "apache software license": "apache-2.0",
    "apache license 2.0": "apache-2.0",
    "apache 2.0": "apache-2.0",
    "apache license, version 2.0": "apache-2.0",
    "bsd license": "bsd-3-clause",
    "bsd": "bsd-3-clause",
    "bsd 3-clause license": "bsd-3-clause",
    "3-clause bsd license": "bsd-3-clause",
    "new bsd": "bsd-3-clause",
    "python software foundation license": "psf-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "mpl-2.0",
    "isc license (iscl)": "isc",
}


def licences_of(name: str) -> list[str]:
    """What a package says of its licence: the SPDX expression, else the classifiers, else the free text's first line."""
    told = metadata.metadata(name)
    expression = told.get("License-Expression")
    if expression:
        text = expression.lower()
        for allowed in WITH_EXCEPTION:
            text = text.replace(allowed, "mit")
        return [part for part in re.split(r"\s+(?:and|or)\s+|[()]", text) if part.strip()]
    named = [each.rpartition("::")[2].strip() for each in told.get_all("Classifier") or [] if each.startswith("License ::")]
    named = [each for each in named if each != "OSI Approved"] or [(told.get("License") or "none is named").strip().splitlines()[0]]
    return [OLD_NAMES.get(each.lower(), each.lower()) for each in named]


@pytest.mark.parametrize("name", BASE)
def test_every_package_of_the_base_set_comes_under_a_permissive_licence(name: str) -> None:
    try:
        found = licences_of(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    foreign = [each for each in found if each.strip() not in PERMISSIVE]
    assert not foreign, f"{name} comes under {', '.join(foreign)}: not among the permissive licences this project takes; choose another package"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_versions_and_hashes_and_no_address(lock: Path) -> None:
    text = "\n".join(line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#"))
    assert "://" not in text and "@ " not in text
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|-f|--find-links|-e|--trusted-host)\b", text, re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    unpinned = [entry.splitlines()[0] for entry in entries if "==" not in entry.splitlines()[0] or "--hash=sha256:" not in entry]
    assert not unpinned, f"{lock.name}: {unpinned[:3]}"


def test_npm_packages_come_from_the_registry_with_hashes() -> None:
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert not re.findall(r'"resolved": "(?!https://registry\.npmjs\.org/)[^"]*"', text)
    assert text.count('"integrity": "sha512-') == text.count('"node_modules/')


def test_starting_the_server_opens_no_connection_and_loads_no_telemetry() -> None:
    """Importing every room, with every way to a socket closed."""
    code = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a connection at import")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
import importlib, pkgutil, pilotage
for found in pkgutil.walk_packages(pilotage.__path__, "pilotage."):
    if not found.name.endswith(("__main__", "migrations.env")) and ".versions." not in found.name:
        importlib.import_module(found.name)
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"sentry_sdk", "posthog", "analytics", "segment", "mixpanel", "datadog", "ddtrace", "requests", "wandb"}))
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["[]", "[]"]


def test_the_environment_cannot_make_the_server_send_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.server import create_app
    from pilotage.store import Workspace

    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with Workspace.create(tmp_path / "workspace") as workspace:
        app = create_app(workspace)
    told = getattr(app, "_telemetry", None)
    if told is None:
        pytest.skip("this FastAPI has no telemetry")
    assert not any(told[name] for name in ("tracing", "metrics", "logs", "operation_spans", "auto_configure"))


SECRETS = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{40}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bplt_[A-Za-z0-9_-]{40,}|"
    rb"\bsk-(?:proj-)?[A-Za-z0-9]{32,}|\bxox[bap]-[0-9A-Za-z-]{20,}"
)


def test_the_repository_holds_no_keys() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=60)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    found = [str(file.relative_to(ROOT)) for file in files if file.is_file() and SECRETS.search(file.read_bytes())]
    assert not found, f"these look as if they held a key: {found}"
