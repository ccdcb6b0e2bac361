"""Features, defined once and served to training sets, streams and requests without skew.

A **feature view** is data: row expressions (:func:`parse_expression`) and aggregates over windows, with the entity, the event time and the time from
which a row could be known. :func:`register_view` makes it permanent under its hash. :func:`point_in_time` joins a view to rows with a moment each, so
that no row sees what was not yet known at its moment; :func:`build_training_set` makes a dataset version of it that can be built again to the same
bytes, with transforms fitted on its training split only. :func:`probe_leaks` compares what a model scores on the offline features and on the features
as they would have been served; :func:`explain_value` says which rows stood behind one value and why the others did not.

Needs the extra ``[tables]``.
"""

from pilotage.core import require

require("polars", extra="tables")

from pilotage.features.definition import AGGREGATE_FUNCTIONS, Aggregate, FeatureView, load_views  # noqa: E402
from pilotage.features.expression import (  # noqa: E402
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
from pilotage.features.inspect import Candidate, Explanation, explain_value  # noqa: E402
from pilotage.features.leaks import Leak, LeakReport, ProbedView, probe_leaks, probe_training_set  # noqa: E402
from pilotage.features.point_in_time import point_in_time  # noqa: E402
from pilotage.features.registry import RegisteredView, register_view, registered_view, view_of, views  # noqa: E402
from pilotage.features.split import Split  # noqa: E402
from pilotage.features.training_set import (  # noqa: E402
    Computed,
    Label,
    Rebuilt,
    TrainingSet,
    build_training_set,
    compute_features,
    load_training_set,
    rebuild_training_set,
)
from pilotage.features.transforms import FittedTransforms, Transform, fit_transforms  # noqa: E402

__all__ = [
    "AGGREGATE_FUNCTIONS",
    "KERNELS",
    "Aggregate",
    "Call",
    "Candidate",
    "Column",
    "Computed",
    "Explanation",
    "Expression",
    "FeatureView",
    "FittedTransforms",
    "Label",
    "Leak",
    "LeakReport",
    "Literal",
    "ProbedView",
    "Rebuilt",
    "RegisteredView",
    "Split",
    "TrainingSet",
    "Transform",
    "build_training_set",
    "call",
    "coalesce",
    "col",
    "compute_features",
    "explain_value",
    "expression_from_json",
    "fit_transforms",
    "hour",
    "lit",
    "load_training_set",
    "load_views",
    "log1p",
    "parse_expression",
    "point_in_time",
    "probe_leaks",
    "probe_training_set",
    "rebuild_training_set",
    "register_view",
    "registered_view",
    "view_of",
    "views",
    "when",
    "without_nan",
]
