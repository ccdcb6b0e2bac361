"""The contract: strict, at file and line, and the same after every way through YAML."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings

from pilotage.core import InputError, NotFound
from pilotage.data.contracts import Contract, dump_contract, load_contract, parse_contract

from .contracts_for_tests import RIDES, contracts, rides


@given(contract=contracts())
@settings(max_examples=60, deadline=None)
def test_yaml_gives_the_same_contract_and_id_again(contract: Contract) -> None:
    again = parse_contract(dump_contract(contract))
    assert again == contract
    assert again.id == contract.id
    assert list(again.columns) == list(contract.columns)
    assert Contract.from_dict(contract.to_dict()) == contract


def test_the_id_tells_every_change_and_the_order_of_columns() -> None:
    contract = rides()
    turned = contract.model_copy(update={"columns": dict(reversed(list(contract.columns.items())))})
    others = [turned, rides(dist={"unit": "mi"}), contract.model_copy(update={"version": 2}), contract.model_copy(update={"owner": "bob"})]
    assert len({contract.id, *(other.id for other in others)}) == 5
    assert contract.id == parse_contract(RIDES, file="other.yaml").id


def test_the_arrow_schema_has_the_columns_in_order() -> None:
    schema = rides().arrow_schema()
    assert schema.names == ["ride", "at", "known", "rider", "dist", "pay", "seats"]
    assert schema.field("at") == pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False)
    assert schema.field("dist") == pa.field("dist", pa.float64())


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ("dist: {type: float, unit: kmm}", "Unknown unit"),
        ("dist: {type: float, unit: km, dimension: mass}", "the unit km is length, not mass"),
        ("dist: {type: float, unit: km, arrives_in: kg}", "kg cannot be converted into km"),
        ("dist: {type: text, unit: km}", "'unit' belongs to numbers"),
        ("dist: {type: float, minimum: 3, maximum: 2}", "'minimum' is above 'maximum'"),
        ('dist: {type: float, minimum: "3"}', "valid"),
        ("dist: {type: float, nullable: yes}", "valid boolean"),
        ("dist: {type: float, maxmum: 3}", "Unknown field 'maxmum'"),
        ("dist: {type: decimal}", "Input should be"),
        ("dist: {type: timestamp, zone: Mars/Base}", "not an IANA time zone"),
        ("dist: {type: float, zone: UTC}", "'zone' belongs to timestamps"),
        ('dist: {type: text, pattern: "("}', "not a regular expression"),
        ('dist: {type: text, pattern: "(?=a)b"}', "look-around"),
        ("dist: {type: text, levels: []}", "'levels' is empty"),
        ("dist: {type: text, levels: [a, a]}", "a level is there twice"),
        ("dist: {type: int, levels: [1, x]}", "must be int"),
        ("dist: {type: text, level_policy: allow}", "needs 'levels'"),
        ("dist: {type: text, levels: [a], level_policy: map}", "needs a 'level_map'"),
        ("dist: {type: text, levels: [a], level_map: {b: c}}", "which is not a level"),
        ("dist: {type: float, renamed_from: [ride]}", "two columns arrive as 'ride'"),
    ],
)
def test_a_column_that_contradicts_itself_is_refused_at_its_line(wrong: str, what: str) -> None:
    text = "\n".join(f"  {wrong}" if row.startswith("  dist:") else row for row in RIDES.splitlines())
    with pytest.raises(InputError) as caught:
        parse_contract(text, file="rides.yaml")
    assert what in str(caught.value)
    assert str(caught.value.where).startswith("rides.yaml:14" if "renamed_from" not in wrong else "rides.yaml:10")


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("key: [ride]", "key: [nope]", "key: there is no column 'nope'"),
        ("key: [ride]", "key: [dist]", "may not be nullable"),
        ("event_time: at", "event_time: ride", "not timestamp"),
        ("event_time: at", "", "needs an 'event_time'"),
        ("available_time: known", "", "say when a row could be known"),
        ("available_time: known", "available_lag: 2 hours", "Not a duration"),
        ("known: {type: timestamp}", "known: {type: timestamp, nullable: true}", "declare an 'available_lag'"),
        ("subject: rider", "subject: nobody", "subject: there is no column"),
        ("version: 1", "version: 0", "greater than or equal to 1"),
        ("version: 1", "version: true", "valid integer"),
        ("name: rides", "name: ri/des", "a name has letters"),
        ("kind: row_count, at_least: 1", "kind: row_count", "has no limit"),
        ("kind: row_count, at_least: 1", "kind: freshness", "'max_age' belongs"),
        ("kind: row_count, at_least: 1", "kind: sum, column: nope, at_least: 1", "there is no column 'nope'"),
        ("kind: row_count, at_least: 1", "kind: expression", "'expression' belongs"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(before: str, after: str, what: str) -> None:
    assert before in RIDES
    with pytest.raises(InputError, match="(?s)" + what.replace("(", r"\(")):
        parse_contract(RIDES.replace(before, after))


def test_a_file_is_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rides.yaml"
    path.write_text(RIDES, encoding="utf-8")
    assert load_contract(path) == rides()
    with pytest.raises(NotFound, match=r"other\.yaml"):
        load_contract(tmp_path / "other.yaml")
