"""The verdict, and every reason for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds import sample

from pilotage.core import InputError, IntegrityError, Refused, canonical_json
from pilotage.judging.calibration import (
    CalibrationReport,
    Costs,
    Limits,
    ReviewerError,
    Sample,
    Verdict,
    calibration_report,
    read_sample,
    recalibrate,
)

COSTS = Costs(error=2_000, review=150, reviewer=ReviewerError(6, 120))
MENDING = recalibrate(sample(3_000, prefix="fit", seed=9))


@pytest.fixture(scope="module")
def routable() -> CalibrationReport:
    return calibration_report(sample(2_500), recalibrator=MENDING, costs=COSTS, limits=Limits(mandatory=("language",)))


def held(report: CalibrationReport) -> dict[str, bool]:
    return {each.code: each.holds for each in report.checks}


def test_routable_only_with_everything_shown(routable: CalibrationReport) -> None:
    assert routable.verdict is Verdict.ROUTABLE
    assert all(held(routable).values())
    assert set(held(routable)) == {"recalibrated", "calibrated", "threshold", "pays", "slice:language=de", "slice:language=en"}
    assert routable.threshold.certified
    assert routable.price_of_guarantee > 0
    assert routable.costs is not None
    assert routable.operating is not None
    assert routable.operating >= (routable.threshold.value or 1)
    assert [each.more for each in routable.more_labels] == [100, 500, 2_000]


def test_a_raw_confidence_that_could_be_mended_is_to_be_recalibrated() -> None:
    found = calibration_report(sample(2_500), costs=COSTS)
    assert found.verdict is Verdict.RECALIBRATE
    assert not held(found)["recalibrated"]
    assert found.candidates
    assert found.costs is None


def test_a_raw_confidence_is_not_routable_even_where_it_is_right() -> None:
    assert calibration_report(sample(2_500, power=1.0), costs=COSTS).verdict is Verdict.RECALIBRATE


def test_without_costs_it_is_not_shown_to_pay() -> None:
    found = calibration_report(sample(2_000), recalibrator=MENDING)
    assert found.verdict is not Verdict.ROUTABLE
    assert not held(found)["pays"]


def test_a_confidence_that_says_nothing_is_for_people_only() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(4, 1, 1_500)
    noise = Sample.of(p, rng.random(1_500) < 0.8, model="m-1", labelled_by="people", ids=[f"n{i}" for i in range(1_500)])
    found = calibration_report(noise, recalibrator=MENDING, costs=COSTS)
    assert found.verdict is Verdict.HUMAN_ONLY
    assert not held(found)["threshold"]


def test_a_mandatory_slice_that_fails_or_is_missing_keeps_it_from_being_routable() -> None:
    found = calibration_report(sample(2_500), recalibrator=MENDING, costs=COSTS, limits=Limits(mandatory=("language=fr",)))
    assert found.verdict is Verdict.HUMAN_ONLY
    assert found.unmeasured == ("language=fr",)
    rng = np.random.default_rng(1)
    p = rng.beta(4, 0.4, 3_000)
    group = rng.choice(["a", "b"], 3_000, p=[0.9, 0.1])
    y = rng.random(3_000) < np.where(group == "b", p**8, p**1.5)
    one = Sample.of(p, y, model="m-1", labelled_by="people", ids=[f"s{i}" for i in range(3_000)], slices={"group": group})
    lying = calibration_report(one, recalibrator=MENDING, costs=COSTS, limits=Limits(mandatory=("group",)))
    assert not held(lying)["slice:group=b"]
    assert held(lying)["slice:group=a"]
    assert lying.verdict is not Verdict.ROUTABLE
    assert not lying.threshold_for({"group": "b"}).certified
    assert lying.threshold_for({"group": "a"}) == lying.threshold
    assert lying.threshold.certified


def test_thresholds_by_slice_and_none_for_a_slice_never_seen() -> None:
    found = calibration_report(sample(4_000), recalibrator=MENDING, costs=COSTS, limits=Limits(by="language"))
    german = found.threshold_for({"language": "de"})
    assert german.slice == "language=de"
    assert german.alpha <= 0.05 / 4 + 1e-12
    assert not found.threshold_for({"language": "fr"}).certified
    assert not found.threshold_for({}).certified


def test_json_and_back_is_the_same_report(routable: CalibrationReport) -> None:
    back = CalibrationReport.from_dict(json.loads(canonical_json(routable.to_dict())))
    assert back == routable
    assert back.hash == routable.hash


def test_a_changed_report_is_found_out(routable: CalibrationReport) -> None:
    for changed in ({"verdict": "routable", "n": 9_999}, {"hash": "x"}):
        with pytest.raises(IntegrityError):
            CalibrationReport.from_dict({**routable.to_dict(), **changed})
    with pytest.raises(InputError):
        CalibrationReport.from_dict({"verdict": "splendid"})


def test_the_same_seed_is_the_same_report(routable: CalibrationReport) -> None:
    again = calibration_report(sample(2_500), recalibrator=MENDING, costs=COSTS, limits=Limits(mandatory=("language",)))
    assert again.hash == routable.hash


def test_too_few_or_used_items_give_no_report() -> None:
    with pytest.raises(Refused, match="499"):
        calibration_report(sample(499))
    with pytest.raises(Refused, match="already used"):
        calibration_report(sample(600, prefix="fit"), recalibrator=MENDING)


def test_a_weighted_and_a_soft_sample_are_reported_by_bounds_that_hold_for_them() -> None:
    rng = np.random.default_rng(2)
    inclusion = rng.choice([0.1, 0.5], 1_200)
    weighted = calibration_report(sample(1_200, inclusion=inclusion), recalibrator=MENDING, costs=COSTS)
    assert "betting" in weighted.threshold.method
    assert weighted.effective_n < 1_200
    p = rng.beta(4, 0.5, 800)
    soft = Sample.of(p, rng.binomial(5, p) / 5, model="m-1", labelled_by="people", ids=[f"v{i}" for i in range(800)])
    found = calibration_report(soft, recalibrator=MENDING, costs=COSTS)
    assert found.reliability.p is None
    assert found.dist_ce is not None
    assert "betting" in found.threshold.method


def test_limits_that_are_none_are_refused() -> None:
    for bad in ({"risk": 0.0}, {"delta": 1.0}, {"useful_coverage": 1.5}):
        with pytest.raises(InputError):
            Limits(**bad)


def test_a_report_reads_as_sentences(routable: CalibrationReport) -> None:
    text = str(routable)
    assert text.startswith("m-1: ROUTABLE (n = 2500, ")
    assert "wrong of" in text
    assert "<pre>" in routable._repr_html_()
    assert "&lt;b&gt;" in replace(routable, model="<b>")._repr_html_()


def test_a_file_is_read_and_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "labelled.csv"
    file.write_text("id,confidence,correct,inclusion,labelled_by,language\na,0.9,right,0.5,ann,de\nb,0.2,0,0.5,bob,en\n")
    found = read_sample(file, model="m", slices=["language"])
    assert found.correct.tolist() == [1, 0]
    assert found.labelled_by == ("ann", "bob")
    assert found.slices["language"].tolist() == ["de", "en"]
    file.write_text("confidence,correct\n0.9,1\nhigh,0\n")
    with pytest.raises(InputError) as refused:
        read_sample(file, model="m", labelled_by=["people"])
    assert refused.value.where == f"{file}:3 field 'confidence'"
    with pytest.raises(InputError, match="no column 'region'"):
        read_sample(file, model="m", slices=["region"])
    file.write_text("confidence,correct,language\n0.9,1,\n")
    with pytest.raises(InputError, match="missing"):
        read_sample(file, model="m", labelled_by=["people"], slices=["language"])


def test_parquet_is_read_alike_and_columns_may_have_other_names(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    file = tmp_path / "labelled.parquet"
    parquet.write_table(pa.table({"p": [0.9, 0.2], "ok": [True, False], "name": ["a", "b"], "language": ["de", "en"]}), file)
    found = read_sample(file, model="m", labelled_by=["people"], slices=["language"], columns={"confidence": "p", "correct": "ok", "id": "name"})
    assert (found.confidence.tolist(), found.correct.tolist(), found.ids) == ([0.9, 0.2], [1, 0], ("a", "b"))
    with pytest.raises(InputError, match="no column 'weight'"):
        read_sample(file, model="m", labelled_by=["people"], columns={"confidence": "p", "correct": "ok", "inclusion": "weight"})
    parquet.write_table(pa.table({"confidence": [0.9, None], "correct": [1, 0]}), file)
    with pytest.raises(InputError) as refused:
        read_sample(file, model="m", labelled_by=["people"])
    assert refused.value.where == f"{file} row 2 field 'confidence'"
    file.write_bytes(b"not parquet")
    with pytest.raises(InputError, match="no Parquet"):
        read_sample(file, model="m", labelled_by=["people"])
