"""Optional packages: loaded when used, and named in one line where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from pilotage.core.errors import Unavailable


def require(module: str, *, extra: str) -> Any:
    """The module, or ``Unavailable`` naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise  # the package is there and something it needs is not: that must not read as if it were missing
        raise Unavailable(
            f"This needs the extra '{extra}': the package {module.partition('.')[0]} is not installed.",
            mend=f"pip install 'pilotage[{extra}]'",
        ) from error
