"""State: the workspace (a folder or a URL), its SQL schema and migrations, its files, and the one writer.

Rows are written only through :meth:`Workspace.write`, by one thread with group commit: when it returns, the rows are durable. Reading is any number
of connections, each with a consistent snapshot. Rows that several people may edit carry ``lock_version`` and change through
:func:`update_if_unchanged`. Where rows come by the thousand, statements are :class:`Prepared`; what runs with every
request is :class:`Ready`. Files are content-addressed blobs.
"""

from pilotage.store.blobs import Blobs
from pilotage.store.optimistic import update_if_unchanged
from pilotage.store.prepared import Prepared, insert_missing
from pilotage.store.ready import Ready, Row, RowLike
from pilotage.store.schema import JsonText, TimeUs, json_text, metadata, table
from pilotage.store.workspace import Workspace
from pilotage.store.writer import Job, Participant, WriteTransaction

__all__ = [
    "Blobs",
    "Job",
    "JsonText",
    "Participant",
    "Prepared",
    "Ready",
    "Row",
    "RowLike",
    "TimeUs",
    "Workspace",
    "WriteTransaction",
    "insert_missing",
    "json_text",
    "metadata",
    "table",
    "update_if_unchanged",
]
