"""Optional packages."""

import sys

import pytest

from pilotage.core import Unavailable, require


def test_an_installed_module_is_given():
    assert require("json.decoder", extra="tables").__name__ == "json.decoder"


def test_a_missing_one_names_its_extra():
    with pytest.raises(Unavailable, match="tables") as caught:
        require("no_such_package_here.inner", extra="tables")
    assert "pip install 'pilotage[tables]'" in str(caught.value)


def test_a_package_that_is_broken_inside_does_not_read_as_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package_here.py").write_text("import what_it_needs_and_lacks\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs_and_lacks"):
        require("broken_package_here", extra="tables")
    sys.modules.pop("broken_package_here", None)
