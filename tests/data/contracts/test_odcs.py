"""ODCS: there and back is the identity, what is unknown is kept, and what is written is valid."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from pilotage.core import InputError
from pilotage.data.contracts import Contract, dump_contract, from_odcs, parse_contract, to_odcs

from .contracts_for_tests import contracts, rides

FOREIGN = """
version: 2.1.0
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
name: Seller payments
status: draft
domain: seller
tenant: Clearing
team:
  name: payments
  members:
    - username: anna
      role: Owner
description:
  purpose: Payments to sellers
  limitations: none from before 2020
servers:
  - server: prod
    type: postgres
    host: db
    port: 5432
    database: pay
    schema: public
price: {priceAmount: 9.95, priceCurrency: USD}
slaProperties:
  - {property: latency, value: 4, unit: d, element: tbl.at}
customProperties:
  - {property: refRuleset, value: gcsc}
schema:
  - name: tbl
    physicalName: tbl_1
    description: one row per payment
    tags: [finance]
    properties:
      - name: id
        logicalType: integer
        physicalType: bigint
        primaryKey: true
        primaryKeyPosition: 1
        classification: restricted
      - name: at
        logicalType: timestamp
        required: true
        logicalTypeOptions: {timezone: false, defaultTimezone: America/New_York, format: yyyy-MM-dd HH:mm:ss}
      - name: amount
        logicalType: number
        required: true
        logicalTypeOptions: {minimum: 0, multipleOf: 0.01}
        customProperties:
          - {property: unit, value: USD}
          - {property: steward, value: bob}
      - name: country
        logicalType: string
        unique: true
        logicalTypeOptions: {maxLength: 2, pattern: "[A-Z]{2}"}
        examples: [DE, US]
        quality:
          - {metric: missingValues, mustBe: 0}
    quality:
      - {name: enough, type: library, metric: rowCount, mustBeGreaterThan: 99}
      - {type: text, description: somebody looks at it on Mondays}
"""


def validator() -> Any:
    """A validator of the standard's own JSON schema."""
    jsonschema = pytest.importorskip("jsonschema")
    package = pytest.importorskip("open_data_contract_standard", reason="the package open-data-contract-standard (3.1) is not installed")
    schema = json.loads(importlib.resources.files(package).joinpath("schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft201909Validator(schema)


@given(contract=contracts())
@settings(max_examples=60, deadline=None)
def test_export_and_import_give_the_same_contract(contract: Contract) -> None:
    again = from_odcs(to_odcs(contract))
    assert again == contract
    assert again.id == contract.id


@given(contract=contracts())
@settings(max_examples=15, deadline=None)
def test_what_is_written_keeps_the_standard(contract: Contract) -> None:
    assert [error.message for error in validator().iter_errors(yaml.safe_load(to_odcs(contract)))] == []


def test_a_foreign_document_is_read() -> None:
    contract = from_odcs(FOREIGN)
    assert (contract.name, contract.version, contract.owner, contract.key) == ("Seller-payments", 2, "payments", ("id",))
    assert contract.description == "Payments to sellers"
    assert contract.columns["amount"].unit == "USD"
    assert contract.columns["amount"].minimum == 0
    assert contract.columns["at"].zone == "America/New_York"
    assert not contract.columns["id"].nullable
    assert contract.columns["country"].pattern == "[A-Z]{2}"
    assert [(check.kind, check.at_least, check.columns) for check in contract.checks] == [("unique", None, ("country",)), ("row_count", 100, ())]


def test_what_a_contract_has_no_word_for_comes_out_again() -> None:
    contract = from_odcs(FOREIGN)
    given, written = yaml.safe_load(FOREIGN), yaml.safe_load(to_odcs(contract))
    for key in ("version", "id", "status", "domain", "tenant", "servers", "price", "slaProperties", "description", "team"):
        assert written[key] == given[key]
    assert {"property": "refRuleset", "value": "gcsc"} in written["customProperties"]
    table = written["schema"][0]
    assert (table["name"], table["physicalName"], table["tags"]) == ("tbl", "tbl_1", ["finance"])
    columns = {each["name"]: each for each in table["properties"]}
    assert columns["id"]["classification"] == "restricted"
    assert columns["id"]["physicalType"] == "bigint"
    assert columns["amount"]["logicalTypeOptions"] == {"minimum": 0, "multipleOf": 0.01}
    assert {"property": "steward", "value": "bob"} in columns["amount"]["customProperties"]
    assert columns["country"]["quality"] == [{"metric": "missingValues", "mustBe": 0}]
    assert {"type": "text", "description": "somebody looks at it on Mondays"} in table["quality"]
    assert from_odcs(to_odcs(contract)) == contract
    assert parse_contract(dump_contract(contract)) == contract


def test_a_new_version_of_an_imported_contract_is_written_with_its_own_number() -> None:
    contract = from_odcs(FOREIGN).model_copy(update={"version": 3})
    assert yaml.safe_load(to_odcs(contract))["version"] == "3"
    assert from_odcs(to_odcs(contract)).version == 3


def test_a_unit_of_another_tool_that_is_none_of_ours_is_kept_and_not_believed() -> None:
    contract = from_odcs(FOREIGN.replace("value: USD}\n          - {property: steward", "value: bananas}\n          - {property: steward"))
    assert contract.columns["amount"].unit is None
    assert "bananas" in to_odcs(contract)


def test_of_several_tables_one_is_named_and_the_others_are_kept() -> None:
    document = yaml.safe_load(FOREIGN)
    document["schema"].insert(0, {"name": "other", "properties": [{"name": "x", "logicalType": "string"}]})
    text = yaml.safe_dump(document)
    with pytest.raises(InputError, match="2 tables"):
        from_odcs(text)
    contract = from_odcs(text, table="tbl")
    assert [table["name"] for table in yaml.safe_load(to_odcs(contract))["schema"]] == ["other", "tbl"]
    assert from_odcs(to_odcs(contract), table="tbl") == contract


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1", "not an ODCS document"),
        ("kind: DataContract\napiVersion: v2.2.2", "is not read"),
        ("kind: DataContract\napiVersion: v3.1.0\nschema: []", "no table with properties"),
        (FOREIGN.replace("minimum: 0,", "minimum: 9, maximum: 1,"), "'minimum' is above 'maximum'"),
        (FOREIGN.replace("  name: payments\n", "").replace("    - username: anna\n      role: Owner", "    - role: Owner"), "who answers"),
    ],
)
def test_what_makes_no_contract_is_refused_with_its_reason(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        from_odcs(text)


def test_units_and_times_are_custom_properties() -> None:
    written = yaml.safe_load(to_odcs(rides(dist={"arrives_in": "mi"})))
    table = written["schema"][0]
    assert {"property": "eventTime", "value": "at"} in table["customProperties"]
    dist = next(each for each in table["properties"] if each["name"] == "dist")
    assert dist["customProperties"] == [
        {"property": "unit", "value": "km"},
        {"property": "dimension", "value": "length"},
        {"property": "arrivesIn", "value": "mi"},
    ]
    assert table["quality"] == [{"name": "enough", "severity": "error", "type": "library", "metric": "rowCount", "mustBeGreaterOrEqualTo": 1}]
