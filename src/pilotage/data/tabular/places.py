"""Where a dataset's table lies, and what contract a version keeps."""

from __future__ import annotations

from pilotage.core import InputError, Refused
from pilotage.data.catalogue import load_version
from pilotage.data.contracts import Contract
from pilotage.data.tabular.lance_files import LanceFiles
from pilotage.data.version import TABLE, TablePlace, Version
from pilotage.store import Workspace


def files_of(workspace: Workspace, dataset_id: str) -> LanceFiles:
    """The Lance table of a dataset: the folder ``tables/<id>.lance`` beside the workspace's blobs."""
    return LanceFiles(workspace.files / "tables" / f"{dataset_id}.lance")


def place_of(version: Version) -> TablePlace:
    """Where the version's rows lie. Raises ``InputError`` if it is no table, ``Refused`` if its rows were withdrawn."""
    if version.kind != TABLE or version.place is None:
        raise InputError(f"{version.ref} holds {version.kind} rows, not a table.", mend="read it with pilotage.data.rows")
    if version.withdrawn is not None:
        raise Refused(
            f"The rows of {version.ref} were withdrawn and are no longer there.",
            where=version.id,
            why=version.withdrawn,
            mend=f"use a later version: '{version.dataset}' names the latest",
        )
    return version.place


def contract_of_version(version: Version) -> Contract:
    """The contract the version's rows keep. Raises ``InputError`` if it is no table."""
    if version.contract is None:
        raise InputError(f"{version.ref} holds {version.kind} rows, not a table.")
    return Contract.from_dict(version.contract)


def load_table(workspace: Workspace, ref: str) -> Version:
    """The version, which must be a table whose rows may be read."""
    version = load_version(workspace, ref)
    place_of(version)
    return version
