"""Typed tables as immutable versions, in Lance: columns of a contract, millions of rows, audio and documents as binary columns.

A version is published whole (:func:`publish_table`) or as a change of the latest (:func:`append_table`, :func:`upsert_table`, :func:`delete_rows`),
which leaves the files of unchanged rows alone. A crash at any moment leaves the old version or the new one; the same run id twice is one version; two
who publish at once never mix or lose rows. A version's digest does not depend on order, batches or workers, and is checked when it is first opened.

Rows are read as a lazy frame (:func:`scan`), whole (:func:`read_table`), by page or by key. :func:`why_not_here` says what became of a row,
:func:`diff_tables` what changed between two versions and why, and :func:`withdraw` erases a person or a source from all of them.

Needs the extra ``pilotage[tables]``. Refs are those of :func:`pilotage.data.load_version`: an id, ``name``, ``name@3``, ``name@tag``.
"""

from pilotage.data.tabular.differences import CellChange, ChangedRow, RemovedRow, TableDiff, diff_tables
from pilotage.data.tabular.digests import table_digest
from pilotage.data.tabular.maintaining import Maintained, maintain
from pilotage.data.tabular.places import contract_of_version
from pilotage.data.tabular.publishing import append_table, delete_rows, publish_table, upsert_table
from pilotage.data.tabular.reading import BlobInPage, TablePage, plain_row, read_blob, read_table, row_by_key, scan, table_batches, table_page
from pilotage.data.tabular.removals import Removed
from pilotage.data.tabular.whereabouts import RemovalRecord, Whereabouts, note_set_aside, why_not_here
from pilotage.data.tabular.withdrawing import Dependant, Withdrawal, withdraw
from pilotage.data.tagging import Tag, as_of, tag, tags

__all__ = [
    "BlobInPage",
    "CellChange",
    "ChangedRow",
    "Dependant",
    "Maintained",
    "RemovalRecord",
    "Removed",
    "RemovedRow",
    "TableDiff",
    "TablePage",
    "Tag",
    "Whereabouts",
    "Withdrawal",
    "append_table",
    "as_of",
    "contract_of_version",
    "delete_rows",
    "diff_tables",
    "maintain",
    "note_set_aside",
    "plain_row",
    "publish_table",
    "read_blob",
    "read_table",
    "row_by_key",
    "scan",
    "table_batches",
    "table_digest",
    "table_page",
    "tag",
    "tags",
    "upsert_table",
    "why_not_here",
    "withdraw",
]
