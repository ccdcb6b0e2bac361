"""The request path: request features, transforms and the log."""

from __future__ import annotations

import threading
from typing import Any

import polars as pl
import pytest

from pilotage.core import InputError, Unavailable
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.expression import col, parse_expression
from pilotage.features.online import materialize
from pilotage.features.point_in_time import point_in_time
from pilotage.features.serving import FeatureServer, serve_vector
from pilotage.features.serving_log import ServedVector, ServingLog, entity_digest, in_sample, served
from pilotage.features.transforms import Transform, fit_transforms
from pilotage.ledger import create_workspace

NOON = 1_767_268_800_000_000
MINUTE = 60_000_000
VIEW = FeatureView(
    name="card",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_lag="0s",
    columns={"amount": col("amount"), "country": col("country")},
    aggregates=(Aggregate("mean_1h", "mean", of=col("amount"), window="1h"),),
    request={"ratio": parse_expression("asked / mean_1h"), "far": parse_expression("country != here"), "log_ratio": parse_expression("log1p(ratio)")},
    request_inputs={"asked": "float", "here": "text"},
)
SOURCE = pl.DataFrame(
    {"card": ["a", "a", "b"], "at": [NOON - 9 * MINUTE, NOON - 3 * MINUTE, NOON - MINUTE], "amount": [1.5, 2.25, 7.0], "country": ["DE", "FR", None]}
).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
KINDS = {VIEW.ref: {"card": "text", "at": "timestamp", "amount": "float", "country": "text"}}


@pytest.fixture
def workspace(tmp_path):
    with create_workspace(str(tmp_path / "workspace"), actor="tester") as opened:
        materialize(opened, VIEW, SOURCE.lazy(), as_of_us=NOON)
        yield opened


def vector(entity: str, at: int = 1, **more: Any) -> ServedVector:
    return ServedVector("card@1", "fv_a", entity, at, "ok", 1, 1, {"x": 1.0}, **more)


def test_a_request_gets_the_bits_of_the_batch_path_transforms_and_all(workspace):
    asked = {"asked": 10, "here": "DE"}
    spine = pl.DataFrame({"card": ["a", "b", "nobody"], "at": [NOON] * 3, "asked": [10.0] * 3, "here": ["DE"] * 3}).with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC"))
    )
    batch = point_in_time(spine, SOURCE, VIEW).select(pl.col(name).alias(f"card__{name}") for name in VIEW.features)
    transforms = fit_transforms(batch, [Transform("standardise", "card__amount"), Transform("one_hot", "card__country")])
    found = serve_vector(workspace, [VIEW], [{"card": card} for card in ("a", "b", "nobody")], asked, now_us=NOON, kinds=KINDS, transforms=transforms)
    assert found.features == tuple(batch.columns)
    assert [repr(row) for row in found.rows] == [repr(row) for row in batch.to_dicts()]
    assert [repr(row) for row in found.inputs] == [repr(row) for row in transforms.apply(batch).to_dicts()]
    assert found.to_dict()["entities"][2]["flags"] == {"card@1": "missing"}


def test_the_same_request_has_the_same_answer_in_any_order(workspace):
    server = FeatureServer(workspace, [VIEW], kinds=KINDS)
    asked = {"asked": 3.0, "here": None}
    forth = server.serve([{"card": "a"}, {"card": "b"}], asked, now_us=NOON).rows
    back = server.serve([{"card": "b"}, {"card": "a"}], [asked, asked], now_us=NOON).rows
    assert list(forth) == list(back)[::-1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "'asked' is missing"),
        ({"asked": 1.0}, "'here' is missing"),
        ({"asked": 1.0, "here": "DE", "hear": 1}, "No view takes"),
        ({"asked": "much", "here": "DE"}, "must be a number"),
        ({"asked": True, "here": "DE"}, "must be a number"),
        ({"asked": 1.0, "here": 5}, "must be text"),
        ([{"asked": 1.0, "here": "DE"}], "2 entities came with 1"),
    ],
)
def test_request_values_that_do_not_fit_are_refused(workspace, values, message):
    with pytest.raises(InputError, match=message):
        serve_vector(workspace, [VIEW], [{"card": "a"}, {"card": "b"}], values, now_us=NOON)


def test_what_was_served_is_in_the_log_as_it_was_served(workspace):
    with ServingLog(workspace, rate=1.0) as log:
        row = FeatureServer(workspace, [VIEW], kinds=KINDS, log=log).serve([{"card": "a"}], {"asked": 10, "here": "DE"}, now_us=NOON).rows[0]
    assert (log.counts.offered, log.counts.written, log.counts.dropped, log.counts.waiting) == (1, 1, 0, 0)
    (kept,) = served(workspace, "card@1", from_us=NOON, to_us=NOON + 1).vectors
    assert {f"card__{name}": value for name, value in kept.values.items()} == row
    assert (kept.entity, kept.flag, kept.definition, kept.request_values) == ('["a"]', "ok", VIEW.hash, {"asked": 10, "here": "DE"})
    assert served(workspace, "card@1", from_us=NOON + 1, to_us=NOON + 2).vectors == ()


def test_an_entity_is_in_the_sample_always_or_never_and_samples_are_nested():
    digests = [entity_digest("ws_1", f'["{i}"]') for i in range(4000)]
    tenth, half = ({digest for digest in digests if in_sample(digest, rate)} for rate in (0.1, 0.5))
    assert tenth < half and 300 < len(tenth) < 500
    assert not any(in_sample(digest, 0.0) for digest in digests) and all(in_sample(digest, 1.0) for digest in digests)
    assert entity_digest("ws_2", '["1"]') != entity_digest("ws_1", '["1"]')


def test_a_log_that_cannot_keep_up_drops_counts_and_never_waits(workspace):
    release, started = threading.Event(), threading.Event()

    def hold(_tx: Any) -> None:
        started.set()
        release.wait(30)

    workspace.submit(hold)
    assert started.wait(30)
    with ServingLog(workspace, rate=1.0, capacity=10, group=5) as log:
        taken = [log.offer([vector(f'["{i}"]', at=i)]) for i in range(50)]  # returns while the database stands still
        assert sum(taken) == 10 and log.counts.dropped == 40
        release.set()
        assert log.flush().written == 10
    found = served(workspace, "card@1", from_us=0, to_us=100)
    assert (len(found.vectors), found.dropped) == (10, 40)


def test_a_log_whose_workspace_is_gone_says_so_and_serving_goes_on(tmp_path):
    with create_workspace(str(tmp_path / "gone"), actor="tester") as opened:
        log = ServingLog(opened, rate=1.0)
    assert log.offer([vector('["a"]')]) == 1
    counts = log.close()
    assert (counts.written, counts.dropped) == (0, 1) and "closed" in counts.last_error
    with pytest.raises(Unavailable):
        opened.write(lambda tx: None)


@pytest.mark.parametrize("wrong", [{"rate": 1.5}, {"rate": -0.1}, {"rate": 1.0, "capacity": 0}])
def test_a_log_that_makes_no_sense_is_refused(workspace, wrong):
    with pytest.raises(InputError):
        ServingLog(workspace, **wrong)
