"""One Spark for the whole session: starting one takes longer than all the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pilotage.core import Unavailable
from pilotage.features.engines import Engine, engine


@pytest.fixture(scope="session")
def spark() -> Iterator[Engine]:
    """The Spark engine on two local cores, or a skip that says what is missing."""
    pytest.importorskip("pyspark", reason="no PySpark: the extra 'spark' is not installed")
    java = shutil.which("java")
    if java is None:
        pytest.skip("no Java on this machine: Spark 4 needs Java 17 or newer")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    if int([*said.split('"'), "0", "0"][1].split(".")[0]) < 17:
        pytest.skip(f"Spark 4 needs Java 17 or newer: {said.splitlines()[0]}")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    made = engine("local[2]")
    try:
        session = made.session
    except Unavailable as error:
        pytest.skip(f"Spark did not start: {error}")
    yield made
    session.stop()
