"""What a run is to do: a plan of content-addressed samples."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pilotage.core import InputError, canonical_json, content_id


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """One unit of work. Make one with :func:`sample_spec`, which works out its id.

    item_key
        What it is about: the evaluation item, or the objective and technique.
    repeat
        0, 1, … for items that are asked several times.
    cluster
        Samples of one cluster are not independent of one another; statistics count clusters.
    slices
        Named groups it belongs to, such as ``{"topic": "refunds"}``.
    spec
        What ``solve`` needs, as plain JSON data. For :func:`~pilotage.runs.single_turn`: ``messages``, and any field of a request.
    """

    id: str
    item_key: str
    repeat: int
    cluster: str
    slices: dict[str, str]
    spec: dict[str, Any]


def sample_spec(
    item_key: str,
    *,
    fingerprint: str,
    spec: dict[str, Any],
    repeat: int = 0,
    cluster: str | None = None,
    slices: dict[str, str] | None = None,
) -> SampleSpec:
    """A sample, its id the hash of all it holds and of the target's fingerprint: equal samples are one, in this run and the next.

    ``cluster`` defaults to the item, so that repeats of one item are never taken for independent.

    Raises
    ------
    InputError
        If ``spec`` has no canonical JSON form (NaN, say).
    """
    cluster = item_key if cluster is None else cluster
    slices = {} if slices is None else slices
    content = {"item": item_key, "repeat": repeat, "cluster": cluster, "slices": slices, "spec": spec, "fingerprint": fingerprint}
    return SampleSpec(content_id("smp", content), item_key, repeat, cluster, slices, spec)


@dataclass(frozen=True)
class Plan:
    """All samples of a run, against one model, over named dataset versions.

    ``samples`` may be a tuple, or any sized collection that can be walked more than once, for plans too large to hold in memory.
    ``target_id`` is the registration under which it is tried; it is not part of the hash, so that raising a limit resumes the run.
    """

    kind: str
    pilot_id: str
    target_id: str
    fingerprint: str
    versions: tuple[str, ...]
    samples: Collection[SampleSpec] = field(repr=False)

    @cached_property
    def hash(self) -> str:
        """The SHA-256 (hex) of what is to be done. The same plan is the same run.

        Raises
        ------
        InputError
            If two samples have one id.
        """
        head = {"kind": self.kind, "pilot": self.pilot_id, "fingerprint": self.fingerprint, "versions": list(self.versions)}
        sha = hashlib.sha256(canonical_json(head))
        seen: set[str] = set()
        for sample in self.samples:
            if sample.id in seen:
                raise InputError(
                    f"The plan holds the sample {sample.id} twice.",
                    where=f"item '{sample.item_key}', repeat {sample.repeat}",
                    why="it would be counted twice and asked once",
                    mend="remove the duplicate item, or give repeats different numbers",
                )
            seen.add(sample.id)
            sha.update(b"\n" + sample.id.encode())
        return sha.hexdigest()

    @property
    def run_id(self) -> str:
        """The id of the run of this plan."""
        return f"run_{self.hash[:32]}"
