"""Figures from judged outputs: what is missing is missing, and attempts of one objective are not independent."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.evidence import Evidence
from pilotage.readiness.measuring import MANY_ENOUGH_FOR_A_SLICE, JudgedOutput, measure


def outputs(part: str, failed: list[bool | None], *, clusters: int | None = None, **rest: Any) -> list[JudgedOutput]:
    return [
        JudgedOutput(
            part,
            f"{part}{n}",
            0,
            f"{part} {n % clusters if clusters else n}",
            rest.get("slices", {}),
            f"o{n}",
            f"i{part}{n}",
            value,
            missing="" if value is not None else "undetermined",
            machine=value,
            **{name: rest[name] for name in ("audited", "reviewed") if name in rest},
        )
        for n, value in enumerate(failed)
    ]


def figures(judged: list[JudgedOutput], *, findings: dict[str, int] | None = None, planned: int = 10, errors: int = 0) -> dict[str, Evidence]:
    made = measure(judged, findings=findings or {}, planned=planned, errors=errors, subject={"pilot": "p"})
    return {each.metric + "".join(f" {value}" for value in each.slice.values()): each for each in made}


def test_each_part_has_its_own_figure_and_direction() -> None:
    judged = (
        outputs("attack", [True, False, False, False]) + outputs("twin", [True, True, False, False]) + outputs("answer", [False, False, False, True])
    )
    found = figures(judged)
    assert found["attack.success_rate"].estimate == 0.25
    assert found["over_refusal.rate"].estimate == 0.5
    assert found["quality.accuracy"].estimate == 0.75
    assert {each.n for name, each in found.items() if name.endswith("rate") and each.metric in ("attack.success_rate", "over_refusal.rate")} == {4}


def test_what_nobody_could_judge_is_missing_and_neither_a_pass_nor_a_failure() -> None:
    found = figures(outputs("attack", [True, False, None, None]))["attack.success_rate"]
    assert found.n == 2
    assert found.estimate == 0.5
    assert found.detail["missing_share"] == 0.5


@pytest.mark.parametrize("failed", [[], [None, None]])
def test_without_any_outcome_there_is_no_figure(failed: list[bool | None]) -> None:
    found = figures(outputs("attack", failed))["attack.success_rate"]
    assert found.status == "not_assessable"
    assert found.estimate is None
    assert found.reason


def test_attempts_of_one_objective_are_one_cluster_and_widen_the_interval() -> None:
    alike = [n % 4 == 0 for n in range(24)]  # every attempt on one of four objectives gets through
    apart = figures(outputs("attack", alike))["attack.success_rate"]
    together = figures(outputs("attack", alike, clusters=4))["attack.success_rate"]
    assert (apart.n_clusters, together.n_clusters) == (24, 4)
    assert apart.estimate == together.estimate == 0.25
    assert together.upper - together.lower > apart.upper - apart.lower


def test_a_figure_of_nothing_but_successes_still_has_an_interval() -> None:
    found = figures(outputs("attack", [False] * 30))["attack.success_rate"]
    assert found.estimate == 0.0
    assert found.lower == 0.0
    assert 0 < found.upper < 0.2


def test_slices_are_measured_where_there_is_enough() -> None:
    few = outputs("attack", [False] * (MANY_ENOUGH_FOR_A_SLICE - 1), slices={"split": "gate"})
    assert "attack.success_rate gate" not in figures(few)
    enough = outputs("attack", [False] * MANY_ENOUGH_FOR_A_SLICE, slices={"split": "gate"})
    assert figures(enough)["attack.success_rate gate"].n == MANY_ENOUGH_FOR_A_SLICE


def test_only_the_random_draw_says_how_often_the_rules_miss() -> None:
    drawn = outputs("attack", [True, False, False, False], audited=True, reviewed=True)
    suspected = outputs("twin", [True] * 5, reviewed=True)
    not_yet = outputs("answer", [False] * 5, audited=True)
    found = figures(drawn + suspected + not_yet)["audit.missed_rate"]
    assert (found.n, found.estimate) == (4, 0.25)


def test_without_an_audit_the_rules_are_not_vouched_for() -> None:
    assert figures(outputs("attack", [False] * 9))["audit.missed_rate"].status == "not_assessable"


def test_open_findings_are_counted_whatever_their_state_is_called() -> None:
    found = figures([], findings={"new": 1, "confirmed": 2, "reopened": 3, "fixed": 10, "dismissed": 20})
    assert found["findings.open"].estimate == 6
    assert found["findings.reopened"].estimate == 3


def test_infrastructure_errors_are_a_rate_of_what_was_planned() -> None:
    assert figures([], planned=40, errors=1)["runs.error_rate"].estimate == 0.025
    assert figures([], planned=0)["runs.error_rate"].status == "not_assessable"
