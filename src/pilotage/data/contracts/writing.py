"""Contracts as YAML: read strictly, written so that reading it gives the same contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilotage.core import Declared, fit, parse_declared, read_declared
from pilotage.data.contracts.contract import Contract


def load_contract(path: str | Path) -> Contract:
    """Read a contract from YAML.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        With ``file:line``, the field and a mend, for anything that is not as it should be.
    """
    return contract_from(read_declared(path))


def parse_contract(text: str, *, file: str = "contract.yaml") -> Contract:
    """As :func:`load_contract`, from text; ``file`` is the name complaints use."""
    return contract_from(parse_declared(text, file=file))


def contract_from(declared: Declared) -> Contract:
    """The contract a YAML document declares, wherever it stands in a file."""
    return fit(declared, Contract)


def dump_contract(contract: Contract) -> str:
    """The YAML of ``contract``, defaults left out. ``parse_contract(dump_contract(c)) == c``."""
    import yaml

    content: dict[str, Any] = contract.to_dict(brief=True)
    order = [name for name in Contract.model_fields if name in content and name != "columns"]
    before = [name for name in order if name not in ("checks",)]
    # People read who and what first, then the columns.
    ordered = {name: content[name] for name in before} | {"columns": content["columns"]}
    if "checks" in content:
        ordered["checks"] = content["checks"]
    if contract.version == 1:
        ordered = {"name": ordered["name"], "version": 1, **{key: value for key, value in ordered.items() if key != "name"}}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=120)
