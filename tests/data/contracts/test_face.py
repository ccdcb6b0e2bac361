"""The face of the room loads nothing heavy, and says which extra it needs when it needs one."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from pilotage.core import Unavailable
from pilotage.data.contracts import conform, infer_contract, propose_changes

from .contracts_for_tests import rides


def test_reading_and_comparing_contracts_loads_no_tables() -> None:
    code = (
        "import sys; from pilotage.data.contracts import parse_contract, compare_contracts, to_odcs\n"
        "c = parse_contract('{name: a, owner: b, columns: {x: {type: int}}}'); compare_contracts(c, c); to_odcs(c)\n"
        "print([name for name in ('polars', 'numpy', 'pyarrow', 'scipy', 'lance') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_polars_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    table = pa.table({"x": [1]})
    for call in (lambda: conform(table, rides()), lambda: infer_contract(table, name="x"), lambda: propose_changes(rides(), table, table)):
        with pytest.raises(Unavailable) as caught:
            call()
        assert "pilotage[tables]" in str(caught.value.mend)
