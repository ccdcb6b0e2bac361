"""What the verbs share: the settings in force and the open workspace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from pilotage.core import PilotageError, Settings, load_settings

if TYPE_CHECKING:
    from pilotage.store import Workspace


@dataclass(frozen=True)
class Session:
    """The common options of one call of the command."""

    workspace: str | None = None
    actor: str | None = None

    @property
    def settings(self) -> Settings:
        """The settings, with the command line's options on top."""
        from dataclasses import replace

        settings = load_settings()
        return replace(settings, workspace=self.workspace or settings.workspace, actor=self.actor or settings.actor)

    @contextlib.contextmanager
    def open(self, *, create: bool = False) -> Iterator[Workspace]:
        """The workspace, open; made first if ``create``. On the way out the ledger's head is signed, where that is due."""
        from pilotage.ledger import checkpoint_if_due, create_workspace, open_workspace

        settings = self.settings
        way = create_workspace if create else open_workspace
        with way(settings.workspace, actor=settings.actor) as workspace:
            yield workspace
            try:
                checkpoint_if_due(workspace, key_dir=settings.key_dir)
            except PilotageError as error:
                # What the verb did stands, and what it says is still to be shown: a head that cannot be signed here is not its failure.
                typer.echo(f"warning: the ledger's head was not signed: {error}", err=True)


def session(context: typer.Context) -> Session:
    """The session of this call."""
    found = context.find_object(Session)
    return found if found is not None else Session()
