"""What each threshold would do: the same figures as routing at it gives, and a bound that is the exact one of that threshold alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pilotage.core import Refused
from pilotage.judging.calibration import Costs, ReviewerError, Sample, certify, routed_costs
from pilotage.judging.calibration.operating import operating_points


def sample(n: int = 800, *, weighted: bool = False, soft: bool = False, mended: bool = True) -> Sample:
    random = np.random.default_rng(7)
    p = np.round(random.beta(6, 0.8, n), 3)  # with ties
    right = random.random(n) < p
    made = Sample.of(
        p, right * (0.75 if soft else 1.0), model="m", labelled_by="people", inclusion=random.choice([0.2, 1.0], n) if weighted else None
    )
    return made.with_confidence(made.confidence, recalibrated_by="recal_1") if mended else made


COSTS = Costs(error=1_000, review=80, delay=5, reviewer=ReviewerError(6, 120))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_cost_of_a_point_is_that_of_routing_at_it(weighted: bool) -> None:
    given = sample(weighted=weighted)
    for one in operating_points(given, costs=COSTS, points=12):
        routed = routed_costs(given, COSTS, threshold=one.threshold, replicates=100)
        assert one.coverage == pytest.approx(routed.coverage)
        assert one.cost is not None and one.against_auto is not None and one.against_human is not None
        assert one.cost.estimate == pytest.approx(routed.routed.estimate)
        assert one.against_auto.estimate == pytest.approx(routed.against_auto.estimate)
        assert one.against_human.estimate == pytest.approx(routed.against_human.estimate)
        assert one.cost.lower is not None and one.cost.upper is not None and one.cost.lower <= (one.cost.estimate or 0) <= one.cost.upper


def test_the_bound_is_the_exact_one_of_each_threshold_alone() -> None:
    given = sample()
    for one in operating_points(given, delta=0.1, points=15):
        inside = given.confidence >= one.threshold
        assert (one.accepted, one.errors) == (int(inside.sum()), float(given.wrong[inside].sum()))
        if one.errors < one.accepted:
            assert one.bound == pytest.approx(stats.beta.ppf(0.9, one.errors + 1, one.accepted - one.errors))


def test_points_go_from_strict_to_loose_and_hold_those_asked_for() -> None:
    given = sample()
    certified = certify(given, risk=0.1).value
    assert certified is not None
    points = operating_points(given, points=9, include=[certified, 2.0])
    thresholds = [one.threshold for one in points]
    assert thresholds == sorted(set(thresholds), reverse=True) and certified in thresholds and len(points) <= 10
    assert points[-1].coverage == pytest.approx(1.0) and points[-1].accepted == given.n


def test_unequal_weights_and_soft_truth_have_no_plain_bound_and_raw_confidence_no_costs() -> None:
    assert {one.bound for one in operating_points(sample(weighted=True), points=5)} == {None}
    assert {one.bound for one in operating_points(sample(soft=True), points=5)} == {None}
    assert {one.cost for one in operating_points(sample(mended=False), points=5)} == {None}
    with pytest.raises(Refused, match="raw"):
        operating_points(sample(mended=False), costs=COSTS)
