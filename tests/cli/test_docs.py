"""The page on the command line is written from the command itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[2]


def writer() -> ModuleType:
    """The tool that writes the page."""
    spec = importlib.util.spec_from_file_location("write_cli_docs", REPOSITORY / "tools" / "write_cli_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_command_says() -> None:
    committed = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert committed == writer().page(), "docs/cli.md is out of date; run: python tools/write_cli_docs.py"


def test_every_verb_and_option_is_on_the_page() -> None:
    page = writer().page()
    for wanted in ("## pilotage run", "### pilotage practice train", "`--retry-errors`", "`--workspace`, `-w`", "pilotage data export REF PATH"):
        assert wanted in page
