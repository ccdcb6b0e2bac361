"""OpenLineage, both ways: our versions as its events, and other systems' events as our edges.

:func:`events` writes what the published JSON schemas (spec 2-0-2) accept; :func:`check_event` refuses what they would refuse, and a known facet
that is malformed; :func:`accept_event` keeps an event and joins its datasets to the graph. Nothing is sent anywhere by itself.
"""

from pilotage.data.lineage.openlineage.accepting import Accepted, accept_event
from pilotage.data.lineage.openlineage.checking import check_event
from pilotage.data.lineage.openlineage.emitting import events

__all__ = ["Accepted", "accept_event", "check_event", "events"]
