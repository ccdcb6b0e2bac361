"""Models a pipeline can train."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from pilotage.core import InputError, Unavailable
from pilotage.pipelines.learning import Logistic, Program, load, train

FEATURES = ("a", "b", "flag")


def table(rows=600, seed=0, **changes):
    random = np.random.default_rng(seed)
    a, b = random.normal(5, 2, rows), random.normal(0, 100, rows)
    label = (random.random(rows) < 1 / (1 + np.exp(-(a - 5 + b / 100)))).astype(int)
    return pa.table({"a": a, "b": b, "flag": random.random(rows) < 0.5, "label": label} | changes)


def trained(rows, tmp_path, learner=None):
    return train(learner or Logistic(), rows, features=FEATURES, label="label", seed=0, folder=tmp_path)


def test_it_scores_as_scikit_learn_does(tmp_path):
    rows = table()
    scores = load(Logistic(), trained(rows, tmp_path), features=FEATURES, folder=tmp_path).score(rows)
    values = np.column_stack([rows[name].cast(pa.float64()).to_numpy() for name in FEATURES])
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    reference = LogisticRegression(max_iter=2000, tol=1e-8).fit(scaled, rows["label"].to_numpy()).predict_proba(scaled)[:, 1]
    assert np.allclose(scores, reference, atol=1e-9)


def test_the_same_rows_give_the_same_bytes_and_a_row_alone_the_same_score(tmp_path):
    rows = table()
    model = trained(rows, tmp_path)
    assert model == trained(rows, tmp_path)
    scorer = load(Logistic(), model, features=FEATURES, folder=tmp_path)
    together = scorer.score(rows)
    assert [scorer.score(rows.slice(index, 1))[0] for index in range(20)] == together[:20].tolist()


def test_a_constant_column_does_no_harm(tmp_path):
    rows = table(b=np.full(600, 7.0))
    assert np.isfinite(load(Logistic(), trained(rows, tmp_path), features=FEATURES, folder=tmp_path).score(rows)).all()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"a": pa.array([None] + [1.0] * 599)}, "null in 1 rows"),
        ({"a": ["x"] * 600}, "not a number"),
        ({"label": pa.array([None] + [1] * 599)}, "no label"),
        ({"label": [2] * 600}, "neither 0 nor 1"),
        ({"label": [1] * 600}, "nothing to learn"),
    ],
)
def test_rows_it_cannot_learn_from_are_refused(tmp_path, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        trained(table(**changes), tmp_path)


def test_bytes_of_other_features_are_refused(tmp_path):
    with pytest.raises(InputError, match="no logistic regression over these features"):
        load(Logistic(), trained(table(), tmp_path), features=("a", "b"), folder=tmp_path)


TRAINER = "import os, pyarrow.parquet as pq; open(os.environ['PILOTAGE_MODEL'], 'w').write(str(pq.read_table(os.environ['PILOTAGE_ROWS']).num_rows))"
SCORER = (
    "import os, pyarrow as pa, pyarrow.parquet as pq; n = pq.read_table(os.environ['PILOTAGE_ROWS']).num_rows;"
    "pq.write_table(pa.table({'score': [1 / int(open(os.environ['PILOTAGE_MODEL']).read())] * n}), os.environ['PILOTAGE_SCORES'])"
)


def program(train_code=TRAINER, score_code=SCORER, **more):
    return Program(kind="program", train=(sys.executable, "-c", train_code), score=(sys.executable, "-c", score_code), **more)


def test_a_program_of_ones_own_trains_and_scores(tmp_path):
    rows = table()
    model = trained(rows, tmp_path, program())
    assert model == b"600"
    assert load(program(), model, features=FEATURES, folder=tmp_path).score(rows.slice(0, 3)).tolist() == [1 / 600] * 3


def test_a_program_sees_of_the_environment_only_what_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    teller = "import os; open(os.environ['PILOTAGE_MODEL'], 'w').write(' '.join(sorted(os.environ)))"
    assert b"WAREHOUSE_PASSWORD" not in trained(table(), tmp_path, program(teller))
    seen = trained(table(), tmp_path, program(teller, environment=("CUDA_VISIBLE_DEVICES",)))
    assert b"CUDA_VISIBLE_DEVICES" in seen and b"WAREHOUSE_PASSWORD" not in seen


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (program("import sys; sys.exit('no memory')"), "no memory"),
        (program("pass"), "wrote no model"),
        (program("import time; time.sleep(60)", timeout_s=0.2), "longer than 0.2 s"),
        (Program(kind="program", train=("/does/not/exist",), score=("x",)), "cannot be run"),
    ],
)
def test_a_program_that_fails_says_how(tmp_path, broken, complaint):
    with pytest.raises(Unavailable, match=complaint):
        trained(table(), tmp_path, broken)


def test_scores_that_are_none_are_refused(tmp_path):
    bad = SCORER.replace("1 / int", "2 * int")
    with pytest.raises(InputError, match="outside 0 to 1"):
        load(program(score_code=bad), b"600", features=FEATURES, folder=tmp_path).score(table())
    with pytest.raises(InputError, match="gave 601 rows"):
        load(program(score_code=SCORER.replace("] * n", "] * (n + 1)")), b"600", features=FEATURES, folder=tmp_path).score(table())
