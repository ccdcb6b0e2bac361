"""Bringing batches of rows in, from files, databases, object stores, HTTP, logs and pushes, into tables.

A **source** is a YAML file (:func:`load_source`): where rows come from, the contract they keep, the dataset they go to. :func:`ingest` reads what it
delivers now, conforms it, sets bad rows aside with source, line, field and reason, gates the rest and publishes it; :func:`ingest_rows` does so with
rows that are handed over. ``rows_in == kept + quarantined``, always. A **batch** is named by its content, so a delivery that comes twice, or a
process that is killed at any step and started again, makes one version. A failed gate or too many bad rows hold the batch: a person releases or
discards it (:func:`release`, :func:`discard`). :func:`quarantined` lists what was set aside, :func:`retry` tries it again under a mended contract,
:func:`erase_quarantine` erases it. :func:`register_source` makes a source known by its name, for pushes over HTTP.

Needs the extra ``pilotage[tables]``.
"""

from pilotage.core import require

require("polars", extra="tables")

from pilotage.data.ingest.batch import STATES, Batch, batch_counts, batches, load_batch  # noqa: E402
from pilotage.data.ingest.deciding import discard, release  # noqa: E402
from pilotage.data.ingest.ingesting import ingest, ingest_rows  # noqa: E402
from pilotage.data.ingest.quarantine import (  # noqa: E402
    ErasedRows,
    ReasonCount,
    Retry,
    SetAside,
    SetAsidePage,
    erase_quarantine,
    quarantined,
    reason_counts,
    retry,
)
from pilotage.data.ingest.registering import (  # noqa: E402
    RegisteredSource,
    register_source,
    registered_source,
    registered_sources,
    source_of,
)
from pilotage.data.ingest.source import (  # noqa: E402
    Dialect,
    FileSource,
    HttpSource,
    LanceSource,
    Limits,
    LogSource,
    ObjectSource,
    PushSource,
    SourceConfig,
    SqlSource,
    load_source,
    parse_source,
)

__all__ = [
    "STATES",
    "Batch",
    "Dialect",
    "ErasedRows",
    "FileSource",
    "HttpSource",
    "LanceSource",
    "Limits",
    "LogSource",
    "ObjectSource",
    "PushSource",
    "ReasonCount",
    "RegisteredSource",
    "Retry",
    "SetAside",
    "SetAsidePage",
    "SourceConfig",
    "SqlSource",
    "batch_counts",
    "batches",
    "discard",
    "erase_quarantine",
    "ingest",
    "ingest_rows",
    "load_batch",
    "load_source",
    "parse_source",
    "quarantined",
    "reason_counts",
    "register_source",
    "registered_source",
    "registered_sources",
    "release",
    "retry",
    "source_of",
]
