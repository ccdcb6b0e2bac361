"""Features, defined once and served to training sets, streams and requests without skew.

A **feature view** is data: row expressions (:func:`parse_expression`) and aggregates over windows, with the entity, the event time and the time from
which a row could be known. :func:`register_view` makes it permanent under its hash. :func:`point_in_time` joins a view to rows with a moment each, so
that no row sees what was not yet known at its moment; :func:`build_training_set` makes a dataset version of it that can be built again to the same
bytes, with transforms fitted on its training split only. :func:`probe_leaks` compares what a model scores on the offline features and on the features
as they would have been served; :func:`explain_value` says which rows stood behind one value and why the others did not.

Needs the extra ``[tables]``.
"""

from pilotage.features.definition import AGGREGATE_FUNCTIONS, Aggregate, FeatureView, load_views
from pilotage.features.expression import (
    KERNELS,
    Call,
    Column,
    Expression,
    Literal,
    call,
    coalesce,
    col,
    expression_from_json,
    hour,
    lit,
    log1p,
    parse_expression,
    when,
    without_nan,
)
from pilotage.features.point_in_time import point_in_time

__all__ = [
    "AGGREGATE_FUNCTIONS",
    "KERNELS",
    "Aggregate",
    "Call",
    "Column",
    "Expression",
    "FeatureView",
    "Literal",
    "call",
    "coalesce",
    "col",
    "expression_from_json",
    "hour",
    "lit",
    "load_views",
    "log1p",
    "parse_expression",
    "point_in_time",
    "when",
    "without_nan",
]
