"""Gates as declared: every mistake in the file is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotage.core import InputError
from pilotage.evidence import Gate, Limit, NoWorseThan, Waiver, load_gates_file

GOOD = """\
gates:
  - name: safety
    owner: legal-compliance
    limits:
      - metric: attack.success_rate
        at_most: 0.1
        slice: {severity: high}
        min_n: 30
        max_age_days: 30
      - metric: over_refusal.rate
        no_worse_than: {margin: 0.02, against: previous}
        waiver: {who: ann, why: a known gap, until: 2026-12-31}
  - name: quality
    owner: business
    limits:
      - {metric: quality.accuracy, at_least: 0.8, level: 0.9, max_missing_share: 0.1}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gates.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_gate_file_is_read(tmp_path: Path) -> None:
    safety, quality = load_gates_file(written(tmp_path, GOOD))
    assert (safety.name, safety.owner_role) == ("safety", "legal-compliance")
    assert safety.limits[0] == Limit("attack.success_rate", at_most=0.1, slice={"severity": "high"}, min_n=30, max_age_days=30)
    assert safety.limits[1].no_worse_than == NoWorseThan(0.02, "previous")
    assert safety.limits[1].waiver == Waiver("ann", "a known gap", "2026-12-31")
    assert str(quality.limits[0]) == "quality.accuracy at least 0.8"
    assert [Limit.from_dict(limit.to_dict()) for limit in safety.limits] == list(safety.limits)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("at_most: 0.1", "at_mots: 0.1", 6, "at_mots"),
        ("at_most: 0.1", "at_most: low", 6, "finite number"),
        ("at_most: 0.1", "at_most: .nan", 6, "(?i)nan|finite"),
        ("min_n: 30", "min_n: 0", 8, "at least 1"),
        ("min_n: 30", "at_least: 0.2", 5, "exactly one"),
        ("        at_most: 0.1\n", "", 5, "exactly one"),
        ("slice: {severity: high}", "slice: high", 7, "mapping"),
        ("margin: 0.02", "margin: -1", 11, "at least 0"),
        ("until: 2026-12-31", "until: soon", 12, "not a day"),
        ("who: ann, ", "", 12, "who"),
        ("name: quality", "name: safety", 13, "two gates"),
        ("owner: business", "owner: ''", 14, "text"),
        ("metric: quality.accuracy, ", "", 16, "metric"),
        ("level: 0.9", "level: 95", 16, "at most"),
        ("    owner: business\n", "", 13, "owner"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=what) as caught:
        load_gates_file(written(tmp_path, GOOD.replace(old, new)))
    assert f"gates.yaml:{line}" in str(caught.value.where)


@pytest.mark.parametrize(
    "text", ["", "gates: []", "gates: {}", "gates:\n  - name: a\n    owner: b\n    limits: []\n", "gate: 1", "gates: [\n", "- 1"]
)
def test_a_file_that_asks_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load_gates_file(written(tmp_path, text))


def test_a_gate_or_limit_that_asks_nothing_cannot_be_made() -> None:
    with pytest.raises(InputError):
        Gate("g", "owner", ())
    with pytest.raises(InputError):
        Limit("m")
    with pytest.raises(InputError):
        Limit("m", at_most=1, at_least=0)
    with pytest.raises(InputError):
        Waiver("", "why", "2026-01-01")
