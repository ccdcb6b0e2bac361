"""Evidence records: checked when made, addressed by content, kept once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilotage.core import InputError, NotFound
from pilotage.evidence import Evidence, Observation, load_evidence, not_assessable, put_evidence, rate
from pilotage.store import Workspace

SUBJECT = {"pilot": "support", "fingerprint": "f1", "versions": ["v1"]}


def figure(events: int = 3, **more: Any) -> Evidence:
    return rate([Observation(f"i{index}", index < events) for index in range(30)], metric="quality.accuracy", subject=SUBJECT, **more)


def test_equal_figures_are_one_and_other_subjects_are_others() -> None:
    assert figure().id == figure().id
    assert figure().id != figure(4).id
    assert figure().id != figure().about(subject={**SUBJECT, "fingerprint": "f2"}).id
    assert figure().id != figure().about(slice={"topic": "refunds"}).id


@pytest.mark.parametrize(
    "change",
    [
        {"estimate": float("nan")},
        {"estimate": None},
        {"lower": 0.5},
        {"lower": 0.1, "upper": 0.1, "estimate": 0.1},
        {"upper": float("inf")},
        {"level": 95.0},
        {"metric": ""},
        {"subject": {"model": "x"}},
        {"status": "not_assessable", "reason": "because"},
        {"status": "not_assessable", "estimate": None, "lower": None, "upper": None},
    ],
)
def test_a_figure_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        replace(figure(), **change)


def test_a_figure_shows_itself() -> None:
    shown = str(figure(slice={"topic": "<b>"}))
    assert "0.100 [" in shown
    assert "n = 30" in shown
    assert "&lt;b&gt;" in figure(slice={"topic": "<b>"})._repr_html_()
    assert "not assessable: no data" in str(not_assessable("m", reason="no data"))
    assert figure().to_dict()["metric"] == "quality.accuracy"


def test_evidence_is_kept_once_and_comes_back_equal(workspace: Workspace) -> None:
    first, second = figure(), not_assessable("attack.success_rate", reason="nothing was attacked", subject=SUBJECT)
    for _ in range(2):
        assert workspace.write(lambda tx: [put_evidence(tx, each) for each in (first, second)]) == [first.id, second.id]
    found = load_evidence(workspace)
    assert {each.id for each in found} == {first.id, second.id}
    assert all(each.created_at > 0 for each in found)
    assert replace(next(each for each in found if each.id == first.id), created_at=0) == first
    assert [each.id for each in load_evidence(workspace, metric="quality.accuracy")] == [first.id]
    assert load_evidence(workspace, pilot="support", fingerprint="other") == []
    assert [each.id for each in load_evidence(workspace, ids=[second.id])] == [second.id]
    with pytest.raises(NotFound):
        load_evidence(workspace, ids=["ev_none"])
