"""The next version of a dataset that people's judgements feed: what stands is kept as it is, what was taken back goes, what is new is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import NotFound, Refused
from pilotage.data import Card, Operation, Version, derive, load_version, rows
from pilotage.store import Workspace


@dataclass(frozen=True)
class Made:
    """What became of the rows. ``version`` is the newest, whether or not it was made now; None where there is none."""

    version: Version | None
    created: bool
    added: int
    kept: int
    dropped: int


def publish_rows(
    workspace: Workspace,
    dataset: str,
    made: Sequence[Mapping[str, Any]],
    *,
    card: Card,
    parents: Sequence[Version],
    made_by: str | Sequence[str],
    params: Mapping[str, Any],
    left_out: Mapping[str, int],
) -> Made:
    """Publish ``made`` as the next version of ``dataset``, unless it stands so already.

    Rows in it that were made the same way (``tags.made_by``, one of those given, and each of ``params`` that is a tag) and are not in ``made`` any
    more are dropped. A row that stands is kept as it was published, even where it would be made otherwise today: it is what a model learnt from.

    Raises
    ------
    Refused
        If nothing would be left: a version without rows cannot be published.
    Conflict
        If somebody published another version meanwhile.
    """
    try:
        before: Version | None = load_version(workspace, dataset)
    except NotFound:
        before = None
    standing = {row["id"]: row for row in rows(workspace, before.id)} if before is not None else {}
    wanted = {row["id"]: row for row in made}
    makers = (made_by,) if isinstance(made_by, str) else tuple(made_by)
    ours = {**{name: value for name, value in params.items() if name in ("project", "question", "form")}}
    dropped = {
        key
        for key, row in standing.items()
        if key not in wanted and row["tags"].get("made_by") in makers and all(row["tags"].get(name) == value for name, value in ours.items())
    }
    kept = [row for key, row in standing.items() if key not in dropped]
    new = [row for key, row in wanted.items() if key not in standing]
    if not new and not dropped:
        return Made(before, False, 0, len(kept), 0)
    if not new and not kept:
        raise Refused(
            f"Everything in '{dataset}' was taken back.",
            where=before.ref if before else dataset,
            why="a version without rows cannot be published, and the standing one must not be used any more",
            mend="stop using the standing version",
        )
    operation = Operation(
        name=f"flywheel.{makers[0]}",
        params={**params, "left_out": dict(sorted(left_out.items()))},
        counts={"in": len(standing), "kept": len(kept), "dropped": len(dropped), "added": len(new)},
    )
    lineage = list(dict.fromkeys([*([before.id] if before is not None else []), *(version.id for version in parents)]))
    version = derive(workspace, dataset=dataset, kind="training", rows=[*kept, *new], card=card, operation=operation, parents=lineage)
    return Made(version, True, len(new), len(kept), len(dropped))
