"""The closed algebra of aggregates: what a window over events may compute.

Each aggregate is ``init`` / ``update`` / ``merge`` / ``finalize`` over a small immutable Python value (its *state*), and the same thing as Polars
expressions over columns of states (:func:`partials`, :func:`merged`, :func:`states`). A state is a function of the *multiset* of values it saw, never
of their order or grouping: sums are whole numbers on a grid, sketches count bits of the value. So ``merge`` is associative and commutative with
``init()`` as identity, and batch, micro-batch, request and any number of workers give the same bits.

Null values are skipped by every aggregate. NaN, infinities, text where a number is needed and numbers beyond the grid are refused with the value.
Over nothing, ``count`` is 0 and every other aggregate is null. :data:`PROPERTIES` says of each whether it can be undone and how large it grows.
"""

from pilotage.features.algebra.aggregator import FUNCTIONS, Aggregator, Order, Properties, State
from pilotage.features.algebra.distinct import EXACT_UP_TO, HASH_NAME, Distinct, stable_hash
from pilotage.features.algebra.extremes import Maximum, Minimum
from pilotage.features.algebra.ordered import First, Last, LastK
from pilotage.features.algebra.partials import bad_values, finalized, merge_many, merged, partials, states, value_columns
from pilotage.features.algebra.quantile import RELATIVE_ERROR, Quantile
from pilotage.features.algebra.registry import PROPERTIES, aggregator, aggregator_for
from pilotage.features.algebra.stored import pack, state_from_json, state_to_json, unpack
from pilotage.features.algebra.sums import DEFAULT_RESOLUTION, GRID_STEPS, Count, Mean, Sum, Variance

__all__ = [
    "DEFAULT_RESOLUTION",
    "EXACT_UP_TO",
    "FUNCTIONS",
    "GRID_STEPS",
    "HASH_NAME",
    "PROPERTIES",
    "RELATIVE_ERROR",
    "Aggregator",
    "Count",
    "Distinct",
    "First",
    "Last",
    "LastK",
    "Maximum",
    "Mean",
    "Minimum",
    "Order",
    "Properties",
    "Quantile",
    "State",
    "Sum",
    "Variance",
    "aggregator",
    "aggregator_for",
    "bad_values",
    "finalized",
    "merge_many",
    "merged",
    "pack",
    "partials",
    "stable_hash",
    "state_from_json",
    "state_to_json",
    "states",
    "unpack",
    "value_columns",
]
