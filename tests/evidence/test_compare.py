"""Two runs over the same items, held to published figures and to scipy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.evidence import Observation, compare_paired, holm

stats = pytest.importorskip("scipy.stats")


def run(values: list[bool | None], *, per_item: int = 1) -> list[Observation]:
    return [
        Observation(f"i{index // per_item}", value, repeat=index % per_item, missing="error" if value is None else "")
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("model", "fixed", "regressed", "p"),
    [("az_gpt4o", 348, 7, 0.0), ("together_llama31_8b", 87, 130, 0.0042)],
)
def test_the_hardened_prompts_have_their_known_effect(shared_data: Path, model: str, fixed: int, regressed: int, p: float) -> None:
    with (shared_data / "paired-attempts" / "attempts.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model]
    before, after = (
        [Observation(row["attempt"], row["success"] == "1") for row in rows if row["system_message"] == which] for which in ("none", "hardened")
    )
    found = compare_paired(before, after, metric="attack.success_rate", better="lower")
    assert (len(found.fixed), len(found.regressed)) == (fixed, regressed)
    assert found.p_value == pytest.approx(p, abs=5e-5)
    assert found.test == "exact McNemar"
    assert found.n_pairs == 956
    assert found.evidence.estimate == pytest.approx((regressed - fixed) / 956)


def test_a_paired_test_is_sharper_than_an_unpaired_one(shared_data: Path) -> None:
    """Two judge prompts over the same LLMBar pairs: what they share cancels out."""
    right: dict[str, list[Observation]] = {}
    for prompt in ("Vanilla", "CoT"):
        results = json.loads((shared_data / "llmbar" / "Natural" / "evaluators" / "GPT-4" / prompt / "result.json").read_text())
        right[prompt] = [
            Observation(f"pair{index}", entry["results"][-1][order]["winner"] == str(entry["label"]), repeat=repeat)
            for index, entry in enumerate(results)
            for repeat, order in enumerate(("swap = False", "swap = True"))
        ]
    found = compare_paired(right["Vanilla"], right["CoT"], metric="judge.accuracy")
    shares = [np.mean([each.value for each in right[prompt]]) for prompt in ("Vanilla", "CoT")]
    unpaired = float(np.sqrt(sum(share * (1 - share) / 200 for share in shares)))
    assert found.evidence.estimate == pytest.approx(shares[1] - shares[0])
    assert found.evidence.detail["se"] < unpaired
    assert found.n_clusters == 100


def test_clusters_keep_equal_models_from_looking_different() -> None:
    """Two equal models, 15 clusters of 10: without clusters one run in four and more raises a false alarm."""
    generator = np.random.default_rng(5)
    rounds, clustered, pretended = 150, 0, 0
    for _ in range(rounds):
        shift = generator.normal(0, 0.25, size=15)
        rates = np.clip(0.6 + np.stack([np.zeros(15), shift]), 0.02, 0.98)
        drawn = generator.random((2, 15, 10)) < rates[:, :, None]
        sides = [[Observation(f"c{c}-{r}", bool(side[c, r]), cluster=f"c{c}") for c in range(15) for r in range(10)] for side in drawn]
        found = compare_paired(*sides, metric="m")
        clustered += found.p_value is not None and found.p_value < 0.05
        differences = (drawn[1].astype(float) - drawn[0]).ravel()
        pretended += bool(stats.ttest_1samp(differences, 0).pvalue < 0.05)
    assert clustered / rounds < 0.10
    assert pretended / rounds > 0.15


def test_few_clusters_are_permuted_exactly() -> None:
    before, after = run([False] * 5), run([True] * 5)
    doubled = compare_paired(
        [*before, *[Observation(each.item, False, repeat=1) for each in before]],
        [*after, *[Observation(each.item, True, repeat=1) for each in after]],
        metric="m",
    )
    assert "exact sign-flip" in doubled.test
    assert doubled.p_value == pytest.approx(2 / 2**5)


def test_an_item_without_a_partner_is_refused_or_listed() -> None:
    before, after = run([True, False, True, True]), run([True, True, True, False, True])
    with pytest.raises(InputError, match="1 only in the second") as caught:
        compare_paired(before, after, metric="m")
    assert "i4" in str(caught.value.where)
    found = compare_paired(before, after, metric="m", allow_unmatched=True)
    assert found.unmatched_after == (("i4", 0),)
    assert found.n_pairs == 4
    assert found.evidence.detail["unmatched_after"] == 1


def test_clusters_must_agree() -> None:
    with pytest.raises(InputError, match="different clusters"):
        compare_paired([Observation("a", True, cluster="x")], [Observation("a", True, cluster="y")], metric="m")


def test_missing_outcomes_are_counted_and_compared_between_the_sides() -> None:
    before: list[bool | None] = [True] * 40
    after: list[bool | None] = [*([True] * 30), *([None] * 10)]
    found = compare_paired(run(before), run(after), metric="m")
    assert found.n_pairs == 30
    assert found.evidence.detail["missing"] == {"error": 10}
    assert found.missing_p == pytest.approx(stats.fisher_exact([[0, 40], [10, 30]]).pvalue)


def test_runs_that_agree_everywhere_still_have_an_interval() -> None:
    found = compare_paired(run([True] * 30), run([True] * 30), metric="m")
    assert found.evidence.estimate == 0
    assert found.evidence.lower is not None
    assert found.evidence.lower < 0
    assert found.p_value == 1
    assert found.n_needed is None
    assert found.mde is not None
    assert found.mde > 0


def test_scores_are_compared_by_their_paired_mean() -> None:
    generator = np.random.default_rng(2)
    first = generator.normal(3, 1, size=50)
    second = first + generator.normal(0.3, 0.5, size=50)
    sides = [[Observation(f"i{i}", float(value)) for i, value in enumerate(side)] for side in (first, second)]
    found = compare_paired(*sides, metric="rating", scale=None)
    expected = stats.ttest_rel(second, first)
    assert found.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.evidence.lower, found.evidence.upper) == pytest.approx((interval.low, interval.high))


def test_too_little_is_not_assessable() -> None:
    assert compare_paired([], [], metric="m").evidence.status == "not_assessable"
    assert compare_paired(run([True]), run([False]), metric="m").p_value is None


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_other_way_round_is_the_mirror_image(pairs: list[tuple[bool, bool]]) -> None:
    before, after = run([first for first, _ in pairs]), run([second for _, second in pairs])
    there, back = compare_paired(before, after, metric="m"), compare_paired(after, before, metric="m")
    assert there.fixed == back.regressed
    assert there.p_value == pytest.approx(back.p_value)
    assert there.evidence.estimate == pytest.approx(-float(back.evidence.estimate or 0))
    assert there.evidence.lower == pytest.approx(-float(back.evidence.upper or 0))
    assert -1 <= float(there.evidence.lower or 0) <= float(there.evidence.estimate or 0) <= float(there.evidence.upper or 0) <= 1


def test_holm_by_hand() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({}) == {}
    with pytest.raises(InputError, match="not a probability"):
        holm({"a": 1.2})
