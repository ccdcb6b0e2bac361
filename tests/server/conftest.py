"""Fixtures of the server's tests: an empty and a filled workspace, and clients signed in to each.

The filled one is made once; tests that only look share it, and those that change something get a copy.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import demo_workspace
import review_workspace
import tables_workspace
from argon2 import PasswordHasher
from browserless import TOKEN, Client, sign_in
from demo_workspace import Demo
from leading import sign_in_as
from review_workspace import Reviewed
from tables_workspace import Tables

from pilotage.core import ManualClock
from pilotage.ledger import create_workspace, open_workspace
from pilotage.people import passwords
from pilotage.server import create_app
from pilotage.store import Workspace

if TYPE_CHECKING:
    from deliveries_workspace import Deliveries

QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOBODYS_HASH = QUICK_HASHER.hash("nobody's")


@dataclass(frozen=True)
class Made:
    """The filled workspace's folder, and what is where in it."""

    folder: Path
    demo: Demo


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords cheaply: how hard they are to guess is tested where they are made."""
    monkeypatch.setattr(passwords, "_hasher", lambda: QUICK_HASHER)
    monkeypatch.setattr(passwords, "_nobodys_hash", lambda: NOBODYS_HASH)


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace with nothing in it. Copying it is quicker than making one."""
    folder = tmp_path_factory.mktemp("blank") / "workspace"
    create_workspace(folder, actor="ada").close()
    return folder


