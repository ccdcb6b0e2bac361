"""Transforms learn from what they are given, in any order, and do the same to a frame and to one row."""

from __future__ import annotations

import json
import struct
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.features import FittedTransforms, Transform, fit_transforms

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "x": st.one_of(st.none(), st.floats(-1e6, 1e6)),
            "n": st.one_of(st.none(), st.integers(-9, 9)),
            "s": st.sampled_from([None, "a", "b", "c", ""]),
        }
    ),
    min_size=4,
    max_size=30,
).filter(
    lambda rows: (
        len({row["x"] for row in rows if row["x"] is not None}) > 1
        and len({row["n"] for row in rows if row["n"] is not None}) > 1
        and any(row["s"] for row in rows)
    )
)
SCHEMA = {"x": pl.Float64, "n": pl.Int64, "s": pl.String}
EVERY = [
    Transform("clip", "x", low=0.1, high=0.9),
    Transform("impute", "x", strategy="mean"),
    Transform("frequency", "s"),
    Transform("impute", "n", strategy="most_frequent"),
    Transform("min_max", "n"),
]
LEVELS = [Transform("one_hot", "s", most_levels=2), Transform("ordinal", "n"), Transform("impute", "x", strategy="median")]


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, others=ROWS, steps=st.sampled_from([EVERY, LEVELS, [Transform("standardise", "x"), Transform("standardise", "n")]]))
def test_a_frame_and_its_rows_are_transformed_alike_and_the_order_of_fitting_rows_does_not_matter(
    rows: list[dict[str, Any]], others: list[dict[str, Any]], steps: list[Transform]
) -> None:
    try:
        fitted = fit_transforms(pl.DataFrame(rows, schema=SCHEMA), steps)
    except InputError as error:
        assert "is the same" in error.what  # clipped to one value
        return
    assert fit_transforms(pl.DataFrame(rows[::-1], schema=SCHEMA), steps) == fitted
    fitted = FittedTransforms.from_dict(json.loads(json.dumps(fitted.to_dict())))
    batch = fitted.apply(pl.DataFrame(others, schema=SCHEMA)).to_dicts()
    for row, made in zip(others, batch, strict=True):
        served = fitted.apply_row({name: row[name] for name in SCHEMA})
        assert {name: bits(value) for name, value in served.items()} == {name: bits(value) for name, value in made.items()}
        assert list(served) == list(made)


def test_levels_that_were_not_learned_are_other_and_nulls_stay_nulls() -> None:
    train = pl.DataFrame({"s": ["b", "b", "a", "a", "a", "c"]})
    assert fit_transforms(train, [Transform("ordinal", "s", most_levels=2)]).apply(pl.DataFrame({"s": ["a", "b", "c", None]}))["s"].to_list() == [
        0.0,
        1.0,
        2.0,
        None,
    ]
    assert fit_transforms(train, [Transform("one_hot", "s", most_levels=2)]).apply(pl.DataFrame({"s": ["b", "z", None]})).rows() == [
        (0.0, 1.0),
        (0.0, 0.0),
        (0.0, 0.0),
    ]
    assert fit_transforms(train, [Transform("frequency", "s")]).apply_row({"s": "z"}) == {"s": 0.0}


def test_the_same_numbers_have_the_same_id() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 4.0]})
    assert fit_transforms(frame, [Transform("standardise", "x")]).id == fit_transforms(frame.reverse(), [Transform("standardise", "x")]).id
    assert fit_transforms(frame, [Transform("standardise", "x")]).id != fit_transforms(frame, [Transform("min_max", "x")]).id


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (lambda: Transform("scale", "x"), "Unknown transform"),  # type: ignore[arg-type]
        (lambda: Transform("clip", "x", low=0.9, high=0.1), "two quantiles"),
        (lambda: Transform("impute", "x", strategy="constant"), "needs it"),
        (lambda: fit_transforms(pl.DataFrame({"x": [1.0, 1.0]}), [Transform("standardise", "x")]), "is the same"),
        (lambda: fit_transforms(pl.DataFrame({"x": [None]}, schema={"x": pl.Float64}), [Transform("min_max", "x")]), "is null"),
        (lambda: fit_transforms(pl.DataFrame({"x": ["a"]}), [Transform("standardise", "x")]), "not numbers"),
        (lambda: fit_transforms(pl.DataFrame({"x": [1.5]}), [Transform("one_hot", "x")]), "no levels"),
        (lambda: fit_transforms(pl.DataFrame({"x": ["a"]}), [Transform("impute", "x", strategy="constant", value=1)]), "is int, and the column is text"),  # noqa: E501
        (lambda: fit_transforms(pl.DataFrame({"x": [1.0]}), [Transform("min_max", "y")]), "no column 'y'"),
        (lambda: fit_transforms(pl.DataFrame({"x": ["a"], "x_0": [1]}), [Transform("one_hot", "x")]), "'x_0' that is there already"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(transform: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        transform()
