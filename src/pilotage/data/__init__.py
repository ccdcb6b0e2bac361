"""Datasets and their immutable versions: nothing trains, evaluates or exports from a path, only from a version.

A **version** is rows + field contract + card + the operation that made them, addressed by content: an order-free digest of the rows' canonical
JSON, checked every time a version is opened. Rows come in through :func:`import_file` (JSONL, CSV, Parquet), which sets aside every bad row with
its line, field and reason, or through :func:`derive`, which makes a version from others and refuses counts that do not add up. They leave through
:func:`export`, as TRL reads chat-SFT, DPO and KTO, with a manifest and a report of what the format could not express. The **card** says licence,
consent and purposes; a version is only as free as the least free of its ancestors.

Publishing writes the rows' file first and then everything else in one transaction: a crash at any moment leaves the old state or the new one.
"""

from pilotage.data.card import Card
from pilotage.data.catalogue import Dataset, Family, datasets, family, load_version, versions
from pilotage.data.contract import Contract, FieldRule
from pilotage.data.exporting import Export, ExportedFile, ExportRecord, LeftOut, export, exports
from pilotage.data.importing import ImportResult, import_file
from pilotage.data.jsonl import read_jsonl_rows
from pilotage.data.licences import Use, effective_use, use_of
from pilotage.data.publishing import derive
from pilotage.data.quarantine import QuarantinedRow, quarantine
from pilotage.data.reading import Diff, Page, diff, find_row, rows, rows_page
from pilotage.data.sources import ImportLimits
from pilotage.data.tagging import Tag, as_of, tag, tags
from pilotage.data.training import check_training_row
from pilotage.data.version import KINDS, TABLE, Operation, TablePlace, Version

__all__ = [
    "KINDS",
    "TABLE",
    "Card",
    "Contract",
    "Dataset",
    "Diff",
    "Export",
    "ExportRecord",
    "ExportedFile",
    "Family",
    "FieldRule",
    "ImportLimits",
    "ImportResult",
    "LeftOut",
    "Operation",
    "Page",
    "QuarantinedRow",
    "TablePlace",
    "Tag",
    "Use",
    "Version",
    "as_of",
    "check_training_row",
    "datasets",
    "derive",
    "diff",
    "effective_use",
    "export",
    "exports",
    "family",
    "find_row",
    "import_file",
    "load_version",
    "quarantine",
    "read_jsonl_rows",
    "rows",
    "rows_page",
    "tag",
    "tags",
    "use_of",
    "versions",
]
