"""The Arrow type of each column type."""

from __future__ import annotations

import pyarrow as pa


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type that holds a column of type ``name``."""
    return {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
        "binary": pa.large_binary(),
        "list": pa.string(),  # canonical JSON text
        "object": pa.string(),
    }[name]
