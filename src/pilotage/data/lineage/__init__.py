"""Lineage: what was made of what, from the source to the prediction.

One graph for the whole workspace. Rooms above record an :class:`Edge` in the transaction of the act that makes something (a version from a batch, a
training set from versions and views, a model from a training set, predictions from a model); :func:`made_from` and :func:`made_of` walk it, and
:func:`impact` answers the question of an incident: "this source was wrong on these days: which versions, models and predictions?". Edges may know
their columns (:func:`column_origins`) and the event times of the rows that flowed. Other systems join in through :mod:`.openlineage`.
"""

from pilotage.data.lineage.graph import KINDS, ColumnOrigin, Edge, Node
from pilotage.data.lineage.recording import record_edges
from pilotage.data.lineage.tracing import Trace, column_origins, impact, made_from, made_of

__all__ = ["KINDS", "ColumnOrigin", "Edge", "Node", "Trace", "column_origins", "impact", "made_from", "made_of", "record_edges"]