@pytest.fixture
def fresh(blank: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with nothing in it, on the machine's clock."""
    shutil.copytree(blank, tmp_path / "workspace")
    with open_workspace(tmp_path / "workspace", actor="ada") as opened:
        yield opened


@pytest.fixture
def empty(blank: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    """A workspace with nothing in it, on a clock that stands still."""
    shutil.copytree(blank, tmp_path / "workspace")
    with open_workspace(tmp_path / "workspace", actor="ada", clock=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    with create_workspace(folder / "workspace", actor="ada") as workspace:
        return Made(folder / "workspace", demo_workspace.fill(workspace, folder / "pilot"))


@pytest.fixture(scope="session")
def demo(made: Made) -> Demo:
    """What is where in the filled workspace."""
    return made.demo


@pytest.fixture(scope="session")
def replies_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reviewed]:
    """The folder of a workspace in which five people reviewed replies, and what is where in it. Takes seconds to make; it is made once."""
    folder, clock = tmp_path_factory.mktemp("replies") / "workspace", ManualClock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hasher", lambda: QUICK_HASHER)
        with create_workspace(folder, actor="ada", clock=clock) as workspace:
            return folder, review_workspace.fill(workspace, clock)


@pytest.fixture(scope="session")
def replies(replies_made: tuple[Path, Reviewed]) -> Reviewed:
    """What is where in the reviewed workspace."""
    return replies_made[1]


@pytest.fixture(scope="session")
def reviewed(replies_made: tuple[Path, Reviewed]) -> Iterator[Workspace]:
    """The reviewed workspace, for tests that only look."""
    with open_workspace(replies_made[0], actor="ada") as workspace:
        yield workspace


@pytest.fixture
def reviewed_copy(replies_made: tuple[Path, Reviewed], tmp_path: Path) -> Iterator[Workspace]:
    """A copy of the reviewed workspace, for tests that change something."""
    shutil.copytree(replies_made[0], tmp_path / "reviewed")
    with open_workspace(tmp_path / "reviewed", actor="ada") as workspace:
        yield workspace


# A workspace of routed outputs


@pytest.fixture(scope="session")
def routed_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of a workspace with routed outputs, and what is where in it. Takes seconds to make; it is made once."""
    import routing_workspace

    folder, clock = tmp_path_factory.mktemp("routed") / "workspace", ManualClock()
    with create_workspace(folder, actor="ada", clock=clock) as workspace:
        return folder, routing_workspace.fill(workspace, clock)


@pytest.fixture(scope="session")
def routed(routed_made: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A copy for tests that only look, on a clock that stands six days after its first moment."""
    import routing_workspace

    folder = tmp_path_factory.mktemp("routed-copy") / "workspace"
    shutil.copytree(routed_made[0], folder)
    with open_workspace(folder, actor="ada", clock=ManualClock(routing_workspace.NOW)) as workspace:
        yield workspace


@pytest.fixture
def routed_copy(routed_made: tuple[Path, Any], tmp_path: Path) -> Iterator[Workspace]:
    """A copy for one test to change."""
    import routing_workspace

    shutil.copytree(routed_made[0], tmp_path / "routed")
    with open_workspace(tmp_path / "routed", actor="ada", clock=ManualClock(routing_workspace.NOW)) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def comparisons_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace in which six people compared the replies of four systems."""
    import preference_workspace

    folder, clock = tmp_path_factory.mktemp("comparisons") / "workspace", ManualClock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hasher", lambda: QUICK_HASHER)
        with create_workspace(folder, actor="ada", clock=clock) as workspace:
            preference_workspace.fill(workspace, clock)
    return folder


@pytest.fixture
def compared_copy(comparisons_made: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of the workspace of comparisons."""
    shutil.copytree(comparisons_made, tmp_path / "compared")
    with open_workspace(tmp_path / "compared", actor="ada") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def looked_at(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The filled workspace, for tests that only look."""
    folder = tmp_path_factory.mktemp("looked-at") / "workspace"
    shutil.copytree(made.folder, folder)
    with open_workspace(folder, actor="ada") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def shared(looked_at: Workspace) -> Client:
    """Signed in to the filled workspace, for tests that only look."""
    return sign_in(looked_at)


@pytest.fixture
def filled(made: Made, tmp_path: Path) -> Iterator[Workspace]:
    """The filled workspace, for one test to change."""
    shutil.copytree(made.folder, tmp_path / "filled")
    with open_workspace(tmp_path / "filled", actor="ada") as workspace:
        yield workspace


@pytest.fixture
def stranger(empty: Workspace) -> Client:
    """Nobody signed in."""
    return Client(create_app(empty, local_token=TOKEN))


@pytest.fixture
def newcomer(empty: Workspace) -> Client:
    """Signed in to an empty workspace."""
    return sign_in(empty)


@pytest.fixture
def regular(filled: Workspace) -> Client:
    """Signed in to the filled workspace, to change something."""
    return sign_in(filled)


@dataclass(frozen=True)
class Delivered:
    """The folder of a workspace with deliveries, and what is where in it."""

    folder: Path
    has: Deliveries


@pytest.fixture(scope="session")
def delivered(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    import deliveries_workspace  # needs the extra [tables], which most pages do not

    folder = tmp_path_factory.mktemp("delivered")
    shutil.copytree(blank, folder / "workspace")
    with open_workspace(folder / "workspace", actor="ada") as workspace:
        return Delivered(folder / "workspace", deliveries_workspace.fill(workspace, folder / "sources"))


@pytest.fixture(scope="session")
def has(delivered: Delivered) -> Deliveries:
    """What is where in the workspace with deliveries."""
    return delivered.has


@pytest.fixture(scope="session")
def looking(delivered: Delivered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Signed in to the workspace with deliveries, for tests that only look."""
    folder = tmp_path_factory.mktemp("looking") / "workspace"
    shutil.copytree(delivered.folder, folder)
    with open_workspace(folder, actor="ada") as workspace:
        yield sign_in(workspace)


@pytest.fixture
def deciding(delivered: Delivered, tmp_path: Path) -> Iterator[Workspace]:
    """The workspace with deliveries, for one test to change."""
    shutil.copytree(delivered.folder, tmp_path / "deciding")
    with open_workspace(tmp_path / "deciding", actor="ada") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def bank_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of a workspace with features, and what is where in it."""
    feature_workspace = pytest.importorskip("feature_workspace", exc_type=ImportError)
    folder = tmp_path_factory.mktemp("bank") / "workspace"
    clock = ManualClock(feature_workspace.NOW)
    with create_workspace(folder, actor="ada", clock=clock) as workspace:
        return folder, feature_workspace.fill(workspace, clock)


@pytest.fixture(scope="module")
def bank(bank_made: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Any]]:
    """A copy of it for the tests of one file, on a clock that stands 90 s after its last event."""
    import feature_workspace

    folder = tmp_path_factory.mktemp("bank-copy") / "workspace"
    shutil.copytree(bank_made[0], folder)
    with open_workspace(folder, actor="ada", clock=ManualClock(feature_workspace.NOW + 90_000_000)) as workspace:
        yield workspace, bank_made[1]


# A workspace with tables and contracts


@pytest.fixture(scope="session")
def made_tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tables]:
    folder = tmp_path_factory.mktemp("tables") / "workspace"
    clock = ManualClock()
    with create_workspace(folder, actor="ada", clock=clock) as workspace:
        return folder, tables_workspace.fill(workspace, clock)


@pytest.fixture(scope="session")
def looked_at_tables(made_tables: tuple[Path, Tables], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """For tests that only look."""
    folder = tmp_path_factory.mktemp("looked") / "workspace"
    shutil.copytree(made_tables[0], folder)
    with open_workspace(folder, actor="ada") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def tables_client(looked_at_tables: Workspace) -> Client:
    return sign_in(looked_at_tables)


@pytest.fixture
def own_tables(made_tables: tuple[Path, Tables], tmp_path: Path) -> Iterator[Workspace]:
    """For one test to change."""
    shutil.copytree(made_tables[0], tmp_path / "own")
    with open_workspace(tmp_path / "own", actor="ada") as workspace:
        yield workspace


# The reviewed workspace, with people who lead and audit


@pytest.fixture(scope="session")
def led(replies_made: tuple[Path, Reviewed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """For tests that only look; see ``leading.py`` for who may sign in."""
    from leading import staff

    folder = tmp_path_factory.mktemp("led") / "workspace"
    shutil.copytree(replies_made[0], folder)
    with pytest.MonkeyPatch.context() as patched, open_workspace(folder, actor="ada") as workspace:
        patched.setattr(passwords, "_hasher", lambda: QUICK_HASHER)
        staff(workspace)
        yield workspace


@pytest.fixture
def leading(reviewed_copy: Workspace) -> Workspace:
    """For one test to change."""
    from leading import staff

    staff(reviewed_copy)
    return reviewed_copy


@pytest.fixture(scope="module")
def lead(led: Workspace) -> Client:
    """Signed in as who leads the reviewed workspace's projects."""
    return sign_in_as(led, "lena")


@pytest.fixture(scope="module")
def reviewer(led: Workspace) -> Client:
    """Signed in as one who answers there."""
    return sign_in_as(led, "ben")


@pytest.fixture(scope="module")
def auditor(led: Workspace) -> Client:
    """Signed in as one who only looks."""
    return sign_in_as(led, "aldo")
