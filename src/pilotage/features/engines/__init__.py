"""What computes features over tables: Polars on this machine, or Spark when one machine is not enough.

The same definition runs on both and gives the same bits: row expressions through Narwhals, with the few functions that no two engines compute alike
run as our own kernels, and everything that looks at many rows (the as-of join, windows) as one function of Arrow tables that either engine calls for
parts of the entities. The setting ``engine`` chooses, and :func:`engine` is the only place that reads it.
"""

from pilotage.features.engines.engine import Engine, engine
from pilotage.features.engines.rows import evaluate_rows

__all__ = ["Engine", "engine", "evaluate_rows"]
