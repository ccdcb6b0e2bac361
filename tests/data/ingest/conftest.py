"""What the tests of ingest share: a folder with a contract and sources in it, and short ways to bring files in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import ManualClock
from pilotage.data.ingest import Batch, SourceConfig, ingest, load_source
from pilotage.ledger import create_workspace
from pilotage.store import Workspace

CONTRACT = """
name: payments
owner: team-a
columns:
  id: {type: text}
  at: {type: timestamp}
  amount: {type: float, unit: EUR, minimum: 0, nullable: true}
  note: {type: text, nullable: true}
  person: {type: text, personal: true, nullable: true}
key: [id]
event_time: at
available_lag: 1h
subject: person
"""

CARD = "{licence: custom, use: commercial, consent: contract, purposes: [training], source: bank, contains_personal_data: true}"
START_US = 1_800_000_000_000_000


@dataclass
class Desk:
    """A folder of sources and an open workspace."""

    workspace: Workspace
    folder: Path

    def source(self, kind: str = "csv", *, name: str = "payments", more: str = "", limits: str = "{bad_share: 1}") -> SourceConfig:
        """Write and read a source of ``kind``; ``more`` is further YAML."""
        path = self.folder / f"{name}.yaml"
        path.write_text(
            f"name: {name}\nkind: {kind}\ncontract: contract.yaml\ndataset: payments\ncard: {CARD}\nlimits: {limits}\n{more}\n", encoding="utf-8"
        )
        return load_source(path)

    def write(self, name: str, content: str | bytes) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def bring(self, source: SourceConfig, name: str | None = None, **options: Any) -> Batch:
        """Ingest a file of the folder (or what the source names)."""
        return ingest(self.workspace, source, file=None if name is None else self.folder / name, **options)

    def contract(self, text: str) -> None:
        """Another contract for the sources of the folder."""
        (self.folder / "contract.yaml").write_text(text, encoding="utf-8")


def rows_csv(first: int, last: int) -> str:
    """A header and good rows ``first`` to ``last - 1``."""
    return "id,at,amount,note,person\n" + "".join(f"p{n},2025-01-01T00:00:00Z,{n}.5,,ann\n" for n in range(first, last))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_US)


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock) -> Iterator[Desk]:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    with create_workspace(tmp_path / "workspace", actor="ada", clock=clock) as workspace:
        yield Desk(workspace, folder)
